"""Marks on cells among the annotations of a slide: points that say what they teach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.annotation import Annotation
from viewer.geometry import Box
from viewer.inference.teaching.marked_objects import marked_objects
from viewer.inference.teaching.marks import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from viewer.annotations.annotation import AnnotationClass
    from viewer.geometry import Point
    from viewer.inference.process.messages import ObjectsKey
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.objects import Objects

TEACHES = "Teaches"
"""Metadata of annotations that are marks."""
CELLS = "cells"
_REACH_UM = 30.0
"""No cell has its middle farther from a point in it."""


def new_mark(at: tuple[float, float], shown_as: AnnotationClass, author: str) -> Annotation:
    """Return an annotation that marks the cell at a level-0 point."""
    drawn = Annotation(shapely.Point(at), shown_as=shown_as).signed(author)
    return drawn.noted(TEACHES, CELLS)


def is_cell_mark(annotation: Annotation) -> bool:
    """Return whether an annotation marks a cell."""
    return annotation.metadata.get(TEACHES) == CELLS and bool(annotation.class_name)


def cell_marks(annotations: Iterable[Annotation]) -> list[Mark]:
    """Return the marks on cells among annotations."""
    return [
        Mark(each.geometry, each.class_name, each.shown_as.color)
        for each in annotations
        if is_cell_mark(each) and each.shown_as is not None
    ]


def cells_along(
    found: ObjectMap, path: Sequence[Point]
) -> list[tuple[tuple[float, float], shapely.Polygon]]:
    """Return middle and outline of the cell at a point, or of all that a path crosses."""
    shape = shapely.LineString(path) if len(path) > 1 else shapely.Point(path[0])
    mark, reach = Mark(shape, "", ""), _REACH_UM / found.mpp_um
    around = Box(*shape.bounds).grown(reach)
    cells: list[tuple[tuple[float, float], shapely.Polygon]] = []
    for _, objects in found.inside(around):
        near = _taken_round(objects, around)
        for index in marked_objects(near, [mark], found.mpp_um).indices[0]:
            x, y = near.centroids[index].tolist()
            cells.append(((x, y), shapely.Polygon(near.outline(index))))
    if len(path) == 1 and len(cells) > 1:
        cells = [min(cells, key=lambda cell: cell[1].distance(shape))]
    return cells


def marked_in_blocks(
    blocks: Mapping[BlockKey, Objects],
    grid: BlockGrid,
    marks: Sequence[Mark],
    classes: Sequence[str],
    mpp_um: float,
) -> tuple[list[tuple[ObjectsKey, int, int]], int]:
    """Return the marked objects with the numbers of their classes, and how many marks meet none.

    Of several marks on one object the last holds.

    Parameters
    ----------
    blocks
        The objects that are known, by block.
    classes
        Their names; a mark of another class is left out.
    """
    reach = _REACH_UM / mpp_um
    near: dict[BlockKey, list[int]] = {}
    for number, mark in enumerate(marks):
        if mark.name in classes:
            for key in grid.covering(Box(*mark.geometry.bounds).grown(reach)):
                near.setdefault(key, []).append(number)
    found: dict[tuple[ObjectsKey, int], tuple[int, int]] = {}
    met: set[int] = set()
    for key, numbers in near.items():
        objects = blocks.get(key)
        if objects is None or not len(objects):
            continue
        which = marked_objects(objects, [marks[number] for number in numbers], mpp_um)
        for number, indices in zip(numbers, which.indices, strict=True):
            met |= {number} if indices else set()
            for index in indices:
                place = ((0, key.column, key.row), index)
                if found.get(place, (-1, 0))[0] < number:
                    found[place] = number, classes.index(marks[number].name)
    labels = [(*place, label) for place, (_, label) in found.items()]
    return labels, sum(mark.name in classes for mark in marks) - len(met)


def _taken_round(objects: Objects, box: Box) -> Objects:
    if not len(objects):
        return objects
    x, y = objects.centroids.T
    return objects.taken(np.asarray((x >= box.x0) & (x <= box.x1) & (y >= box.y0) & (y <= box.y1)))
