"""Views to come back to and notes on the slide, kept as annotations of two classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import shapely

from viewer.annotations.annotation import DESCRIPTION, Annotation, AnnotationClass
from viewer.geometry import Point, Size, View
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOKMARK = AnnotationClass("Bookmark", "#ff9f1c")
NOTE = AnnotationClass("Note", "#ffe27a")
MARKS = (BOOKMARK.name, NOTE.name)
"""The names of what is no class of tissue: it is listed, and neither counted nor measured."""
_VIEW = "View"


class _KeptView(msgspec.Struct):
    """As JSON in the metadata."""

    x: float
    y: float
    downsample: float
    rotation_deg: float = 0.0
    mirrored: bool = False


def bookmark(view: View, name: str, author: str) -> Annotation:
    """Return a point in the middle of a view, which keeps the view."""
    x, y = view.center
    kept = _KeptView(x, y, view.downsample, view.rotation_deg, view.mirrored)
    point = Annotation(shapely.Point(x, y), shown_as=BOOKMARK, name=name)
    return point.noted(_VIEW, msgspec.json.encode(kept).decode()).signed(author)


def note(place: Point, text: str, author: str) -> Annotation:
    """Return a point with something written of it."""
    point = Annotation(shapely.Point(place.x, place.y), shown_as=NOTE)
    return point.noted(DESCRIPTION, text).signed(author)


def is_mark(annotation: Annotation) -> bool:
    """Return whether it is a bookmark or a note, which no class is given to."""
    return annotation.class_name in MARKS


def kept_view(annotation: Annotation, size: Size) -> View | None:
    """Return the view of a bookmark at a screen of `size`; None of anything else, or if damaged."""
    text = annotation.metadata.get(_VIEW)
    if not text:
        return None
    try:
        kept = msgspec.json.decode(text, type=prepared(_KeptView))
    except DECODE_ERRORS:
        return None
    if kept.downsample <= 0:
        return None
    return View(Point(kept.x, kept.y), kept.downsample, size, kept.rotation_deg, kept.mirrored)


def next_name(held: Iterable[Annotation]) -> str:
    """Return the name of the next bookmark: "View 1", "View 2", and so on."""
    names = {each.name for each in held if each.class_name == BOOKMARK.name}
    numbers = range(1, len(names) + 2)
    return next(name for name in (f"View {n}" for n in numbers) if name not in names)
