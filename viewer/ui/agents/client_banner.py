"""The bar that names the agent of another program which reads in the window."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from viewer.agents.agent_events import AgentState

_SENTENCES = {
    None: "{} is attached to this window and reads nothing yet.",
    AgentState.RUNNING: "{} reads this slide. Move it to take over.",
    AgentState.PAUSED: "{} pauses.",
    AgentState.TAKEN_OVER: "You have the slide; hand it back for {} to go on.",
    AgentState.FINISHED: "{} has answered.",
    AgentState.CANCELED: "{} was stopped; what it found stays.",
    AgentState.FAILED: "{} cannot go on.",
}
_BUTTONS = {AgentState.PAUSED: "Go on", AgentState.TAKEN_OVER: "Hand back"}


class ClientBanner(QFrame):
    """Shown from a client's first call until it leaves."""

    pause_requested = Signal()
    """Pause, go on or hand back, whichever the state allows."""
    dismissed = Signal()
    """The user sends the client away."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("notice", "mode")
        self._name = ""
        self.sentence = QLabel(self)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.pause = QPushButton("Pause", self)
        self.pause.clicked.connect(self.pause_requested)
        self.dismiss = QPushButton("Disconnect", self)
        self.dismiss.setToolTip("Send the agent away; what it found stays")
        self.dismiss.clicked.connect(self.dismissed)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 3, 6, 3)
        row.addWidget(self.sentence, 1)
        row.addWidget(self.pause)
        row.addWidget(self.dismiss)
        self.hide()

    def show_client(self, name: str) -> None:
        """Name a client that came."""
        self._name = name
        self.show_state(None)
        self.show()

    def show_state(self, state: AgentState | None) -> None:
        """Say what the client does; None where it reads nothing."""
        self.sentence.setText(_SENTENCES[state].format(self._name))
        self.pause.setText(_BUTTONS.get(state, "Pause") if state is not None else "Pause")
        self.pause.setVisible(state is not None and not state.is_over)
