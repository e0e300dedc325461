"""A bar of time with the actions of a session as colored blocks; drag it to travel in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.colors import BAND_COLORS, UNKNOWN_COLOR

if TYPE_CHECKING:
    from viewer.recording.trace import Action, Trace

_HEIGHT_PX = 34


def action_color(action: Action) -> str:
    """Return the color of an action's magnification."""
    from viewer.recording.behaviors import band_of

    return BAND_COLORS.get(band_of(action.magnification), UNKNOWN_COLOR)


class ScrubBar(QWidget):
    """Shows a session from its first view to its end."""

    sought = Signal(float)
    """Seconds since the session began, where the user pressed or dragged to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._begin_s, self._end_s, self._position_s = 0.0, 0.0, 0.0
        self._actions: list[Action] = []
        self._away: list[tuple[float, float]] = []
        self._picture: QPixmap | None = None
        """The spans as they were painted last."""
        self._made_for: tuple[QSize, float, int] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.installEventFilter(self)
        self.setAccessibleName("Time of the session")

    def show_session(self, trace: Trace | None, actions: list[Action]) -> None:
        """Show another session; None an empty bar."""
        has_views = trace is not None and len(trace) > 0
        self._begin_s = float(trace.start_s[0]) if trace is not None and has_views else 0.0
        self._end_s = float(trace.end_s[-1]) if trace is not None and has_views else 0.0
        self._away = [(a, b) for a, b in trace.away.tolist()] if trace is not None else []
        self._actions = actions
        self._picture = None
        self.set_position(self._begin_s)

    def set_position(self, position_s: float) -> None:
        """Show where the replay stands."""
        self._position_s = position_s
        self.update()

    def x_of(self, at_s: float) -> float:
        """Return where a time lies, in logical pixels."""
        length_s = max(self._end_s - self._begin_s, 1e-9)
        return (at_s - self._begin_s) / length_s * (self.width() - 1)

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        return QSize(400, _HEIGHT_PX)

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._end_s <= self._begin_s:
            painter.fillRect(self._ground, self.palette().base())
            return
        painter.drawPixmap(0, 0, self._painted_session())
        x = self.x_of(self._position_s)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().text())
        painter.drawRect(QRectF(x - 1, 2, 2, _HEIGHT_PX - 4))
        painter.drawEllipse(QPointF(min(max(x, 5), self.width() - 5), 5), 5, 5)

    @property
    def _ground(self) -> QRectF:
        return QRectF(0, 6, self.width(), _HEIGHT_PX - 12)

    def _painted_session(self) -> QPixmap:
        """Return the spans, painted once: those of a day take longer than a frame."""
        made_for = (self.size(), self.devicePixelRatioF(), self.palette().cacheKey())
        if self._picture is not None and made_for == self._made_for:
            return self._picture
        picture = QPixmap(self.size() * self.devicePixelRatioF())
        picture.setDevicePixelRatio(self.devicePixelRatioF())
        picture.fill(Qt.GlobalColor.transparent)
        ground = self._ground
        with QPainter(picture) as painter:
            painter.fillRect(ground, self.palette().base())
            for begin_s, end_s in self._away:
                self._paint_span(painter, begin_s, end_s, QColor(128, 128, 128, 70), ground)
            for action in self._actions:
                color = QColor(action_color(action))
                self._paint_span(painter, action.start_s, action.end_s, color, ground)
        self._picture, self._made_for = picture, made_for
        return picture

    def _paint_span(
        self, painter: QPainter, begin_s: float, end_s: float, color: QColor, ground: QRectF
    ) -> None:
        x0, x1 = self.x_of(begin_s), self.x_of(end_s)
        span = QRectF(x0, ground.y(), max(x1 - x0 - 1, 2), ground.height())
        painter.fillRect(span, color)

    @guarded()
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._seek(event.position().x())

    @guarded()
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._seek(event.position().x())

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show the time and the action under the mouse; Qt has no handler for tooltips."""
        if watched is not self or not isinstance(event, QHelpEvent):
            return False
        if event.type() != QEvent.Type.ToolTip:
            return False
        at_s = self._time_at(event.pos().x())
        under = [action for action in self._actions if action.start_s <= at_s <= action.end_s]
        text = f"{shown_time(at_s - self._begin_s)}  {under[0].command if under else ''}"
        QToolTip.showText(event.globalPos(), text.strip(), self)
        return True

    def _seek(self, x: float) -> None:
        if self._end_s > self._begin_s:
            self.sought.emit(min(max(self._time_at(x), self._begin_s), self._end_s))

    def _time_at(self, x: float) -> float:
        share = x / max(self.width() - 1, 1)
        return self._begin_s + share * (self._end_s - self._begin_s)


def shown_time(seconds: float) -> str:
    """`1:05` or `1:02:05`."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
