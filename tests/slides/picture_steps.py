"""Pictures that are read in parts, beside the same read as a whole."""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from tiff_steps import gray, on_white, opacity, picture, whole

from viewer.slides.opening_here import open_here

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from viewer.slides import RgbImage

READERS = "viewer.slides.readers"
SRGB, GRAY = 16, 17
JP2_ORDERS = {
    "bgr": [(0, 0, 3), (1, 0, 2), (2, 0, 1)],
    "rgba": [(0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0)],
    "argb": [(0, 1, 0), (1, 0, 1), (2, 0, 2), (3, 0, 3)],
    "rgbA": [(0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 2, 0)],  # premultiplied
    "rgbx": [(0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 65535, 65535)],
    "ra": [(0, 0, 1), (1, 1, 0)],
    "ar": [(0, 1, 0), (1, 0, 1)],
}
"""Channels of a JPEG 2000 by their letters, with number, kind and color of each; A is opacity by
which colors are multiplied."""


def assert_as_in_memory(
    path: Path, way: str, monkeypatch: pytest.MonkeyPatch, *, are_notes_alike: bool = True
) -> RgbImage:
    """Check that a picture shows the same in parts as in memory, to the last bit; return that."""
    with monkeypatch.context() as patched:
        patched.setattr(f"{READERS}.image.size.MOST_BYTES", 1 << 30)
        with closing(open_here(path)) as source:
            assert "in memory" in source.info.reader
            expected, info = whole(source), source.info
    with closing(open_here(path)) as source:
        assert way in source.info.reader
        np.testing.assert_array_equal(whole(source), expected)
        assert source.info.display_range == info.display_range
        assert not are_notes_alike or source.info.notes == info.notes
    return expected


def jp2_of(path: Path, samples: np.ndarray, color_space: int, *boxes: bytes, bits: int = 8) -> Path:
    """Write a JP2 whose header has these boxes besides those that all have."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", len(body) + 8, kind) + body

    code = imagecodecs.jpeg2k_encode(
        samples, level=0, codecformat="j2k", reversible=True, mct=False, bitspersample=bits
    )
    count = 1 if samples.ndim == 2 else samples.shape[2]
    size = struct.pack(">IIHBBBB", *samples.shape[:2], count, bits - 1, 7, 0, 0)
    header = box(b"ihdr", size) + box(b"colr", struct.pack(">BBBI", 1, 0, 0, color_space))
    header += b"".join(box(each[:4], each[4:]) for each in boxes)
    path.write_bytes(
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", header)
        + box(b"jp2c", bytes(code))
    )
    return path


def write_ordered_jp2(path: Path, order: str) -> tuple[Path, RgbImage]:
    """Write a JP2 with channels of `JP2_ORDERS`; return what it shows, too."""
    red, green, blue = np.moveaxis(picture(), 2, 0)
    alpha = opacity()[..., 0]
    by_letter = {"r": red, "g": green, "b": blue, "a": alpha, "x": alpha, "A": alpha}
    if "A" in order:
        share = alpha / 255
        by_letter |= {name: np.rint(by_letter[name] * share).astype(np.uint8) for name in "rgb"}
    samples = np.stack([by_letter[letter] for letter in order], axis=2)
    kinds = JP2_ORDERS[order]
    definition = struct.pack(">H", len(kinds)) + b"".join(struct.pack(">HHH", *k) for k in kinds)
    jp2_of(path, samples, SRGB if "g" in order else GRAY, b"cdef" + definition)
    color = picture() if "g" in order else gray(red)
    return path, on_white(color, opacity()) if "a" in order.lower() else color
