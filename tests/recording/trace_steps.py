"""Traces made by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from viewer.geometry import Size
from viewer.recording.trace import Trace

SLIDE = Size(10_000.0, 10_000.0)
_NATIVE = 40.0


@dataclass(frozen=True)
class Step:
    """A view of `seconds` about a center; a window of 1000 x 800 px unless a field is given."""

    seconds: float
    x: float
    y: float
    magnification: float
    downsample: float | None = None
    width: float | None = None
    height: float | None = None

    @property
    def scale(self) -> float:
        if self.downsample is not None:
            return self.downsample
        return 1.0 if math.isnan(self.magnification) else _NATIVE / self.magnification

    @property
    def field(self) -> tuple[float, float, float]:
        return self.width or 1000 * self.scale, self.height or 800 * self.scale, 0.0


def trace_from(steps: list[Step], away: list[tuple[float, float]] | None = None) -> Trace:
    """The trace of these views one after another; `away` spans may overlap."""
    ends = np.cumsum([step.seconds for step in steps])
    centers = np.array([(step.x, step.y) for step in steps])
    fields = np.array([step.field for step in steps])
    return Trace(
        start_s=np.concatenate([[0.0], ends[:-1]]),
        end_s=ends,
        boxes=np.hstack([centers - fields[:, :2] / 2, centers + fields[:, :2] / 2]),
        centers=centers,
        fields=fields,
        mirrored=np.zeros(len(steps), bool),
        downsample=np.array([step.scale for step in steps]),
        magnification=np.array([step.magnification for step in steps]),
        causes=np.array(["drag"] * len(steps)),
        away=_apart(away or [], float(ends[-1])),
    )


def _apart(spans: list[tuple[float, float]], end_s: float) -> np.ndarray:
    merged: list[list[float]] = []
    for start_s, stop_s in sorted(spans):
        start_s, stop_s = min(start_s, end_s), min(stop_s, end_s)
        if stop_s <= start_s:
            continue
        if merged and start_s <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop_s)
        else:
            merged.append([start_s, stop_s])
    return np.array(merged, float).reshape(-1, 2)
