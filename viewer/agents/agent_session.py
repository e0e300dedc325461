"""The session that an agent leaves, like a reader's: it replays, is compared and exported."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING

from viewer import __version__
from viewer.recording.events import AnnotationChanged
from viewer.recording.library import Library
from viewer.recording.recorder import Recorder
from viewer.recording.session import (
    Consent,
    Screen,
    SessionError,
    SessionHeader,
    new_session_id,
    slide_ref,
)
from viewer.recording.viewing import viewport
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.agents.findings import Finding
    from viewer.geometry import Optics, Size, View
    from viewer.recording.events import AnyEvent
    from viewer.slides.source import SlideSource

_log = logging.getLogger(__name__)


class AgentSession:
    """Records what an agent looks at and says, with the origin "agent".

    Parameters
    ----------
    sessions
        The session gets a folder in it, named by its id.
    agent
        Stands where a reader's pseudonym stands, such as "agent-local".
    size
        Of the screen it is shown on, logical pixels.
    clock_ns, wall_ns
        As of `Recorder`.
    """

    def __init__(
        self,
        source: SlideSource,
        optics: Optics,
        sessions: Path,
        agent: str,
        size: Size,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._optics = optics
        header = _header(source, optics, agent, size)
        self.recorder = Recorder(sessions / header.id, header, clock_ns=clock_ns, wall_ns=wall_ns)

    @property
    def folder(self) -> Path:
        return self.recorder.folder

    def show(self, view: View) -> None:
        """The agent looks at a view from now on."""
        self.recorder.record_view(viewport(view, self._optics, "agent", at_rest=True))

    def find(self, finding: Finding) -> None:
        """The agent marked something."""
        name = f"finding-{finding.region}"
        self.record(AnnotationChanged(name, "made", "rectangle", finding.box))

    def record(self, event: AnyEvent) -> None:
        self.recorder.note_input()
        self.recorder.record(event)

    def close(self) -> None:
        """Ends the session and waits for it to be on the disk."""
        self.recorder.close()

    def discard(self) -> None:
        """End the session and delete it: the agent failed before its first step."""
        self.close()
        try:
            Library(self.folder.parent).delete(self.folder.name)
        except SessionError as error:
            _log.warning("the session of an agent that did not start stays (%s)", error)


def _header(source: SlideSource, optics: Optics, agent: str, size: Size) -> SessionHeader:
    now = datetime.now().astimezone()
    offset = now.utcoffset()
    return SessionHeader(
        id=new_session_id(now),
        slide=slide_ref(source, optics, None),
        started_utc=utc_stamp("milliseconds", now),
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
