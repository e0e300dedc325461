"""The one place through which every event of a session passes."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from viewer.files.set_aside import say_unusable
from viewer.recording.event_writer import EventWriter
from viewer.recording.events import AnyEvent, Pointer, SlideClosed, SlideOpened
from viewer.recording.log_file import LogFile
from viewer.recording.signing import LogSigner
from viewer.recording.thinning import IDLE_NS as _IDLE_NS
from viewer.recording.thinning import Thinning
from viewer.unwaited_thread import UnwaitedThread

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.event_writer import Entry
    from viewer.recording.events import Viewport
    from viewer.recording.session import SessionHeader

_log = logging.getLogger(__name__)
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
        open_file: Callable[[Path, SessionHeader, Callable[[str], object]], LogFile] = LogFile,
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
        self._thinning = Thinning(_IDLE_NS)
        self._is_closed = False
        self._stop = threading.Event()
        slide = header.slide
        self.record(SlideOpened(slide.identity, slide.width_px, slide.height_px))
        self._thread = UnwaitedThread(self._write, "session writer")
        self._thread.start()

    @property
    def is_paused(self) -> bool:
        return self._thinning.is_paused

    @property
    def elapsed_s(self) -> float:
        """Since the session began."""
        return (self._clock_ns() - self._start_ns) / 1e9

    def record(self, event: AnyEvent) -> None:
        """Take any event but views and pointers, which have their own ways in."""
        with self._lock:
            if not self._thinning.is_paused and not self._is_closed:
                self._thinning.push(self._now(event))

    def record_view(self, view: Viewport) -> None:
        """Record a view: in motion 30 a second, where it turns back, and the last of a movement."""
        with self._lock:
            if not self._thinning.is_paused and not self._is_closed:
                self._thinning.take_view(*self._times(), view)

    def record_pointer(self, x: float, y: float) -> None:
        """Take where the mouse is on the slide (level-0 pixels), at most 20 times a second."""
        with self._lock:
            if not self._thinning.is_paused and not self._is_closed:
                self._thinning.take_pointer(*self._times(), Pointer(x, y))

    def note_input(self) -> None:
        """The reader did something: they are not idle."""
        with self._lock:
            if not self._is_closed:
                self._thinning.note_input(*self._times())

    def pause(self) -> None:
        """Record nothing until `resume`."""
        self._set_paused(paused=True)

    def resume(self) -> None:
        """Record again."""
        self._set_paused(paused=False)

    def close(self) -> None:
        """End the session and wait a moment for all of it to be on the disk."""
        with self._lock:
            if self._is_closed:
                return
            self._thinning.push(self._now(SlideClosed()))
            self._is_closed = True
        self._stop.set()
        self._thread.join(_CLOSE_WAIT_S)
        if self._thread.is_alive():
            say_unusable(
                f"The end of the recording is not in {self.folder} yet: its drive does not answer."
            )

    # Under the lock --------------------------------------------------------------------------

    def _times(self) -> tuple[int, int]:
        """Return elapsed nanoseconds and wall milliseconds."""
        elapsed_ns = self._clock_ns() - self._start_ns
        return elapsed_ns, (self._wall_ns() - self._start_wall_ns) // 1_000_000

    def _now(self, event: AnyEvent) -> Entry:
        return *self._times(), event

    def _set_paused(self, *, paused: bool) -> None:
        with self._lock:
            if not self._is_closed and paused != self._thinning.is_paused:
                self._thinning.set_paused(*self._times(), paused=paused)

    def _take(self) -> deque[Entry]:
        """Return what is ripe to be written."""
        with self._lock:
            times = self._times()
            if not self._is_closed:
                self._thinning.check_idle(*times)
            return self._thinning.take(times[0], is_last=self._is_closed)

    # The writing thread ----------------------------------------------------------------------

    def _write(self) -> None:
        file = self._open_file(self.folder, self.header, self._on_trouble)
        signer = LogSigner(self.folder, self.header, self._on_key)
        texts = self.header.consent.texts
        writer = EventWriter(file, may_keep_texts=texts, on_lines=signer.take)
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
        file.close()


def _safely(listener: Callable[[str], object]) -> Callable[[str], object]:
    """Let no listener end the writing, such as one whose window is gone."""

    def call(text: str) -> None:
        try:
            listener(text)
        except Exception:
            _log.info("nobody hears of a recording any more")

    return call
