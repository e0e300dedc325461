"""A microscope without a window: a slide, a view of it, and a real session."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from viewer import __version__
from viewer.agents.microscope import Field, on_slide, slide_box
from viewer.geometry import Size, View
from viewer.recording.events import AnnotationChanged, Viewport
from viewer.recording.recorder import Recorder
from viewer.recording.session import Consent, Screen, SessionHeader, new_session_id, slide_ref

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.agents.cancelling import Cancel
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
    """

    def __init__(
        self,
        source: SlideSource,
        optics: Optics,
        sessions: Path,
        agent: str,
        size: Size = SCREEN_PX,
    ) -> None:
        self.source = source
        self.optics = optics
        self._skipped_ns = 0
        self._started_s = time.monotonic()
        whole = slide_box(source)
        self._view = View(whole.center, 1.0, size).showing(whole)
        header = _header(source, optics, agent, size)
        self.recorder = Recorder(
            sessions / header.id, header, clock_ns=self._clock_ns, wall_ns=self._wall_ns
        )
        self._show(self._view)

    @property
    def folder(self) -> Path:
        """Of the session."""
        return self.recorder.folder

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
        self.recorder.note_input()

    def annotate(self, finding: Finding) -> None:
        change = AnnotationChanged(f"finding-{finding.region}", "made", "rectangle", finding.box)
        self.record(change)

    def record(self, event: AnyEvent) -> None:
        self.recorder.note_input()
        self.recorder.record(event)

    def close(self) -> None:
        """Ends the session and waits for it to be on the disk."""
        self.recorder.close()

    def _show(self, view: View) -> None:
        self._view = view
        mpp_um = self.optics.mean_mpp_um
        box = view.box
        self.recorder.record_view(
            Viewport(
                x=box.x0,
                y=box.y0,
                width=box.width,
                height=box.height,
                rotation_deg=0.0,
                mirrored=False,
                downsample=view.downsample,
                screen_mpp_um=None if mpp_um is None else mpp_um * view.downsample,
                magnification=self.optics.magnification(view.downsample),
                cause="agent",
                at_rest=True,
            )
        )

    def _clock_ns(self) -> int:
        return time.monotonic_ns() + self._skipped_ns

    def _wall_ns(self) -> int:
        return time.time_ns() + self._skipped_ns


def _header(source: SlideSource, optics: Optics, agent: str, size: Size) -> SessionHeader:
    now = datetime.now().astimezone()
    offset = now.utcoffset()
    return SessionHeader(
        id=new_session_id(now),
        slide=slide_ref(source, optics, None),
        started_utc=now.astimezone(UTC).isoformat(timespec="milliseconds"),
        utc_offset_min=round(offset.total_seconds() / 60) if offset else 0,
        reader=agent,
        app_version=__version__,
        screen=Screen(
            screen_width_px=size.width,
            screen_height_px=size.height,
            window_width_px=size.width,
            window_height_px=size.height,
        ),
        # The texts are the agent's own, not a reader's.
        consent=Consent(texts=True),
        origin="agent",
    )
