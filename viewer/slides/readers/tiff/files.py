"""The file of a TIFF that is open, and those beside it that hold planes of the same images."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tifffile import TiffFile

from viewer.slides.files.ome_sets import (
    DESCRIPTION_SUFFIXES,
    MOST_FILES,
    description_of,
    file_beside,
    is_beside,
)
from viewer.slides.readers.shared_file import shared_file
from viewer.slides.readers.tiff.directories import PagesLater, chain_length
from viewer.slides.remote.ranged import ranges_of

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from tifffile import TiffPage

    from viewer.slides.readers.shared_file import AnyFile

_log = logging.getLogger(__name__)


class TiffFiles:
    """Gives the file that holds a page; those beside the open one are opened when they are named.

    Attributes
    ----------
    main
        The file that is open.

    Parameters
    ----------
    opened
        Closes them all.
    """

    def __init__(self, path: Path, opened: ExitStack) -> None:
        self.main: AnyFile = shared_file(path)
        self._path = path
        self._opened = opened
        self._pages: dict[str, PagesLater] = {}
        self._files: dict[TiffFile, AnyFile] = {}

    @property
    def name(self) -> str:
        """Return the name of the file that is open."""
        return self._path.name

    def of(self, page: TiffPage) -> AnyFile:
        """Return the file that holds a page."""
        return self._files.get(page.parent, self.main)

    def directories_in(self, name: str) -> int:
        """Return how many directories a file beside this one has; 0 where it cannot be read."""
        if name not in self._pages and not self._refusal(name) and self._is_there(name):
            self._open(name)
        return len(self._pages.get(name, ()))

    def page(self, name: str, index: int) -> TiffPage | None:
        """Return a directory of a file beside this one; None where it holds no image."""
        pages = self._pages[name]
        return pages[index] if index < len(pages) else None

    def description_in(self, name: str) -> str | None:
        """Return the XML in a file beside this one; None where it cannot be read."""
        if ranges_of(self._path) is not None or not is_beside(name, DESCRIPTION_SUFFIXES):
            return None
        try:
            return description_of(file_beside(self._path, name)).decode("utf-8", "replace")
        except OSError as error:
            _log.info("%s cannot be read (%s)", name, error)
            return None

    def why_not(self, name: str) -> str:
        """Return why a file is not read: the rest of a sentence that began with its name."""
        if refusal := self._refusal(name):
            return refusal
        if not self._is_there(name):
            return "is missing: copy it to the same folder"
        return "cannot be read: copy it again from where it came"

    def _refusal(self, name: str) -> str:
        if ranges_of(self._path) is not None:
            return "is not read from a server: download all its files into one folder"
        if not is_beside(name):
            return "is not read: it is no TIFF in the same folder"
        if len(self._pages) >= MOST_FILES and name not in self._pages:
            return f"is not read: of one image these are max. {MOST_FILES} files"
        return ""

    def _is_there(self, name: str) -> bool:
        return file_beside(self._path, name).is_file()

    def _open(self, name: str) -> None:
        path = file_beside(self._path, name)
        try:
            file = shared_file(path)
            tiff = self._opened.enter_context(TiffFile(path))
        except Exception as error:  # a damaged file can make the parser fail in any way
            _log.info("%s cannot be read (%r)", path, error)
            return
        tiff.filehandle.set_lock(True)
        tiff.pages.useframes = False
        self._pages[name] = PagesLater(tiff, chain_length(tiff))
        self._files[tiff] = file
