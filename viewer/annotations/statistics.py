"""How many annotations of each class there are, and how large they are."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.annotation import NO_COLOUR
from viewer.atomic_write import atomic_write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation

NO_CLASS = "No class"
OBJECTS = "Objects"
"""The measurement that tells how many objects lie inside."""


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Of all annotations of one class.

    Attributes
    ----------
    area, length
        Level-0 pixels (squared), without those of points; regions count with their perimeter.
    objects
        How many objects of an overlay were counted inside; None where nobody counted.
    """

    name: str
    colour: str
    count: int
    area: float
    length: float
    objects: int | None = None


def class_figures(annotations: Iterable[Annotation]) -> list[ClassFigures]:
    """By the names of the classes; those without a class last."""
    grouped: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        grouped.setdefault(annotation.class_name, []).append(annotation)
    return [_figures(name, grouped[name]) for name in sorted(grouped, key=lambda n: (not n, n))]


def write_statistics(path: Path, figures: Sequence[ClassFigures], mpp_um: float | None) -> None:
    """Writes a CSV with a row a class. Raises OSError; a file that was there is left as it was."""
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(columns(mpp_um))
        writer.writerows(cells(each, mpp_um) for each in figures)


def columns(mpp_um: float | None) -> tuple[str, ...]:
    """Names with units; pixels where the scale is unknown."""
    area, length = ("Area mm2", "Length um") if mpp_um else ("Area px2", "Length px")
    return "Class", "Count", area, length, OBJECTS


def cells(figures: ClassFigures, mpp_um: float | None) -> tuple[str | int | float, ...]:
    """One row of the table; "" where nothing is known."""
    area = figures.area * mpp_um**2 / 1e6 if mpp_um else figures.area
    length = figures.length * (mpp_um or 1.0)
    objects = "" if figures.objects is None else figures.objects
    return figures.name, figures.count, round(area, 6), round(length, 2), objects


def _figures(name: str, annotations: Sequence[Annotation]) -> ClassFigures:
    shapes = np.array([each.geometry for each in annotations], dtype=object)
    counted = [each.measurements[OBJECTS] for each in annotations if OBJECTS in each.measurements]
    which = annotations[0].shown_as
    return ClassFigures(
        name or NO_CLASS,
        which.colour if which else NO_COLOUR,
        len(annotations),
        float(shapely.area(shapes).sum()),
        float(shapely.length(shapes).sum()),
        round(sum(counted)) if counted else None,
    )
