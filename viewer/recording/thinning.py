"""Which events of a reading are kept: views and pointers thinned, idle time found.

Our own window records through it while the reader moves, and what another viewer recorded raw goes
through it later, so that the same walk gives the same session.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.events import IdleChanged, PauseChanged, Pointer, Viewport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from viewer.recording.event_writer import Entry

VIEW_GAP_NS = 1_000_000_000 // 30
POINTER_GAP_NS = 1_000_000_000 // 20
IDLE_NS = 10_000_000_000
REST_NS = 120_000_000
"""A view that nothing follows for this long is at rest."""


class Thinning:
    """Takes the events of one session in the order of their times, and gives what is kept.

    Parameters
    ----------
    idle_ns
        A reader who does nothing for this long is idle.
    """

    def __init__(self, idle_ns: int = IDLE_NS) -> None:
        self._idle_ns = idle_ns
        self._queue: deque[Entry] = deque()
        self._held: tuple[int, int, Viewport] | None = None
        self._last_view: Viewport | None = None
        self._last_view_ns = -VIEW_GAP_NS
        self._last_pointer_ns = -POINTER_GAP_NS
        self._last_input_ns = 0
        self._is_idle = False
        self.is_paused = False

    def push(self, entry: Entry) -> None:
        """Keep an event as it is."""
        self._queue.append(entry)

    def take_view(self, at_ns: int, wall_ms: int, view: Viewport) -> None:
        """Keep a view: in motion 30 a second, where it turns back, and the last of a movement."""
        self.note_input(at_ns, wall_ms)
        held, last = self._held, self._last_view
        if held is not None and last is not None:
            # Thinned away, either would leave out a field that was on screen.
            has_stood = at_ns - held[0] >= VIEW_GAP_NS
            if has_stood or _turns(last, held[2], view):
                self._push_held(held)
        if view.at_rest or at_ns - self._last_view_ns >= VIEW_GAP_NS:
            self._held = None
            self._last_view, self._last_view_ns = view, at_ns
            self.push((at_ns, wall_ms, view))
        else:
            self._held = (at_ns, wall_ms, view)

    def take_pointer(self, at_ns: int, wall_ms: int, pointer: Pointer) -> None:
        """Keep where the mouse is, at most 20 times a second."""
        self.note_input(at_ns, wall_ms)
        if at_ns - self._last_pointer_ns >= POINTER_GAP_NS:
            self._last_pointer_ns = at_ns
            self.push((at_ns, wall_ms, pointer))

    def note_input(self, at_ns: int, wall_ms: int) -> None:
        """The reader did something: they are not idle."""
        self._last_input_ns = at_ns
        if self._is_idle:
            self._is_idle = False
            self.push((at_ns, wall_ms, IdleChanged(begins=False)))

    def set_paused(self, at_ns: int, wall_ms: int, *, paused: bool) -> None:
        """The reader pauses the recording, or goes on."""
        self.is_paused = paused
        self._last_input_ns = at_ns
        self.push((at_ns, wall_ms, PauseChanged(begins=paused)))

    def check_idle(self, at_ns: int, wall_ms: int) -> None:
        """Keep that the reader is idle, where nothing came for long enough."""
        idle_ns = at_ns - self._last_input_ns
        if not self._is_idle and not self.is_paused and idle_ns >= self._idle_ns:
            self._is_idle = True
            since_s = round(idle_ns / 1e9, 3)
            self.push((at_ns, wall_ms, IdleChanged(begins=True, since_s=since_s)))

    @property
    def idle_at_ns(self) -> int:
        """Return when the reader is idle if nothing comes."""
        return self._last_input_ns + self._idle_ns

    def take(self, now_ns: int, *, is_last: bool) -> deque[Entry]:
        """Return what is ripe to be written: nothing that a held view may still have to precede."""
        self._settle_held(now_ns, is_last=is_last)
        if self._held is None:
            taken, self._queue = self._queue, deque()
            return taken
        ripe: deque[Entry] = deque()
        while self._queue and self._queue[0][0] <= self._held[0]:
            ripe.append(self._queue.popleft())
        return ripe

    def _settle_held(self, now_ns: int, *, is_last: bool) -> None:
        """A held view that nothing followed was the last of its movement: takes its place."""
        held = self._held
        if held is not None and (now_ns - held[0] >= VIEW_GAP_NS or is_last):
            self._last_view_ns = held[0]
            self._push_held(held)

    def _push_held(self, held: tuple[int, int, Viewport]) -> None:
        """Queue the held view at its time, before what came after it."""
        self._held = None
        self._last_view = held[2]
        after: list[Entry] = []
        while self._queue and self._queue[-1][0] > held[0]:
            after.append(self._queue.pop())
        self._queue.append(held)
        self._queue.extend(reversed(after))


def thinned(raw: Iterable[Entry], end_ns: int) -> Iterator[Entry]:
    """Yield what our own window would have recorded of a walk.

    Parameters
    ----------
    raw
        Each view that was on screen, each position of the mouse and all else, in the order of
        their times. A view is at rest when none follows within `REST_NS`; `IdleChanged` that ends
        says that the reader did something that is no other event.
    end_ns
        When the session ended.
    """
    thinning = Thinning()
    moving: tuple[int, int, Viewport] | None = None

    def pass_time(until_ns: int) -> None:
        """Let the time come in which nothing happens: a view comes to rest, a reader is idle."""
        nonlocal moving
        if moving is not None and until_ns - moving[0] >= REST_NS:
            at_ns, wall_ms, view = moving
            moving = None
            if not thinning.is_paused:
                rested = _at_rest(view)
                thinning.take_view(at_ns + REST_NS, wall_ms + REST_NS // 1_000_000, rested)
        idle_ns = thinning.idle_at_ns
        if idle_ns <= until_ns:
            thinning.check_idle(idle_ns, idle_ns // 1_000_000)

    for at_ns, wall_ms, event in raw:
        pass_time(at_ns)
        if isinstance(event, PauseChanged):
            if event.begins != thinning.is_paused:
                if moving is not None:  # recorded now rather than when it has rested
                    thinning.take_view(at_ns, wall_ms, _at_rest(moving[2]))
                    moving = None
                thinning.set_paused(at_ns, wall_ms, paused=event.begins)
        elif thinning.is_paused:
            continue
        elif isinstance(event, Viewport):
            thinning.take_view(at_ns, wall_ms, event)
            moving = None if event.at_rest else (at_ns, wall_ms, event)
        elif isinstance(event, Pointer):
            thinning.take_pointer(at_ns, wall_ms, event)
        elif isinstance(event, IdleChanged):
            if event.begins:
                thinning.check_idle(at_ns, wall_ms)
            else:
                thinning.note_input(at_ns, wall_ms)
        else:
            thinning.push((at_ns, wall_ms, event))
        yield from thinning.take(at_ns, is_last=False)
    pass_time(end_ns)
    if moving is not None and not thinning.is_paused:
        thinning.take_view(end_ns, end_ns // 1_000_000, _at_rest(moving[2]))
    yield from thinning.take(end_ns, is_last=True)


def _at_rest(view: Viewport) -> Viewport:
    return msgspec.structs.replace(view, at_rest=True)


def _turns(before: Viewport, at: Viewport, after: Viewport) -> bool:
    """Return whether a movement turns back at `at`, by a pixel of the screen or more."""
    (x0, y0), (x1, y1), (x2, y2) = _center(before), _center(at), _center(after)
    return (
        _is_turn(x0, x1, x2, at.downsample)
        or _is_turn(y0, y1, y2, at.downsample)
        or _is_turn(before.downsample, at.downsample, after.downsample, 0.0)
    )


def _is_turn(before: float, at: float, after: float, least: float) -> bool:
    return (at - before) * (after - at) < 0 and abs(at - before) >= least


def _center(view: Viewport) -> tuple[float, float]:
    return view.x + view.width / 2, view.y + view.height / 2
