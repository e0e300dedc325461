"""Annotations as Microscopy Bulk Simple Annotations, in pixels of the slide's level 0.

A group holds shapes of one class, type and name; each has the measurements of the others, or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely
from highdicom import AlgorithmIdentificationSequence
from highdicom.ann import AnnotationGroup, Measurements, MicroscopyBulkSimpleAnnotations
from highdicom.uid import UID
from pydicom.sr.codedict import codes

import viewer
from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.formats.coco import without_holes
from viewer.annotations.formats.dicom.terms import (
    CATEGORY,
    concept_of,
    lab_of,
    label_of,
    unit_of,
)
from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.foreign_values import MOST_PX
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.sound_geometry import simple_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation

UTF_8 = "ISO_IR 192"
DEVICE = ("Coverslip", "Coverslip", viewer.__version__, "none")
"""Manufacturer, model, version and serial number: what highdicom wants in this order."""
_SERIES_NUMBER = 1000


class _GroupKey(msgspec.Struct, frozen=True):
    class_name: str
    color: str
    graphic: str
    name: str
    is_found: bool


class _Group(msgspec.Struct):
    shapes: list[NDArray[np.float64]] = msgspec.field(default_factory=list)
    measurements: list[dict[str, float]] = msgspec.field(default_factory=list)
    ids: list[UUID] = msgspec.field(default_factory=list)


def bulk_of(annotations: Iterable[Annotation], source: Dataset, problems: list[Problem]) -> Dataset:
    """Return the file's content; what it cannot hold goes to `problems`.

    Raises
    ------
    AnnotationFileError
        There is nothing to write: the format has no empty file.
    """
    groups: dict[_GroupKey, _Group] = {}
    holds = ("name", "color", "ellipse", "numbers", "kind")
    for number, annotation in each_alone(annotations, problems, holds):
        _warn_of_texts(annotation, number, problems)
        for graphic, places in _graphics(annotation, number, problems):
            key = _GroupKey(
                annotation.class_name,
                annotation.shown_color,
                graphic,
                annotation.name,
                annotation.kind != "annotation",
            )
            group = groups.setdefault(key, _Group())
            group.shapes.append(places)
            group.measurements.append(dict(annotation.measurements))
            group.ids.append(annotation.id)
    if not groups:
        raise AnnotationFileError("there are no annotations that DICOM can hold.")
    return MicroscopyBulkSimpleAnnotations(
        [source],
        "2D",
        [_dataset(number, *each) for number, each in enumerate(groups.items(), 1)],
        str(UID()),
        _SERIES_NUMBER,
        str(UID()),
        1,
        *DEVICE,
        content_label="ANNOTATIONS",
        content_description="Annotations drawn or kept in Coverslip",
        specific_character_set=UTF_8,
        series_description="Annotations",
    )


def _warn_of_texts(annotation: Annotation, number: int, problems: list[Problem]) -> None:
    """Of what a group cannot say of its own: kinds of objects, and words longer than a label."""
    if annotation.kind not in ("annotation", "detection"):
        reason = f"it is a {annotation.kind}, which is written as a detection"
        problems.append(Problem(number, reason, is_repaired=True))
    for what, text in (
        ("class", annotation.class_name),
        *(("measurement", name) for name in annotation.measurements),
    ):
        if label_of(text) != text.strip():
            problems.append(
                Problem(number, f"its {what} is written as {label_of(text)}", is_repaired=True)
            )


def _graphics(
    annotation: Annotation, number: int, problems: list[Problem]
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the graphic type and places of each of its parts; holes are cut open."""
    geometry = annotation.geometry
    if geometry.is_empty or not np.all(np.abs(geometry.bounds) < MOST_PX):
        problems.append(Problem(number, "it has no place"))
        return
    if annotation.is_ellipse:
        yield "ELLIPSE", _ends_of_axes(*geometry.bounds)
        return
    parts = simple_parts(geometry)
    if len(parts) > 1:
        problems.append(Problem(number, "that its parts belong together", is_repaired=True))
    for part in parts:
        if not isinstance(part, shapely.Polygon) or not part.interiors:
            yield _graphic(part)
            continue
        whole = without_holes(part)
        reason = f"its holes, so it was cut into {len(whole)} parts without"
        problems.append(Problem(number, reason, is_repaired=True))
        yield from map(_graphic, whole)


def _ends_of_axes(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    """Return the ends of the longer axis, then of the shorter."""
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    across, down = [(x0, y), (x1, y)], [(x, y0), (x, y1)]
    return np.array([*across, *down] if x1 - x0 >= y1 - y0 else [*down, *across], np.float64)


def _graphic(part: BaseGeometry) -> tuple[str, NDArray[np.float64]]:
    if isinstance(part, shapely.Polygon):
        return "POLYGON", shapely.get_coordinates(part.exterior)[:-1]
    places = shapely.get_coordinates(part)
    return ("POINT" if isinstance(part, shapely.Point) else "POLYLINE"), places


def _dataset(number: int, key: _GroupKey, group: _Group) -> AnnotationGroup:
    algorithm = None
    if key.is_found:
        family = codes.DCM.ArtificialIntelligence
        algorithm = AlgorithmIdentificationSequence("Not recorded", family, "Not recorded")
    uid = f"2.25.{group.ids[0].int}" if len(group.ids) == 1 else str(UID())
    return AnnotationGroup(
        number,
        uid,
        label_of(key.class_name) or NO_CLASS,
        CATEGORY,
        concept_of(key.class_name),
        key.graphic,
        group.shapes,
        "AUTOMATIC" if key.is_found else "MANUAL",
        algorithm,
        _measurements(group) or None,
        key.name or None,
        display_color=lab_of(key.color),
    )


def _measurements(group: _Group) -> list[Measurements]:
    names = dict.fromkeys(name for each in group.measurements for name in each)
    return [
        Measurements(
            concept_of(name),
            np.array([each.get(name, np.nan) for each in group.measurements], np.float64),
            unit_of(name),
        )
        for name in names
    ]
