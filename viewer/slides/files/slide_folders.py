"""Which folders and archives are slides: OME-Zarr, and folders that hold DICOM alone."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Literal

from viewer.limits import open_regular
from viewer.slides.dicom.folder import holds_dicom_only

if TYPE_CHECKING:
    from pathlib import Path

ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
"""A folder with one of these is an array or a group of Zarr."""
ZIP_SUFFIXES = (".zip", ".ozx")
_ZIP_MAGIC = (b"PK\3\4", b"PK\5\6")

FolderKind = Literal["zarr", "dicom"]


def folder_kind(path: Path) -> FolderKind | None:
    """Return which slide a folder is; None for a folder that is none, and for files.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    if not path.is_dir():
        return None
    if any((path / name).is_file() for name in ZARR_FILES):
        return "zarr"
    return "dicom" if holds_dicom_only(path) else None


def is_slide_folder(path: Path) -> bool:
    """Return whether a folder is a slide as a whole; False where it cannot be read."""
    try:
        return folder_kind(path) is not None
    except OSError:
        return False


def is_zarr_zip(path: Path) -> bool:
    """Return whether a file is a Zip archive of OME-Zarr, at its root or in its one folder."""
    if path.suffix.lower() not in ZIP_SUFFIXES:
        return False
    try:
        with open_regular(path) as file:
            if file.read(4) not in _ZIP_MAGIC:
                return False
        with zipfile.ZipFile(path) as archive:
            return zarr_root(archive.namelist()) is not None
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def zarr_root(names: list[str]) -> str | None:
    """Return what comes before the names of a Zarr's own files in an archive; None for no Zarr."""
    listed = set(names)
    if any(name in listed for name in ZARR_FILES):
        return ""
    folders = {name.partition("/")[0] for name in names if "/" in name}
    for folder in sorted(folders):
        if any(f"{folder}/{name}" in listed for name in ZARR_FILES):
            return f"{folder}/"
    return None
