"""Counts of objects that regions keep, and whether they are still those of the region's shape."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from viewer.annotations.statistics import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation

COUNTED = "Counted"
"""Metadata that says what a count was made of: model, scale, share of the region, its shape."""
ANALYZED = "Analyzed %"
POSITIVE_PERCENT, POSITIVE_LOW, POSITIVE_HIGH = "Positive %", "Positive % low", "Positive % high"
"""The share of positive cells, and the ends of its interval."""
H_SCORE, ALLRED, TPS, CPS = "H-score", "Allred score", "TPS %", "CPS"
_SCORES = (POSITIVE_PERCENT, POSITIVE_LOW, POSITIVE_HIGH, H_SCORE, ALLRED, TPS, CPS)
_PLACE = re.compile(r"on ([\d.]+) px² around (-?[\d.]+), (-?[\d.]+)")
_PIXEL = re.compile(r"pixels of ([\d.]+) µm")
_SAME_AREA, _SAME_PLACE_PX = 1e-3, 1.0
"""Files round coordinates; a region that differs by less has not been reshaped."""
_SAME_SCALE = 1e-3


def with_count(
    annotation: Annotation,
    counts: Mapping[str, float],
    model: str,
    share: float,
    mpp_um: float | None = None,
) -> Annotation:
    """Return the annotation with a count in place of an earlier one.

    Parameters
    ----------
    model
        Name, version and scale of what found the objects.
    share
        Of the region that was analyzed, 0 to 1.
    mpp_um
        Of level 0, by which the densities are.
    """
    kept = without_count(annotation)
    numbers = dict(kept.measurements) | dict(counts)
    if share < 1:
        numbers[ANALYZED] = round(100 * share, 2)
    about = f"{model}, {100 * share:.3g} % analyzed, {_place(annotation.geometry)}"
    if mpp_um is not None:
        about += f", pixels of {mpp_um:.6f} µm"
    return replace(kept, measurements=numbers, metadata=dict(kept.metadata) | {COUNTED: about})


def without_count(annotation: Annotation) -> Annotation:
    """Return the annotation without what was counted in it."""
    numbers = {
        name: value for name, value in annotation.measurements.items() if not _is_count(name)
    }
    metadata = {name: text for name, text in annotation.metadata.items() if name != COUNTED}
    return replace(annotation, measurements=numbers, metadata=metadata)


def is_outdated(annotation: Annotation) -> bool:
    """Return whether the region was reshaped or moved since its objects were counted."""
    if COUNTED not in annotation.metadata:
        return False
    found = _PLACE.search(annotation.metadata[COUNTED])
    if found is None:
        return False
    area, x, y = map(float, found.groups())
    geometry = annotation.geometry
    middle = geometry.centroid
    is_same_area = abs(geometry.area - area) <= max(_SAME_AREA * area, 1.0)
    is_same_place = max(abs(middle.x - x), abs(middle.y - y)) <= _SAME_PLACE_PX
    return not (is_same_area and is_same_place)


def former_mpp_um(annotation: Annotation, mpp_um: float | None) -> float | None:
    """Return the pixel size that objects were counted by, where that of the slide is another now.

    None where nothing was counted, one of the two is not known, or they are the same.
    """
    found = _PIXEL.search(annotation.metadata.get(COUNTED, ""))
    if found is None or mpp_um is None:
        return None
    then_um = float(found[1])
    return None if abs(then_um - mpp_um) <= _SAME_SCALE * mpp_um else then_um


def current(annotation: Annotation, mpp_um: float | None = None) -> Annotation:
    """Return the annotation as it may be exported: without a count that is outdated.

    One that was made by another pixel size than the slide's `mpp_um` is outdated too.
    """
    is_former = former_mpp_um(annotation, mpp_um) is not None
    return without_count(annotation) if is_former or is_outdated(annotation) else annotation


def _is_count(name: str) -> bool:
    is_of_objects = name == OBJECTS or name.startswith((f"{OBJECTS} per ", f"{OBJECTS}: "))
    return is_of_objects or name in (ANALYZED, f"Positive {OBJECTS.lower()}", *_SCORES)


def _place(geometry: BaseGeometry) -> str:
    middle = geometry.centroid
    return f"on {geometry.area:.1f} px² around {middle.x:.1f}, {middle.y:.1f}"
