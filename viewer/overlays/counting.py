"""How many objects lie in a region, how dense, and which share of them is positive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.annotations import shape_numbers
from viewer.annotations.statistics import OBJECTS
from viewer.geometry import UM2_PER_MM2, Box
from viewer.overlays.area import blocks_of, holds, part_within
from viewer.overlays.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.overlays.area import Area
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.object_style import ObjectStyle
    from viewer.overlays.result_map import ResultMap


class Positive(msgspec.Struct, frozen=True):
    """Which objects are positive: those with at least this much of a measurement."""

    measurement: str
    threshold: float


class RegionCount(msgspec.Struct, frozen=True):
    """What was counted in one region.

    Attributes
    ----------
    by_class
        A number for each class of the model, in its order.
    positive
        None where nobody asked; objects that lack the measurement are not positive.
    share
        Of the region that was analyzed, 0 to 1.
    """

    by_class: tuple[int, ...]
    area_mm2: float
    positive: int | None = None
    share: float = 1.0

    @property
    def count(self) -> int:
        return sum(self.by_class)

    @property
    def per_mm2(self) -> float:
        """Return the density in what was analyzed; 0.0 without an area of it."""
        analyzed_mm2 = self.area_mm2 * self.share
        return self.count / analyzed_mm2 if analyzed_mm2 else 0.0

    @property
    def positive_percent(self) -> float | None:
        """Return None where nobody asked or nothing was counted."""
        if self.positive is None or not self.count:
            return None
        return 100.0 * self.positive / self.count

    def measurements(self, names: Sequence[str]) -> dict[str, float]:
        """Return the measurements that an annotation keeps, by the names of the classes."""
        values: dict[str, float] = {OBJECTS: self.count}
        if self.area_mm2:
            values[f"{OBJECTS} per mm2"] = round(self.per_mm2, 3)
        if len(names) > 1:
            pairs = zip(names, self.by_class, strict=True)
            values |= {f"{OBJECTS}: {name}": count for name, count in pairs}
        if self.positive is not None:
            values[f"Positive {OBJECTS.lower()}"] = self.positive
        if self.positive_percent is not None:
            values["Positive %"] = round(self.positive_percent, 3)
        return values


def count_in_region(
    found: ObjectMap,
    style: ObjectStyle,
    classes: int,
    region: BaseGeometry,
    positive: Positive | None = None,
    *,
    is_whole: bool = True,
) -> RegionCount:
    """Count the objects that are shown and whose middle lies in a region.

    Parameters
    ----------
    classes
        How many the model has.
    region
        Level-0 pixels.
    is_whole
        Whether everything is known that there is, as of a file; else blocks may be missing.
    """
    numbers = np.zeros(classes, np.int64)
    positives = 0
    shapely.prepare(region)
    for _, objects in found.inside(Box(*region.bounds)):
        inside = _shown_inside(objects, style, region)
        numbers += np.bincount(objects.classes[inside], minlength=classes)[:classes]
        if positive is not None:
            with np.errstate(invalid="ignore"):
                enough = objects.measured(positive.measurement) >= positive.threshold
            positives += int((enough & inside).sum())
    area_mm2 = region.area * found.mpp_um**2 / UM2_PER_MM2
    positive_count = positives if positive is not None else None
    share = 1.0 if is_whole else analyzed_share(found, region)
    return RegionCount(tuple(numbers.tolist()), area_mm2, positive_count, share)


def analyzed_share(found: ResultMap, area: Area) -> float:
    """Return the share of an area whose blocks are known, 0 to 1."""
    grid = found.grid
    part = part_within(area, Box(0, 0, grid.slide.width, grid.slide.height))
    shape = part.polygon if isinstance(part, Box) else part
    done = found.done
    missing = [grid.core_box(key) for key in blocks_of(grid, part) if key not in done]
    if (patches := found.as_patches) is not None:
        holes = patches.unanswered_in(part)
        missing += holes.boxes(holes.count)
    if not missing or not shape.area:
        return 1.0
    cores = np.array([box.polygon for box in missing])
    unknown = shape_numbers.areas(shapely.intersection(cores, shape)).sum()
    return max(0.0, 1.0 - float(unknown) / float(shape.area))


def shown_inside(found: ObjectMap, style: ObjectStyle, region: BaseGeometry | None) -> Objects:
    """Return the objects that are shown and whose middle lies in a region.

    None is the whole slide.
    """
    if region is None:
        blocks = list(found)
    else:
        shapely.prepare(region)
        blocks = list(found.inside(Box(*region.bounds)))
    return Objects.joined(
        [objects.taken(_shown_inside(objects, style, region)) for _, objects in blocks]
    )


def _shown_inside(
    objects: Objects, style: ObjectStyle, region: BaseGeometry | None
) -> NDArray[np.bool_]:
    shown = style.groups(objects) >= 0
    if region is None or not len(objects):
        return shown
    x, y = objects.centroids.astype(np.float64).T
    return shown & holds(region, x, y)
