"""The callout of a tour: it floats over the slide and leaves mouse and keyboard to the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.theme import current_theme

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QPaintEvent

_WIDTH_PX, _MARGIN_PX = 420, 16
_RING_PX = 2


class TourBar(QFrame):
    """Says what to do next, at the upper edge of the slide.

    Parameters
    ----------
    over
        The widget over which it floats, and within which it points.
    slides
        Where the slides are shown.
    mode_bar
        Gives what lies at the upper edge of the slide in a mode, such as a replay.
    """

    skipped = Signal()
    """The user wants the next step without doing this one."""
    ended = Signal()
    """The user wants no more of the tour."""

    def __init__(self, over: QWidget, slides: QWidget, mode_bar: Callable[[], QWidget]) -> None:
        super().__init__(over)
        self._slides, self._mode_bar = slides, mode_bar
        self._target: QWidget | None = None
        self.setObjectName("tour")
        self.setAutoFillBackground(True)
        self.setAccessibleName("Tour")
        self.heading = QLabel(self)
        self.heading.setProperty("dim", True)
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        self.skip_button = QPushButton("Skip step", self)
        self.skip_button.clicked.connect(self.skipped)
        self.end_button = QPushButton("Skip tour", self)
        self.end_button.clicked.connect(self.ended)
        for button in (self.skip_button, self.end_button):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the slide the keyboard
        buttons = QHBoxLayout()
        buttons.addWidget(self.heading, 1)
        buttons.addWidget(self.skip_button)
        buttons.addWidget(self.end_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 10, 10, 10)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self._ring = _Ring(over)
        over.installEventFilter(self)
        slides.installEventFilter(self)
        self.hide()

    def tell(self, heading: str, text: str, target: QWidget | None, *, is_last: bool) -> None:
        """Show a step; `target` has a ring around it while it is in sight."""
        self.heading.setText(heading)
        self.text.setText(text)
        self.setAccessibleDescription(f"{heading}. {text}")
        self.skip_button.setVisible(not is_last)
        self.end_button.setText("Close" if is_last else "Skip tour")
        self._watch(target)
        self.show()
        self._place()

    def close_tour(self) -> None:
        """Take callout and ring away."""
        self._watch(None)
        self.hide()
        self._ring.hide()

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kinds = (
            QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide,
        )  # fmt: skip
        if self.isVisible() and event.type() in kinds:
            self._place()
        return False

    def _watch(self, target: QWidget | None) -> None:
        if self._target is not None and self._target not in (self.parentWidget(), self._slides):
            self._target.removeEventFilter(self)
        self._target = target
        if target is not None:
            target.installEventFilter(self)

    def _place(self) -> None:
        over, layout = self.parentWidget(), self.layout()
        assert over is not None
        assert layout is not None
        place = QRect(self._slides.mapTo(over, QPoint()), self._slides.size())
        width_px = min(_WIDTH_PX, max(220, place.width() - 2 * _MARGIN_PX))
        self.setFixedWidth(width_px)
        height_px = layout.heightForWidth(width_px)
        self.resize(width_px, max(height_px, self.minimumSizeHint().height()))
        left = place.center().x() - width_px // 2
        room, mode_bar = over.rect(), self._mode_bar()
        # Notices lie at the lower edge.
        top = place.top()
        if mode_bar.isVisible():
            top = mode_bar.mapTo(over, mode_bar.rect().bottomLeft()).y()
        self.move(min(max(left, 0), max(0, room.width() - width_px)), top + _MARGIN_PX)
        self.raise_()
        target = self._target
        is_in_sight = target is not None and target.isVisible() and over.isAncestorOf(target)
        if target is not None and is_in_sight:
            ring = QRect(target.mapTo(over, QPoint()), target.size())
            self._ring.setGeometry(ring.adjusted(-3, -3, 3, 3) & room)
            self._ring.raise_()
        self._ring.setVisible(is_in_sight)


class _Ring(QWidget):
    """A ring around what the step is about; the mouse goes through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    @guarded()
    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(current_theme().accent), _RING_PX))
        inset = _RING_PX // 2
        painter.drawRoundedRect(self.rect().adjusted(inset, inset, -inset - 1, -inset - 1), 5, 5)
        painter.end()
