"""Where the view is, where it is heading and where it has been; without any widget."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.canvas.motion import Glide, Motion, Travel
from viewer.geometry import Box, Point, Size, View

if TYPE_CHECKING:
    from collections.abc import Callable

_TRAVEL_S = 0.25
_WHEEL_S = 0.16
_HISTORY_LENGTH = 200

# A level-0 pixel is never larger on screen than this, and a slide never smaller than this part
# of the window.
_LARGEST_PIXEL_PX = 16.0
_SMALLEST_SLIDE_SHARE = 0.25

# A drag glides on when it was let go within this time of its last move, as fast as it went in it.
_GLIDE_WINDOW_S = 0.1
_GLIDE_LEAST_PX_PER_S = 80.0

# Gestures further apart than this are two, with a view rested at between them.
_REST_S = 0.7


class Navigator:
    """The one holder of a view. Gestures call it, a timer ticks it, the canvas paints `view`.

    Parameters
    ----------
    clock
        Seconds that never run backwards, as `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slide = Box(0.0, 0.0, 1.0, 1.0)
        self._view = View(Point(0.5, 0.5), 1.0, Size(1, 1))
        self._motion: Motion | None = None
        self._motion_start_s = 0.0
        self._past: deque[View] = deque(maxlen=_HISTORY_LENGTH)
        self._future: deque[View] = deque(maxlen=_HISTORY_LENGTH)
        self._drags: deque[tuple[float, Point]] = deque()
        self._last_gesture_s = -math.inf
        self._shows_all = True
        self.kinetic = True
        self.is_limited = True
        """Whether the middle stays on the slide and the zoom within reason, as for a reader."""
        self.cause = "open"

    @property
    def view(self) -> View:
        return self._view

    @property
    def destination(self) -> View:
        """Return where the view will be when it rests."""
        return self._clamped(self._motion.destination) if self._motion else self._view

    @property
    def is_moving(self) -> bool:
        return self._motion is not None

    @property
    def shows_all(self) -> bool:
        """Return whether the whole slide is shown, as large as it fits."""
        return self._shows_all

    @property
    def can_go_back(self) -> bool:
        return bool(self._past)

    @property
    def can_go_forward(self) -> bool:
        return bool(self._future)

    def open(self, slide: Box, size: Size) -> None:
        """Begin with the whole slide (its level-0 box) in a window of this size."""
        self._slide = slide
        self._motion = None
        self._past.clear()
        self._future.clear()
        upright = View(slide.center, 1.0, size)
        self._set(upright.showing(slide), "open")
        self._shows_all = True

    def resize(self, size: Size) -> None:
        """Keep the middle in the middle; a slide shown whole stays whole."""
        self._motion = None
        view = self._view.resized(size)
        shows_all = self._shows_all
        self._set(view.showing(self._slide) if shows_all else view, "resize")
        self._shows_all = shows_all

    def tick(self) -> bool:
        """Move the view to where it is by now; return False when it rests."""
        if self._motion is None:
            return False
        view, is_over = self._motion.at(self._clock() - self._motion_start_s)
        self._view = self._clamped(view)
        if is_over:
            self._motion = None
        return True

    def stop(self) -> None:
        """The view rests where it is."""
        self._motion = None

    # Jumps, which can be gone back from ------------------------------------------------------

    def travel(self, view: View, cause: str, *, animated: bool = True) -> None:
        """Go to a view, which `back` returns from."""
        if not _looks_alike(self._clamped(view), self._view):
            self._remember()
        self._move(view, cause, animated=animated)

    def show_all(self) -> None:
        """Show the whole slide, as large as it fits."""
        self.travel(self._view.showing(self._slide), "fit")
        self._shows_all = True

    def home(self) -> None:
        """Show the slide as it was opened: whole, upright and not mirrored."""
        upright = replace(self._view, rotation_deg=0.0, mirrored=False)
        self.travel(upright.showing(self._slide), "home")
        self._shows_all = True

    def back(self) -> None:
        """Go to the view before, of those that look other than this one."""
        while len(self._past) > 1 and _looks_alike(self._past[-1], self.destination):
            self._past.pop()
        if self._past:
            self._future.append(self.destination)
            self._move(self._past.pop(), "back")

    def forward(self) -> None:
        if self._future:
            self._past.append(self.destination)
            self._move(self._future.pop(), "forward")

    # Gestures --------------------------------------------------------------------------------

    def zoom(
        self, factor: float, anchor: Point | None, cause: str, *, animated: bool = True
    ) -> None:
        """Zoom in by `factor` about a screen position; wheel notches in a row add up.

        Without a position, about the middle of where the present movement ends, so that a key
        that pans and one that zooms add up.
        """
        destination = self.destination
        downsample = self._clamped_downsample(destination, destination.downsample / factor)
        view = self._view if anchor is not None else self.destination
        target = self._clamped(view.zoomed(downsample, anchor))
        self._begin_gesture()
        if not animated:
            self._set(target, cause)
            return
        # The center is clamped at the slide's edge: then the anchor cannot be held.
        held = anchor if target.center == view.zoomed(downsample, anchor).center else None
        self._start(Travel(self._view, target, _WHEEL_S, held), cause)

    def pan(self, dx_px: float, dy_px: float, cause: str, *, animated: bool = False) -> None:
        """Move the slide on the screen; in one go, or eased as for a key."""
        destination = self.destination
        self._begin_gesture()
        if animated:
            self._move(destination.panned(dx_px, dy_px), cause)
        else:
            self._set(self._view.panned(dx_px, dy_px), cause)

    def drag(self, dx_px: float, dy_px: float) -> None:
        """Take one move of a drag; the last ones tell the speed at which it is let go."""
        now_s = self._clock()
        self._drags.append((now_s, Point(dx_px, dy_px)))
        while now_s - self._drags[0][0] > _GLIDE_WINDOW_S:
            self._drags.popleft()
        self.pan(dx_px, dy_px, "drag")

    def end_drag(self) -> None:
        """Let go: the slide glides on where it was moving."""
        now_s = self._clock()
        recent = [drag for drag in self._drags if now_s - drag[0] <= _GLIDE_WINDOW_S]
        self._drags.clear()
        if not self.kinetic or len(recent) < 2:
            return
        span_s = max(now_s - recent[0][0], 1e-3)
        x = sum(move.x for _, move in recent[1:]) / span_s
        y = sum(move.y for _, move in recent[1:]) / span_s
        if math.hypot(x, y) >= _GLIDE_LEAST_PX_PER_S:
            self._start(Glide(self._view, Point(x, y)), "drag")

    def turn(self, clockwise_deg: float, cause: str = "rotate") -> None:
        """Turn what is on screen; turns in a row add up."""
        destination = self.destination
        self._begin_gesture()
        self._move(destination.turned(clockwise_deg), cause)

    def set_view(self, view: View, cause: str) -> None:
        """Take a view at once, such as that of a linked window or of a replay."""
        self._motion = None
        self._set(view, cause)

    # -----------------------------------------------------------------------------------------

    def _move(self, view: View, cause: str, *, animated: bool = True) -> None:
        target = self._clamped(view.resized(self._view.size))
        self._shows_all = False
        if not animated or target.mirrored != self._view.mirrored:
            self._motion = None
            self._set(target, cause)
        else:
            self._start(Travel(self._view, target, _TRAVEL_S), cause)

    def _start(self, motion: Motion, cause: str) -> None:
        self._motion = motion
        self._motion_start_s = self._clock()
        self.cause = cause

    def _set(self, view: View, cause: str) -> None:
        self._view = self._clamped(view)
        self._shows_all = False
        self.cause = cause

    def _begin_gesture(self) -> None:
        """Remember the view that was rested at before a row of gestures."""
        now_s = self._clock()
        has_rested = self._motion is None and now_s - self._last_gesture_s > _REST_S
        if has_rested and self._is_far_from_last(self._view):
            self._remember()
        self._last_gesture_s = now_s
        self._motion = None
        self._shows_all = False

    def _remember(self) -> None:
        if not self._past or self._past[-1] != self._view:
            self._past.append(self._view)
        self._future.clear()

    def _is_far_from_last(self, view: View) -> bool:
        if not self._past:
            return True
        last = self._past[-1]
        moved = math.dist(last.center, view.center) / min(last.downsample, view.downsample)
        zoomed = abs(math.log2(last.downsample / view.downsample))
        return zoomed > 0.5 or moved > min(view.size) / 2

    def _clamped(self, view: View) -> View:
        """Keep the middle of the screen on the slide and the zoom within reason."""
        if not self.is_limited:
            return view
        slide = self._slide
        center = Point(
            min(max(view.center.x, slide.x0), slide.x1), min(max(view.center.y, slide.y0), slide.y1)
        )
        downsample = self._clamped_downsample(view, view.downsample)
        if center == view.center and downsample == view.downsample:
            return view
        return replace(view, center=center, downsample=downsample)

    def _clamped_downsample(self, view: View, downsample: float) -> float:
        """Return the nearest downsample that a view with the turn of `view` may have."""
        whole = view.showing(self._slide).downsample
        farthest = max(whole / _SMALLEST_SLIDE_SHARE, 1.0)
        return min(max(downsample, 1.0 / _LARGEST_PIXEL_PX), farthest)


def _looks_alike(one: View, other: View) -> bool:
    """Tell whether a user could not tell two views apart: they differ by less than a pixel."""
    if (one.rotation_deg, one.mirrored) != (other.rotation_deg, other.mirrored):
        return False
    finer = min(one.downsample, other.downsample)
    moved_px = math.dist(one.center, other.center) / finer
    return moved_px < 1.0 and abs(one.downsample - other.downsample) < finer / max(other.size)
