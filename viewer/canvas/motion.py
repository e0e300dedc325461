"""How a view moves by itself: a zoom that eases, a drag that glides. Pure functions of time."""

from __future__ import annotations

import math
from typing import Protocol

import msgspec
from msgspec.structs import replace

from viewer.geometry import Point, View

# QuPath's kinetic pan, which hands are used to: the speed falls by 0.5 % a millisecond.
_GLIDE_DECAY_PER_S = -math.log(1 - 0.005) * 1000
_GLIDE_STOP_PX_PER_S = 20.0


class Motion(Protocol):
    """A movement of the view that runs by itself."""

    @property
    def destination(self) -> View:
        """Return where the movement ends; tiles are loaded for this view."""
        ...

    def at(self, elapsed_s: float) -> tuple[View, bool]:
        """Return the view at a time since the start, and whether the movement is over."""
        ...


class Travel(msgspec.Struct, frozen=True):
    """From one view to another, fast at first, the zoom even to the eye (in its logarithm).

    Attributes
    ----------
    anchor
        A screen position whose slide point stays put where a zoom is about the cursor;
        None moves the center straight.
    """

    start: View
    destination: View
    duration_s: float
    anchor: Point | None = None

    def at(self, elapsed_s: float) -> tuple[View, bool]:
        part = 1.0 if self.duration_s <= 0 else elapsed_s / self.duration_s
        if part >= 1.0:
            return self.destination, True
        eased = 1.0 - (1.0 - part) ** 3
        a, b = self.start, self.destination
        downsample = a.downsample * (b.downsample / a.downsample) ** eased
        if self.anchor is not None:
            return a.zoomed(downsample, self.anchor), False
        if math.isclose(a.downsample, b.downsample):
            along = eased
        else:
            # So that the point the zoom goes to drifts evenly on screen.
            along = (downsample - a.downsample) / (b.downsample - a.downsample)
        center = Point(
            a.center.x + (b.center.x - a.center.x) * along,
            a.center.y + (b.center.y - a.center.y) * along,
        )
        turn = (b.rotation_deg - a.rotation_deg + 180.0) % 360.0 - 180.0
        rotation_deg = (a.rotation_deg + turn * eased) % 360.0
        return replace(b, center=center, downsample=downsample, rotation_deg=rotation_deg), False


class Glide(msgspec.Struct, frozen=True):
    """The pan that goes on after a drag is let go, slowing down.

    Attributes
    ----------
    velocity_px_per_s
        Of the slide on the screen at the start.
    """

    start: View
    velocity_px_per_s: Point

    @property
    def _duration_s(self) -> float:
        speed = math.hypot(*self.velocity_px_per_s)
        return math.log(max(speed / _GLIDE_STOP_PX_PER_S, 1.0)) / _GLIDE_DECAY_PER_S

    @property
    def destination(self) -> View:
        return self.at(self._duration_s)[0]

    def at(self, elapsed_s: float) -> tuple[View, bool]:
        time_s = min(elapsed_s, self._duration_s)
        reach_s = (1.0 - math.exp(-_GLIDE_DECAY_PER_S * time_s)) / _GLIDE_DECAY_PER_S
        x, y = self.velocity_px_per_s
        return self.start.panned(x * reach_s, y * reach_s), elapsed_s >= self._duration_s
