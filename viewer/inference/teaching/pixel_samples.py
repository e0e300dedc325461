"""Which pixels of a slide marks teach a class."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.annotations.shape_numbers import dimension
from viewer.geometry import Box
from viewer.inference.teaching.errors import ContradictionError
from viewer.overlays.blocks import BlockGrid, BlockKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.inference.teaching.marks import Mark

MOST_PER_CLASS = 1500
"""Pixels of a class that teach: of more, those that lie spread over its marks."""
_MOST_PER_MARK = 500
"""However many marks there are, so that another mark asks for no other pixels of those before."""
_MOST_CANDIDATES = 20_000
"""Pixels of one mark from which some are chosen."""
_MOST_BLOCKS = 24
"""That are read for one mark, which may be as large as the slide."""
_POINT_UM, _LINE_UM = 4.0, 2.0
"""Radius of what a point means, and half of the width of a line."""
_LEAST_RADIUS_PX = 1.0
_MOST_SHARED = 0.5
"""Share of a mark that marks of another class may cover before they contradict each other."""


class PixelSamples(msgspec.Struct, frozen=True):
    """Pixels of one slide that are marked.

    Attributes
    ----------
    columns, rows
        (n,) in pixels that the classifier is fed, from the corner of the slide.
    classes
        (n,) numbers of their classes.
    notes
        Sentences on what was left out.
    """

    columns: NDArray[np.int64]
    rows: NDArray[np.int64]
    classes: NDArray[np.intp]
    notes: tuple[str, ...] = ()

    def by_block(self, grid: BlockGrid) -> dict[BlockKey, NDArray[np.intp]]:
        """Return the places in the arrays of the pixels of each block, row by row."""
        found: dict[BlockKey, list[int]] = defaultdict(list)
        keys = zip(
            (self.columns // grid.core_px).tolist(),
            (self.rows // grid.core_px).tolist(),
            strict=True,
        )
        for place, key in enumerate(keys):
            found[BlockKey(*key)].append(place)
        ordered = sorted(found, key=lambda key: (key.row, key.column))
        return {key: np.array(found[key], np.intp) for key in ordered}


def pixel_samples(
    marks: Sequence[Mark],
    names: Sequence[str],
    grid: BlockGrid,
    mpp_um: float,
    most: int = MOST_PER_CLASS,
) -> PixelSamples:
    """Return the pixels that marks of a slide mean; the same marks always mean the same.

    An area means the pixels in it, a line what lies within 2 µm and a point what lies within 4 µm,
    each at least a pixel. What two classes are marked on teaches neither.

    Parameters
    ----------
    names
        Of the classes, in order.
    mpp_um
        Micrometers per level-0 pixel.
    most
        Pixels of a class.

    Raises
    ------
    ContradictionError
        Most of a mark is marked with another class as well.
    """
    areas = [_area(mark.geometry, grid, mpp_um) for mark in marks]
    numbers = [names.index(mark.name) for mark in marks]
    by_class = {
        number: shapely.union_all([a for a, n in zip(areas, numbers, strict=True) if n == number])
        for number in sorted(set(numbers))
    }
    shared = _check_shared(areas, numbers, by_class, names)
    parts = [
        (_pixels(area, grid, shared.get(n), _MOST_PER_MARK), n)
        for area, n in zip(areas, numbers, strict=True)
    ]
    columns, rows = (np.concatenate([p[i] for p, _ in parts] or [_none()]) for i in (0, 1))
    classes = np.concatenate([np.full(len(p[0]), n, np.intp) for p, n in parts] or [_none()])
    # Marks of a class may lie on each other: a pixel counts once.
    once = np.unique(np.stack([columns, rows, classes]), axis=1, return_index=True)[1]
    once.sort()
    kept = np.concatenate(
        [_spread(once[classes[once] == number], most) for number in by_class] or [once]
    ).astype(np.intp)
    kept.sort()
    return PixelSamples(
        columns[kept], rows[kept], classes[kept].astype(np.intp), _notes(shared, names)
    )


def _area(geometry: BaseGeometry, grid: BlockGrid, mpp_um: float) -> BaseGeometry:
    """Return the area that a mark means, level-0 pixels."""
    if geometry.area > 0:
        return geometry
    um = _POINT_UM if dimension(geometry) == 0 else _LINE_UM
    return shapely.buffer(geometry, max(um / mpp_um, _LEAST_RADIUS_PX * grid.downsample))


def _check_shared(
    areas: Sequence[BaseGeometry],
    numbers: Sequence[int],
    by_class: Mapping[int, BaseGeometry],
    names: Sequence[str],
) -> dict[int, BaseGeometry]:
    """Return what of each class is marked with another, too; nothing of most classes."""
    shared: dict[int, BaseGeometry] = {}
    for number, area in by_class.items():
        others = [a for n, a in by_class.items() if n != number]
        both = shapely.intersection(area, shapely.union_all(others)) if others else None
        if both is not None and both.area > 0:
            shared[number] = both
    for area, number in zip(areas, numbers, strict=True):
        if number not in shared:
            continue
        both = shapely.intersection(area, shared[number])
        if both.area > _MOST_SHARED * area.area:
            other = max(
                (n for n in by_class if n != number),
                key=lambda n: shapely.intersection(area, by_class[n]).area,
            )
            at = shapely.point_on_surface(both)
            raise ContradictionError(
                f"The same place is marked {names[number]} and {names[other]}, at {at.x:,.0f}, "
                f"{at.y:,.0f} px: remove one of the two marks."
            )
    return shared


def _notes(shared: Mapping[int, BaseGeometry], names: Sequence[str]) -> tuple[str, ...]:
    if not shared:
        return ()
    which = " and ".join(names[number] for number in shared)
    at = shapely.point_on_surface(next(iter(shared.values())))
    return (
        f"Marks of {which} overlap, the first at {at.x:,.0f}, {at.y:,.0f} px: what they share "
        "teaches neither.",
    )


def _pixels(
    area: BaseGeometry, grid: BlockGrid, shared: BaseGeometry | None, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return columns and rows of at most so many pixels whose middle lies in an area."""
    width, height = grid.slide.width, grid.slide.height
    seen = shapely.intersection(area, shapely.box(0, 0, width, height))
    if seen.is_empty:
        return _none(), _none()
    if shared is not None:
        seen = shapely.difference(seen, shared)
    box = Box(*seen.bounds) if not seen.is_empty else Box(0, 0, 0, 0)
    if box.is_empty:
        return _none(), _none()
    keys = grid.covering(box)
    shapely.prepare(seen)
    cores = [grid.core_box(key) for key in keys] if len(keys) > _MOST_BLOCKS else []
    if cores:
        meets = shapely.intersects(seen, [shapely.box(*core.bounds) for core in cores])
        chosen = _spread(np.flatnonzero(meets), _MOST_BLOCKS)
        indices: list[int] = chosen.tolist()
        boxes = [cores[index].intersection(box) for index in indices]
    else:
        boxes = [box]
    found = [_in_box(seen, each, grid.downsample, len(boxes)) for each in boxes]
    columns, rows = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
    if not len(columns):  # thinner than a pixel: the one that it lies in
        at = shapely.point_on_surface(seen)
        columns = np.array([at.x // grid.downsample], np.int64)
        rows = np.array([at.y // grid.downsample], np.int64)
    kept = _spread(np.arange(len(columns)), most)
    return columns[kept], rows[kept]


def _in_box(
    area: BaseGeometry, box: Box, downsample: float, parts: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return columns and rows of pixels of an area in a box, on a grid of whole pixels."""
    first = math.floor(box.x0 / downsample), math.floor(box.y0 / downsample)
    last = math.ceil(box.x1 / downsample), math.ceil(box.y1 / downsample)
    pixels = (last[0] - first[0]) * (last[1] - first[1])
    step = max(1, math.isqrt(math.ceil(pixels * parts / _MOST_CANDIDATES)))
    across, down = (np.arange(low, high, step) for low, high in zip(first, last, strict=True))
    columns, rows = (each.ravel() for each in np.meshgrid(across, down))
    inside = shapely.contains_xy(area, (columns + 0.5) * downsample, (rows + 0.5) * downsample)
    return columns[inside].astype(np.int64), rows[inside].astype(np.int64)


def _spread(places: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return at most so many of them, evenly."""
    if len(places) <= most:
        return places
    return places[(np.arange(most) * len(places) / most).astype(np.intp)]


def _none() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)
