"""What models found, as annotations that people correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.sound_geometry import repaired
from viewer.geometry import ORIGIN, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.overlays.heatmap import Heatmap
    from viewer.overlays.objects import Objects

_CORNERS = 3


def annotations_of_objects(
    objects: Objects, classes: Sequence[tuple[str, str]], author: str
) -> list[Annotation]:
    """Return a region an object, with its class and measurements; outlines that cross are repaired.

    Parameters
    ----------
    classes
        Name and color of each class.
    author
        Under whose name they are kept.
    """
    named = [AnnotationClass(name, color) for name, color in classes]
    made: list[Annotation] = []
    for index in range(len(objects)):
        outline = objects.outline(index)
        if len(outline) < _CORNERS:
            continue
        shape: BaseGeometry = shapely.Polygon(outline)
        if not shape.is_valid:
            shape = repaired(shape)
        measured = {
            name: round(float(column[index]), 4)
            for name, column in objects.measurements.items()
            if np.isfinite(column[index])
        }
        which = named[int(objects.classes[index])]
        made.append(Annotation(shape, shown_as=which, measurements=measured).signed(author))
    return made


def annotations_of_heatmap(
    heatmap: Heatmap,
    cell: float,
    classes: Sequence[tuple[str, str]],
    author: str,
    origin: Point = ORIGIN,
) -> list[Annotation]:
    """Return the painted cells as regions: one a class and patch of cells that touch.

    What the thresholds leave out is not painted and becomes no region.

    Parameters
    ----------
    cell, origin
        Side of a value's square and where the first begins, level-0 pixels.
    classes
        Name and color of each class; the first alone where the heatmap shows one value.
    """
    painted = heatmap.colors[..., 3] > 0
    made: list[Annotation] = []
    for index, (name, color) in enumerate(classes):
        if heatmap.classes is None:
            wanted = painted if index == 0 else np.zeros_like(painted)
        else:
            wanted = painted & (heatmap.classes == index)
        which = AnnotationClass(name, color)
        made += [
            Annotation(patch, shown_as=which).signed(author)
            for patch in patches(wanted, cell, origin)
        ]
    return made


def patches(wanted: NDArray[np.bool_], cell: float, origin: Point = ORIGIN) -> list[BaseGeometry]:
    """Return regions that cover the wanted cells (rows, columns), one for all of shared edges."""
    rows, columns = np.nonzero(wanted)
    if not len(rows):
        return []
    x, y = origin.x + columns * cell, origin.y + rows * cell
    squares = shapely.box(x, y, x + cell, y + cell)
    return shapely.get_parts(shapely.coverage_union_all(squares)).tolist()
