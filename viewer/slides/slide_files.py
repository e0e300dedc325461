"""The files that make up one slide: most are one file, MIRAX, DICOM, VMS and VSI are several."""

from __future__ import annotations

import re
from pathlib import Path

_SERIES_TAG = b"\x20\x00\x0e\x00UI"
"""SeriesInstanceUID (0020,000E) as explicit little endian, which DICOM slides are written in."""
_DICOM_MAGIC = b"DICM"
_HEADER_BYTES = 1 << 14
_HEADERS_BYTES = 1 << 20
"""What is read of all files of a folder to find those of a series."""
_MOST_FILES = 2000
_INI_BYTES = 1 << 16


def slide_files(path: Path) -> tuple[Path, ...]:
    """Return all files of the slide at `path`, `path` itself first unless it is one of many equals.

    Of a DICOM slide any file gives the same files in the same order.

    Raises
    ------
    OSError
        The file or its folder cannot be read.
    """
    match path.suffix.lower():
        case ".mrxs":
            return (path, *_files_below(path.with_suffix("")))
        case ".vsi":
            return (path, *_files_below(path.with_name(f"_{path.stem}_")))
        case ".vms" | ".vmu":
            return (path, *_named_in(path))
        case _:
            return _series_of(path)


def dicom_series(path: Path, header_bytes: int = _HEADER_BYTES) -> bytes | None:
    """Return the series that a DICOM file belongs to; None for other files.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(132)
        if header[128:] != _DICOM_MAGIC:
            return None
        header = file.read(header_bytes)
    _, found, rest = header.partition(_SERIES_TAG)
    if not found:
        return None
    length = int.from_bytes(rest[:2], "little")
    return rest[2 : 2 + length]


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


def _files_below(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return found[:_MOST_FILES]


def _named_in(path: Path) -> list[Path]:
    """Return the files beside `path` that its lines name, such as `ImageFile=a.jpg`."""
    with path.open("rb") as file:
        text = file.read(_INI_BYTES).decode("utf-8", "replace")
    names = dict.fromkeys(
        name.strip() for name in re.findall(r"^[^=\r\n]*File[^=\r\n]*=([^\r\n]+)", text, re.M)
    )
    plain = [name for name in names if name and Path(name).name == name]
    return [path.with_name(name) for name in plain if path.with_name(name).is_file()]
