"""How wrong a taught classifier is, on marks of regions that it was not taught by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Fit = Callable[
        [NDArray[np.floating], NDArray[np.intp]],
        Callable[[NDArray[np.floating]], NDArray[np.floating]],
    ]
    """Of features (n, d) and classes (n,), numbers from 0, some of which may be absent: gives
    probabilities (m, classes) of features (m, d)."""

BLOCK_UM = 500.0
"""Side of the regions of a slide: what lies nearer is alike, and says little of the rest."""
LEAST_REGIONS = 3
"""Of each class."""
_MOST_FOLDS = 10
CALIBRATION_BINS = 10

NOT_ENOUGH = "not enough to estimate"


class Places(msgspec.Struct, frozen=True):
    """Where n marks lie.

    Attributes
    ----------
    slides
        (n,) the number of the slide of each.
    x_um, y_um
        (n,) from the corner of the slide.
    """

    slides: NDArray[np.intp]
    x_um: NDArray[np.floating]
    y_um: NDArray[np.floating]

    @property
    def blocks(self) -> NDArray[np.intp]:
        """Return (n,) a number for each block of `BLOCK_UM` of each slide."""
        keys = np.stack([self.slides, self.x_um // BLOCK_UM, self.y_um // BLOCK_UM], 1)
        return np.unique(keys.astype(np.int64), axis=0, return_inverse=True)[1].reshape(-1)


class HeldOut(msgspec.Struct, frozen=True):
    """What was answered for each of n marks by a classifier taught without its region.

    Attributes
    ----------
    by
        What was held out: whole slides, or blocks of a slide; "" where there are too few regions
        for an estimate, and all numbers are missing.
    regions
        How many of them hold marks of each class, in the order of the classes.
    truth
        (n,) the marked class.
    chances
        (n, classes) probabilities.
    """

    by: Literal["slide", "block", ""]
    regions: tuple[int, ...]
    truth: NDArray[np.intp]
    chances: NDArray[np.floating]

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Return (n,) the likeliest class."""
        return self.chances.argmax(1)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Return (n,) which marks were called something else; none without an estimate."""
        return (self.predicted != self.truth) if self.by else np.zeros(len(self.truth), bool)

    @property
    def error(self) -> float | None:
        """Return the share of marks that were called something else; None without an estimate."""
        return float(self.wrong.mean()) if self.by else None

    @property
    def calibration_error(self) -> float | None:
        """Return by how much what is said to be likely is right more or less often, on average."""
        if not self.by:
            return None
        return calibration_error(self.chances.max(1), self.predicted == self.truth)

    def confusion(self) -> NDArray[np.intp]:
        """Return (classes, classes) how many marks of each row were called each column."""
        classes = len(self.regions)
        pairs = self.truth * classes + self.predicted
        return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def sentence(self, names: Sequence[str], marks: str = "marks") -> str:
        """Return the estimate in words, or what it takes to have one; `marks` are what counts."""
        if self.by:
            wrong, count = int(self.wrong.sum()), len(self.truth)
            what = "slides" if self.by == "slide" else f"blocks of {BLOCK_UM:.0f} µm"
            error = percent(wrong / count)
            return f"Error {error}: {wrong:,} of {count:,} {marks}, held out by {what}."
        few = ", ".join(
            f"{name} {count}"
            for name, count in zip(names, self.regions, strict=True)
            if count < LEAST_REGIONS
        )
        return (
            f"Error: {NOT_ENOUGH}; it takes marks of each class in {LEAST_REGIONS} regions "
            f"{BLOCK_UM:.0f} µm apart, or on {LEAST_REGIONS} slides ({few})."
        )


def held_out(
    features: NDArray[np.floating],
    truth: NDArray[np.intp],
    classes: int,
    places: Places,
    fit: Fit,
) -> HeldOut:
    """Teach without each region in turn, and ask about it.

    Whole slides are held out where each class is marked on three, else blocks of 500 µm where each
    is marked in three; else there is no estimate.

    Parameters
    ----------
    features
        (n, d) of the marks.
    truth
        (n,) their classes, from 0.
    """
    unknown = np.full((len(truth), classes), np.nan)
    counts: tuple[int, ...] = ()
    ways: tuple[tuple[Literal["slide", "block"], NDArray[np.intp]], ...] = (
        ("slide", places.slides),
        ("block", places.blocks),
    )
    for by, regions in ways:
        counts = tuple(len(np.unique(regions[truth == number])) for number in range(classes))
        if min(counts, default=0) < LEAST_REGIONS:
            continue
        chances = unknown.copy()
        folds = _folds(regions, truth, classes)
        for fold in np.unique(folds):
            is_out = folds == fold
            chances[is_out] = fit(features[~is_out], truth[~is_out])(features[is_out])
        return HeldOut(by, counts, truth, chances)
    return HeldOut("", counts, truth, unknown)


def calibration_error(sure: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins (Guo 2017).

    Parameters
    ----------
    sure, is_right
        (n,) how likely each answer was said to be, and whether it was right.
    """
    bins = np.minimum((sure * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, is_right - sure, CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(sure))


def _folds(regions: NDArray[np.intp], truth: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """Return (n,) the number of the fold of each mark: whole regions, each class spread out."""
    names, which = np.unique(regions, return_inverse=True)
    which = which.reshape(-1)
    counts = np.zeros((len(names), classes))
    np.add.at(counts, (which, truth), 1)
    most = min(len(names), _MOST_FOLDS)
    held = np.zeros((most, classes))
    fold_of = np.zeros(len(names), np.intp)
    # The rarest classes are dealt first, each region to the fold that has least of what it holds.
    order = np.argsort((counts / np.maximum(counts.sum(0), 1)).max(1))[::-1]
    for region in order.tolist():
        load = (held * (counts[region] > 0)).sum(1)
        fold = int(np.lexsort((held.sum(1), load))[0])
        fold_of[region] = fold
        held[fold] += counts[region]
    return fold_of[which]
