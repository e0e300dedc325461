"""How many annotations of each class there are, and how large they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.annotations import shape_numbers
from viewer.annotations.annotation import NO_CLASS_COLOR
from viewer.annotations.bookmarks import is_mark
from viewer.annotations.kept_geometry import geometry_parts
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.atomic_write import atomic_write_text
from viewer.cell_text import text_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.pixel_calibration import MicronsPerPixel

_UM2_PER_MM2 = 1e6
NO_CLASS = "No class"
OBJECTS = "Objects"
"""The measurement that tells how many objects lie inside."""


class ClassFigures(msgspec.Struct, frozen=True):
    """Of all annotations of one class.

    Attributes
    ----------
    area, length
        Level-0 pixels (squared), without those of points; regions count with their perimeter.
    length_um
        By the pixel size along each axis; None where that was not given.
    objects
        How many objects of an overlay were counted inside; None where nobody counted.
    """

    name: str
    color: str
    count: int
    area: float
    length: float
    objects: int | None = None
    length_um: float | None = None


def class_figures(
    annotations: Iterable[Annotation], mpp_um: MicronsPerPixel | None = None
) -> list[ClassFigures]:
    """Return the figures by the names of the classes; those without a class come last.

    Bookmarks and notes are no classes.
    """
    grouped: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        if is_mark(annotation):
            continue
        grouped.setdefault(annotation.class_name, []).append(annotation)
    calibration = PixelCalibration.of(mpp_um)
    return [
        _figures(name, grouped[name], calibration)
        for name in sorted(grouped, key=lambda n: (not n, n))
    ]


def write_statistics(
    path: Path, figures: Sequence[ClassFigures], mpp_um: MicronsPerPixel | None
) -> None:
    """Write a CSV with a row a class. Raises OSError; a file that was there is left as it was."""
    import csv

    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(columns(mpp_um))
        for each in figures:
            name, *numbers = cells(each, mpp_um)
            writer.writerow([text_cell(str(name)), *numbers])


def columns(mpp_um: MicronsPerPixel | None) -> tuple[str, ...]:
    """Names with units; pixels where the scale is unknown."""
    area, length = ("Area mm2", "Length um") if mpp_um else ("Area px2", "Length px")
    return "Class", "Count", area, length, OBJECTS


def cells(figures: ClassFigures, mpp_um: MicronsPerPixel | None) -> tuple[str | int | float, ...]:
    """Return one row of the table; "" where nothing is known."""
    calibration = PixelCalibration.of(mpp_um)
    area = figures.area * calibration.mean_pixel**2 / (_UM2_PER_MM2 if mpp_um else 1.0)
    length = figures.length_um
    if length is None or not mpp_um:
        length = figures.length * calibration.mean_pixel
    objects = "" if figures.objects is None else figures.objects
    return figures.name, figures.count, round(area, 9), round(length, 3), objects


def _figures(
    name: str, annotations: Sequence[Annotation], calibration: PixelCalibration
) -> ClassFigures:
    area = length = length_um = 0.0
    for shapes in geometry_parts(annotations):
        area += float(shape_numbers.areas(shapes).sum())
        length += float(shape_numbers.lengths(shapes).sum())
        length_um += float(calibration.lengths(shapes).sum())
    counted = [each.measurements[OBJECTS] for each in annotations if OBJECTS in each.measurements]
    which = annotations[0].shown_as
    return ClassFigures(
        name or NO_CLASS,
        which.color if which else NO_CLASS_COLOR,
        len(annotations),
        area,
        length,
        round(sum(counted)) if counted else None,
        length_um if calibration.unit == "um" else None,
    )
