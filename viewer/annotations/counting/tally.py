"""Fields that were counted and what is in them; kept as annotations, so nothing of them is lost.

A counted field is a locked annotation of the class "Counting field" that keeps the pixel size it
was laid out by, so its area is the one that was used whatever the slide's pixel size is later.
What is counted are points: each counts once, and so does each place of the slide.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.annotations.annotation import FIELD_LAYOUT, NO_CLASS, Annotation, AnnotationClass
from viewer.annotations.bookmarks import BOOKMARK, NOTE
from viewer.annotations.counting.frame import area_mm2
from viewer.annotations.kept_geometry import geometries_of
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.geometry import Box
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from uuid import UUID

    from viewer.annotations.counting.frame import CountingFrame, PlacedField
    from viewer.annotations.document import Document, Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.geometry import Point

FIELD = AnnotationClass("Counting field", "#00a6a6")
MITOSIS = AnnotationClass("Mitosis", "#e3007b")
LOOK_ALIKE = AnnotationClass("Non-mitosis", "#f2a900")
"""A look-alike: pointed at, and not counted as a mitosis."""
AREA = "Counted area mm^2"
_NOT_COUNTED = (BOOKMARK.name, NOTE.name, FIELD.name)
_SAME_SCALE = 1e-4
_MANY = 500
"""Of a step with more changes none is looked at: all is counted anew."""


class FieldLayout(msgspec.Struct, frozen=True):
    """How a field was laid out; JSON in the metadata.

    Attributes
    ----------
    area_mm2
        Of the whole frame.
    mpp_um
        Micrometers per level-0 pixel in x and y, which its area is by.
    """

    shape: str
    area_mm2: float
    mpp_um: tuple[float, float]


class FieldCount(msgspec.Struct, frozen=True):
    """One field and what is in it.

    Attributes
    ----------
    area_mm2
        Of the field.
    own_area_mm2
        Without what fields before it cover already.
    counts
        Points of each class in the field.
    own_counts
        Without points that fields before it count already.
    """

    field: Annotation
    layout: FieldLayout
    area_mm2: float
    own_area_mm2: float
    counts: Mapping[str, int]
    own_counts: Mapping[str, int]


class CountSummary(msgspec.Struct, frozen=True):
    """All fields of a slide, each place and each point of them once."""

    fields: tuple[FieldCount, ...]

    @property
    def area_mm2(self) -> float:
        return sum(each.own_area_mm2 for each in self.fields)

    @property
    def counts(self) -> Counter[str]:
        """Return how many points of each class are in the fields."""
        total: Counter[str] = Counter()
        for each in self.fields:
            total.update(each.own_counts)
        return total

    @property
    def class_names(self) -> list[str]:
        """Return the classes counted: mitoses first, then by name."""
        first = [MITOSIS.name, LOOK_ALIKE.name]
        names = sorted(self.counts)
        return [*(each for each in first if each in names), *(n for n in names if n not in first)]

    def per_mm2(self, name: str) -> float:
        """Return how many points of a class are in a mm²; 0 where no area was counted."""
        area = self.area_mm2
        return self.counts[name] / area if area > 0 else 0.0

    def of(self, id_: UUID) -> FieldCount | None:
        """Return the count of a field by the id of its annotation."""
        return next((each for each in self.fields if each.field.id == id_), None)


def new_field(
    frame: CountingFrame,
    placed: PlacedField,
    calibration: PixelCalibration,
    number: int,
    author: str,
) -> Annotation:
    """Return a field as it is kept with the slide: locked, with its area and pixel size."""
    assert calibration.mpp_um is not None
    layout = FieldLayout(frame.shape, frame.area_mm2, calibration.mpp_um)
    drawn = Annotation(
        placed.outline,
        shown_as=FIELD,
        name=f"Field {number}",
        is_locked=True,
        is_ellipse=frame.shape == "circle" and placed.is_whole,
        measurements={AREA: round(placed.area_mm2, 9)},
    )
    return drawn.noted(FIELD_LAYOUT, msgspec.json.encode(layout).decode()).signed(author)


def layout_of(annotation: Annotation) -> FieldLayout | None:
    """Return how a field was laid out; None of anything else, or where that is damaged."""
    text = annotation.metadata.get(FIELD_LAYOUT)
    if not text or not annotation.geometry.area:
        return None
    try:
        layout = msgspec.json.decode(text, type=prepared(FieldLayout))
    except DECODE_ERRORS:
        return None
    return layout if min(layout.mpp_um) > 0 else None


def is_counted(annotation: Annotation) -> bool:
    """Return whether an annotation is of points that count in a field."""
    kind = annotation.geometry.geom_type
    return kind in ("Point", "MultiPoint") and annotation.class_name not in _NOT_COUNTED


def is_other_scale(count: FieldCount, mpp_um: tuple[float, float] | None) -> bool:
    """Return whether a field was laid out by another pixel size than the slide has now."""
    then = count.layout.mpp_um
    return mpp_um is None or any(
        abs(now - was) > _SAME_SCALE * was for now, was in zip(mpp_um, then, strict=True)
    )


def has_fields(state: DocumentState) -> bool:
    """Return whether anything was counted in; looks at the few that are special alone."""
    return any(layout_of(state.held[id_]) for id_ in state.special)


def summary_of(annotations: Iterable[Annotation]) -> CountSummary:
    """Return what is counted among annotations, the fields in their order."""
    held = list(annotations)
    points = [each for each in held if is_counted(each)]
    return _summary([each for each in held if layout_of(each)], lambda _: points)


def counted_annotations(annotations: Iterable[Annotation]) -> list[Annotation]:
    """Return the fields among annotations, and the points that lie in one."""
    held = list(annotations)
    fields = [each.geometry for each in held if layout_of(each)]
    if not fields:
        return []
    covered = shapely.union_all(fields)
    return [
        each
        for each in held
        if layout_of(each) or (is_counted(each) and covered.intersects(each.geometry))
    ]


def with_counts(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Return annotations as files get them: fields with what is in them now."""
    counted = {each.field.id: each for each in summary_of(annotations).fields}
    return [_with_count(each, counted[each.id]) if each.id in counted else each
            for each in annotations]  # fmt: skip


