"""The first guesses: overviews laid on each other at every turn, mirrored and not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.slides.alignment.transform import Affine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.slides.alignment.pictures import Feature

_STEP_DEG = 5.0
_NEAR_DEG, _NEAR_PX, _NEAR_SCALE = 8.0, 6.0, 1.1


class Guess(msgspec.Struct, frozen=True):
    """A map from pixels of one overview to pixels of the other, and how well they correlate."""

    affine: Affine
    score: float
    turn_deg: float
    scale: float


def guesses(
    here: Feature,
    there: Feature,
    scales: Sequence[float],
    most: int,
    step_deg: float = _STEP_DEG,
    on_step: Callable[[], object] = lambda: None,
) -> list[Guess]:
    """Return the best guesses, the best first, by phase correlation of the overviews.

    Parameters
    ----------
    scales
        How many times as large things are in `there`.
    on_step
        Is called now and then; what it raises ends the work.
    """
    from viewer.typed.scipy import inverse_transform, transform

    width, height = here.size_px
    side = _padded(here, there, scales)
    conjugate = np.conj(transform(_centered(here.values, side)))
    norm_here = float(np.linalg.norm(here.values)) + 1e-9
    middle = (side - 1) / 2 + 0.5
    found: list[Guess] = []
    for scale in scales:
        for mirrored in (False, True):
            on_step()
            for turn_deg in np.arange(0.0, 360.0, step_deg).tolist():
                around = _turned(turn_deg, scale, mirrored=mirrored)
                # The other overview about its middle, as seen from the middle of the square.
                at = _about(around, (middle, middle), _middle(there))
                seen = there.seen(at, (side, side))
                norm = float(np.linalg.norm(seen)) + 1e-9
                matches = inverse_transform(transform(seen) * conjugate, (side, side))
                row, column = np.unravel_index(int(matches.argmax()), matches.shape)
                score = float(matches[row, column]) / (norm_here * norm)
                dy, dx = _signed(int(row), side), _signed(int(column), side)
                # A pixel of `here` lies in the square at its place, moved by what was found.
                left, top = (side - width) // 2, (side - height) // 2
                shifted = Affine(tx=left + dx, ty=top + dy)
                found.append(Guess(at.after(shifted), score, turn_deg, scale))
    found.sort(key=lambda each: -each.score)
    return _apart(found, most, here)


def _padded(here: Feature, there: Feature, scales: Sequence[float]) -> int:
    """Return the side of a square that holds either overview at any turn, and moved."""
    longest = max(math.hypot(*here.size_px), math.hypot(*there.size_px) / min(scales))
    return 2 ** math.ceil(math.log2(longest * 1.2))


def _centered(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    square = np.zeros((side, side), np.float32)
    height, width = values.shape
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = values
    return square


def _signed(index: int, side: int) -> int:
    return index - side if index > side // 2 else index


def _middle(feature: Feature) -> tuple[float, float]:
    return feature.size_px[0] / 2, feature.size_px[1] / 2


def _turned(turn_deg: float, scale: float, *, mirrored: bool) -> Affine:
    turn = math.radians(turn_deg)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    sign = -1.0 if mirrored else 1.0
    return Affine(cos * sign, -sin, 0.0, sin * sign, cos, 0.0)


def _about(linear: Affine, here: tuple[float, float], there: tuple[float, float]) -> Affine:
    """Return the map with a linear part that takes one point to another."""
    x, y = linear.a * here[0] + linear.b * here[1], linear.c * here[0] + linear.d * here[1]
    return Affine(linear.a, linear.b, there[0] - x, linear.c, linear.d, there[1] - y)


def _apart(found: Sequence[Guess], most: int, here: Feature) -> list[Guess]:
    """Return the first of guesses that are alike, at most so many."""
    from viewer.geometry import Point

    middle = Point(*_middle(here))
    kept: list[Guess] = []
    for each in found:
        if len(kept) == most:
            break
        at = each.affine.map(middle)
        for other in kept:
            is_same_side = (other.affine.determinant > 0) == (each.affine.determinant > 0)
            turn = abs((other.turn_deg - each.turn_deg + 180) % 360 - 180)
            ratio = max(other.scale / each.scale, each.scale / other.scale)
            is_near = math.dist(other.affine.map(middle), at) < _NEAR_PX
            if is_same_side and turn < _NEAR_DEG and ratio < _NEAR_SCALE and is_near:
                break
        else:
            kept.append(each)
    return kept
