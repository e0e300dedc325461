"""What the tests of recording have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from viewer.recording.events import AnyEvent, Cause, Viewport
from viewer.recording.recorder import Recorder
from viewer.recording.session import EVENTS_FILE, Consent, SessionHeader, SlideRef

HEADER = SessionHeader(
    id="20261124T080000Z-00000000",
    slide=SlideRef(
        identity="abc", width_px=2220, height_px=2967, mpp_um=(0.499, 0.499), name="Smith, John.svs"
    ),
    started_utc="2026-11-24T08:00:00+00:00",
    utc_offset_min=60,
    reader="reader-7",
    app_version="0",
)
ALLOWED = Consent(given_utc="2026-11-24T07:00:00+00:00", names=True, texts=True)


def view(
    x: float = 0.0,
    y: float = 0.0,
    *,
    downsample: float = 1.0,
    cause: Cause = "drag",
    at_rest: bool = False,
) -> Viewport:
    """A window of 1000 x 800 px on the sample slide, its top left corner at x, y."""
    return Viewport(
        x, y, 1000 * downsample, 800 * downsample, 0.0, False, downsample, 0.499 * downsample,
        20 / downsample, cause, at_rest,
    )  # fmt: skip


class Clock:
    """A clock that the test sets, in nanoseconds."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def advance_s(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def record(folder: Path, events: list[AnyEvent]) -> Path:
    """Writes a session of these events and closes it."""
    recorder = Recorder(folder, HEADER)
    for event in events:
        recorder.record(event)
    recorder.close()
    return folder


def wait_until(is_so: Callable[[], bool], patience_s: float = 10.0) -> None:
    """Waits for what another thread does."""
    until_s = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(0.01)


def count_lines(folder: Path) -> int:
    """How many lines are written by now; 0 before the log is there."""
    path = folder / EVENTS_FILE
    return path.read_bytes().count(b"\n") if path.exists() else 0
