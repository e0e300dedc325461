"""A microscope without a window: a slide, a view of it, and a real session."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from viewer.agents.agent_session import AgentSession
from viewer.agents.microscope import Field, on_slide, slide_box
from viewer.geometry import Size, View

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.agents.canceling import Cancel
    from viewer.agents.findings import Finding
    from viewer.geometry import Box, Optics
    from viewer.recording.events import AnyEvent
    from viewer.slides.source import SlideSource

SCREEN_PX = Size(1024, 768)


class HeadlessMicroscope:
    """Walks a slide and records it as a session of the origin "agent".

    Nobody watches, so `dwell` sets the session's clock forward instead of waiting: the session
    replays as slowly as it would be shown.

    Parameters
    ----------
    sessions
        The session gets a folder in it, named by its id.
    agent
        Stands where a reader's pseudonym stands, such as "agent-local".
    mark
        Takes each finding, beyond its event in the session.
    """

    def __init__(
        self,
        source: SlideSource,
        optics: Optics,
        sessions: Path,
        agent: str,
        size: Size = SCREEN_PX,
        mark: Callable[[Finding], object] = lambda _: None,
    ) -> None:
        self._mark = mark
        self.source = source
        self.optics = optics
        self._skipped_ns = 0
        self._started_s = time.monotonic()
        whole = slide_box(source)
        self._view = View(whole.center, 1.0, size).showing(whole)
        self.session = AgentSession(
            source, optics, sessions, agent, size, self._clock_ns, self._wall_ns
        )
        self._show(self._view)

    @property
    def folder(self) -> Path:
        """Return the folder of the session."""
        return self.session.folder

    @property
    def elapsed_s(self) -> float:
        """Real time since the session began, without what `dwell` set forward."""
        return time.monotonic() - self._started_s

    @property
    def field(self) -> Field:
        view = self._view
        return Field(view.box, self.optics.magnification(view.downsample))

    def go_to(self, box: Box, magnification: float | None = None) -> Field:
        inside = on_slide(box, self.source)
        view = self._view.showing(inside)
        downsample = None if magnification is None else self.optics.downsample(magnification)
        if downsample is not None:
            view = view.zoomed(downsample)
        self._show(view)
        return self.field

    def dwell(self, seconds: float, cancel: Cancel) -> None:
        cancel.check()
        self._skipped_ns += int(seconds * 1e9)
        self.session.recorder.note_input()

    def annotate(self, finding: Finding) -> None:
        self._mark(finding)
        self.session.find(finding)

    def record(self, event: AnyEvent) -> None:
        self.session.record(event)

    def close(self) -> None:
        """End the session and wait for it to be on the disk."""
        self.session.close()

    def _show(self, view: View) -> None:
        self._view = view
        self.session.show(view)

    def _clock_ns(self) -> int:
        return time.monotonic_ns() + self._skipped_ns

    def _wall_ns(self) -> int:
        return time.time_ns() + self._skipped_ns
