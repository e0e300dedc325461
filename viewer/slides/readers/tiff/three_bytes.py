"""Samples of 24 bits, which no type of numpy holds: integers and floats of three bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from tifffile import PREDICTOR

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffPage

_BYTES, _MOST = 3, 0xFFFFFF


def is_three_bytes(page: TiffPage) -> bool:
    """Return whether the samples of a page are integers or floats of three bytes."""
    return page.bitspersample == 8 * _BYTES and page.dtype is not None and page.dtype.kind in "uf"


def three_byte_samples(
    page: TiffPage, data: bytes, shape: tuple[int, int, int]
) -> NDArray[np.uint32] | NDArray[np.float32]:
    """Return uncompressed samples of a page, uint32 or float32 (rows, columns, samples).

    Raises
    ------
    ValueError
        The data is too short.
    """
    assert page.dtype is not None
    rows, columns, samples = shape
    octets = np.frombuffer(data, np.uint8, rows * columns * samples * _BYTES)
    is_big = page.parent.byteorder == ">"
    if page.predictor == PREDICTOR.FLOATINGPOINT:
        # Bytes of a row lie in planes, the highest first, each less the one before.
        whole = np.cumsum(octets.reshape(rows, -1, samples), axis=1, dtype=np.uint8)
        octets = np.moveaxis(whole.reshape(rows, _BYTES, -1), 1, 2).ravel()
        is_big = True
    if page.dtype.kind == "f":
        floats: NDArray[np.float32] = imagecodecs.float24_decode(
            octets.tobytes(), byteorder=">" if is_big else "<"
        )
        return floats.reshape(shape)
    parts = octets.reshape(*shape, _BYTES).astype(np.uint32)
    high, middle, low = (parts[..., index] for index in ((0, 1, 2) if is_big else (2, 1, 0)))
    values = high << 16 | middle << 8 | low
    if page.predictor == PREDICTOR.HORIZONTAL:
        values = np.cumsum(values, axis=1, dtype=np.uint32)
    return (values & _MOST).astype(np.uint32, copy=False)
