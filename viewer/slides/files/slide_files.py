"""The files that make up one slide: most are one.

MIRAX, DICOM, VMS, VSI, Zarr and some OME-TIFFs are several.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from viewer.limits import open_regular
from viewer.slides.dicom.header import HEADER_BYTES, dicom_header
from viewer.slides.files.companions import VMS_MACRO, values_in
from viewer.slides.files.mirax import MIRAX_DESCRIPTION, mirax_folder, mirax_values
from viewer.slides.files.ome_sets import TIFF_SUFFIXES, ome_set
from viewer.slides.files.slide_folders import ZARR_FILES, is_slide_folder
from viewer.slides.files.vsi_folders import vsi_folder
from viewer.slides.remote.address import is_address

_HEADER_BYTES = 1 << 14
_HEADERS_BYTES = 1 << 20
"""What is read of all files of a folder to find those of a series."""
_MOST_FILES = 2000
_MOST_DESCRIPTIONS = 400
"""Of a Zarr, where each is looked at after every tile."""
_DESCRIPTION_BYTES = 16 << 20
_NOT_OF_SLIDES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini"))
"""What file managers write into any folder, beside hidden files."""
_ARRAY = re.compile(rb'"node_type"\s*:\s*"array"')


def slide_files(path: Path) -> tuple[Path, ...]:
    """Return all files of the slide at `path`, `path` itself first unless it is one of many equals.

    Of a DICOM slide any file gives the same files in the same order; of a Zarr these are the files
    that describe it, without its chunks. Of a link to a slide of several files these are the link
    and the other files of that slide.

    Raises
    ------
    OSError
        The file or its folder cannot be read.
    """
    real = home_of(path)
    files = _files_beside(real)
    return files if real == path else (path, *(file for file in files if file != real))


def pictures_beside(path: Path) -> tuple[Path, ...]:
    """Return the files that hold the macro of a slide alone, as VMS, VMU and Trestle have them.

    They can change like others, and show the label. The content key is not made of them.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if is_address(path) or path.is_dir():
        return ()
    path = home_of(path)
    match path.suffix.lower():
        case ".vms" | ".vmu":
            found = values_in(path, VMS_MACRO)
        case ".tif":
            found = [path.with_suffix(".Full")]
        case _:
            found = []
    return tuple(each for each in found if each.is_file())


def home_of(path: Path) -> Path:
    """Return where the files of a slide lie: where a link leads, if more of them lie there.

    The reader of a DICOM file looks at all its neighbors, so that of a link is followed, too.
    """
    if is_address(path) or not path.is_symlink() or path.is_dir():
        return path
    real = Path(os.path.realpath(path))
    try:
        beside = len(_files_beside(path))
        is_alone = beside == 1 and dicom_series(path) is not None
        return real if is_alone or len(_files_beside(real)) > beside else path
    except OSError:
        return path  # why it cannot be read is said where it is opened


def _files_beside(path: Path) -> tuple[Path, ...]:
    if is_address(path):
        return (path,)
    if path.is_dir():
        return _descriptions_in(path)
    match path.suffix.lower():
        case ".mrxs":
            return (path, *_files_of_mirax(mirax_folder(path)))
        case ".vsi":
            return (path, *_files_below(vsi_folder(path)))
        case ".vms" | ".vmu":
            return (path, *_named_in(path))
        case suffix if suffix in TIFF_SUFFIXES:
            return (path, *ome_set(path))
        case _:
            return _series_of(path)


def slide_stamp(path: Path) -> tuple[int, int]:
    """Return size and time of change (ns) of a slide, of all its files together.

    Files that cannot be asked, such as at an address, count nothing.
    """
    try:
        files = tuple(path.rglob("*")) if is_slide_folder(path) else slide_files(path)
    except (OSError, ValueError):
        files = (path,)
    size = changed_ns = 0
    for file in files:
        try:
            about = file.stat()
        except (OSError, ValueError):
            continue
        size, changed_ns = size + about.st_size, max(changed_ns, about.st_mtime_ns)
    return size, changed_ns


def dicom_series(path: Path, header_bytes: int = _HEADER_BYTES) -> bytes | None:
    """Return the series that a DICOM file belongs to; None for other files.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    header = dicom_header(path, header_bytes)
    if header is not None and not header.series and header_bytes < HEADER_BYTES:
        header = dicom_header(path)  # it lies behind long values
    return header.series.encode() if header is not None and header.series else None


def _series_of(path: Path) -> tuple[Path, ...]:
    series = dicom_series(path)
    if series is None:
        return (path,)
    files: list[Path] = []
    candidates = sorted(path.parent.iterdir())[:_MOST_FILES]
    header_bytes = min(_HEADER_BYTES, max(_HEADER_BYTES // 4, _HEADERS_BYTES // len(candidates)))
    for other in candidates:
        try:
            if other.is_file() and dicom_series(other, header_bytes) == series:
                files.append(other)
        except OSError:
            continue  # a neighbor that may not be read is none of this slide's
    return tuple(files) if path in files else (path, *files)


def _descriptions_in(folder: Path) -> tuple[Path, ...]:
    """Return the files that say what lies where in a Zarr, without the chunks of its arrays.

    Their folders are looked for where groups and arrays are: chunks have folders too, and there
    can be millions of them.
    """
    found: list[Path] = []
    waiting = [folder]
    while waiting and len(found) < _MOST_DESCRIPTIONS:
        here = waiting.pop(0)
        files = [here / name for name in ZARR_FILES if (here / name).is_file()]
        if files:
            found += files
            is_array = any(_is_array(file) for file in files)
            waiting += [] if is_array else sorted(path for path in here.iterdir() if path.is_dir())
    return tuple(found) or (folder,)


def _is_array(file: Path) -> bool:
    if file.name == ".zarray":
        return True
    if file.name != "zarr.json":
        return False
    with open_regular(file) as opened:
        return bool(_ARRAY.search(opened.read(_DESCRIPTION_BYTES)))


def _files_of_mirax(folder: Path) -> list[Path]:
    """Return the files that the description of a MIRAX slide names; all where it names none.

    Other programs keep files of their own beside them, which are neither copied nor kept always.
    """
    files = _files_below(folder)
    description = folder / MIRAX_DESCRIPTION
    if description not in files:
        return files
    values = frozenset(mirax_values(folder).values())
    named = [path for path in files if path.name in values and path.parent == folder]
    return sorted([description, *named]) if named else files


def _files_below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if not path.name.startswith(".")
        and path.name.lower() not in _NOT_OF_SLIDES
        and path.is_file()
    ]
    return found[:_MOST_FILES]


def _named_in(path: Path) -> list[Path]:
    """Return the files beside `path` that its lines name, such as `ImageFile=a.jpg`."""
    return [each for each in values_in(path, "File") if each.is_file()]
