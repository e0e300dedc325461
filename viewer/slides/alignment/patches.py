"""The same small places on two pictures, and the map that most of them agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.slides.alignment.landmarks import fit_affine, fit_similarity, misses
from viewer.slides.window_sums import window_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.alignment.pictures import Feature
    from viewer.slides.alignment.transform import Affine

WINDOW_PX = 48
_MOST_PATCHES = 160
_LEAST_PEAK = 0.35
_TEXTURE_SHARE = 0.25
"""A patch with less of the picture's usual variation says nothing of where it lies."""
_HYPOTHESES = 600
_MOST_CHANGE = 0.2
_AFFINE_MATCHES = 24


class Agreement(msgspec.Struct, frozen=True):
    """What patches say of a map.

    Attributes
    ----------
    affine
        From pixels of one picture to pixels of the other, of all that agree.
    matched, tried
        Patches that agree, of those that were compared.
    miss_px
        Median distance of those that agree.
    spread
        How widely those that agree lie, by how widely all do.
    """

    affine: Affine
    matched: int
    tried: int
    miss_px: float
    spread: float

    @property
    def share(self) -> float:
        return self.matched / self.tried if self.tried else 0.0


def refined(
    here: Feature,
    there: Feature,
    affine: Affine,
    reach_px: int,
    tolerance_px: float,
    *,
    is_affine: bool,
) -> Agreement:
    """Return a better map than `affine`, which takes pixels of `here` to pixels of `there`.

    Parameters
    ----------
    reach_px
        How far the places may lie from where `affine` puts them.
    tolerance_px
        How far a place may lie from the map and still agree with it.
    is_affine
        Whether the map may stretch.
    """
    seen = there.seen(affine, here.size_px)
    inside = there.inside(affine, here.size_px)
    corners = _corners(here.values, inside, reach_px)
    if len(corners) < 3:
        return Agreement(affine, 0, len(corners), 0.0, 0.0)
    moves, peaks = _moves(here.values, seen, corners, reach_px)
    middles = corners.astype(np.float64) + WINDOW_PX / 2.0
    good = peaks >= _LEAST_PEAK
    places, found = middles[good], (middles + moves)[good]
    agree = _consensus(places, found, tolerance_px)
    if agree.sum() < 3:
        return Agreement(affine, int(agree.sum()), len(corners), 0.0, 0.0)
    fit = fit_similarity(places[agree], found[agree])
    for _ in range(3):
        agree = misses(fit, places, found) <= tolerance_px
        if agree.sum() < 3:
            return Agreement(affine, int(agree.sum()), len(corners), 0.0, 0.0)
        fits = fit_affine if is_affine and agree.sum() >= _AFFINE_MATCHES else fit_similarity
        fit = fits(places[agree], found[agree])
    spread = np.linalg.norm(places[agree].std(axis=0)) / max(
        float(np.linalg.norm(middles.std(axis=0))), 1e-9
    )
    return Agreement(
        affine.after(fit),
        int(agree.sum()),
        len(corners),
        float(np.median(misses(fit, places, found)[agree])),
        float(spread),
    )


