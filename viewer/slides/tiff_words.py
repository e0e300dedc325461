"""How a TIFF begins, and how its directories are laid out: for all that reads them itself."""

from __future__ import annotations

from typing import NamedTuple

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of TIFF and BigTIFF, in either byte order."""
ITEM_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8,
    18: 8,
}  # fmt: skip
"""Bytes of a value by its type."""
LONG_NDPI_BYTES = 1 << 32
"""Of Hamamatsu's NDPI, from which on it is laid out in its own way."""


class TiffWords(NamedTuple):
    """The words of a directory, as formats of `struct` in the byte order of the file.

    Attributes
    ----------
    order
        The byte order, "<" or ">".
    entry_count
        How many entries a directory has, with which it begins.
    entry
        Code, type and number of values of an entry; behind it stands a `word`.
    entry_bytes
        Of an entry as a whole.
    word
        The values of a tag where they have room here, else their place.
    next
        The place of the next directory, at the end of one.
    first_at
        Where in the file the place of the first directory stands, in the format of `next`.
    is_long
        Whether behind `next` stands for each entry the upper half of where its values are.
    """

    order: str
    entry_count: str
    entry: str
    entry_bytes: int
    word: str
    next: str
    first_at: int
    is_long: bool


def tiff_words(head: bytes, *, is_long_ndpi: bool = False) -> TiffWords | None:
    """Return the words of a TIFF that begins with `head`; None where no TIFF does.

    Parameters
    ----------
    is_long_ndpi
        Whether 8 bytes tell where the next directory is, though the file says that it is a classic
        TIFF.
    """
    if head[:4] not in TIFF_MAGIC:
        return None
    order = "<" if head.startswith(b"II") else ">"
    if head[2:4] in (b"+\0", b"\0+"):
        return TiffWords(order, f"{order}Q", f"{order}HHQ", 20, f"{order}Q", f"{order}Q", 8, False)
    following = f"{order}{'Q' if is_long_ndpi else 'I'}"
    return TiffWords(order, f"{order}H", f"{order}HHI", 12, f"{order}I", following, 4, is_long_ndpi)
