"""The lamp in the status bar that always tells whether the reading is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QToolButton, QWidget

from viewer.policy import policy
from viewer.ui.recording.control import RecordingState

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

_TEXTS = {
    RecordingState.OFF: ("○ Not recording", "Nothing is recorded. Click to record your reading."),
    RecordingState.ON: ("● Recording", "Your reading is recorded. Click to stop; F9 pauses."),
    RecordingState.PAUSED: ("Ⅱ Paused", "Nothing is recorded. F9 goes on; click to stop."),
}
_COLORS = {RecordingState.ON: "#e5484d", RecordingState.PAUSED: "#d9a400"}


class RecordingLamp(QToolButton):
    """Shows a state in words and color; a click turns recording on or off."""

    def __init__(self, action: QAction, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAutoRaise(True)
        self.clicked.connect(action.trigger)
        self.show_state(RecordingState.OFF)

    def show_state(self, state: RecordingState) -> None:
        """Shows a state."""
        text, tip = _TEXTS[state]
        if state is RecordingState.OFF and policy().recording == "off":
            tip = "Nothing is recorded: set by the administrator's policy."
        self.setText(text)
        self.setToolTip(tip)
        self.setAccessibleName(text[2:])
        color = _COLORS.get(state)
        self.setStyleSheet(f"color: {color}; font-weight: bold" if color else "")
        widest = self.fontMetrics().horizontalAdvance(_TEXTS[RecordingState.OFF][0])
        self.setMinimumWidth(widest + 16)
