"""How much trouble a slide is, beside the others of its folder, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.cohort.arrival.checking import SlideCheck

_SAID_SHARE = 0.02
"""Shares of problems below this are on every slide."""
_WEIGHTS = {"blur": 1.0, "pen": 0.5, "fold": 0.7}
_WORDS = {"blur": "out of focus", "pen": "under pen", "fold": "dark or folded"}
_LITTLE_MM2, _LITTLE_SHARE = 1.0, 0.01
_FAR = 3.5
"""Robust standard deviations from the median beyond which a stain is said to differ
(Iglewicz and Hoaglin 1993)."""
_LEAST_SPREAD = 0.02
"""Of optical density: slides that are all alike still differ by so much."""
_MAD_SCALE = 1.4826
_FEWEST = 5
"""Slides; of fewer nobody can tell which one differs."""
_UNREADABLE = 10.0


class Trouble(msgspec.Struct, frozen=True):
    """How much, from 0 on, and why, the worst first."""

    score: float
    reasons: tuple[str, ...]


def troubles(checks: Sequence[SlideCheck]) -> list[Trouble]:
    """Return the trouble of each slide, its stain compared with the others'."""
    stains = {
        name: _centers([getattr(check, name) for check in checks])
        for name in ("hematoxylin", "eosin")
    }
    return [_trouble(check, stains) for check in checks]


def _centers(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Return median and robust spread; None where too few are known."""
    known = np.array([value for value in values if value is not None])
    if len(known) < _FEWEST:
        return None
    median = float(np.median(known))
    return median, max(_LEAST_SPREAD, _MAD_SCALE * float(np.median(np.abs(known - median))))


def _trouble(check: SlideCheck, stains: dict[str, tuple[float, float] | None]) -> Trouble:
    if check.error:
        return Trouble(_UNREADABLE, (check.error,))
    found: list[tuple[float, str]] = []
    for name, weight in _WEIGHTS.items():
        share: float | None = getattr(check, name)
        if share is not None and share >= _SAID_SHARE:
            found.append((weight * share, f"{percent(share)} {_WORDS[name]}"))
    if check.mpp_um is None:
        found.append((0.3, "pixel size unknown"))
    if not check.tissue_share:
        found.append((1.0, "no tissue"))
    elif (check.tissue_mm2 or _LITTLE_MM2) < _LITTLE_MM2 or check.tissue_share < _LITTLE_SHARE:
        area = "" if check.tissue_mm2 is None else f" ({check.tissue_mm2:.2g} mm²)"
        found.append((0.2, f"little tissue{area}"))
    for name, center in stains.items():
        value: float | None = getattr(check, name)
        if value is None or center is None:
            continue
        far = (value - center[0]) / center[1]
        if abs(far) > _FAR:
            word = "more" if far > 0 else "less"
            weight = min(1.0, 0.2 + 0.02 * abs(far))
            found.append((weight, f"{word} {name} than the others ({value:.2f}, {center[0]:.2f})"))
    found.sort(key=lambda each: -each[0])
    return Trouble(round(sum(weight for weight, _ in found), 4), tuple(text for _, text in found))
