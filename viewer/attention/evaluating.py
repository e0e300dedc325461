"""How well a predictor tells where readers look, beside what needs no learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.attention.baselines import BASELINES, baseline_maps
from viewer.attention.proposing import ExpectedAttention, proposals
from viewer.attention.readings import headers_of
from viewer.attention.saliency import (
    auc_judd,
    cc,
    covered_share,
    kl,
    nss,
    recall_by_cover,
    recall_by_overlap,
)
from viewer.attention.slides_read import none_left, slides_read
from viewer.bootstrap import interval, resamples
from viewer.slides import TileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.attention.predictor import Predictor
    from viewer.attention.readings import Reading
    from viewer.attention.slides_read import SlideRead

PREDICTOR = "predictor"
MAPS = (PREDICTOR, *BASELINES)
_RESAMPLES = 2000


class Figure(msgspec.Struct, frozen=True):
    """A mean with its bootstrap interval (95 %, slides resampled; Efron 1979)."""

    mean: float
    low: float
    high: float


class Evaluation(msgspec.Struct):
    """What was measured.

    Attributes
    ----------
    figures
        By map and measure.
    ahead
        By baseline and measure: by how much the predictor is better, positive is better; it beats
        the baseline where `low` is above 0.
    """

    slides: int
    sessions: int
    figures: dict[str, dict[str, Figure]]
    ahead: dict[str, dict[str, Figure]]
    left_out: list[str] = msgspec.field(default_factory=list[str])


def evaluate_predictor(
    predictor: Predictor,
    folders: Sequence[Path],
    places: Sequence[Path] = (),
    *,
    ks: Sequence[int] = (5, 10),
    seed: int = 0,
    may_mix: bool = False,
) -> Evaluation:
    """Measure a predictor and all baselines on sessions that it was not trained on.

    Parameters
    ----------
    folders
        Of sessions.
    places
        Slides, and folders of slides.
    ks
        Numbers of boxes that readers' boxes are looked for in.

    Raises
    ------
    BehaviorError
        The sessions or slides cannot be used.
    """
    headers = headers_of(folders, may_mix=may_mix)
    left_out: list[str] = []
    measured: list[list[dict[str, dict[str, float]]]] = []
    for slide in slides_read(headers, places, predictor.bundle.description, left_out):
        try:
            measures = _measured(predictor, slide, ks, seed + len(measured))
        except TileError as error:
            left_out.append(str(error))
            continue
        if measures:
            measured.append(measures)
    if not measured:
        raise none_left(left_out)
    draws = np.array(list(resamples(len(measured), _RESAMPLES, seed)))
    names = list(measured[0][0][PREDICTOR])
    figures = {
        each: {name: _figure(_values(measured, each, name), draws) for name in names}
        for each in MAPS
    }
    ahead = {
        each: {name: _figure(_lead(measured, each, name), draws) for name in names}
        for each in BASELINES
    }
    sessions = sum(len(slide) for slide in measured)
    return Evaluation(len(measured), sessions, figures, ahead, left_out)


def _measured(
    predictor: Predictor, slide: SlideRead, ks: Sequence[int], seed: int
) -> list[dict[str, dict[str, float]]]:
    """For each session of a slide the measures by map."""
    expected = predictor.expected(slide.source, slide.mpp_um)
    shares = np.nan_to_num(expected.shares)
    maps = {PREDICTOR: shares.sum(0), **baseline_maps(slide, seed)}
    proposed = {
        name: proposals(expected if name == PREDICTOR else _as_expected(each, expected), max(ks))
        for name, each in maps.items()
    }
    known = slide.known
    figures: list[dict[str, dict[str, float]]] = []
    for reading in slide.readings:
        true = reading.seconds.sum(0)[known]
        if true.sum() <= 0:
            continue
        fixations = _fixations(reading, slide)
        boxes = [each.box for each in reading.boxes]
        by_map: dict[str, dict[str, float]] = {}
        for name, each in maps.items():
            flat = each[known]
            by_map[name] = {
                "NSS": nss(flat, fixations),
                "AUC-Judd": auc_judd(flat, fixations),
                "CC": cc(flat, true),
                "KL": kl(flat, true),
            }
            for k in ks:
                first = [proposal.box for proposal in proposed[name][:k]]
                by_map[name][f"recall@{k} IoU"] = recall_by_overlap(boxes, first)
                by_map[name][f"recall@{k} cover"] = recall_by_cover(boxes, first)
                by_map[name][f"area@{k}"] = covered_share(slide.grid.slide, first)
            spread = shares[:, known] if name == PREDICTOR else _evenly(flat, len(shares))
            by_map[name] |= _of_bands(spread, reading.seconds[:, known])
        figures.append(by_map)
    return figures


def _of_bands(expected: NDArray[np.float32], true: NDArray[np.float32]) -> dict[str, float]:
    """How well places and magnifications together, and the magnifications alone, are predicted.

    "KL bands" is the divergence over bands and cells; "bands" the common part of the two spreads
    over magnifications, 1 less their total variation.
    """
    spreads = [values.sum(1) / max(float(values.sum()), 1e-12) for values in (expected, true)]
    return {"KL bands": kl(expected, true), "bands": float(np.minimum(*spreads).sum())}


def _evenly(values: NDArray[np.float32], bands: int) -> NDArray[np.float32]:
    """Return a baseline over magnifications, of which it knows nothing."""
    return np.tile(values / bands, (bands, 1)).astype(np.float32)


def _as_expected(values: NDArray[np.float32], expected: ExpectedAttention) -> ExpectedAttention:
    """Return a baseline with the predictor's own magnifications and sizes of boxes: it has none."""
    spread = values / max(float(values.sum()), 1e-12)
    shares = expected.band_shares()[:, None, None] * spread
    return ExpectedAttention(
        shares.astype(np.float32),
        expected.magnifications,
        expected.box_px,
        expected.cell_px,
        expected.slide,
    )


