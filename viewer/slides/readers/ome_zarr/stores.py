"""Where a Zarr lies on this machine: a folder or a Zip archive, as bytes of keys."""

from __future__ import annotations

import threading
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from viewer.limits import open_regular
from viewer.slides.files.slide_folders import is_zarr_zip, zarr_root
from viewer.slides.ngff.arrays import NgffError

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.ngff.arrays import ReadKey

_MOST_MEMBER_BYTES = 2 << 30


def store_of(path: Path) -> ReadKey | None:
    """Return the store at a path; None where there is neither a folder nor an archive of Zarr.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if path.is_dir():
        return FolderStore(path)
    return ZipStore(path) if is_zarr_zip(path) else None


class FolderStore:
    """Reads files below a folder; fulfils `ReadKey`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, key: str, start: int = 0, end: int | None = None) -> bytes | None:
        try:
            with open_regular(self._folder / _checked(key)) as file:
                if start < 0:
                    start = max(0, file.seek(0, 2) + start)
                file.seek(start)
                return file.read() if end is None else file.read(max(0, end - start))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            # Of a folder that is gone every chunk would look as if it had been left out.
            if not self._folder.is_dir():
                raise
            return None


class ZipStore:
    """Reads members of an archive; fulfils `ReadKey`, for any thread."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self._lock = threading.Lock()
        self._root = zarr_root(self._archive.namelist()) or ""

    def __call__(self, key: str, start: int = 0, end: int | None = None) -> bytes | None:
        try:
            member = self._archive.getinfo(self._root + _checked(key))
        except KeyError:
            return None
        if member.file_size > _MOST_MEMBER_BYTES:
            raise OSError(f"{key} has {member.file_size:,} bytes, too many to be read at once")
        try:
            with self._lock, self._archive.open(member) as file:
                if start < 0:
                    start = max(0, member.file_size + start)
                if start:
                    file.seek(start)
                return file.read() if end is None else file.read(max(0, end - start))
        except (
            zipfile.BadZipFile,
            EOFError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            raise OSError(f"{key} is damaged ({error})") from error


def _checked(key: str) -> str:
    """Return the key. Raises NgffError where it leads out of the store."""
    if ".." in PurePosixPath(key).parts or key.startswith("/") or "\0" in key:
        raise NgffError(f"names an array outside of itself ({key[:100]!r})")
    return key
