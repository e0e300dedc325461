"""What a file that may be of annotations holds: what people drew, what a model found, or both."""

from __future__ import annotations

import gzip
import mmap
import re
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from viewer.annotations.exchange import FORMATS, format_of
from viewer.annotations.reading import AnnotationFileError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

# One pattern a spelling: each begins with letters of its own, which makes the search quick.
_ANNOTATIONS = (
    re.compile(rb'"objectType"\s*:\s*"annotation"'),
    re.compile(rb'"object_type"\s*:\s*"annotation"'),
    re.compile(rb"PathAnnotationObject"),
)
_DETECTIONS = (
    re.compile(rb'"objectType"\s*:\s*"(?:detection|cell|tile)"'),
    re.compile(rb'"object_type"\s*:\s*"(?:detection|cell|tile)"'),
    re.compile(rb"Path(?:Detection|Cell|Tile)Object"),
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds; neither where it tells nothing of its objects."""

    has_annotations: bool
    has_detections: bool


def contents(path: Path) -> Contents:
    """By the format and by what the file says of its objects.

    Files of other viewers than QuPath hold annotations; GeoJSON may hold both. What cannot be
    read holds neither.
    """
    try:
        is_qupath = format_of(path) is FORMATS["qupath"]
    except AnnotationFileError:
        return Contents(has_annotations=False, has_detections=False)
    if not is_qupath:
        return Contents(has_annotations=True, has_detections=False)
    try:
        with _bytes(path) as data:
            return Contents(_holds(data, _ANNOTATIONS), _holds(data, _DETECTIONS))
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return Contents(has_annotations=False, has_detections=False)


def _holds(data: bytes | mmap.mmap, patterns: Iterable[re.Pattern[bytes]]) -> bool:
    return any(pattern.search(data) for pattern in patterns)


@contextmanager
def _bytes(path: Path) -> Generator[bytes | mmap.mmap]:
    """All of a file, unpacked; mapped where it is not packed."""
    if path.suffix.lower() == ".gz":
        yield gzip.decompress(path.read_bytes())
    elif path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith(("json", "geojson"))]
            yield archive.read(names[0]) if names else b""
    else:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            yield mapped
