"""The palette of a JPEG 2000, and which of its columns the channels of a picture are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from viewer.limits import open_regular
from viewer.slides.readers.jpeg_2000 import header_boxes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MOST_ENTRIES, _MOST_COLUMNS = 1024, 4
"""The standard's most, and what is shown: colors with opacity."""
_MOST_BITS = 16
_BY_PALETTE = 1
"""Of the box "cmap": a component is not a color itself, but counts entries."""
_MAP_BYTES = 4


class Palette(NamedTuple):
    """A table of colors, and how components of the code are looked up in it.

    Attributes
    ----------
    table
        The entries, (entries, columns).
    channels
        The component and the column of each channel.
    bits
        Of a sample of an entry.
    """

    table: NDArray[Any]
    channels: tuple[tuple[int, int], ...]
    bits: int

    def colors(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return channels (height, width, channels) for components; the last entry for more."""
        last = len(self.table) - 1
        return np.stack(
            [
                self.table[np.minimum(samples[..., component], last), column]
                for component, column in self.channels
            ],
            axis=2,
        )


def jpeg_2000_palette(path: Path, components: int) -> Palette | None:
    """Return the palette of a JP2 by which all its channels are colored; None of others.

    Parameters
    ----------
    components
        How many the code has.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    palette, places = b"", b""
    with open_regular(path) as file:
        for kind, size_bytes in header_boxes(file):
            if kind == b"pclr":
                palette = file.read(min(size_bytes, 3 + _MOST_COLUMNS * (1 + 2 * _MOST_ENTRIES)))
            elif kind == b"cmap":
                places = file.read(min(size_bytes, _MAP_BYTES * _MOST_COLUMNS + 1))
    entries, columns = int.from_bytes(palette[:2], "big"), (palette[2:3] or b"\0")[0]
    codes = {*palette[3 : 3 + columns]}
    bits = (next(iter(codes), 0) & 0x7F) + 1
    is_read = 0 < entries <= _MOST_ENTRIES and 0 < columns <= _MOST_COLUMNS and len(codes) == 1
    if not is_read or max(codes) & 0x80 or bits > _MOST_BITS:
        return None
    wide = np.dtype(np.uint8 if bits <= 8 else ">u2")
    data = palette[3 + columns :][: entries * columns * wide.itemsize]
    if len(data) < entries * columns * wide.itemsize or len(places) != _MAP_BYTES * columns:
        return None
    table = np.frombuffer(data, wide).reshape(entries, columns).astype(wide.newbyteorder("="))
    channels: list[tuple[int, int]] = []
    for at in range(0, len(places), _MAP_BYTES):
        component, (how, column) = (
            int.from_bytes(places[at : at + 2], "big"),
            places[at + 2 : at + 4],
        )
        if how != _BY_PALETTE or component >= components or column >= columns:
            return None
        channels.append((component, column))
    return Palette(table, tuple(channels), bits)
