"""A session as arrays: what was on screen from when to when. Behaviors are computed from it."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from viewer.geometry import Point, Size, View

if TYPE_CHECKING:
    from viewer.slides.channels import ImagePlane

FloatArray = NDArray[np.float64]


class PlaneSeen(msgspec.Struct, frozen=True):
    """Which plane, and which channels by name, were on screen from a time on."""

    start_s: float
    plane: ImagePlane
    channels: tuple[str, ...]


class Trace(msgspec.Struct, frozen=True):
    """The views of a session, in order of time; n of them.

    Attributes
    ----------
    start_s
        (n,) when the view came on screen, seconds since the session began.
    end_s
        (n,) when the next came or the session ended; `start_s[1:] == end_s[:-1]`.
    boxes
        (n, 4) x0, y0, x1, y1 in level-0 pixels: the smallest box that holds the field.
    centers
        (n, 2) x, y.
    fields
        (n, 3) width, height and turn: level-0 pixels, degrees clockwise.
    mirrored
        (n,) bool: whether the turned field was mirrored left to right.
    downsample
        (n,) level-0 pixels per logical screen pixel.
    magnification
        (n,) nan where the slide tells no scale.
    causes
        (n,) str.
    away
        (k, 2) spans of seconds, in order and apart, in which nobody looked: idle, without the
        keyboard, paused.
    planes
        From when on which focal plane, time point and channels were shown, in order of time;
        empty for slides with one of each.
    """

    start_s: FloatArray
    end_s: FloatArray
    boxes: FloatArray
    centers: FloatArray
    fields: FloatArray
    mirrored: NDArray[np.bool_]
    downsample: FloatArray
    magnification: FloatArray
    causes: NDArray[np.str_]
    away: FloatArray
    planes: tuple[PlaneSeen, ...] = ()

    def plane_at(self, at_s: float) -> PlaneSeen | None:
        """Return what was shown at a time, seconds since the session began; None where unknown."""
        number = bisect_right(self.planes, at_s, key=lambda each: each.start_s)
        return self.planes[number - 1] if number else None

    def __len__(self) -> int:
        return len(self.start_s)

    @property
    def duration_s(self) -> float:
        """Return the time from the first view to the end, away or not."""
        return float(self.end_s[-1] - self.start_s[0]) if len(self) else 0.0

    def field(self, index: int) -> View:
        """Return the field of a view, one screen pixel a level-0 pixel; not mirrored."""
        x, y = self.centers[index].tolist()
        width, height, turn_deg = self.fields[index].tolist()
        return View(Point(x, y), 1.0, Size(width, height), turn_deg)

    def looked_s(self) -> FloatArray:
        """Return (n,) the seconds that each view was looked at: without the spans away."""
        looked = self.end_s - self.start_s
        if len(self.away):
            looked -= _away_before(self.away, self.end_s) - _away_before(self.away, self.start_s)
        return looked


class Action(msgspec.Struct, frozen=True):
    """One thing that the reader did, such as `<10x-inspect>`.

    Attributes
    ----------
    kind
        "inspect", "peek", "pan-inspect", "zoom-in" or, by the reference's rules, "stayinspect",
        "paninspect".
    command
        `<10x-inspect>`: the magnification's band and the kind.
    start_s, end_s
        Since the session began.
    dwell_s
        Looked at; without the time away.
    box
        x0, y0, x1, y1 in level-0 pixels.
    magnification
        Mean over the action by time; nan where the slide tells no scale.
    dwell_point
        x, y in level-0 pixels, where the action stayed longest.
    first, last
        The views of the trace that it is made of, last included.
    """

    kind: str
    command: str
    start_s: float
    end_s: float
    dwell_s: float
    box: tuple[float, float, float, float]
    magnification: float
    dwell_point: tuple[float, float]
    first: int
    last: int


def _away_before(away: FloatArray, at_s: FloatArray) -> FloatArray:
    """Seconds of `away` before each time."""
    begins, ends = away[:, 0], away[:, 1]
    total = np.concatenate([[0.0], np.cumsum(ends - begins)])
    index = np.searchsorted(begins, at_s, side="right")
    inside = np.clip(index - 1, 0, None)
    over = np.where(index > 0, np.maximum(ends[inside] - at_s, 0.0), 0.0)
    return total[index] - over
