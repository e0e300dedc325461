"""How dense objects lie, place by place: maps per mm², and the place where they are densest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from viewer.errors import CoverslipError
from viewer.geometry import UM2_PER_MM2, Box, Point
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures
from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.geometry import Size
    from viewer.overlays.object_map import ObjectMap

Kernel = Literal["disc", "gaussian"]
KERNELS: tuple[Kernel, ...] = ("disc", "gaussian")
LEAST_RADIUS_UM, MOST_RADIUS_UM = 5.0, 10_000.0
_STEPS_PER_RADIUS = 8
_MOST_CELLS = 4_000_000
"""Of a map, whose cells are larger on slides that would have more."""
_GAUSSIAN_REACH = 3.0
_LEAST_ANALYZED = 0.25
"""Share of the kernel that was analyzed, below which nothing is said of its middle."""
_WHOLE = 0.98
ALL = "All objects"


class DensityError(CoverslipError):
    """A map that cannot be made; `str()` is one sentence."""


class DensityOptions(msgspec.Struct, frozen=True):
    """What a map is made by.

    Attributes
    ----------
    radius_um
        Of the disc that objects are counted in; a Gaussian's standard deviation is half of it.
    """

    radius_um: float = 250.0
    kernel: Kernel = "disc"

    def __post_init__(self) -> None:
        if not LEAST_RADIUS_UM <= self.radius_um <= MOST_RADIUS_UM:
            raise DensityError(
                f"A radius of {self.radius_um:g} µm cannot be: give {LEAST_RADIUS_UM:g} to "
                f"{MOST_RADIUS_UM:,.0f} µm."
            )
        if self.kernel not in KERNELS:
            raise DensityError(f'A kernel cannot be "{self.kernel}": choose disc or gaussian.')

    @property
    def text(self) -> str:
        """Return what the map is made by, for people."""
        if self.kernel == "disc":
            return f"per mm² in discs of {self.radius_um:g} µm radius"
        return f"per mm², Gaussian of {self.radius_um / 2:g} µm standard deviation"


class HotSpot(NamedTuple):
    """The disc in which most objects lie.

    Attributes
    ----------
    center
        Level-0 pixels.
    area_mm2
        As it was asked for.
    analyzed
        Share of the disc that was analyzed; the rest lies beyond the slide, or was not looked at.
    """

    center: Point
    radius_px: float
    objects: int
    area_mm2: float
    analyzed: float = 1.0

    @property
    def per_mm2(self) -> float:
        return self.objects / self.area_mm2

    @property
    def caveat(self) -> str:
        """Return a sentence where the disc was not analyzed whole, else ""."""
        if self.analyzed >= _WHOLE:
            return ""
        return (
            f"Only {percent(self.analyzed)} of the hot spot was analyzed: it is counted in that "
            "part, and divided by the whole area."
        )


def density_map(
    found: ObjectMap, names: Sequence[str], options: DensityOptions
) -> tuple[PatchFeatureMap, list[str]]:
    """Return objects per mm² over a slide, and the names of its values.

    The first value is of all objects; the others are of the classes, where there are several. What
    was not analyzed is NaN, and a place whose surroundings were in part is by that part.
    """
    from viewer.typed.scipy import convolved

    counts, analyzed, cell_px = _binned(found, len(names), options.radius_um / _STEPS_PER_RADIUS)
    kernel = _kernel(options, cell_px * found.mpp_um)
    area = np.maximum(convolved(analyzed, kernel), 0.0)
    cell_mm2 = (cell_px * found.mpp_um) ** 2 / UM2_PER_MM2
    # Places beyond what was analyzed are told apart from empty ones.
    is_known = (analyzed > 0) & (area >= _LEAST_ANALYZED * kernel.sum())
    planes = [counts.sum(0), *counts] if len(names) > 1 else [counts.sum(0)]
    values = np.full((*analyzed.shape, len(planes)), np.nan, np.float32)
    for index, plane in enumerate(planes):
        summed = np.maximum(convolved(plane, kernel), 0.0)
        values[is_known, index] = (summed / np.maximum(area * cell_mm2, 1e-12))[is_known]
    return _as_map(found, values, cell_px), [ALL, *names] if len(names) > 1 else [ALL]


def hot_spot(
    found: ObjectMap, area_mm2: float, classes: Sequence[int] | None = None
) -> HotSpot | None:
    """Return the disc of an area with the most objects; None where no object is found.

    Discs that were analyzed whole come first; where none was, the one with most objects.

    Parameters
    ----------
    classes
        Those that count; None for all.

    Raises
    ------
    DensityError
        The area is none, or larger than the slide.
    """
    from viewer.typed.scipy import convolved

    if not (math.isfinite(area_mm2) and area_mm2 > 0):
        raise DensityError(f"A hot spot of {area_mm2:g} mm² cannot be: give an area above 0.")
    slide = found.grid.slide
    slide_mm2 = slide.width * slide.height * found.mpp_um**2 / UM2_PER_MM2
    if area_mm2 > slide_mm2:
        raise DensityError(
            f"A hot spot of {area_mm2:g} mm² is larger than the slide, which is "
            f"{slide_mm2:.3g} mm²: give a smaller area."
        )
    objects = found.all_objects()
    points = objects.centroids.astype(np.float64)
    if classes is not None:
        points = points[np.isin(objects.classes, list(classes))]
    if not len(points):
        return None
    radius_um = math.sqrt(area_mm2 * UM2_PER_MM2 / math.pi)
    radius_px = radius_um / found.mpp_um
    _, analyzed, cell_px = _binned(found, 1, radius_um / _STEPS_PER_RADIUS)
    kernel = _kernel(DensityOptions(_within(radius_um)), cell_px * found.mpp_um)
    share = convolved(analyzed, kernel) / kernel.sum()
    counts = convolved(_histogram(points, analyzed.shape, cell_px), kernel)
    is_whole = (share >= _WHOLE) & (counts >= 0.5)
    scored = np.where(is_whole, counts, -1.0) if is_whole.any() else counts
    row, column = np.unravel_index(int(scored.argmax()), scored.shape)
    start = Point((float(column) + 0.5) * cell_px, (float(row) + 0.5) * cell_px)
    center, count = _climbed(points, start, radius_px, cell_px / 2, slide)
    rows, columns = share.shape
    at = min(int(center.y / cell_px), rows - 1), min(int(center.x / cell_px), columns - 1)
    return HotSpot(center, radius_px, count, area_mm2, min(max(float(share[at]), 0.0), 1.0))


def _climbed(
    points: NDArray[np.float64], start: Point, radius: float, step: float, slide: Size
) -> tuple[Point, int]:
    """Move a disc to where it has no more objects a step away, and count them exactly.

    Its middle stays on the slide.
    """
    near = points[np.hypot(*(points - start).T) <= 2 * radius + step]

    def count(at: Point) -> int:
        return int((np.hypot(*(near - at).T) <= radius).sum())

    def kept_on(x: float, y: float) -> Point:
        return Point(min(max(x, 0.0), slide.width), min(max(y, 0.0), slide.height))

    start = kept_on(*start)
    best, most = start, count(start)
    for _ in range(2 * _STEPS_PER_RADIUS):
        around = [
            kept_on(best.x + x * step, best.y + y * step)
            for x in (-1, 0, 1)
            for y in (-1, 0, 1)
            if (x, y) != (0, 0)
        ]
        counts = [count(each) for each in around]
        if max(counts) <= most:
            break
        most = max(counts)
        best = around[counts.index(most)]
        if math.hypot(best.x - start.x, best.y - start.y) > radius:
            break
    return best, most


def _binned(
    found: ObjectMap, classes: int, wanted_um: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return counts by cell, which cells were analyzed, and the side of a cell.

    Counts are (classes, rows, columns); the side is in level-0 pixels.
    """
    slide = found.grid.slide
    least = math.sqrt(slide.width * slide.height / _MOST_CELLS)
    # Whole pixels, as the grid of the map counts.
    cell_px = float(max(1, round(max(wanted_um / found.mpp_um, least))))
    shape = math.ceil(slide.height / cell_px), math.ceil(slide.width / cell_px)
    objects = found.all_objects()
    points = objects.centroids.astype(np.float64)
    counts = np.stack(
        [
            _histogram(points[objects.classes == index] if classes > 1 else points, shape, cell_px)
            for index in range(max(1, classes))
        ]
    )
    analyzed = np.zeros(shape)
    for key in found.done:
        _mark(analyzed, found.grid.core_box(key), cell_px)
    return counts, analyzed, cell_px