class Tally:
    """What is counted in a document, kept up while it changes; `close` ends that.

    Parameters
    ----------
    on_change
        Called when a step changed something that is counted.
    """

    def __init__(self, document: Document, on_change: Callable[[], object]) -> None:
        self._document = document
        self._on_change = on_change
        self._fields = {each.id for each in document.special if layout_of(each)}
        self._summary: CountSummary | None = None
        self.close = document.listen(self._follow)

    @property
    def summary(self) -> CountSummary:
        """Return all fields of the document and what is in them."""
        if self._summary is None:
            fields = self._document.of(self._fields)
            self._summary = _summary(fields, self._points_in)
        return self._summary

    def field_at(self, place: Point) -> FieldCount | None:
        """Return the field at a level-0 point, the last where several lie there."""
        point = shapely.Point(place)
        found = [each for each in self.summary.fields if each.field.geometry.covers(point)]
        return found[-1] if found else None

    def marks_in(self, count: FieldCount) -> list[Annotation]:
        """Return the annotations of points in a field, in the order of drawing."""
        shape = count.field.geometry
        return [each for each in self._points_in(Box(*shape.bounds))
                if shape.intersects(each.geometry)]  # fmt: skip

    @property
    def next_number(self) -> int:
        """Return the number of the field that is laid out next."""
        names = {each.field.name for each in self.summary.fields}
        return next(n for n in range(1, len(names) + 2) if f"Field {n}" not in names)

    def _points_in(self, box: Box) -> list[Annotation]:
        return [each for each in self._document.inside(box) if is_counted(each)]

    def _follow(self, step: Edit) -> None:
        has_changed = step.is_reset or len(step.changes) > _MANY
        if has_changed:
            self._fields = {each.id for each in self._document.special if layout_of(each)}
        for change in () if has_changed else step.changes:
            for each in (change.before, change.after):
                has_changed = has_changed or (
                    each is not None and (is_counted(each) or layout_of(each) is not None)
                )
            if change.after is not None and layout_of(change.after):
                self._fields.add(change.id)
            else:
                self._fields.discard(change.id)
        if has_changed:
            self._summary = None
            self._on_change()


def _summary(
    fields: Sequence[Annotation], points_in: Callable[[Box], Sequence[Annotation]]
) -> CountSummary:
    counted: list[FieldCount] = []
    covered: shapely.Geometry = shapely.Polygon()
    seen: set[tuple[UUID, int]] = set()
    for field in fields:
        layout = layout_of(field)
        assert layout is not None
        calibration = PixelCalibration(layout.mpp_um)
        inside = _inside(field.geometry, points_in(Box(*field.geometry.bounds)))
        own = [(key, name) for key, name in inside if key not in seen]
        seen.update(key for key, _ in own)
        counted.append(
            FieldCount(
                field,
                layout,
                area_mm2(field.geometry, calibration),
                area_mm2(field.geometry.difference(covered), calibration),
                Counter(name for _, name in inside),
                Counter(name for _, name in own),
            )
        )
        covered = covered.union(field.geometry)
    return CountSummary(tuple(counted))


def _inside(
    field: shapely.Geometry, annotations: Sequence[Annotation]
) -> list[tuple[tuple[UUID, int], str]]:
    """Return the points in a field, each with its class."""
    if not annotations:
        return []
    shapes = geometries_of(annotations)
    places, which = shapely.get_coordinates(shapes, return_index=True)
    shapely.prepare(field)
    found = np.flatnonzero(shapely.intersects_xy(field, places[:, 0], places[:, 1]))
    first = np.searchsorted(which, which)  # the first place of the same annotation
    return [
        (
            (annotations[int(which[k])].id, int(k - first[k])),
            annotations[int(which[k])].class_name or NO_CLASS,
        )
        for k in found.tolist()
    ]


def _with_count(field: Annotation, count: FieldCount) -> Annotation:
    numbers = {
        name: value for name, value in field.measurements.items() if not name.startswith("Num ")
    }
    numbers[AREA] = round(count.area_mm2, 9)
    numbers.update((f"Num {name}", float(number)) for name, number in count.counts.items())
    return replace(field, measurements=numbers)
