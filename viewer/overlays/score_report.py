"""What pathologists report of graded cells: each value with the rule that it is made by.

Regions are pooled: their cells are counted together, and a cell in two of them counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import shapely

from viewer.annotations.counted import (
    ALLRED,
    CPS,
    H_SCORE,
    POSITIVE_HIGH,
    POSITIVE_LOW,
    POSITIVE_PERCENT,
    TPS,
)
from viewer.annotations.counting.scores import (
    LEAST_TUMOR_CELLS,
    cps,
    ki67_global,
    labeling_index,
    tps,
    wilson_interval,
)
from viewer.geometry import UM2_PER_MM2, Point
from viewer.overlays.graded_cells import GRADES, NEGATIVE, POSITIVE, GradedCells
from viewer.slides.window_sums import window_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.overlays.objects import Objects

NONE = "–"
HOT_SPOT_UM = 500.0
"""Side of the square that a hot spot is looked for in."""
HOT_SPOT_CELLS = 500
"""Cells that a hot spot has at least, where the region has a field with as many."""
_FEW_CELLS = 100
_BIN_UM = 50.0
_TUMOR = ("tumor", "tumour")
_NOT_TUMOR = ("non-tumor", "no tumor", "non-tumour", "no tumour")
_IMMUNE = {"lymphocytes": ("lymphocyte",), "macrophages": ("macrophage", "histiocyte")}
_ANY_IMMUNE = ("immune",)


class ScoreLine(NamedTuple):
    """A value that is reported, in words."""

    name: str
    value: str
    rule: str
    place: Point | None = None
    """Where it was found, level-0 pixels."""


class ClassRegion(NamedTuple):
    """A region that gives the cells in it a class, such as Tumor; level-0 pixels."""

    class_name: str
    shape: BaseGeometry


class ScoreScope(msgspec.Struct, frozen=True):
    """What is scored.

    Attributes
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    regions
        Pooled; none stands for all that was found.
    classes
        Regions that give cells a class.
    analyzed_mm2
        Of what was analyzed in them; None where it is unknown.
    mitoses, counted_mm2
        Of the mitosis count of the slide, if there is one.
    """

    mpp_um: float
    regions: Sequence[BaseGeometry] = ()
    classes: Sequence[ClassRegion] = ()
    analyzed_mm2: float | None = None
    mitoses: int = 0
    counted_mm2: float = 0.0


class _Cells(msgspec.Struct, frozen=True):
    """Columns of the cells of a scope."""

    xy: NDArray[np.float64]
    grades: NDArray[np.intp]
    """0 negative, 1 to 3 by grade, 4 positive without a grade, -1 none of them."""
    roles: dict[str, NDArray[np.bool_]] = msgspec.field(
        default_factory=dict[str, "NDArray[np.bool_]"]
    )

    def graded(self, which: NDArray[np.bool_] | None = None) -> GradedCells:
        grades = self.grades if which is None else self.grades[which]
        counts = np.bincount(grades + 1, minlength=6).tolist()
        return GradedCells(*counts[1:6], ungraded=counts[0])

    @property
    def is_graded(self) -> NDArray[np.bool_]:
        return self.grades >= 0


def score_lines(objects: Objects, names: Sequence[str], scope: ScoreScope) -> list[ScoreLine]:
    """Return the scores of cells whose classes have these names."""
    cells = _cells(objects, names, scope)
    tumor = cells.roles.get("tumor")
    scored = cells.graded(tumor)
    what = "cells" if tumor is None else "tumor cells"
    lines = [*_grade_lines(scored, what), *_pd_l1_lines(cells), *_ki67_lines(cells, tumor, scope)]
    return [*lines, *_area_lines(cells, scope)]


def score_numbers(objects: Objects, names: Sequence[str], scope: ScoreScope) -> dict[str, float]:
    """Return the scores as numbers by name, as annotations keep them; undefined ones are left out.

    Cells of the class Tumor alone are scored where there are some, or regions of that class.
    """
    cells = _cells(objects, names, scope)
    tumor = cells.roles.get("tumor")
    scored = cells.graded(tumor)
    ends, score = scored.interval, scored.allred
    values = {
        POSITIVE_PERCENT: scored.positive_percent,
        POSITIVE_LOW: None if ends is None else 100 * ends.low,
        POSITIVE_HIGH: None if ends is None else 100 * ends.high,
        H_SCORE: scored.h_score,
        ALLRED: None if score is None else float(score.total),
    }
    if tumor is not None:
        viable = cells.graded(tumor)
        values[TPS] = tps(viable.all_positive, viable.total)
        stained = _stained_immune(cells, tumor)
        if stained is not None:
            values[CPS] = cps(viable.all_positive, stained, 0, viable.total)
    return {name: round(value, 3) for name, value in values.items() if value is not None}


def _grade_lines(scored: GradedCells, what: str) -> list[ScoreLine]:
    parts = [f"{scored.negative:,} negative"]
    if scored.positive:
        parts.append(f"{scored.positive:,} positive")
    else:
        grades = zip(("weak", "moderate", "strong"),
                     (scored.weak, scored.moderate, scored.strong), strict=True)  # fmt: skip
        parts += [f"{count:,} {name}" for name, count in grades]
    rule = f"{scored.total:,} {what} with a grade, pooled"
    if scored.ungraded:
        rule += f"; {scored.ungraded:,} without a grade are not in the denominator"
    lines = [ScoreLine("Cells", ", ".join(parts), rule)]
    lines.append(_share_line("Positive", scored.all_positive, scored.total, f"of {what}"))
    needs = "needs grades: choose three thresholds" if scored.positive else ""
    h, score = scored.h_score, scored.allred
    lines.append(
        ScoreLine("H-score", NONE if h is None else f"{h:.0f} of 300",
                  needs or "% weak + 2 × % moderate + 3 × % strong")
    )  # fmt: skip
    text = NONE if score is None else f"{score.total} = {score.proportion} + {score.intensity}"
    lines.append(
        ScoreLine("Allred", text, needs or "proportion in continuous bands + mean intensity")
    )
    return lines


def _pd_l1_lines(cells: _Cells) -> list[ScoreLine]:
    tumor = cells.roles.get("tumor")
    if tumor is None:
        why = "needs tumor cells: draw regions of the class Tumor"
        return [ScoreLine("TPS", NONE, why), ScoreLine("CPS", NONE, why)]
    viable = cells.graded(tumor)
    few = "" if viable.total >= LEAST_TUMOR_CELLS else (
        f"; not adequate: {viable.total:,} viable tumor cells, {LEAST_TUMOR_CELLS} are needed"
    )  # fmt: skip
    value = tps(viable.all_positive, viable.total)
    lines = [
        ScoreLine("TPS", NONE if value is None else f"{value:.1f} %",
                  f"positive of {viable.total:,} viable tumor cells, compared unrounded{few}")
    ]  # fmt: skip
    stained = _stained_immune(cells, tumor)
    if stained is None:
        why = "needs immune cells: draw regions of the class Immune cells"
        return [*lines, ScoreLine("CPS", NONE, why)]
    combined = cps(viable.all_positive, stained, 0, viable.total)
    return [
        *lines,
        ScoreLine("CPS", NONE if combined is None else f"{combined:.1f}",
                  f"positive tumor and immune cells per 100 tumor cells, capped at 100{few}"),
    ]  # fmt: skip


def _stained_immune(cells: _Cells, tumor: NDArray[np.bool_]) -> int | None:
    """Return how many immune cells are positive; None where nothing says which cells are immune."""
    immune = [cells.roles[name] for name in ("immune", *_IMMUNE) if name in cells.roles]
    if not immune:
        return None
    return int((np.logical_or.reduce(immune) & (cells.grades > 0) & ~tumor).sum())


def _ki67_lines(
    cells: _Cells, tumor: NDArray[np.bool_] | None, scope: ScoreScope
) -> list[ScoreLine]:
    used = cells.is_graded if tumor is None else cells.is_graded & tumor
    lines: list[ScoreLine] = []
    if len(scope.regions) > 1:
        shares = _region_shares(cells, used, scope.regions)
        if shares is not None:
            areas, indices = shares
            for name, weighted, rule in (
                ("Ki-67 global, weighted", True, "index of each region by its share of their area"),
                ("Ki-67 global, unweighted", False, "mean of the regions, each of the same weight"),
            ):
                value = ki67_global(areas, indices, weighted)
                lines.append(ScoreLine(name, NONE if value is None else f"{value:.1f} %", rule))
    spot = hot_spot(cells.xy[used] * scope.mpp_um, cells.grades[used] > 0)
    if spot is None:
        rule = f"needs {_FEW_CELLS} cells in a square of {HOT_SPOT_UM / 1000:g} mm"
        return [*lines, ScoreLine("Ki-67 hot spot", NONE, rule)]
    place = Point(spot.x_um / scope.mpp_um, spot.y_um / scope.mpp_um)
    rule = f"highest index of squares of {HOT_SPOT_UM / 1000:g} mm with {spot.least:,} cells"
    line = _share_line("Ki-67 hot spot", spot.positive, spot.total, rule)
    return [*lines, line._replace(place=place)]


def _area_lines(cells: _Cells, scope: ScoreScope) -> list[ScoreLine]:
    lines: list[ScoreLine] = []
    tumor = [each.shape for each in scope.classes if _is_tumor(each.class_name)]
    if tumor:
        whole = shapely.union_all(tumor)
        if scope.regions:
            whole = shapely.intersection(whole, shapely.union_all(list(scope.regions)))
        area = whole.area * scope.mpp_um**2 / UM2_PER_MM2
        lines.append(ScoreLine("Tumor area", f"{area:,.3f} mm²", "regions of the class Tumor"))
    if scope.analyzed_mm2:
        density = len(cells.grades) / scope.analyzed_mm2
        rule = f"of {scope.analyzed_mm2:,.3f} mm² that was analyzed"
        lines.append(ScoreLine("Density", f"{density:,.0f} cells/mm²", rule))
    if scope.counted_mm2:
        per = scope.mitoses / scope.counted_mm2
        rule = f"{scope.mitoses:,} in {scope.counted_mm2:g} mm² of counting fields"
        lines.append(ScoreLine("Mitoses", f"{per:.2f}/mm²", rule))
    return lines


class HotSpot(NamedTuple):
    """The square with the highest share of positive cells."""

    x_um: float
    y_um: float
    positive: int
    total: int
    least: int
    """Cells that were asked for."""


def hot_spot(xy_um: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> HotSpot | None:
    """Return the square of `HOT_SPOT_UM` with the highest positive share, moved in steps of 50 µm.

    It has at least `HOT_SPOT_CELLS` cells, or 100 where no square has as many; None where none has
    those. Of equal ones it is the one with the most cells.
    """
    if len(xy_um) < _FEW_CELLS:
        return None
    span = round(HOT_SPOT_UM / _BIN_UM)
    origin = xy_um.min(0)
    bins = ((xy_um - origin) / _BIN_UM).astype(np.intp)
    columns, rows = (max(int(each) + 1, span) for each in bins.max(0))
    flat, size = bins[:, 1] * columns + bins[:, 0], rows * columns
    all_, positive = (
        np.rint(window_sums(np.bincount(flat, weights, size).reshape(rows, columns), span, span))
        for weights in (np.ones(len(flat)), is_positive.astype(np.float64))
    )
    for least in (HOT_SPOT_CELLS, _FEW_CELLS):
        enough = all_ >= least
        if enough.any():
            shares = np.where(enough, positive / np.maximum(all_, 1), -1.0)
            best = np.lexsort((-all_.ravel(), -shares.ravel()))[0]
            row, column = divmod(int(best), all_.shape[1])
            x, y = origin + (np.array([column, row]) + span / 2) * _BIN_UM
            count = int(all_[row, column])
            return HotSpot(float(x), float(y), int(positive[row, column]), count, least)
    return None


def _share_line(name: str, part: int, total: int, rule: str) -> ScoreLine:
    share, ends = labeling_index(part, total), wilson_interval(part, total)
    if share is None or ends is None:
        return ScoreLine(name, NONE, f"no cells: undefined ({rule})")
    text = f"{share:.1f} % ({100 * ends.low:.1f} to {100 * ends.high:.1f})"
    return ScoreLine(name, text, f"{part:,} of {total:,}, {rule}; in brackets Wilson's 95 %")


def _region_shares(
    cells: _Cells, used: NDArray[np.bool_], regions: Sequence[BaseGeometry]
) -> tuple[list[float], list[float]] | None:
    """Return area in percent and index of each region that has cells."""
    areas: list[float] = []
    indices: list[float] = []
    for region in regions:
        graded = cells.graded(used & _within(cells.xy, [region]))
        index = labeling_index(graded.all_positive, graded.total)
        if index is not None:
            areas.append(float(region.area))
            indices.append(index)
    whole = sum(areas)
    return ([100 * area / whole for area in areas], indices) if len(areas) > 1 else None


def _cells(objects: Objects, names: Sequence[str], scope: ScoreScope) -> _Cells:
    """Return the cells within the regions of a scope."""
    inside = _within(objects.centroids.astype(np.float64), scope.regions)
    order = {NEGATIVE: 0, GRADES[0]: 1, GRADES[1]: 2, GRADES[2]: 3, POSITIVE: 4}
    grade_of = np.array([order.get(name.rpartition(":")[2].strip(), -1) for name in names] or [-1])
    xy, classes = objects.centroids[inside].astype(np.float64), objects.classes[inside]
    roles: dict[str, NDArray[np.bool_]] = {}
    for role in ("tumor", "immune", *_IMMUNE):
        named = np.array([_has_role(name, role) for name in names] or [False])
        shapes = [each.shape for each in scope.classes if _has_role(each.class_name, role)]
        if named.any() or shapes:
            roles[role] = named[classes] | (_within(xy, shapes) if shapes else False)
    return _Cells(xy, grade_of[classes], roles)


def _has_role(class_name: str, role: str) -> bool:
    name = class_name.casefold()
    if role == "tumor":
        return _is_tumor(class_name)
    return any(word in name for word in _IMMUNE.get(role, _ANY_IMMUNE))


def _is_tumor(class_name: str) -> bool:
    name = class_name.casefold()
    return any(word in name for word in _TUMOR) and not any(word in name for word in _NOT_TUMOR)


def _within(xy: NDArray[np.float64], regions: Sequence[BaseGeometry]) -> NDArray[np.bool_]:
    """Return which points lie in any of the regions; all where there are none."""
    if not regions:
        return np.ones(len(xy), bool)
    found = np.zeros(len(xy), bool)
    for region in regions:
        shapely.prepare(region)
        found |= shapely.contains_xy(region, xy[:, 0], xy[:, 1])
    return found