def _fixations(reading: Reading, slide: SlideRead) -> NDArray[np.intp]:
    """Return where each action stayed longest, as indices among the known cells."""
    known = slide.known
    number = np.full(known.shape, -1, np.intp)
    number[known] = np.arange(int(known.sum()))
    rows, columns = known.shape
    found: list[int] = []
    for each in reading.boxes:
        row, column = (
            int(each.dwell_point.y // slide.cell_px),
            int(each.dwell_point.x // slide.cell_px),
        )
        if 0 <= row < rows and 0 <= column < columns and number[row, column] >= 0:
            found.append(int(number[row, column]))
    return np.array(found, np.intp)


def _values(
    measured: Sequence[Sequence[Mapping[str, Mapping[str, float]]]], map_name: str, name: str
) -> list[NDArray[np.float64]]:
    """For each slide the values of its sessions."""
    return [np.array([figures[map_name][name] for figures in slide]) for slide in measured]


def _lead(
    measured: Sequence[Sequence[Mapping[str, Mapping[str, float]]]], baseline: str, name: str
) -> list[NDArray[np.float64]]:
    sign = -1 if name.startswith(("KL", "area")) else 1
    ours, theirs = _values(measured, PREDICTOR, name), _values(measured, baseline, name)
    return [sign * (a - b) for a, b in zip(ours, theirs, strict=True)]


def _figure(values: list[NDArray[np.float64]], draws: NDArray[np.integer]) -> Figure:
    """Return the mean over sessions; its interval from slides drawn with replacement."""
    sums = np.array([np.nansum(each) for each in values])
    counts = np.array([np.isfinite(each).sum() for each in values])
    if not counts.sum():
        return Figure(float("nan"), float("nan"), float("nan"))
    drawn = counts[draws].sum(1)
    means = sums[draws].sum(1)[drawn > 0] / drawn[drawn > 0]
    return Figure(float(sums.sum() / counts.sum()), *interval(means))