def _corners(
    values: NDArray[np.float32], inside: NDArray[np.bool_], reach_px: int
) -> NDArray[np.intp]:
    """Return the upper left corners x, y of patches with something in them, (n, 2)."""
    height, width = values.shape
    room = WINDOW_PX + 2 * reach_px
    if min(height, width) < room:
        return np.zeros((0, 2), np.intp)
    step = max(WINDOW_PX // 3, int(np.sqrt(height * width / _MOST_PATCHES)))
    xs = range(reach_px, width - WINDOW_PX - reach_px + 1, step)
    ys = range(reach_px, height - WINDOW_PX - reach_px + 1, step)
    corners = np.array([(x, y) for y in ys for x in xs], np.intp)
    usual = float(values.std())
    is_good = [
        inside[
            y - reach_px : y + WINDOW_PX + reach_px, x - reach_px : x + WINDOW_PX + reach_px
        ].all()
        and values[y : y + WINDOW_PX, x : x + WINDOW_PX].std() > _TEXTURE_SHARE * usual
        for x, y in corners.tolist()
    ]
    return corners[np.array(is_good, bool)]


def _moves(
    here: NDArray[np.float32],
    there: NDArray[np.float32],
    corners: NDArray[np.intp],
    reach_px: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each patch moved (n, 2), and its normalized correlation there (n,)."""
    from viewer.typed.scipy import inverse_transform, transform

    side = WINDOW_PX + 2 * reach_px
    patches = np.stack(
        [here[y : y + WINDOW_PX, x : x + WINDOW_PX] for x, y in corners.tolist()]
    ).astype(np.float64)
    fields = np.stack(
        [
            there[y - reach_px : y - reach_px + side, x - reach_px : x - reach_px + side]
            for x, y in corners.tolist()
        ]
    ).astype(np.float64)
    patches -= patches.mean(axis=(1, 2), keepdims=True)
    patches /= np.linalg.norm(patches, axis=(1, 2), keepdims=True) + 1e-12
    square = side, side
    products = inverse_transform(transform(fields) * np.conj(transform(patches, square)), square)
    products = products[:, : 2 * reach_px + 1, : 2 * reach_px + 1]
    count = WINDOW_PX**2
    sums, squares = (window_sums(each, WINDOW_PX, WINDOW_PX) for each in (fields, fields**2))
    energy = np.sqrt(np.maximum(squares - sums**2 / count, 1e-12))
    matches = products / energy
    flat = matches.reshape(len(matches), -1)
    best = flat.argmax(axis=1)
    rows, columns = np.divmod(best, 2 * reach_px + 1)
    peaks = flat[np.arange(len(flat)), best].copy()
    at_edge = (np.minimum(rows, columns) == 0) | (np.maximum(rows, columns) == 2 * reach_px)
    peaks[at_edge] = 0.0
    rows_in, columns_in = rows.clip(1, 2 * reach_px - 1), columns.clip(1, 2 * reach_px - 1)
    which = np.arange(len(matches))
    dy = _vertex(*(matches[which, rows_in + k, columns_in] for k in (-1, 0, 1)))
    dx = _vertex(*(matches[which, rows_in, columns_in + k] for k in (-1, 0, 1)))
    moves = np.stack([columns_in + dx, rows_in + dy], axis=1) - reach_px
    return moves, peaks


def _vertex(
    before: NDArray[np.float64], at: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where the parabola through three neighbors has its top, -0.5 to 0.5."""
    bend = before - 2 * at + after
    safe = np.where(np.abs(bend) < 1e-12, -1.0, bend)
    return (0.5 * (before - after) / safe).clip(-0.5, 0.5)


def _consensus(
    places: NDArray[np.float64], found: NDArray[np.float64], tolerance_px: float
) -> NDArray[np.bool_]:
    """Return which matches agree on one turn, scale and shift (RANSAC; the same at each call)."""
    count = len(places)
    if count < 3:
        return np.zeros(count, bool)
    random = np.random.default_rng(0)
    first = random.integers(0, count, _HYPOTHESES)
    second = (first + random.integers(1, count, _HYPOTHESES)) % count
    z, w = places[:, 0] + 1j * places[:, 1], found[:, 0] + 1j * found[:, 1]
    way = z[second] - z[first]
    far = np.abs(way) > WINDOW_PX
    factor = (w[second] - w[first]) / np.where(far, way, 1.0)
    usable = far & (np.abs(factor - 1) < _MOST_CHANGE)
    if not usable.any():
        return np.zeros(count, bool)
    factor, first = factor[usable], first[usable]
    shift = w[first] - factor * z[first]
    misses = np.abs(factor[:, np.newaxis] * z + shift[:, np.newaxis] - w)
    agree = misses <= tolerance_px
    return agree[int(agree.sum(axis=1).argmax())]
