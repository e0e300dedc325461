"""How objects are colored: by class, or by a measurement; and which are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.objects import Objects

STEPS = 16
"""Colors of a measurement."""
_BINS = 40
_EDGE_SHARE = 0.005
"""Of the objects that may lie beyond either end of a histogram."""


class ObjectStyle(msgspec.Struct, frozen=True):
    """What is shown of objects.

    Attributes
    ----------
    hidden
        Classes that are left out.
    measurement
        The one that tells the color; None for the class.
    low, high
        The ends of its colors; objects beyond are left out.
    """

    hidden: frozenset[int] = frozenset()
    measurement: str | None = None
    low: float = 0.0
    high: float = 1.0

    def groups(self, objects: Objects) -> NDArray[np.intp]:
        """Return (n,) the number of each object's color; -1 for what is left out."""
        out = np.isin(objects.classes, list(self.hidden))
        if self.measurement is None:
            return np.where(out, -1, objects.classes.astype(np.intp))
        values = objects.measured(self.measurement)
        out |= np.isnan(values) | (values < self.low) | (values > self.high)
        share = (np.nan_to_num(values) - self.low) / max(self.high - self.low, 1e-9)
        return np.where(out, -1, np.clip(share * STEPS, 0, STEPS - 1).astype(np.intp))


class Histogram(msgspec.Struct, frozen=True):
    """How often which values are: `counts` (k,) between `edges` (k + 1,)."""

    counts: NDArray[np.intp]
    edges: NDArray[np.float64]


def histogram(found: ObjectMap, measurement: str) -> Histogram | None:
    """Return the histogram of all objects of a slide; None where none has the measurement.

    A few in a thousand lie beyond its ends, or single large ones would press the rest together.
    """
    parts = [objects.measured(measurement) for _, objects in found if len(objects)]
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [_EDGE_SHARE, 1 - _EDGE_SHARE])
    counts, edges = np.histogram(values, _BINS, (float(low), max(float(high), float(low) + 1e-6)))
    return Histogram(counts, edges)
