"""Simulated readers with a goal, who go by what the pixels look like and never by the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from training.evidence.impressions import CELL_UM
from viewer.attention.simulated_session import SCREEN_PX, Look, write_simulated
from viewer.attention.simulating import peaks_apart
from viewer.geometry import Point, View

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from viewer.slides.source import SlideSource


@dataclass(frozen=True, slots=True)
class Habit:
    """How a reader goes about it, whatever the goal.

    Attributes
    ----------
    survey, detail
        Magnifications of the look at each place, and of the closer ones.
    places
        How many are gone to.
    from_afar, from_near
        Deviation of the noise on what is thought of a place, before and at the look.
    interesting
        Standard deviations from which a place is looked at closer.
    """

    survey: float = 20.0
    detail: float = 40.0
    places: int = 8
    survey_s: tuple[float, float] = (1.2, 2.0)
    detail_s: tuple[float, float] = (2.0, 4.0)
    from_afar: float = 0.4
    from_near: float = 0.3
    interesting: float = 1.0


EAGER = Habit()
STEADY = Habit(survey=10.0, detail=20.0, places=6, survey_s=(4.0, 6.0), interesting=0.3)
"""Looks longer, from farther away, and closer at more of what it sees."""

_OVERVIEW_S = 2.0
_DETAILS = 2


def read_slide(
    source: SlideSource,
    goal: str,
    impression: NDArray[np.float64],
    seed: int,
    library: Path,
    habit: Habit = EAGER,
    name: str = "",
) -> Path:
    """Write the session of a reader, and return its folder.

    Parameters
    ----------
    impression
        (rows, columns) of the goal: see `impressions`.
    name
        Of the reader; the goal, where it is empty.
    """
    looks = _looks(source, goal, impression, np.random.default_rng(seed), habit)
    return write_simulated(source, source.info.optics, name or goal, list(looks), library)


def _looks(
    source: SlideSource,
    goal: str,
    impression: NDArray[np.float64],
    rng: Generator,
    habit: Habit,
) -> Iterator[Look]:
    base, optics = source.levels[0], source.info.optics
    mpp_um = optics.mean_mpp_um
    assert mpp_um is not None
    cell = CELL_UM / mpp_um
    fit = max(base.width_px / SCREEN_PX.width, base.height_px / SCREEN_PX.height)
    middle = Point(base.width_px / 2, base.height_px / 2)
    yield Look(View(middle, fit, SCREEN_PX), _OVERVIEW_S, "open")
    survey, detail = (optics.downsample(each) for each in (habit.survey, habit.detail))
    assert survey is not None
    assert detail is not None
    rows = max(1, round(SCREEN_PX.height * survey / cell))
    columns = max(1, round(SCREEN_PX.width * survey / cell))
    known = np.isfinite(impression)
    seen = np.nan_to_num(impression)
    for row, column in _places(seen, known, goal, (rows, columns), rng, habit):
        center = Point((column + 0.5) * cell, (row + 0.5) * cell)
        yield Look(View(center, survey, SCREEN_PX), rng.uniform(*habit.survey_s), "wheel")
        top, left = max(0, row - rows // 2), max(0, column - columns // 2)
        field = ndimage.uniform_filter(seen, 3)[top : row + rows // 2, left : column + columns // 2]
        if not field.size or field.max() + rng.normal(0, habit.from_near) < habit.interesting:
            continue
        y, x = (int(i) for i in np.unravel_index(field.argmax(), field.shape))
        for _ in range(_DETAILS):
            aside_x, aside_y = rng.normal(0, 0.7, 2).tolist()
            at = Point((left + x + 0.5 + aside_x) * cell, (top + y + 0.5 + aside_y) * cell)
            yield Look(View(at, detail, SCREEN_PX), rng.uniform(*habit.detail_s), "wheel")


def _places(
    seen: NDArray[np.float64],
    known: NDArray[np.bool_],
    goal: str,
    field: tuple[int, int],
    rng: Generator,
    habit: Habit,
) -> list[tuple[int, int]]:
    """Return the cells that look most promising from afar, in the order they are gone to."""
    noise = ndimage.gaussian_filter(rng.standard_normal(seen.shape), 2)
    promising = ndimage.uniform_filter(seen, 3) + habit.from_afar * noise / noise.std()
    promising = np.where(known, promising - promising[known].min() + 1e-6, 0)
    places = peaks_apart(promising, *field, habit.places)
    if goal != "border" or not places:
        return places
    followed = [places.pop(0)]
    while places:  # along the border, to what is nearest
        row, column = followed[-1]
        nearest = min(places, key=lambda at: np.hypot(at[0] - row, at[1] - column))
        places.remove(nearest)
        followed.append(nearest)
    return followed
