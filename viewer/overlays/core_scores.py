"""Counts and scores of what a model found, core by core of a tissue microarray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.counted import with_count, without_count
from viewer.annotations.document import Change, Edit
from viewer.annotations.tma.cores import TmaGrid, is_core, is_missing
from viewer.geometry import Box
from viewer.overlays.counting import count_in_region
from viewer.overlays.objects import Objects
from viewer.overlays.score_report import ClassRegion, ScoreScope, score_numbers
from viewer.overlays.slide_scores import areas_among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.object_style import ObjectStyle

_LEAST_SHARE = 1e-3


def measured_cores(
    grid: TmaGrid,
    found: ObjectMap,
    style: ObjectStyle,
    names: Sequence[str],
    model: str,
    held: Sequence[Annotation] = (),
    *,
    is_scored: bool,
    is_whole: bool = False,
) -> tuple[Edit, int]:
    """Return the edit that keeps counts and scores with the cores, and how many are analyzed.

    A core that is missing, or of which nothing was analyzed, has no counts: it is not counted as 0.

    Parameters
    ----------
    names
        Of the model's classes.
    model
        Name, version and scale, as the cores keep it.
    held
        The annotations of the slide, of which areas may give cells a class.
    is_scored
        Whether the classes are grades of a stain.
    is_whole
        Whether everything is known that there is, as of a file.
    """
    classes = [
        ClassRegion(each.class_name, each.geometry)
        for each in areas_among([each for each in held if not is_core(each)])
        if each.class_name
    ]
    changes: list[Change] = []
    analyzed = 0
    for _, _, core in grid:
        after = without_count(core)
        if not is_missing(core):
            count = count_in_region(found, style, len(names), core.geometry, is_whole=is_whole)
            if count.share > _LEAST_SHARE:
                analyzed += 1
                numbers = count.measurements(names)
                if is_scored:
                    numbers |= _scores(core, found, names, classes)
                after = with_count(core, numbers, model, count.share, found.mpp_um)
        if after != core:
            changes.append(Change(core, after))
    return Edit("Measure cores", tuple(changes)), analyzed


def _scores(
    core: Annotation, found: ObjectMap, names: Sequence[str], classes: Sequence[ClassRegion]
) -> dict[str, float]:
    near = [objects for _, objects in found.inside(Box(*core.geometry.bounds))]
    scope = ScoreScope(found.mpp_um, [core.geometry], classes)
    return score_numbers(Objects.joined(near), names, scope) if near else {}
