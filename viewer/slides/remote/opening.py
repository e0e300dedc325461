"""Opens a slide on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from viewer.egress import is_local
from viewer.slides.errors import (
    SlideAccessError,
    SlideError,
    SlideNotFoundError,
    UnsupportedSlideError,
)
from viewer.slides.guarded_source import GuardedSource
from viewer.slides.reader_process.source import open_isolated
from viewer.slides.remote.address import (
    address_problem,
    full_address,
    is_dicom_address,
    is_zarr_address,
)
from viewer.slides.remote.client import RemoteFile, RemoteSlide, open_file, open_folder
from viewer.slides.remote.errors import size_text
from viewer.slides.source import with_note
from viewer.slides.tiff_words import TIFF_MAGIC

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.slides.remote.address import RemotePath
    from viewer.slides.source import SlideSource

_MOST_OVERVIEW_PX = 1 << 26


def open_remote(path: RemotePath, image: int | None) -> GuardedSource:
    """Open a slide at an address, in a process of its own that asks for its bytes.

    Raises
    ------
    SlideError
        It cannot be opened; `str()` of the error is one sentence for the user.
    """
    if problem := address_problem(full_address(path)):
        raise SlideNotFoundError(path, problem)
    if is_zarr_address(path) or is_dicom_address(path):
        return _open_folder(path, image)
    file = open_file(path)
    if file.bytes.read(0, 4) not in TIFF_MAGIC:
        raise UnsupportedSlideError(
            path,
            f"{path.name} is no tiled TIFF, and nothing else can be read by ranges: download "
            f"{size_text(file.size_bytes)} and open the copy.",
        )
    try:
        source = open_isolated(path, image, remote=file)
    except SlideError as error:
        file.check()
        if file.problem:
            raise SlideAccessError(path, file.problem) from error
        raise
    return _guarded(path, file, source)


def _open_folder(path: RemotePath, image: int | None) -> GuardedSource:
    folder = open_folder(path)
    try:
        source: SlideSource = open_isolated(path, image, remote=folder)
    except SlideError as error:
        if folder.problem:
            raise SlideAccessError(path, folder.problem) from error
        raise
    if warning := _warning(path):
        source = with_note(source, warning)
    return GuardedSource(source, _Version(path.with_folder(folder), folder))


def _guarded(path: RemotePath, file: RemoteFile, source: SlideSource) -> GuardedSource:
    _check_overview(path, file, source)
    if warning := _warning(path):
        source = with_note(source, warning)
    return GuardedSource(source, _Version(path.with_ranges(file.bytes), file))


def _check_overview(path: RemotePath, file: RemoteFile, source: SlideSource) -> None:
    """Refuse a large slide without small levels: its first picture would take all of it."""
    coarsest = source.levels[-1]
    if coarsest.width_px * coarsest.height_px > _MOST_OVERVIEW_PX:
        source.close()
        raise UnsupportedSlideError(
            path,
            f"{path.name} has no small levels, so all {size_text(file.size_bytes)} would have to "
            "be fetched for a first picture: download it, or store it as a pyramidal TIFF.",
        )


def _warning(path: Path) -> str:
    address = str(path)
    if urlsplit(address).scheme == "http" and not is_local(address):
        host = urlsplit(address).hostname
        return f"Fetched from {host} over http: others on the network can see and change it."
    return ""


class _Version:
    """Whether the file on the server is still the one that was opened."""

    def __init__(self, path: RemotePath, file: RemoteSlide) -> None:
        self.path = path
        self._file = file

    @property
    def has_changed(self) -> bool:
        return self._file.has_changed

    def check(self) -> None:
        self._file.check()

    def check_there(self) -> None:
        """Pass it over: a server that is silent says so by itself."""

    @property
    def gone(self) -> str:
        return ""

    def vouch(self, is_same: Callable[[], bool]) -> None:
        """Pass it over: a server tells versions apart by itself."""
