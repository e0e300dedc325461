"""Sessions of simulated readers, written through the real recorder as they spend their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.geometry import Point, Size, View
from viewer.recording.recorder import Recorder
from viewer.recording.session import Screen, SessionError, header_now, slide_ref
from viewer.recording.viewing import viewport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from viewer.geometry import Optics
    from viewer.recording.events import Cause
    from viewer.recording.session import SessionHeader
    from viewer.slides.source import SlideSource

SIMULATED = "simulated:"
"""How the pseudonym of a simulated reader begins."""
SCREEN_PX = Size(1280, 800)

_FRAMES = 6
_FRAME_S = 0.05


class Look(msgspec.Struct, frozen=True):
    """A field that is gone to and how long it is stayed at."""

    view: View
    dwell_s: float
    cause: Cause


def write_simulated(
    source: SlideSource, optics: Optics, name: str, looks: Sequence[Look], library: Path
) -> Path:
    """Write the session of a simulated reader to a folder of `library`, and return the folder.

    Parameters
    ----------
    optics
        The scale in use.
    name
        Of the reader; the pseudonym is "simulated:NAME".

    Raises
    ------
    SessionError
        The folder cannot be written.
    """
    header = _header(source, optics, name)
    return _record(looks, optics, header, library / header.id)


def _header(source: SlideSource, optics: Optics, name: str) -> SessionHeader:
    screen = Screen.filled(SCREEN_PX.width, SCREEN_PX.height)
    begun = header_now(slide_ref(source, optics, None), SIMULATED + name, screen)
    return msgspec.structs.replace(begun, origin="simulated", title=f"Simulated reader: {name}")


class _Clock:
    """Time as the simulated reader spends it."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def _record(looks: Sequence[Look], optics: Optics, header: SessionHeader, folder: Path) -> Path:
    troubles: list[str] = []
    clock = _Clock()
    folder.parent.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(folder, header, on_trouble=troubles.append, clock_ns=clock, wall_ns=clock)
    before: View | None = None
    for look in looks:
        for view in _on_the_way(before, look.view):
            recorder.record_view(viewport(view, optics, look.cause, at_rest=False))
            clock.pass_s(_FRAME_S)
        recorder.record_view(viewport(look.view, optics, look.cause, at_rest=True))
        clock.pass_s(look.dwell_s)
        before = look.view
    recorder.close()
    if any(troubles):
        raise SessionError(f"{folder} cannot be written: {next(filter(None, troubles))}")
    return folder


def _on_the_way(start: View | None, end: View) -> Iterator[View]:
    """Yield a few frames of a movement: zoom by equal ratios, place in step with it."""
    if start is None:
        return
    for frame in range(1, _FRAMES):
        share = frame / _FRAMES
        downsample = start.downsample ** (1 - share) * end.downsample**share
        center = Point(
            start.center.x + share * (end.center.x - start.center.x),
            start.center.y + share * (end.center.y - start.center.y),
        )
        yield View(center, downsample, end.size)