def _mark(analyzed: NDArray[np.float64], box: Box, cell_px: float) -> None:
    """Mark the cells whose middle lies in a block."""
    rows = slice(
        max(0, math.ceil(box.y0 / cell_px - 0.5)), max(0, math.ceil(box.y1 / cell_px - 0.5))
    )
    columns = slice(
        max(0, math.ceil(box.x0 / cell_px - 0.5)), max(0, math.ceil(box.x1 / cell_px - 0.5))
    )
    analyzed[rows, columns] = 1.0


def _histogram(
    points: NDArray[np.float64], shape: tuple[int, ...], cell_px: float
) -> NDArray[np.float64]:
    rows, columns = shape
    x = np.clip((points[:, 0] / cell_px).astype(np.intp), 0, columns - 1)
    y = np.clip((points[:, 1] / cell_px).astype(np.intp), 0, rows - 1)
    return (
        np.bincount(y * columns + x, minlength=rows * columns).reshape(rows, columns).astype(float)
    )


def _kernel(options: DensityOptions, cell_um: float) -> NDArray[np.float64]:
    radius = options.radius_um / cell_um
    if options.kernel == "gaussian":
        sigma = max(radius / 2, 0.3)
        reach = max(1, math.ceil(_GAUSSIAN_REACH * sigma))
        ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        return np.exp(-(xs**2 + ys**2) / (2 * sigma**2))
    reach = max(1, math.ceil(radius))
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (np.hypot(xs, ys) <= max(radius, 0.5)).astype(float)


def _as_map(found: ObjectMap, values: NDArray[np.float32], cell_px: float) -> PatchFeatureMap:
    grid = BlockGrid(found.grid.slide, 1.0, round(cell_px) * CELLS, 0)
    made = PatchFeatureMap(grid, found.mpp_um)
    padded = np.full((grid.rows * CELLS, grid.columns * CELLS, values.shape[2]), np.nan, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values[: padded.shape[0], : padded.shape[1]]
    for row in range(grid.rows):
        for column in range(grid.columns):
            part = padded[row * CELLS : (row + 1) * CELLS, column * CELLS : (column + 1) * CELLS]
            if not np.isnan(part).all():
                made.add(BlockKey(column, row), PatchFeatures(part))
    return made


def _within(radius_um: float) -> float:
    return min(max(radius_um, LEAST_RADIUS_UM), MOST_RADIUS_UM)
