"""The one place through which every event of a session passes."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.event_writer import Entry, EventWriter
from viewer.recording.events import (
    AnyEvent,
    IdleChanged,
    PauseChanged,
    Pointer,
    SlideClosed,
    SlideOpened,
    Viewport,
)
from viewer.recording.log_file import LogFile
from viewer.recording.signing import LogSigner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.session import SessionHeader

_log = logging.getLogger(__name__)
_VIEW_GAP_NS = 1_000_000_000 // 30
_POINTER_GAP_NS = 1_000_000_000 // 20
_IDLE_NS = 10_000_000_000
_TICK_S = 0.1
_SYNC_NS = 900_000_000
_CLOSE_WAIT_S = 5.0


class Recorder:
    """Records one session; its methods may be called from any thread and never wait for a disk.

    A thread of its own writes: each event within 250 ms, and on the disk (fsync) each second.

    Parameters
    ----------
    folder
        Of the session; made here, for its owner only.
    on_trouble
        Called in the writing thread with one sentence when the log cannot be written, and with
        "" when it can be again.
    clock_ns, wall_ns
        As `time.monotonic_ns` and `time.time_ns`.
    on_key
        Called in the writing thread with the public key (base64) that the session is signed with.
        Sessions of readers that are of a study are signed.
    """

    def __init__(
        self,
        folder: Path,
        header: SessionHeader,
        *,
        on_trouble: Callable[[str], object] = lambda _: None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
        open_file: Callable[[Path, SessionHeader], LogFile] = LogFile,
        on_key: Callable[[str], object] = lambda _public: None,
    ) -> None:
        if not header.consent.names:
            slide = msgspec.structs.replace(header.slide, name=None)
            header = msgspec.structs.replace(header, slide=slide, imported_from=None)
        self.folder = folder
        self.header = header
        self._on_trouble = _safely(on_trouble)
        self._open_file = open_file
        self._on_key = _safely(on_key)
        self._clock_ns = clock_ns
        self._wall_ns = wall_ns
        self._start_ns = clock_ns()
        self._start_wall_ns = wall_ns()
        self._lock = threading.Lock()
        self._queue: deque[Entry] = deque()
        self._held: tuple[int, int, Viewport] | None = None
        self._last_view: Viewport | None = None
        self._last_view_ns = -_VIEW_GAP_NS
        self._last_pointer_ns = -_POINTER_GAP_NS
        self._last_input_ns = 0
        self._is_idle = False
        self._is_paused = False
        self._is_closed = False
        self._stop = threading.Event()
        slide = header.slide
        self.record(SlideOpened(slide.identity, slide.width_px, slide.height_px))
        self._thread = threading.Thread(target=self._write, name="session writer", daemon=True)
        self._thread.start()

    @property
    def session_id(self) -> str:
        return self.header.id

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    @property
    def elapsed_s(self) -> float:
        """Since the session began."""
        return (self._clock_ns() - self._start_ns) / 1e9

    def record(self, event: AnyEvent) -> None:
        """Takes any event but views and pointers, which have their own ways in."""
        with self._lock:
            if not self._is_paused and not self._is_closed:
                self._push(self._now(event))

    def record_view(self, view: Viewport) -> None:
        """Record a view: in motion 30 a second, where it turns back, and the last of a movement."""
        with self._lock:
            if self._is_paused or self._is_closed:
                return
            at_ns, wall_ms, _ = entry = self._now(view)
            self._note_input(entry)
            held, last = self._held, self._last_view
            if held is not None and last is not None:
                # Thinned away, either would leave out a field that was on screen.
                has_stood = at_ns - held[0] >= _VIEW_GAP_NS
                if has_stood or _turns(last, held[2], view):
                    self._push_held(held)
            if view.at_rest or at_ns - self._last_view_ns >= _VIEW_GAP_NS:
                self._held = None
                self._last_view, self._last_view_ns = view, at_ns
                self._push(entry)
            else:
                self._held = (at_ns, wall_ms, view)

    def record_pointer(self, x: float, y: float) -> None:
        """Takes where the mouse is on the slide (level-0 pixels), at most 20 times a second."""
        with self._lock:
            if self._is_paused or self._is_closed:
                return
            entry = self._now(Pointer(x, y))
            self._note_input(entry)
            if entry[0] - self._last_pointer_ns >= _POINTER_GAP_NS:
                self._last_pointer_ns = entry[0]
                self._push(entry)

    def note_input(self) -> None:
        """The reader did something: they are not idle."""
        with self._lock:
            if not self._is_closed:
                self._note_input(self._now(IdleChanged(begins=False)))

    def pause(self) -> None:
        """Records nothing until `resume`."""
        self._set_paused(paused=True)

    def resume(self) -> None:
        """Records again."""
        self._set_paused(paused=False)

    def close(self) -> None:
        """Ends the session and waits a moment for all of it to be on the disk."""
        with self._lock:
            if self._is_closed:
                return
            self._push(self._now(SlideClosed()))
            self._is_closed = True
        self._stop.set()
        self._thread.join(_CLOSE_WAIT_S)

    # Under the lock --------------------------------------------------------------------------

    def _now(self, event: AnyEvent) -> Entry:
        elapsed_ns = self._clock_ns() - self._start_ns
        return elapsed_ns, (self._wall_ns() - self._start_wall_ns) // 1_000_000, event

    def _push(self, entry: Entry) -> None:
        self._queue.append(entry)

    def _note_input(self, entry: Entry) -> None:
        self._last_input_ns = entry[0]
        if self._is_idle:
            self._is_idle = False
            self._push((entry[0], entry[1], IdleChanged(begins=False)))

    def _set_paused(self, *, paused: bool) -> None:
        with self._lock:
            if self._is_closed or paused == self._is_paused:
                return
            self._is_paused = paused
            self._last_input_ns = self._now(SlideClosed())[0]
            self._push(self._now(PauseChanged(begins=paused)))

    def _check_idle(self, now: Entry) -> None:
        idle_ns = now[0] - self._last_input_ns
        if not self._is_idle and not self._is_paused and idle_ns >= _IDLE_NS:
            self._is_idle = True
            self._push((now[0], now[1], IdleChanged(begins=True, since_s=round(idle_ns / 1e9, 3))))

    def _settle_held(self, now_ns: int) -> None:
        """A held view that nothing followed was the last of its movement: takes its place."""
        held = self._held
        if held is not None and (now_ns - held[0] >= _VIEW_GAP_NS or self._is_closed):
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

    def _take(self) -> deque[Entry]:
        """Return what is ripe to be written: nothing that a held view may still have to precede."""
        with self._lock:
            if not self._is_closed:
                self._check_idle(self._now(SlideClosed()))
            self._settle_held(self._clock_ns() - self._start_ns)
            if self._held is None:
                taken, self._queue = self._queue, deque()
                return taken
            ripe: deque[Entry] = deque()
            while self._queue and self._queue[0][0] <= self._held[0]:
                ripe.append(self._queue.popleft())
            return ripe

    # The writing thread ----------------------------------------------------------------------

    def _write(self) -> None:
        file = self._open_file(self.folder, self.header)
        signer = LogSigner(self.folder, self.header, self._on_key)
        texts = self.header.consent.texts
        writer = EventWriter(file, may_keep_texts=texts, on_lines=signer.take)
        trouble = ""
        synced_ns = time.monotonic_ns()
        is_last = False
        while not is_last:
            is_last = self._stop.wait(_TICK_S)
            writer.write(self._take())
            now_ns = time.monotonic_ns()
            if now_ns - synced_ns >= _SYNC_NS or is_last:
                synced_ns = now_ns
                file.retry()
                file.sync()
                if not file.trouble:  # what is signed is on the disk
                    signed = signer.sign("close" if is_last else "sync")
                    if signed is not None:
                        self.header = signed
                        file.change_header(signed)
            if file.trouble != trouble:
                trouble = file.trouble
                self._on_trouble(trouble)
        file.close()


def _safely(listener: Callable[[str], object]) -> Callable[[str], object]:
    """Let no listener end the writing, such as one whose window is gone."""

    def call(text: str) -> None:
        try:
            listener(text)
        except Exception:
            _log.info("nobody hears of a recording any more")

    return call


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
