"""From results to figures with their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.agents.benchmark.results import Result

_RESAMPLES = 1000
_SEED = 0


class Figure(msgspec.Struct, frozen=True):
    """A value and its 95 % interval by the percentile bootstrap (Efron 1979) over questions."""

    value: float
    low: float
    high: float


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


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Of some questions.

    Attributes
    ----------
    balanced_accuracy
        Mean of the recalls of the right answers that occur.
    failed
        Questions without an answer; they count as wrong.
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


def scores_of(results: Sequence[Result], positive: str = "") -> Scores:
    """Return the figures of at least one result.

    Parameters
    ----------
    positive
        The answer that counts as positive, for precision and recall; "" for none.
    """
    is_right = np.array([result.is_right for result in results])
    _, labels = np.unique([result.answer.casefold() for result in results], return_inverse=True)

    def balanced(chosen: NDArray[np.intp]) -> float:
        counts = np.bincount(labels[chosen])
        right = np.bincount(labels[chosen], is_right[chosen].astype(float), len(counts))
        return float((right[counts > 0] / counts[counts > 0]).mean())

    return Scores(
        questions=len(results),
        failed=sum(result.given is None for result in results),
        accuracy=_figure(len(results), lambda chosen: float(is_right[chosen].mean())),
        balanced_accuracy=_figure(len(results), balanced),
        mean_steps=_mean([result.steps for result in results]),
        tokens_in=sum(result.tokens_in for result in results),
        tokens_out=sum(result.tokens_out for result in results),
        cost=sum(result.cost for result in results),
        mean_elapsed_s=_mean([result.elapsed_s for result in results]),
        detection=_detection(results, positive) if positive else None,
    )


def _detection(results: Sequence[Result], positive: str) -> Detection:
    wanted = positive.casefold()
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
        _figure(count, lambda chosen: float((is_so == predicted)[chosen].mean())),
    )


def _figure(count: int, value: Callable[[NDArray[np.intp]], float]) -> Figure:
    """Resamples in which the value is not defined are left out."""
    rng = np.random.default_rng(_SEED)
    drawn = [value(rng.integers(0, count, count)) for _ in range(_RESAMPLES)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5]).tolist()
    return Figure(round(value(np.arange(count)), 4), round(low, 4), round(high, 4))


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 3)
