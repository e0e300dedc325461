"""Whether a file holds what people drew, and not only what a model found."""

from __future__ import annotations

import mmap
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from viewer.annotations.formats.exchange import FORMATS, format_of
from viewer.annotations.formats.packed_files import PACKINGS, unpacked
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.limits import open_regular

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# One pattern a spelling: each begins with letters of its own, which makes the search quick.
_ANNOTATIONS = (
    re.compile(rb'"objectType"\s*:\s*"annotation"'),
    re.compile(rb'"object_type"\s*:\s*"annotation"'),
    re.compile(rb"PathAnnotationObject"),
)

_PIECE_BYTES = 1 << 14
_MOST_UNPACKED_BYTES = 256 << 20
_X_NAMES = {"x", "x_px", "x0", "xmin", "x_min", "minx", "left", "centroid_x"}
_X1_NAMES = {"x1", "x2", "xmax", "x_max", "maxx", "right"}
_SCORES = ("prob", "attention", "attn", "score", "logit")
_CLASS_NAMES = {"class", "label", "category", "classification", "class_name", "name"}


def holds_annotations(path: Path) -> bool:
    """Return whether it does by its format and by what it says of its objects.

    Files of other viewers than QuPath hold annotations; GeoJSON may hold detections, too. What
    cannot be read holds none.
    """
    try:
        which = format_of(path)
    except AnnotationFileError:
        return False
    if which is FORMATS["csv"]:
        return _is_of_boxes(path)
    if which is not FORMATS["qupath"]:
        return True
    try:
        with _bytes(path) as data:
            return any(pattern.search(data) for pattern in _ANNOTATIONS)
    except (OSError, ValueError, AnnotationFileError):
        return False


def _is_of_boxes(path: Path) -> bool:
    """Whether the header of a table names places and classes, rather than scores of tiles."""
    try:
        with unpacked(path, ".csv") as readers:
            head = readers[0](_PIECE_BYTES)
    except AnnotationFileError:
        return False
    line = head.split(b"\n", 1)[0].decode(errors="replace").casefold()
    names = {name.strip(' "\r') for name in re.split("[,;\t]", line)}
    has_scores = any(name.startswith(_SCORES) for name in names)
    if has_scores and not names & _X1_NAMES and names & _CLASS_NAMES <= {"label"}:
        return False  # tiles whose label stands beside a score
    return bool(names & _X_NAMES and names & (_CLASS_NAMES | _X1_NAMES))


@contextmanager
def _bytes(path: Path) -> Generator[bytes | mmap.mmap]:
    """Give all of a file, mapped; of a packed one its beginning."""
    if path.suffix.lower() in PACKINGS:
        with unpacked(path, "json") as readers:
            yield readers[0](_MOST_UNPACKED_BYTES)
    else:
        with (
            open_regular(path) as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            yield mapped
