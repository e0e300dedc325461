"""The pill in the top bar that shows whether the reading is recorded, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QToolButton, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.policy import policy
from viewer.ui.recording.control import RecordingState
from viewer.ui.recording.scrub_bar import shown_time
from viewer.ui.theme import colored_icon, current_theme
from viewer.ui.widgets import set_look

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QAction

_SIGNS = {RecordingState.ON: "●", RecordingState.PAUSED: "Ⅱ Paused"}
_TIPS = {
    RecordingState.OFF: "Nothing is recorded. Click to record your reading.",
    RecordingState.ON: "Your reading is recorded. Click to stop; F9 pauses.",
    RecordingState.PAUSED: "Nothing is recorded. F9 goes on; click to stop.",
}
_NAMES = {
    RecordingState.OFF: "Record my reading",
    RecordingState.ON: "Recording",
    RecordingState.PAUSED: "Recording paused",
}
_TICK_MS = 500
_PADDING_PX = 28


class RecordPill(QToolButton):
    """Shows a state in words and color; a click turns recording on or off.

    Parameters
    ----------
    action
        The command that records.
    others
        Commands of a recording, which a right click offers.
    elapsed_s
        Gives how long has been recorded since it was turned on, without pauses.
    """

    def __init__(
        self,
        action: QAction,
        others: Sequence[QAction],
        elapsed_s: Callable[[], float],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._elapsed_s = elapsed_s
        self._state = RecordingState.OFF
        self._timer = QTimer(self, interval=_TICK_MS)
        self._timer.timeout.connect(self._show_time)
        self.setProperty("pill", True)
        self.setIconSize(QSize(14, 14))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.addActions(others)
        self.clicked.connect(action.trigger)
        self.show_state(RecordingState.OFF)

    def show_state(self, state: RecordingState) -> None:
        """Show a state; the time runs while it is recorded."""
        self._state = state
        tip = _TIPS[state]
        if state is RecordingState.OFF and policy().recording == "off":
            tip = "Nothing is recorded: set by the administrator's policy."
        self.setToolTip(tip)
        self.setAccessibleName(_NAMES[state])
        looks = {RecordingState.ON: "recording", RecordingState.PAUSED: "paused"}
        set_look(self, "state", looks.get(state))
        if state is RecordingState.ON:
            self._timer.start()
        else:
            self._timer.stop()
        self._draw_icon()
        self._show_time()
        # As wide as it gets in the first hour: nothing beside it moves when recording begins.
        widest = QFontMetrics(self.font()).horizontalAdvance(
            f"{_SIGNS[RecordingState.PAUSED]} 00:00"
        )
        self.setMinimumWidth(widest + _PADDING_PX)

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw_icon()

    def _draw_icon(self) -> None:
        if self._state is RecordingState.OFF:
            self.setIcon(colored_icon("mdi6.record", current_theme().recording))
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        else:
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)

    def _show_time(self) -> None:
        sign = _SIGNS.get(self._state)
        self.setText("Record" if sign is None else f"{sign} {shown_time(self._elapsed_s())}")
