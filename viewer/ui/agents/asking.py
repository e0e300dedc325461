"""Puts the user's questions about what is in view to the model, and shows the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QObject, Qt, QTimer, Signal

from viewer.agents.canceling import AgentCancelledError, Cancel
from viewer.geometry import Box
from viewer.recording.events import QuestionAnswered, QuestionAsked
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.services import DrawingHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.agents.asking import FieldAnswer, FieldChat
    from viewer.agents.chat.client import Client
    from viewer.agents.endpoint import Endpoint
    from viewer.agents.grounding import Reference
    from viewer.geometry import Optics
    from viewer.slides.source import SlideSource
    from viewer.ui.agents.ask_panel import AskPanel
    from viewer.ui.agents.language_model import LanguageModel
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.slide_pane import SlidePane

_THINKING = "The model is thinking..."
_SHOW_MS = 60
"""Between two showings of an answer that is being written."""


class _Conversation(msgspec.Struct):
    """With one model about one slide, which is opened for it alone; used in the worker thread."""

    talk: FieldChat
    source: SlideSource
    endpoint: Endpoint


class AskingHost(MessageHost, PaneHost, DrawingHost, Protocol):
    """What questions about a field ask of the window."""

    overlays: OverlaysController
    recording: RecordingController


class FieldQuestions(QObject):
    """One question at a time; what was said of a slide goes with the next question about it."""

    _text_came = Signal(str)

    def __init__(
        self, window: AskingHost, panel: AskPanel, model: LanguageModel, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._window, self._panel, self._model = window, panel, model
        self._cancel: Cancel | None = None
        self._conversation: _Conversation | None = None
        self._shown_of = ""
        self._text = ""
        self._show = QTimer(self, singleShot=True, interval=_SHOW_MS)
        self._show.timeout.connect(lambda: panel.show_text(self._text or _THINKING))
        self._background = BackgroundRunner("question", 1, self)
        self._text_came.connect(self._on_text, Qt.ConnectionType.QueuedConnection)
        panel.asked.connect(self._ask)
        panel.stop_requested.connect(self.stop)

    def show_slide(self) -> None:
        """Begin a talk about another slide than before; what was said of each stays readable."""
        source = self._window.panes.active.source
        identity = "" if source is None else source.info.identity
        if identity != self._shown_of:
            if self._cancel is not None:
                self.stop()
                self._panel.end(self._stopped_text)
            self._background.run(self._forget, lambda _: None)
            self._shown_of = identity
            self._panel.show_slide(identity)

    def stop(self) -> None:
        """Give up the answer that is being written."""
        if self._cancel is not None:
            self._cancel.set()

    def shut_down(self) -> None:
        self.stop()
        self._background.run(self._forget, lambda _: None)
        self._background.close(finish=True)

    # -----------------------------------------------------------------------------------------

    def _ask(self, question: str, about: str) -> None:
        pane = self._window.panes.active
        box = self._box(pane, about)
        if box is not None:
            self._model.client(lambda client: self._send(client, pane, box, question))

    def _box(self, pane: SlidePane, about: str) -> Box | None:
        if pane.source is None:
            return None
        if hidden := self._window.overlays.hidden_by(pane):
            self._window.say(hidden)
            return None
        match about:
            case "slide":
                return pane.canvas.slide_box
            case "region":
                here = self._window.annotations.of(pane)
                chosen = None if here is None else here.selection.uppermost
                if chosen is None:
                    self._window.say("Choose a region on the slide first.")
                    return None
                return Box(*chosen.geometry.bounds)
            case _:
                return pane.canvas.view.box

    def _send(self, client: Client, pane: SlidePane, box: Box, question: str) -> None:
        source, optics = pane.source, pane.canvas.optics
        if source is None or self._cancel is not None:
            return
        path, identity = source.path, source.info.identity
        cancel = self._cancel = Cancel()
        magnification = optics.magnification(box.width / max(pane.canvas.width(), 1))
        self._text = ""
        self._panel.begin(question)
        recording = self._window.recording.control.recording_of(pane)
        if recording is not None:
            recording.record(QuestionAsked("field", question))

        def work() -> FieldAnswer:
            talk = self._talk(client, path, identity, optics)
            on_text = self._text_came.emit
            return talk.ask(
                question, box, magnification=magnification, on_text=on_text, cancel=cancel
            )

        def done(answer: FieldAnswer) -> None:
            self._finish(answer.text, answer.references)
            if recording is not None:
                recording.record(QuestionAnswered("field", answer.text))

        self._background.run(work, done, self._on_failed)

    # In the worker thread --------------------------------------------------------------------

    def _talk(self, client: Client, path: Path, identity: str, optics: Optics) -> FieldChat:
        """Return the conversation so far, begun anew with another model."""
        from viewer.agents.asking import FieldChat
        from viewer.slides.known_slides import open_same

        now = self._conversation
        if now is None or now.endpoint != client.endpoint:
            self._forget()
            source = open_same(path, identity)
            now = _Conversation(FieldChat(client, source, optics), source, client.endpoint)
            self._conversation = now
        return now.talk

    def _forget(self) -> None:
        if self._conversation is not None:
            self._conversation.source.close()
            self._conversation = None

    # In the window's thread ------------------------------------------------------------------

    def _on_text(self, text: str) -> None:
        self._text = text
        if self._cancel is not None and not self._show.isActive():
            self._show.start()

    def _on_failed(self, error: Exception) -> None:
        was_stopped = isinstance(error, AgentCancelledError)
        self._finish(self._stopped_text if was_stopped else str(error), ())

    @property
    def _stopped_text(self) -> str:
        return f"{self._text}\n(stopped)".lstrip()

    def _finish(self, text: str, references: Sequence[Reference]) -> None:
        self._cancel = None
        self._show.stop()
        self._panel.end(text, references)
