"""The scores of what a model found on a slide, with what people drew on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import shapely
from msgspec.structs import replace

from viewer.annotations.counting.tally import MITOSIS, layout_of, summary_of
from viewer.annotations.operations import is_region
from viewer.geometry import UM2_PER_MM2, Box
from viewer.overlays.objects import Objects
from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.score_report import ScoreLine

_WHOLE = 0.999


def scores_of(
    found: ObjectMap,
    names: list[str],
    regions: Sequence[BaseGeometry],
    held: Sequence[Annotation],
) -> tuple[str, list[ScoreLine]]:
    """Return what is scored, in words, and the scores; nothing before a cell is found.

    Parameters
    ----------
    regions
        Pooled; none stands for all that was found.
    held
        The annotations of the slide, of which areas may give cells a class.
    """
    from viewer.overlays.counting import analyzed_share
    from viewer.overlays.score_report import ClassRegion, ScoreScope, score_lines

    if not found.count:
        return "", []
    counted = summary_of(held)
    classes = [
        ClassRegion(each.class_name, each.geometry) for each in areas_among(held) if each.class_name
    ]
    scope = ScoreScope(
        found.mpp_um, regions, classes, None,
        counted.counts[MITOSIS.name], round(counted.area_mm2, 6),
    )  # fmt: skip
    if not regions:
        return "all cells found so far", score_lines(found.all_objects(), names, scope)
    whole = union_of(regions)
    share = analyzed_share(found, whole)
    of = "the selected region" if len(regions) == 1 else f"{len(regions)} regions, pooled"
    if share < _WHOLE:
        of += f", {percent(share)} of it analyzed"
    analyzed_mm2 = whole.area * share * found.mpp_um**2 / UM2_PER_MM2
    objects = Objects.joined([each for _, each in found.inside(Box(*whole.bounds))])
    return of, score_lines(objects, names, replace(scope, analyzed_mm2=analyzed_mm2))


def areas_among(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Return the annotations that cover an area and are no counting field."""
    return [each for each in annotations if is_region(each) and layout_of(each) is None]


def union_of(regions: Sequence[BaseGeometry]) -> BaseGeometry:
    """Return what any of the regions covers."""
    return shapely.union_all(list(regions))
