"""How many annotations of each class there are, and how large they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.annotations import shape_numbers
from viewer.annotations.annotation import NO_CLASS, NO_CLASS_COLOR
from viewer.annotations.bookmarks import is_mark
from viewer.annotations.kept_geometry import geometry_parts
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.cell_text import text_cell
from viewer.files.atomic_write import atomic_write_text
from viewer.geometry import UM2_PER_MM2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.pixel_calibration import MicronsPerPixel

OBJECTS = "Objects"
"""The measurement that tells how many objects lie inside."""


class ClassFigures(msgspec.Struct, frozen=True):
    """Of all annotations of one class.

    Attributes
    ----------
    area, length, perimeter
        Level-0 pixels (squared): the area and the perimeter of regions, the length of lines.
    length_um, perimeter_um
        By the pixel size along each axis; None where that was not given.
    objects
        How many objects of an overlay were counted inside; None where nobody counted.
    """

    name: str
    color: str
    count: int
    area: float
    length: float
    perimeter: float
    objects: int | None = None
    length_um: float | None = None
    perimeter_um: float | None = None


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
    area, unit = ("Area mm2", "um") if mpp_um else ("Area px2", "px")
    return "Class", "Count", area, f"Perimeter {unit}", f"Length {unit}", OBJECTS


def cells(figures: ClassFigures, mpp_um: MicronsPerPixel | None) -> tuple[str | int | float, ...]:
    """Return one row of the table; "" where nothing is known."""
    calibration = PixelCalibration.of(mpp_um)
    area = figures.area * calibration.mean_pixel**2 / (UM2_PER_MM2 if mpp_um else 1.0)
    perimeter, length = figures.perimeter_um, figures.length_um
    if perimeter is None or length is None or not mpp_um:
        perimeter = figures.perimeter * calibration.mean_pixel
        length = figures.length * calibration.mean_pixel
    objects = "" if figures.objects is None else figures.objects
    numbers = round(area, 9), round(perimeter, 3), round(length, 3)
    return figures.name, figures.count, *numbers, objects


def _figures(
    name: str, annotations: Sequence[Annotation], calibration: PixelCalibration
) -> ClassFigures:
    area = length = length_um = perimeter = perimeter_um = 0.0
    for shapes in geometry_parts(annotations):
        area += float(shape_numbers.areas(shapes).sum())
        is_region = shape_numbers.dimensions(shapes) == 2
        lengths, lengths_um = shape_numbers.lengths(shapes), calibration.lengths(shapes)
        length += float(lengths[~is_region].sum())
        length_um += float(lengths_um[~is_region].sum())
        perimeter += float(lengths[is_region].sum())
        perimeter_um += float(lengths_um[is_region].sum())
    counted = [each.measurements[OBJECTS] for each in annotations if OBJECTS in each.measurements]
    which = annotations[0].shown_as
    return ClassFigures(
        name or NO_CLASS,
        which.color if which else NO_CLASS_COLOR,
        len(annotations),
        area,
        length,
        perimeter,
        round(sum(counted)) if counted else None,
        length_um if calibration.unit == "um" else None,
        perimeter_um if calibration.unit == "um" else None,
    )
