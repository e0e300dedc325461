"""From results to figures with their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.agents.benchmark.overlap import Overlap
from viewer.bootstrap import interval, resamples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.agents.benchmark.results import Result

_RESAMPLES = 1000
_SEED = 0
_THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(9))


class Figure(msgspec.Struct, frozen=True):
    """A value and its 95 % interval by the percentile bootstrap (Efron 1979) over questions.

    Attributes
    ----------
    std
        Standard deviation over the resamples, as GIANT reports it ("0.537 ± 0.034").
    """

    value: float
    low: float
    high: float
    std: float = 0.0


class Detection(msgspec.Struct, frozen=True):
    """Slide by slide, as for lymph node metastasis in Pathology-CoT (arXiv 2510.04587).

    Attributes
    ----------
    precision, recall
        None where nothing was called positive, or nothing is.
    """

    positive: str
    precision: Figure | None
    recall: Figure | None
    accuracy: Figure


class Grounding(msgspec.Struct, frozen=True, kw_only=True):
    """How well the places that were named are those that were asked for.

    Attributes
    ----------
    accuracy_at
        Share of places with an intersection over union above 0.50, 0.55 and so on (PathVG).
    mean_iou, mean_dice
        Over questions (gIoU of PathMR); a question without a place has 0.
    cumulative_iou
        All intersections over all unions (cIoU of PathMR).
    """

    accuracy_at: dict[str, float]
    mean_iou: Figure
    mean_dice: Figure
    cumulative_iou: float


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Of some questions.

    Attributes
    ----------
    balanced_accuracy
        Mean of the recalls of the right answers that occur.
    failed
        Questions without an answer; they count as wrong.
    metric, reported
        The figure that the authors of the questions report, where they name one.
    left_out
        Questions that were not asked, as their slide is not there; they count in no figure.
    """

    questions: int
    failed: int
    accuracy: Figure
    balanced_accuracy: Figure
    mean_steps: float
    tokens_in: int
    tokens_out: int
    cost: float
    mean_elapsed_s: float
    detection: Detection | None = None
    metric: str = ""
    reported: Figure | None = None
    grounding: Grounding | None = None
    left_out: int = 0


def scores_of(results: Sequence[Result], positive: str = "", left_out: int = 0) -> Scores:
    """Return the figures of at least one result.

    Parameters
    ----------
    positive
        The answer that counts as positive, for precision and recall; "" for none.
    """
    is_right = np.array([result.is_right and result.given is not None for result in results])
    _, labels = np.unique([result.answer.casefold() for result in results], return_inverse=True)

    def balanced(chosen: NDArray[np.intp]) -> float:
        counts = np.bincount(labels[chosen])
        right = np.bincount(labels[chosen], is_right[chosen].astype(float), len(counts))
        return float((right[counts > 0] / counts[counts > 0]).mean())

    accuracy = _figure(len(results), lambda chosen: float(is_right[chosen].mean()))
    balanced_accuracy = _figure(len(results), balanced)
    metrics = {result.metric for result in results}
    metric = metrics.pop() if len(metrics) == 1 else ""
    reported = {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy}.get(metric)
    return Scores(
        questions=len(results),
        failed=sum(result.given is None for result in results),
        accuracy=accuracy,
        balanced_accuracy=balanced_accuracy,
        mean_steps=_mean([result.steps for result in results]),
        tokens_in=sum(result.tokens_in for result in results),
        tokens_out=sum(result.tokens_out for result in results),
        cost=sum(result.cost for result in results),
        mean_elapsed_s=_mean([result.elapsed_s for result in results]),
        detection=_detection(results, positive) if positive else None,
        metric=metric,
        reported=reported,
        grounding=_grounding(results),
        left_out=left_out,
    )


def _detection(results: Sequence[Result], positive: str) -> Detection:
    wanted = positive.casefold()
    is_answered = np.array([result.given is not None for result in results])
    is_so = np.array([result.answer.casefold() == wanted for result in results])
    predicted = np.array([(result.given or "").casefold() == wanted for result in results])

    def precision(chosen: NDArray[np.intp]) -> float:
        called = predicted[chosen]
        return float(is_so[chosen][called].mean()) if called.any() else np.nan

    def recall(chosen: NDArray[np.intp]) -> float:
        there = is_so[chosen]
        return float(predicted[chosen][there].mean()) if there.any() else np.nan

    count = len(results)
    return Detection(
        positive,
        _figure(count, precision) if predicted.any() else None,
        _figure(count, recall) if is_so.any() else None,
        # What was not answered is not right, whatever it is.
        _figure(count, lambda chosen: float((is_answered & (is_so == predicted))[chosen].mean())),
    )


def _grounding(results: Sequence[Result]) -> Grounding | None:
    pixels = [result.overlap for result in results if result.overlap is not None]
    if not pixels:
        return None
    overlaps = [Overlap(*each) for each in pixels]
    iou = np.array([each.iou for each in overlaps])
    dice = np.array([each.dice for each in overlaps])
    union = sum(each.union_px for each in overlaps)
    common = sum(each.intersection_px for each in overlaps)
    return Grounding(
        accuracy_at={f"{t:.2f}": round(float((iou > t).mean()), 4) for t in _THRESHOLDS},
        mean_iou=_figure(len(iou), lambda chosen: float(iou[chosen].mean())),
        mean_dice=_figure(len(dice), lambda chosen: float(dice[chosen].mean())),
        cumulative_iou=round(common / union, 4) if union else 1.0,
    )


def _figure(count: int, value: Callable[[NDArray[np.intp]], float]) -> Figure:
    """Resamples in which the value is not defined are left out."""
    drawn = [value(sample) for sample in resamples(count, _RESAMPLES, _SEED)]
    low, high = interval(drawn)
    known = [each for each in drawn if each == each]
    std = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    return Figure(round(value(np.arange(count)), 4), round(low, 4), round(high, 4), round(std, 4))


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 3)
