"""The microscope of an agent that reads before the user's eyes: a pane's canvas."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from viewer.agents.canceling import AgentCancelledError
from viewer.agents.microscope import Field, on_slide

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.agents.agent_session import AgentSession
    from viewer.agents.canceling import Cancel
    from viewer.agents.findings import Finding
    from viewer.canvas.canvas import SlideCanvas
    from viewer.geometry import Box, Optics, View
    from viewer.recording.events import AnyEvent
    from viewer.slides.source import SlideSource

_CAUSE = "agent"
_NOT_OF_HANDS = frozenset({_CAUSE, "resize", "optics", "link", "replay", "open"})
_LOOK_S = 0.05

_Result = TypeVar("_Result")


class CanvasMicroscope(QObject):
    """Travels on a canvas when an agent asks for it from its own thread.

    Parameters
    ----------
    source
        Of the same slide, opened for the agent alone, so that closing the pane harms no read.
    session
        Records the walk, apart from what the user records; closed by its owner.
    mark
        Takes a Finding in the window's thread.
    """

    hands_on = Signal()
    """The user moved the slide."""

    _asked = Signal(object)

    def __init__(
        self,
        canvas: SlideCanvas,
        source: SlideSource,
        session: AgentSession,
        mark: Callable[[Finding], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.source = source
        self.optics: Optics = canvas.optics
        self._canvas = canvas
        self._session = session
        self._mark = mark
        self._is_closed = threading.Event()
        self._has_rested = threading.Event()
        self._asked.connect(self._answer, Qt.ConnectionType.QueuedConnection)
        canvas.view_changed.connect(self._on_view)
        canvas.rested.connect(self._on_rested)
        canvas.source_changed.connect(self._on_rested)

    def close(self) -> None:
        """Whoever waits for the window in the agent's thread is let go."""
        self._is_closed.set()
        self._has_rested.set()
        self._canvas.view_changed.disconnect(self._on_view)
        self._canvas.rested.disconnect(self._on_rested)
        self._canvas.source_changed.disconnect(self._on_rested)

    # In the agent's thread -------------------------------------------------------------------

    @property
    def field(self) -> Field:
        return self.ask_window(self._field)

    def go_to(self, box: Box, magnification: float | None = None) -> Field:
        inside = on_slide(box, self.source)
        self.ask_window(lambda: self._travel(inside, magnification))
        self._has_rested.wait()
        self._session.show(self.ask_window(lambda: self._canvas.view))
        return self.field

    def dwell(self, seconds: float, cancel: Cancel) -> None:
        cancel.wait(seconds)
        # A long computation that follows is idle time, this rest is not.
        self._session.recorder.note_input()

    def annotate(self, finding: Finding) -> None:
        self._session.find(finding)
        self.ask_window(lambda: self._mark(finding))

    def record(self, event: AnyEvent) -> None:
        self._session.record(event)

    def ask_window(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` gives in the window's thread. Raises AgentCancelledError."""
        request = _Request(work)
        self._asked.emit(request)
        while not request.is_done.wait(_LOOK_S):
            if self._is_closed.is_set():
                raise AgentCancelledError
        return request.result

    # In the window's thread ------------------------------------------------------------------

    def _answer(self, request: _Request[object]) -> None:
        if not self._is_closed.is_set():
            request.perform()

    def _field(self) -> Field:
        view = self._canvas.view
        return Field(view.box, self._canvas.optics.magnification(view.downsample))

    def _travel(self, box: Box, magnification: float | None) -> None:
        view = self._canvas.destination.showing(box)
        if magnification is not None:
            downsample = self._canvas.optics.downsample(magnification)
            if downsample is not None:
                view = view.zoomed(downsample)
        self._has_rested.clear()
        self._canvas.show_view(view, animated=True, cause=_CAUSE)

    def _on_rested(self) -> None:
        self._has_rested.set()

    def _on_view(self, _view: View, cause: str) -> None:
        if cause not in _NOT_OF_HANDS:
            self.hands_on.emit()


class _Request(Generic[_Result]):
    """Something that the agent's thread asks of the window's, and waits for."""

    def __init__(self, work: Callable[[], _Result]) -> None:
        self.is_done = threading.Event()
        self._result: _Result
        self.error: Exception | None = None
        self._work = work

    def perform(self) -> None:
        try:
            self._result = self._work()
        except Exception as error:  # raised again where it was asked for
            self.error = error
        self.is_done.set()

    @property
    def result(self) -> _Result:
        """Return what the work gave, once it is done. Raises what the work raised."""
        if self.error is not None:
            raise self.error
        return self._result
