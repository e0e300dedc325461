"""What a slide model is worth on patients that it did not learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.bootstrap import interval, resamples
from viewer.inference.teaching.held_out import CALIBRATION_BINS, calibration_error
from viewer.plurals import plural
from viewer.typed.scipy import rankdata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_RESAMPLES = 1000


class Interval(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval by resampling patients (bootstrap; Efron 1979)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


class SlideModelFigures(msgspec.Struct, frozen=True):
    """Figures over all folds: each slide is judged by the model that never saw its patient.

    Attributes
    ----------
    auc
        Area under the ROC curve; of more than two classes the mean of one against the rest.
    balanced_accuracy
        Mean recall of the classes.
    brier
        Mean squared error of the probabilities, summed over classes (Brier 1950).
    calibration_error
        Expected calibration error in ten bins (Guo et al. 2017).
    reliability
        For each bin that holds slides: mean probability said, share right, slides.
    """

    slides: int
    patients: int
    folds: int
    auc: Interval
    balanced_accuracy: Interval
    brier: float
    calibration_error: float
    reliability: list[tuple[float, float, int]]

    @property
    def text(self) -> str:
        return (
            f"AUC {self.auc}, balanced accuracy {self.balanced_accuracy}, calibration error "
            f"{self.calibration_error:.3f}, on {plural(self.slides, 'slide')} of {self.patients:,} "
            f"patients in {self.folds} folds by patient"
        )


def slide_model_figures(
    chances: NDArray[np.float64], classes: NDArray[np.int64], patients: Sequence[str],
    folds: int, seed: int = 0,
) -> SlideModelFigures:  # fmt: skip
    """Measure probabilities (n, classes) of held-out slides against their classes (n,)."""
    called = chances.argmax(1)
    said, is_right = chances.max(1), called == classes
    truth = np.eye(chances.shape[1])[classes]
    groups = _groups(patients)
    samples = [
        np.concatenate([groups[int(i)] for i in drawn])
        for drawn in resamples(len(groups), _RESAMPLES, seed)
    ]
    return SlideModelFigures(
        len(classes), len(groups), folds,
        _interval(_auc(chances, classes), [_auc(chances[s], classes[s]) for s in samples]),
        _interval(
            _balanced(called, classes), [_balanced(called[s], classes[s]) for s in samples]
        ),
        float(((chances - truth) ** 2).sum(1).mean()),
        round(calibration_error(said, is_right), 4), _reliability(said, is_right),
    )  # fmt: skip


def _groups(patients: Sequence[str]) -> list[NDArray[np.intp]]:
    names = np.array(patients)
    return [np.flatnonzero(names == name) for name in dict.fromkeys(patients)]


def _auc(chances: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    present = [index for index in range(chances.shape[1]) if (classes == index).any()]
    if len(present) < 2:
        return float("nan")
    if chances.shape[1] == 2:
        present = [1]
    return float(np.mean([_ranked(chances[:, index], classes == index) for index in present]))


def _ranked(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve from ranks (Mann and Whitney 1947); ties count half."""
    count = int(positive.sum())
    above = rankdata(scores)[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (len(scores) - count)))


def _balanced(called: NDArray[np.intp], classes: NDArray[np.int64]) -> float:
    return float(np.mean([(called[classes == i] == i).mean() for i in np.unique(classes)]))


def _interval(value: float, resampled: Sequence[float]) -> Interval:
    low, high = interval(resampled)
    return Interval(round(value, 4), round(low, 4), round(high, 4))


def _reliability(
    said: NDArray[np.float64], is_right: NDArray[np.bool_]
) -> list[tuple[float, float, int]]:
    """Return for each bin that holds slides the mean said, the share right, and their number."""
    which = np.minimum((said * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        (round(float(said[which == b].mean()), 4), round(float(is_right[which == b].mean()), 4),
         int((which == b).sum()))
        for b in np.unique(which)
    ]  # fmt: skip
