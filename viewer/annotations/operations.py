"""What menus do to chosen annotations: each act gives the step that carries it out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import shapely

from viewer.annotations import shape_editing
from viewer.annotations.annotation import CREATED, MODIFIED, Annotation, AnnotationClass, Stamp
from viewer.annotations.document import Change, Edit, adding, changing, removing
from viewer.annotations.shape_editing import EmptyShapeError
from viewer.annotations.shape_numbers import bounds_of_all, dimension
from viewer.errors import CoverslipError
from viewer.geometry import Box
from viewer.memory.long_list import LongList
from viewer.progress import while_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.held_annotations import HeldAnnotations

_SHIFT_SHARE = 0.02
"""Of its larger side by which a duplicate lies beside what it was made from."""


class OperationError(CoverslipError):
    """An act that what is chosen does not allow; `str()` is one sentence."""


def is_region(annotation: Annotation) -> bool:
    """Return whether it covers an area."""
    return dimension(annotation.geometry) == 2


def is_line(annotation: Annotation) -> bool:
    """Return whether it is a line or lines."""
    return dimension(annotation.geometry) == 1


# Shapes and shapes ---------------------------------------------------------------------------


def merge(chosen: Sequence[Annotation], author: str) -> Edit:
    """Put one annotation, the lowest, in the place of all of one kind of shape.

    Raises
    ------
    OperationError
        Fewer than two, or regions together with lines or points.
    """
    first, *others = _at_least_two(chosen, "merge")
    if len({dimension(each.geometry) for each in chosen}) > 1:
        raise OperationError(
            "Only regions with regions, lines with lines or points with points merge."
        )
    shape = shape_editing.merged(each.geometry for each in chosen)
    return _with_removals("Merge", first, shape, others, author)


def subtract(chosen: Sequence[Annotation], author: str) -> Edit:
    """Return the lowest region without what the others cover; the others stay.

    Raises
    ------
    OperationError
        Fewer than two regions, or nothing would be left.
    """
    first, *others = _at_least_two(_regions(chosen), "subtract")
    shape = _tried(
        lambda: shape_editing.without(first.geometry, (each.geometry for each in others))
    )
    return changing("Subtract", [(first, _reshaped(first, shape, author))])


def intersect(chosen: Sequence[Annotation], author: str) -> Edit:
    """Return the lowest region becomes what all of them cover; the other regions go.

    Raises
    ------
    OperationError
        Fewer than two regions, or they have nothing in common.
    """
    regions = _at_least_two(_regions(chosen), "intersect")
    first, *others = regions
    shape = _tried(lambda: _area(shape_editing.common(each.geometry for each in regions)))
    return _with_removals("Intersect", first, shape, others, author)


def split(chosen: Sequence[Annotation], author: str) -> Edit:
    """Cut regions into pieces along the chosen lines, which go.

    Raises
    ------
    OperationError
        Not a region and a line, or no line goes right through a region.
    """
    lines = [each for each in chosen if is_line(each)]
    regions = _regions(chosen)
    if not lines or not regions:
        raise OperationError("Choose a region and a line that goes right through it.")
    cuts = [
        part
        for line in lines
        for part in shape_editing.parts(line.geometry)
        if isinstance(part, shapely.LineString)
    ]
    changes: list[Change] = []
    for region in regions:
        pieces, is_cut = shape_editing.parts(region.geometry), False
        for cut in cuts:
            halves = [shape_editing.split_by(piece, cut) for piece in pieces]
            is_cut |= any(len(each) > 1 for each in halves)
            pieces = [part for each in halves for part in each]
        if not is_cut:
            continue
        largest, *rest = sorted(pieces, key=lambda piece: -piece.area)
        changes.append(Change(region, _reshaped(region, largest, author)))
        changes += [Change(None, _new(region, piece, author)) for piece in rest]
    if not changes:
        raise OperationError("The line does not go right through a chosen region: draw it longer.")
    return Edit("Split", (*changes, *removing("", lines).changes))


def reshape(
    label: str,
    chosen: Iterable[Annotation],
    edit: Callable[[BaseGeometry], BaseGeometry],
    author: str,
) -> Edit:
    """Return each with the shape that `edit` makes of its own.

    Raises
    ------
    OperationError
        Nothing would be left of one.
    """
    pairs = [(each, _tried(lambda each=each: edit(each.geometry))) for each in chosen]
    return changing(
        label,
        [
            (each, each if shape == each.geometry else _reshaped(each, shape, author))
            for each, shape in pairs
        ],
    )


# What is said of them ------------------------------------------------------------------------


def set_class(chosen: Iterable[Annotation], which: AnnotationClass | None, author: str) -> Edit:
    """Return all of one class; None takes theirs away."""
    stamp = Stamp.now(author)
    return changing(
        "Set class",
        [
            (each, each if each.shown_as == which else each.stamped(stamp, shown_as=which))
            for each in chosen
        ],
    )


def set_locked(chosen: Iterable[Annotation], *, locked: bool) -> Edit:
    """Return all locked, or none."""
    label = "Lock" if locked else "Unlock"
    return changing(label, [(each, each.saying(is_locked=locked)) for each in chosen])


def recolor_class(held: Iterable[Annotation], which: AnnotationClass, name: str) -> Edit:
    """Give those of the class `name` the class `which` instead: another name or color of it."""
    return changing(
        "Change class",
        [(each, each.saying(shown_as=which)) for each in held if each.class_name == name],
    )


# More of them --------------------------------------------------------------------------------


def duplicate(chosen: Sequence[Annotation], author: str) -> Edit:
    """Return the same once more, a little beside."""
    size = max((_side(each) for each in chosen), default=0.0)
    shift = max(1.0, size * _SHIFT_SHARE)
    return adding(
        "Duplicate",
        [_moved(each, shift, shift, author) for each in chosen],
    )


def paste(pasted: Sequence[Annotation], slide: Box, author: str) -> Edit:
    """Add annotations from elsewhere with ids of their own, brought onto the slide.

    What would lie beside the slide altogether is moved to its middle, all by the same way.
    """
    shapes = [each.geometry for each in pasted]
    if not shapes:
        return Edit("Paste", ())
    box, dx, dy = Box(*bounds_of_all(shapes)), 0.0, 0.0
    if not box.intersects(slide):
        dx, dy = slide.center.x - box.center.x, slide.center.y - box.center.y
    return adding("Paste", [_moved(each, dx, dy, author) for each in pasted])


def whole_slide(slide: Box, which: AnnotationClass | None, author: str) -> Edit:
    """Add one rectangle over all of the slide, locked so that it is not dragged by accident."""
    shape = slide.polygon
    whole = Annotation(shape, shown_as=which, name="Whole slide", is_locked=True)
    return adding("Whole slide", [whole.signed(author)])


Known = Literal["replace", "both", "skip"]
"""What is done with annotations of a file whose ids are on the slide already."""


def taken_in(
    label: str,
    read: Iterable[Annotation],
    known: Callable[[UUID], bool],
    answer: Known = "both",
    get: Callable[[UUID], Annotation | None] = lambda _: None,
) -> Edit:
    """Return the edit that adds what a file holds.

    Parameters
    ----------
    known
        Whether the slide has an annotation of this id.
    answer
        What becomes of those: the file's take their place, are added under new ids, or are left.
    get
        Gives the slide's annotation of an id; needed to replace.
    """
    seen: set[UUID] = set()
    changes = LongList[Change]()
    for each in while_wanted(read):
        before = None
        is_twice = each.id in seen
        if known(each.id) and not is_twice:
            if answer == "skip":
                continue
            before = get(each.id) if answer == "replace" else None
        if is_twice or (known(each.id) and before is None):
            each = replace(each, id=uuid4())
        seen.add(each.id)
        if before != each:
            changes.append(Change(before, each))
    return Edit(label, changes)


def recognized(read: Sequence[Annotation], held: HeldAnnotations) -> list[Annotation]:
    """Return what a file holds, where the slide has the same under the id that it has there.

    Formats such as ImageScope's keep no ids: read again, all of such a file would seem new.
    The same are two of one class, name and place.
    """
    found = list(read)
    places: dict[tuple[str, str, bytes], list[int]] = {}
    for place, each in enumerate(while_wanted(found)):
        if each.id not in held:
            places.setdefault(_content(each), []).append(place)
    if not places:
        return found
    ids = {each.id for each in found}
    for each in while_wanted(held.values()):
        equal = places.get(_content(each)) if each.id not in ids else None
        if equal:
            place = equal.pop(0)
            found[place] = replace(found[place], id=each.id)
    return found


def _content(annotation: Annotation) -> tuple[str, str, bytes]:
    return annotation.class_name, annotation.name, annotation.geometry.wkb


# ---------------------------------------------------------------------------------------------


def _at_least_two(chosen: Sequence[Annotation], what: str) -> Sequence[Annotation]:
    if len(chosen) < 2:
        raise OperationError(f"Choose two or more regions to {what} (Shift and click adds one).")
    return chosen


def _regions(chosen: Iterable[Annotation]) -> list[Annotation]:
    return [each for each in chosen if is_region(each)]


def _area(shape: BaseGeometry) -> BaseGeometry:
    if dimension(shape) < 2:
        raise EmptyShapeError
    return shape


def _tried(edit: Callable[[], BaseGeometry]) -> BaseGeometry:
    try:
        return edit()
    except EmptyShapeError as error:
        raise OperationError(str(error)) from error


def _reshaped(annotation: Annotation, shape: BaseGeometry, author: str) -> Annotation:
    return replace(annotation, geometry=shape, is_ellipse=False).signed(author)


def _new(annotation: Annotation, shape: BaseGeometry, author: str) -> Annotation:
    """Another with the same said of it, made now."""
    metadata = {k: text for k, text in annotation.metadata.items() if k not in (CREATED, MODIFIED)}
    other = replace(annotation, geometry=shape, id=uuid4(), is_locked=False, metadata=metadata)
    return replace(other, is_ellipse=False).signed(author)


def _moved(annotation: Annotation, dx: float, dy: float, author: str) -> Annotation:
    other = _new(annotation, shape_editing.moved(annotation.geometry, dx, dy), author)
    return replace(other, is_ellipse=annotation.is_ellipse)


def _with_removals(
    label: str, first: Annotation, shape: BaseGeometry, others: Iterable[Annotation], author: str
) -> Edit:
    change = Change(first, _reshaped(first, shape, author))
    return Edit(label, (change, *removing("", others).changes))


def _side(annotation: Annotation) -> float:
    x0, y0, x1, y1 = annotation.geometry.bounds
    return max(x1 - x0, y1 - y0)
