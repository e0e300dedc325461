"""Measurements of cells by QuPath's names, and their classes by threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.cells.detection import Labels
    from viewer.inference.cells.settings import CellSettings
    from viewer.inference.cells.stain_vectors import FloatImage

    Column = NDArray[np.float32]

NUCLEUS_AREA, CELL_AREA = "Nucleus: Area µm^2", "Cell: Area µm^2"
AREA_RATIO = "Nucleus/Cell area ratio"


class Runs(msgspec.Struct, frozen=True):
    """The pixels of labels in runs of one label along a row: sums over them need no sorting.

    Attributes
    ----------
    places
        (m,) flat places of the pixels.
    starts
        (k,) where each run begins among them.
    numbers
        (k,) its label, from 1.
    count
        Of the labels.
    width_px
        Of their picture.
    """

    places: NDArray[np.intp]
    starts: NDArray[np.intp]
    numbers: NDArray[np.int32]
    count: int
    width_px: int

    @classmethod
    def of(cls, labels: Labels, count: int) -> Runs:
        """Return the runs of labels that go from 1 to `count`."""
        flat = labels.ravel()
        places = np.flatnonzero(flat)
        numbers = flat[places]
        is_start = np.ones(len(places), bool)
        is_start[1:] = (numbers[1:] != numbers[:-1]) | (places[1:] - places[:-1] != 1)
        at_left = np.flatnonzero(labels[:, 0]) * labels.shape[1]
        is_start[np.searchsorted(places, at_left)] = True
        starts = np.flatnonzero(is_start)
        return cls(places, starts, numbers[starts], count, labels.shape[1])

    @property
    def areas_px(self) -> NDArray[np.float64]:
        """Return (count,) pixels of each label."""
        return self.summed(self.lengths)

    @property
    def lengths(self) -> NDArray[np.intp]:
        """Return (k,) pixels of each run."""
        return np.diff(np.append(self.starts, len(self.places)))

    def sums(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (count,) the sum over each label of a value for each of `places`."""
        if not len(self.starts):
            return np.zeros(self.count)
        return self.summed(np.add.reduceat(values.astype(np.float64), self.starts))

    def extremes(self, values: NDArray[np.floating]) -> tuple[Column, Column]:
        """Return (count,) the least and the largest value of each label; NaN of none."""
        low, high = (
            np.full(self.count, np.inf, np.float32),
            np.full(self.count, -np.inf, np.float32),
        )
        if len(self.starts):
            np.minimum.at(low, self.numbers - 1, np.minimum.reduceat(values, self.starts))
            np.maximum.at(high, self.numbers - 1, np.maximum.reduceat(values, self.starts))
        is_none = low > high
        low[is_none] = high[is_none] = np.nan
        return low, high

    def summed(self, per_run: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return (count,) the sum over each label of a value for each run."""
        return np.bincount(self.numbers - 1, per_run, self.count).astype(np.float64)


def stain_measurements(
    part: str, runs: Runs, names: Sequence[str], images: Sequence[FloatImage]
) -> dict[str, Column]:
    """Return mean, deviation, maximum and minimum of each stain over a part of cells.

    A cell that lacks the part, as one without cytoplasm, has NaN.
    """
    measured: dict[str, Column] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        areas = runs.areas_px
        for name, image in zip(names, images, strict=True):
            values = image.ravel()[runs.places]
            mean = runs.sums(values) / areas
            square = runs.sums(values * values) / areas
            low, high = runs.extremes(values)
            for what, column in (
                ("mean", mean),
                ("std dev", np.sqrt(np.maximum(square - mean * mean, 0))),
                ("max", high),
                ("min", low),
            ):
                measured[f"{part}: {name} OD {what}"] = column.astype(np.float32)
    return measured


def shape_of(runs: Runs) -> dict[str, NDArray[np.float64]]:
    """Return area in pixels, centroid (pixel centers at halves) and eccentricity of labels."""
    n = runs.lengths.astype(np.float64)
    y, first = np.divmod(runs.places[runs.starts], runs.width_px)
    y, x = y + 0.5, first + n / 2  # of the middle of a run
    area = runs.summed(n)
    mean_x, mean_y = runs.summed(n * x) / area, runs.summed(n * y) / area
    spread_x = n * (n * n - 1) / 12  # of the pixels of a run about its middle
    xx = runs.summed(n * x * x + spread_x) / area - mean_x**2 + 1 / 12
    yy = runs.summed(n * y * y) / area - mean_y**2 + 1 / 12
    xy = runs.summed(n * x * y) / area - mean_x * mean_y
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    ratio = np.clip((middle - spread) / (middle + spread), 0.0, 1.0)
    return {"area": area, "x": mean_x, "y": mean_y, "eccentricity": np.sqrt(1.0 - ratio)}


def classified(values: Column, settings: CellSettings) -> NDArray[np.uint8]:
    """Return (n,) the class of each cell by what is scored; a cell without a value is negative."""
    if not settings.is_scored:
        return np.zeros(len(values), np.uint8)
    known = np.where(np.isnan(values), -np.inf, values)
    return np.searchsorted(np.array(settings.thresholds), known, side="right").astype(np.uint8)
