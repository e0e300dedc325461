"""The clock of a replay: where in a session it stands, and the view that was on screen then."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Size, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.recording.trace import Action, Trace

SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class ReplayClock:
    """Runs through a trace of at least one view at a speed, past the time away if asked to.

    Attributes
    ----------
    position_s
        Seconds since the session began.
    skips_away
        Whether time in which nobody looked is left out.
    """

    def __init__(self, trace: Trace) -> None:
        if not len(trace):
            raise ValueError("a replay needs a view")
        self._trace = trace
        self.begin_s = float(trace.start_s[0])
        self.end_s = float(trace.end_s[-1])
        self.position_s = self.begin_s
        self.speed = 1.0
        self.skips_away = True
        self.is_playing = False

    def play(self) -> None:
        """Run; from the beginning where it stood at the end."""
        if self.position_s >= self.end_s:
            self.position_s = self.begin_s
        self.is_playing = True

    def pause(self) -> None:
        """Stand still."""
        self.is_playing = False

    def seek(self, position_s: float) -> None:
        """Jump to a time of the session."""
        self.position_s = min(max(position_s, self.begin_s), self.end_s)

    def advance(self, real_s: float) -> None:
        """Let time pass; at the end the clock pauses."""
        if not self.is_playing:
            return
        self.seek(self.position_s + real_s * self.speed)
        if self.skips_away:
            away = self._trace.away
            number = int(np.searchsorted(away[:, 0], self.position_s, side="right")) - 1
            if number >= 0 and self.position_s < away[number, 1]:
                self.seek(float(away[number, 1]))
        if self.position_s >= self.end_s:
            self.is_playing = False

    def step(self, actions: Sequence[Action], direction: int) -> None:
        """Jump to the beginning of the next (1) or previous (-1) action."""
        if direction > 0:
            number = bisect_right(actions, self.position_s + 1e-6, key=_start_of)
            self.seek(actions[number].start_s if number < len(actions) else self.end_s)
        else:
            # A second's grace, or one could never step back past the present action.
            number = bisect_left(actions, self.position_s - 1.0, key=_start_of)
            self.seek(actions[number - 1].start_s if number else self.begin_s)

    @property
    def view_index(self) -> int:
        """Return the index of the view that was on screen."""
        index = int(np.searchsorted(self._trace.start_s, self.position_s, side="right")) - 1
        return min(max(index, 0), len(self._trace) - 1)


def _start_of(action: Action) -> float:
    return action.start_s


def recorded_view(trace: Trace, index: int, screen: Size) -> View:
    """Return a view of a trace on a screen of this size, in logical pixels.

    On a screen as large as the reader's it is theirs to the pixel; on any other the recorded
    field is shown whole.
    """
    field = trace.field(index)
    downsample = float(trace.downsample[index])
    fitting = max(field.size.width / screen.width, field.size.height / screen.height)
    if abs(fitting / downsample - 1.0) > 1e-3:
        downsample = fitting
    mirrored = bool(trace.mirrored[index])
    return View(field.center, downsample, screen, field.rotation_deg, mirrored)
