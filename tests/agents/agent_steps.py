"""What the tests of agents have in common."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewer.agents.agent_events import AgentEvent
from viewer.agents.headless import HeadlessMicroscope
from viewer.agents.slide_models import SlideModels
from viewer.agents.slide_tools import SlideTools
from viewer.slides import open_slide

PATIENCE_S = 60.0


@dataclass
class Bench:
    """A slide under a microscope without a window, with its tools."""

    microscope: HeadlessMicroscope
    tools: SlideTools
    instruments: SlideModels

    @property
    def session(self) -> Path:
        return self.microscope.folder


@contextmanager
def bench(slide: Path, sessions: Path, **tools: Any) -> Iterator[Bench]:
    """Closes all of it at the end."""
    source = open_slide(slide)
    optics = source.info.optics
    microscope = HeadlessMicroscope(source, optics, sessions, "agent-test")
    instruments = SlideModels(slide, source, optics.mean_mpp_um, "cpu")
    made = SlideTools(source, instruments, **tools)
    try:
        yield Bench(microscope, made, instruments)
    finally:
        made.close()
        microscope.close()
        source.close()


class Heard:
    """Keeps what an agent tells, and waits for it."""

    def __init__(self) -> None:
        self.events: list[AgentEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: AgentEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: type) -> list:
        with self._changed:
            return [event for event in self.events if isinstance(event, kind)]

    def wait(self, until: Callable[[], object]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        with self._changed:
            while not until():
                assert time.monotonic() < end_s, f"waited in vain after {self.events}"
                self._changed.wait(0.1)
