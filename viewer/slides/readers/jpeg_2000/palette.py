"""The palette of a JPEG 2000, and which of its columns the channels of a picture are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_ENTRIES, _MOST_COLUMNS = 1024, 4
"""The standard's most, and what is shown: colors with opacity."""
_MOST_BITS = 16
_HEAD_BYTES = 3
_BY_PALETTE = 1
"""Of the box "cmap": a component is not a color itself, but counts entries."""
_MAP_BYTES = 4
MOST_ENTRIES_BYTES = _HEAD_BYTES + _MOST_COLUMNS * (1 + 2 * _MOST_ENTRIES)
MOST_PLACES_BYTES = _MAP_BYTES * _MOST_COLUMNS + 1
"""Of either box; the last byte of a longer one says that it is no such palette."""


class StoredPalette(msgspec.Struct, frozen=True):
    """A palette as the file has it: the boxes "pclr", of its entries, and "cmap", of their use."""

    entries: bytes
    places: bytes

    @property
    def columns(self) -> int:
        return (self.entries[2:_HEAD_BYTES] or b"\0")[0]

    @property
    def bits(self) -> int:
        """Return the bits of a sample of an entry, of its first column."""
        return ((self.entries[_HEAD_BYTES : _HEAD_BYTES + 1] or b"\0")[0] & 0x7F) + 1

    def usable(self, components: int) -> Palette | None:
        """Return the palette by which all channels are colored; None of others.

        Parameters
        ----------
        components
            How many the code has.
        """
        entries, columns = int.from_bytes(self.entries[:2], "big"), self.columns
        codes = {*self.entries[_HEAD_BYTES : _HEAD_BYTES + columns]}
        is_read = 0 < entries <= _MOST_ENTRIES and 0 < columns <= _MOST_COLUMNS and len(codes) == 1
        if not is_read or max(codes) & 0x80 or self.bits > _MOST_BITS:
            return None
        wide = np.dtype(np.uint8 if self.bits <= 8 else ">u2")
        size_bytes = entries * columns * wide.itemsize
        data = self.entries[_HEAD_BYTES + columns :][:size_bytes]
        if len(data) < size_bytes or len(self.places) != _MAP_BYTES * columns:
            return None
        table = np.frombuffer(data, wide).reshape(entries, columns).astype(wide.newbyteorder("="))
        channels: list[tuple[int, int]] = []
        for at in range(0, len(self.places), _MAP_BYTES):
            component = int.from_bytes(self.places[at : at + 2], "big")
            how, column = self.places[at + 2 : at + _MAP_BYTES]
            if how != _BY_PALETTE or component >= components or column >= columns:
                return None
            channels.append((component, column))
        return Palette(table, tuple(channels), self.bits)


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
