"""The chain of a TIFF's directories: those that hold images, masks, and where it breaks off."""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from viewer.limits import TIFF_DIRECTORIES
from viewer.slides.readers.tiff.masks import is_mask

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_log = logging.getLogger(__name__)

_MOST_READ_AT_ONCE = 64
"""Directories; of more, those that OME-XML places are read when they are looked at."""

_MANY = TIFF_DIRECTORIES.sentence("this file")


class PagesLater(Sequence["TiffPage | None"]):
    """A long chain of directories, each of which is read when it is asked for."""

    def __init__(self, tiff: TiffFile, count: int) -> None:
        self._tiff = tiff
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> TiffPage | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TiffPage | None]: ...
    def __getitem__(self, index: int | slice) -> TiffPage | Sequence[TiffPage | None] | None:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        try:
            with self._tiff.filehandle.lock:
                page = self._tiff.pages[index].aspage()
        except Exception as error:  # as in `read_chain`
            _log.info("directory %d cannot be read (%r)", index, error)
            return None
        return page if is_image(page) else None


def read_chain(tiff: TiffFile) -> tuple[Sequence[TiffPage | None], list[TiffPage], str]:
    """Return the chain of directories, None for those without an image, masks, and what is lost."""
    pages: list[TiffPage | None] = []
    masks: list[TiffPage] = []
    damage = ""
    last: TiffPage | None = None
    offsets: set[int] = set()
    tiff.pages.useframes = False
    if tiff.is_ome and (count := chain_length(tiff)) > _MOST_READ_AT_ONCE:
        later = PagesLater(tiff, min(count, TIFF_DIRECTORIES.most))
        is_whole = len(later) == count
        return later, masks, _cut_off(tiff, count, later[count - 1]) if is_whole else _MANY
    while True:
        try:
            page = tiff.pages[len(pages)]
        except IndexError:
            damage = _cut_off(tiff, len(pages), last)
            break
        except Exception as error:  # a damaged directory can make the parser fail in any way
            _log.info("directory %d cannot be read (%r)", len(pages), error)
            damage = f"Directory {len(pages)} and those after it are damaged and left out."
            break
        whole = last = page.aspage()
        if whole.offset in offsets:
            damage = f"Directory {len(pages)} leads back to one before; those after are left out."
            break
        if len(pages) == TIFF_DIRECTORIES.most:
            damage = _MANY
            break
        offsets.add(whole.offset)
        pages.append(whole if is_image(whole) else None)
        if is_mask(whole) and whole.imagewidth > 0 and whole.imagelength > 0:
            masks.append(whole)
    return pages, masks, damage


def _cut_off(tiff: TiffFile, count: int, last: TiffPage | None) -> str:
    """Return a sentence where the chain of directories leads beyond the end of the file."""
    if last is None:
        return ""
    form, file = tiff.tiff, tiff.filehandle
    try:
        with file.lock:
            file.seek(last.offset)
            (tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
            file.seek(last.offset + form.tagnosize + tags * form.tagsize)
            (following,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    except struct.error:
        following = file.size
    if following < file.size:
        return ""
    return f"The file is cut short: directory {count} and those after it are missing."


def chain_length(tiff: TiffFile) -> int:
    """Return how many directories a chain has; 0 for a damaged one."""
    try:
        return len(tiff.pages)
    except Exception as error:  # as in `read_chain`, which then tells how far it goes
        _log.info("the chain of directories is damaged (%r)", error)
        return 0


def is_image(page: TiffPage) -> bool:
    """Return whether a directory holds an image that can be read, and no mask."""
    return (
        page.imagewidth > 0
        and page.imagelength > 0
        and len(page.dataoffsets) > 0
        and not is_mask(page)
    )
