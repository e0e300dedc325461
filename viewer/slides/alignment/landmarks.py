"""An alignment of pairs of places that a reader marked on both slides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from viewer.plurals import percent
from viewer.slides.alignment.transform import (
    Affine,
    AlignedSlide,
    AlignmentError,
    Landmark,
    SlideAlignment,
    checked,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_PAIRS = 3
_AFFINE_PAIRS = 6
"""As many pairs say more than turn, mirror and scale."""
_MOST_MISS = 0.1
"""Landmarks that miss by more of their extent are not of the same places."""
_LEAST_WIDTH = 0.02
"""Of the extent, how far the landmarks must lie off one line."""


def align_by_landmarks(
    source: AlignedSlide, target: AlignedSlide, landmarks: Sequence[Landmark]
) -> SlideAlignment:
    """Return turn, mirror and scale by least squares; with six pairs and more, an affine map.

    Raises
    ------
    AlignmentError
        There are fewer than three pairs, they lie on a line, or they do not fit each other.
    """
    if len(landmarks) < LEAST_PAIRS:
        raise AlignmentError(
            f"{LEAST_PAIRS} pairs of landmarks are needed, and there are {len(landmarks)}: mark "
            "the same places on both slides."
        )
    source_um, target_um = pixel_um(source.mpp_um), pixel_um(target.mpp_um)
    here = np.array([each.source for each in landmarks], np.float64) * source_um
    there = np.array([each.target for each in landmarks], np.float64) * target_um
    if not (np.isfinite(here).all() and np.isfinite(there).all()):
        raise AlignmentError("A landmark lies nowhere: give finite positions.")
    if min(_width(here), _width(there)) < _LEAST_WIDTH:
        raise AlignmentError(
            "The landmarks lie on one line: mark a place to the side of it on both slides."
        )
    fits = [_similarity(here, there, mirrored=mirrored) for mirrored in (False, True)]
    if len(landmarks) >= _AFFINE_PAIRS:
        fits.append(fit_affine(here, there))
    off = [float(np.sqrt((misses(fit, here, there) ** 2).mean())) for fit in fits]
    best = int(np.argmin(off))
    extent = float(np.ptp(there, axis=0).max())
    if off[best] > _MOST_MISS * extent:
        size = f"{off[best]:,.0f} {'px' if target.mpp_um is None else 'µm'}"
        raise AlignmentError(
            f"The landmarks do not fit each other: they miss by {size}, "
            f"{percent(off[best] / extent)} of their extent. Check that each pair is of the "
            "same place."
        )
    affine = in_pixels(fits[best], source_um, target_um)
    return SlideAlignment(
        source,
        target,
        checked(affine, source, target),
        "landmarks",
        off[best],
        len(landmarks),
        len(landmarks),
        tuple(landmarks),
    )


def pixel_um(mpp_um: tuple[float, float] | None) -> tuple[float, float]:
    """Return the sides of a level-0 pixel; 1, 1 where lengths are in pixels."""
    return mpp_um or (1.0, 1.0)


def in_pixels(
    affine: Affine, source_um: tuple[float, float], target_um: tuple[float, float]
) -> Affine:
    """Return a map of micrometers as one of level-0 pixels."""
    back = Affine.scaling(1 / target_um[0], 1 / target_um[1])
    return back.after(affine).after(Affine.scaling(*source_um))


def fit_affine(here: NDArray[np.float64], there: NDArray[np.float64]) -> Affine:
    """Return the affine map by least squares; (n, 2) each."""
    rows = np.column_stack([here, np.ones(len(here))])
    solution, *_ = np.linalg.lstsq(rows, there, rcond=None)
    (a, c), (b, d), (tx, ty) = solution.tolist()
    return Affine(a, b, tx, c, d, ty)


def fit_similarity(here: NDArray[np.float64], there: NDArray[np.float64]) -> Affine:
    """Return turn, scale and shift by least squares, without a mirror; (n, 2) each."""
    return _similarity(here, there, mirrored=False)


def _similarity(here: NDArray[np.float64], there: NDArray[np.float64], *, mirrored: bool) -> Affine:
    # As complex numbers a turn with a scale is a product, which least squares give at once.
    sign = -1.0 if mirrored else 1.0
    z = here[:, 0] + 1j * sign * here[:, 1]
    w = there[:, 0] + 1j * there[:, 1]
    z0, w0 = z.mean(), w.mean()
    spread = float((np.abs(z - z0) ** 2).sum())
    factor = complex((np.conj(z - z0) * (w - w0)).sum()) / max(spread, 1e-12)
    shift = complex(w0 - factor * z0)
    x, y = factor.real, factor.imag
    return Affine(x, -y * sign, shift.real, y, x * sign, shift.imag)


def misses(
    fit: Affine, here: NDArray[np.float64], there: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far places (n, 2) land from where they should."""
    return np.hypot(*(mapped(fit, here) - there).T)


def mapped(affine: Affine, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where places (n, 2) land."""
    linear = np.array([[affine.a, affine.b], [affine.c, affine.d]])
    return places @ linear.T + (affine.tx, affine.ty)


def _width(places: NDArray[np.float64]) -> float:
    """Return how far places lie off their best line, by their length along it; 0 on a line."""
    centered = places - places.mean(axis=0)
    long, short = np.linalg.svd(centered, compute_uv=False)
    return float(short / long) if long > 0 and math.isfinite(long) else 0.0
