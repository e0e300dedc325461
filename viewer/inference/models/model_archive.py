"""Models that come as a zip file, unpacked with limits."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.description import MODEL_FILE
from viewer.limits import DESCRIPTION_BYTES, UNPACKED_RATIO, WEIGHTS_BYTES, Limit, LimitError

_MOST_FILES = 2000
_FEW_BYTES = 16 << 20
"""Unpacked, of which nobody asks how well they were packed, such as a label map of zeros."""
_NOT_UNPACKED = (".py", ".pyc", ".ijm", ".ipynb")
"""Programs: nothing that is unpacked is ever run, and these are of no other use."""


def unpack(path: Path, folder: Path) -> Path:
    """Unpack a model and return its folder within `folder`.

    Of our own layout it is model.json and the weights that it names, and nothing else.

    Raises
    ------
    BundleError
        The file is damaged, too large, or wants to write elsewhere.
    """
    target = folder / path.stem
    target.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if PurePosixPath(name).name == MODEL_FILE]
            if names:
                _unpack_own(archive, min(names, key=len).removesuffix(MODEL_FILE), target)
                return target
            return _unpack_all(archive, path.name, target)
    except KeyError as error:
        raise BundleError(f"{path.name} lacks a file of the model: {error.args[0]}") from error
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise BundleError(
            f"{path.name} cannot be unpacked ({error}): get it again from where it came."
        ) from error


def _unpack_own(archive: zipfile.ZipFile, inner: str, target: Path) -> None:
    _copy_out(archive, inner + MODEL_FILE, target / MODEL_FILE, DESCRIPTION_BYTES)
    about = load_bundle(target).description
    for name in (about.weights, *about.data):
        _copy_out(archive, inner + name, target / name, WEIGHTS_BYTES)


def _unpack_all(archive: zipfile.ZipFile, name: str, target: Path) -> Path:
    """Unpack the plain files of an archive; return the folder that holds them all."""
    files = [each for each in archive.infolist() if not each.is_dir()]
    if len(files) > _MOST_FILES:
        raise BundleError(f"{name} holds {len(files):,} files: it is no model.")
    for about in files:
        place = PurePosixPath(about.filename)
        is_link = stat.S_ISLNK(about.external_attr >> 16)
        if place.is_absolute() or ".." in place.parts or "\\" in about.filename or is_link:
            raise BundleError(f"{name} holds {about.filename}, which lies outside of it.")
        if place.parts[0] == "__MACOSX" or place.suffix.lower() in _NOT_UNPACKED:
            continue
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        _copy_out(archive, about.filename, target / place, WEIGHTS_BYTES)
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _copy_out(archive: zipfile.ZipFile, name: str, target: Path, limit: Limit) -> None:
    about = archive.getinfo(name)
    free = shutil.disk_usage(target.parent).free
    if about.file_size > min(free, limit.most):
        size_gib = about.file_size / 2**30
        raise BundleError(f"{name} is too large to unpack: it has {size_gib:.1f} GiB.")
    try:
        if about.file_size > _FEW_BYTES:
            UNPACKED_RATIO.check(about.file_size / max(about.compress_size, 1), name)
    except LimitError as error:
        raise BundleError(str(error)) from error
    # What is unpacked ends at the size that was checked, whatever the packed data holds.
    with archive.open(name) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
