"""The session that an agent leaves, like a reader's: it replays, is compared and exported."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.events import AnnotationChanged
from viewer.recording.library import Library
from viewer.recording.recorder import Recorder
from viewer.recording.session import (
    Consent,
    Screen,
    SessionError,
    header_now,
    slide_ref,
)
from viewer.recording.viewing import viewport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.agents.findings import Finding
    from viewer.geometry import Optics, Size, View
    from viewer.recording.events import AnyEvent
    from viewer.recording.session import SessionHeader
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
        """End the session and wait for it to be on the disk."""
        self.recorder.close()

    def discard(self) -> None:
        """End the session and delete it: the agent failed before its first step."""
        self.close()
        try:
            Library(self.folder.parent).delete(self.folder.name)
        except SessionError as error:
            _log.warning("the session of an agent that did not start stays (%s)", error)


def _header(source: SlideSource, optics: Optics, agent: str, size: Size) -> SessionHeader:
    screen = Screen.filled(size.width, size.height)
    begun = header_now(slide_ref(source, optics, None), agent, screen)
    # The texts are the agent's own, not a reader's.
    return msgspec.structs.replace(begun, consent=Consent(texts=True), origin="agent")
