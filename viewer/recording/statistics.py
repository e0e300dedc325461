"""Figures of a session."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.recording.attention_maps import band_indices
from viewer.recording.behaviors import BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.pixel_calibration import MicronsPerPixel
    from viewer.recording.trace import Action, FloatArray, Trace


class Statistics(msgspec.Struct, frozen=True):
    """What a session comes to.

    Attributes
    ----------
    duration_s, looked_s
        From the first view to the end; and without the time away.
    band_s
        Seconds looked at for each magnification of `BANDS`.
    zooms_in, zooms_out
        Movements of zoom: steps in a row in one direction count once.
    path_px, path_um
        Length of the way of the view's center, level-0 pixels; micrometers where known.
    scanning_share
        Of the movements the share that pans at one zoom; the rest drills. 1 is a pure scanner, 0
        a pure driller (after the scanning and drilling strategies of Drew et al. 2013, radiology;
        Mercan et al. 2018, pathology). nan where nothing moved.
    """

    duration_s: float
    looked_s: float
    views: int
    actions: int
    band_s: dict[float, float]
    zooms_in: int
    zooms_out: int
    path_px: float
    path_um: float | None
    scanning_share: float
    mean_magnification: float


def statistics_of(
    trace: Trace, actions: Sequence[Action], mpp_um: MicronsPerPixel | None = None
) -> Statistics:
    """Return the figures of a trace and the actions made of it; `mpp_um` is of the slide."""
    looked_s = trace.looked_s()
    total_s = float(looked_s.sum())
    bands = band_indices(trace.magnification)
    by_band = np.bincount(bands, weights=looked_s, minlength=len(BANDS) + 1)
    zooms_in, zooms_out = _zoom_moves(trace)
    steps = np.diff(trace.centers, axis=0)
    path_px = float(np.linalg.norm(steps, axis=1).sum())
    pixel_um = PixelCalibration.of(mpp_um).pixel
    is_known = ~np.isnan(trace.magnification) & (looked_s > 0)
    mean = math.nan
    if is_known.any():
        mean = float(np.average(trace.magnification[is_known], weights=looked_s[is_known]))
    return Statistics(
        duration_s=trace.duration_s,
        looked_s=total_s,
        views=len(trace),
        actions=len(actions),
        band_s={band: float(by_band[index]) for index, band in enumerate(BANDS)},
        zooms_in=zooms_in,
        zooms_out=zooms_out,
        path_px=path_px,
        path_um=None if mpp_um is None else float(np.linalg.norm(steps * pixel_um, axis=1).sum()),
        scanning_share=_scanning_share(trace),
        mean_magnification=mean,
    )


def _zoom_moves(trace: Trace) -> tuple[int, int]:
    """Movements in and out; a row of steps in one direction is one movement."""
    directions = _zoom_directions(trace)
    moves = directions[directions != 0]
    if not len(moves):
        return 0, 0
    is_new = np.concatenate([[True], moves[1:] != moves[:-1]])
    # A rest between two movements in the same direction parts them.
    (at,) = np.nonzero(directions)
    rests_s = trace.start_s[1:][at][1:] - trace.start_s[1:][at][:-1]
    is_new[1:] |= rests_s > 1.0
    return int((is_new & (moves > 0)).sum()), int((is_new & (moves < 0)).sum())


def _zoom_directions(trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Return (n - 1,) 1 where the next view is farther in, -1 farther out, 0 at the same zoom."""
    octaves = _octaves(trace)
    return np.sign(np.where(np.abs(octaves) < 1e-3, 0.0, octaves)).astype(np.int8)


def _octaves(trace: Trace) -> FloatArray:
    """Return (n - 1,) doublings of zoom from view to view, above 0 where the next is farther in."""
    if np.isnan(trace.magnification).any():
        return np.diff(-np.log2(np.maximum(trace.downsample, 1e-12)))
    return np.diff(np.log2(np.maximum(trace.magnification, 1e-12)))


def _scanning_share(trace: Trace) -> float:
    """Pans measured in fields, zooms in doublings: a pan by a field weighs as a doubling."""
    if len(trace) < 2:
        return math.nan
    diagonal = np.maximum(np.hypot(trace.fields[:-1, 0], trace.fields[:-1, 1]), 1e-9)
    moved = np.linalg.norm(np.diff(trace.centers, axis=0), axis=1) / diagonal
    octaves = np.abs(_octaves(trace))
    is_pan = octaves < 1e-3
    panned, zoomed = float(moved[is_pan].sum()), float(octaves.sum())
    return panned / (panned + zoomed) if panned + zoomed > 0 else math.nan
