"""What all tools that draw have in common: where the hand is, and that no stroke is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QTabletEvent, QWheelEvent
from PySide6.QtWidgets import QGestureEvent

from viewer.annotations.annotation import NO_CLASS_COLOR
from viewer.annotations.shape_editing import snapped
from viewer.geometry import Box, Point

if TYPE_CHECKING:
    from uuid import UUID

    from PySide6.QtGui import QPainter
    from shapely.geometry.base import BaseGeometry

    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene
    from viewer.geometry import View

DRAG_PX = 4.0
"""A press that moves less is a click."""
SNAP_PX = 10.0
_PAUSE_MS = 1000
"""A hand that rests this long has the stroke so far kept."""


class PointerState(msgspec.Struct, frozen=True):
    """Where the hand is and what it holds down.

    Attributes
    ----------
    at
        Level-0 pixels.
    screen
        Logical pixels of the canvas.
    pressure
        Of a pen, from 0 to 1; 1 for a mouse.
    """

    at: Point
    screen: Point
    view: View
    keys: Qt.KeyboardModifier
    pressure: float = 1.0

    @property
    def shift(self) -> bool:
        return bool(self.keys & Qt.KeyboardModifier.ShiftModifier)

    @property
    def alt(self) -> bool:
        return bool(self.keys & Qt.KeyboardModifier.AltModifier)

    def reach(self, length_px: float) -> float:
        """Return a length on the screen in level-0 pixels."""
        return length_px * self.view.downsample


class DrawingTool(QObject):
    """Turns mouse, pen and keys into calls; a subclass says what they do.

    Also the layer that paints what is being drawn.
    """

    name: ClassVar[str]
    cursor: Qt.CursorShape = Qt.CursorShape.CrossCursor
    hint: ClassVar[str] = ""
    """What to do with it, one sentence for the status bar."""
    draws: ClassVar[bool] = True
    """Whether a press begins something new, which is not to be drawn unseen."""

    changed = Signal()
    """There is something new to paint."""
    measure_changed = Signal(str)
    """What is being drawn measures so much; "" when nothing is."""
    finished = Signal()
    """A shape of its own was drawn to its end."""

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.hand: PointerState | None = None
        """Where the hand was last; None off the canvas."""
        self.is_pressed = False
        self.lifted: frozenset[UUID] = frozenset()
        """What the tool paints itself while it changes it."""
        self.hovered: UUID | None = None
        """What a press would take."""
        self._pressure = 1.0
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self.keep)

    # For subclasses --------------------------------------------------------------------------

    def press(self, hand: PointerState) -> None:
        """The left button, or the pen, went down."""

    def move(self, hand: PointerState) -> None:
        """The hand moved, pressed or not."""

    def release(self, hand: PointerState) -> None:
        """The left button came up."""

    def second_press(self, hand: PointerState) -> None:
        """The button went down again soon after a click: a press, unless it is a double click."""
        self.press(hand)

    def wheel(self, hand: PointerState, notches: float) -> bool:
        """Take the wheel with Ctrl; return False to leave it to the canvas."""
        return False

    def wants(self, key: Qt.Key, keys: Qt.KeyboardModifier) -> bool:
        """Return whether a key is for the tool now, although it may also be a command's."""
        return False

    def key(self, key: Qt.Key) -> None:
        """Handle a key that was wanted."""

    def keep(self) -> None:
        """Put what is drawn so far into the document; the stroke may go on."""

    @property
    def can_step_back(self) -> bool:
        """Return whether undo takes back a part of what is under way, not what was done before."""
        return self.is_busy

    def step_back(self) -> None:
        """Take back the last part of what is under way."""
        self._let_go()

    @property
    def can_step_forward(self) -> bool:
        """Return whether redo brings back a part of what is under way."""
        return False

    def step_forward(self) -> None:
        """Bring back the part that was taken back last."""

    def put_down(self) -> None:
        """Another tool is taken up: what is drawn so far is finished as well as it can be."""
        self.keep()

    def give_up(self) -> None:
        """Forget the stroke under way."""

    @property
    def is_busy(self) -> bool:
        """Return whether a stroke is under way."""
        return False

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Paint what is being drawn."""

    # Qt's events -----------------------------------------------------------------------------

    def take(self, event: QEvent, view: View) -> bool:
        match event:
            case QTabletEvent():
                # Not taken: the mouse event that Qt makes of it comes next, with this pressure.
                is_up = event.type() == QEvent.Type.TabletRelease
                self._pressure = 1.0 if is_up else max(event.pressure(), 0.05)
                return False
            case QMouseEvent():
                return self._mouse(event, view)
            case QWheelEvent() if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                at = Point(event.position().x(), event.position().y())
                hand = PointerState(view.to_slide(at), at, view, event.modifiers())
                taken = self.wheel(hand, event.angleDelta().y() / 120)
                if taken:
                    event.accept()
                return taken
            case QKeyEvent():
                return self._key(event)
            case QGestureEvent():
                if self.is_busy and self.is_pressed:
                    self._let_go()  # a second finger: the hand moves the slide
                return False
            case _:
                if event.type() in (QEvent.Type.FocusOut, QEvent.Type.Hide):
                    self.keep()
                elif event.type() == QEvent.Type.Leave:
                    self.hand = None
                    self.changed.emit()
                return False

    def follow(self, screen: Point, view: View) -> None:
        """As `Tool` asks for: the slide moved under the hand."""
        if self.hand is None or (screen, view) == (self.hand.screen, self.hand.view):
            return
        self.hand = replace(self.hand, at=view.to_slide(screen), screen=screen, view=view)
        self.move(self.hand)

    def _mouse(self, event: QMouseEvent, view: View) -> bool:
        at = Point(event.position().x(), event.position().y())
        hand = PointerState(view.to_slide(at), at, view, event.modifiers(), self._pressure)
        self.hand = hand
        is_left = event.button() is Qt.MouseButton.LeftButton
        match event.type():
            case QEvent.Type.MouseButtonPress if is_left:
                self.is_pressed = True
                self.press(hand)
            case QEvent.Type.MouseButtonDblClick if is_left:
                self.is_pressed = True
                self.second_press(hand)
            case QEvent.Type.MouseMove:
                if self.is_pressed and not event.buttons() & Qt.MouseButton.LeftButton:
                    self._release(hand)  # it came up while the slide was being moved
                self.move(hand)
                if not self.is_pressed and event.buttons():
                    return False
            case QEvent.Type.MouseButtonRelease if is_left and self.is_pressed:
                self._release(hand)
            case _:
                return False
        if self.is_busy:
            self._pause.start()
            if self.draws and not hand.alt:
                self.desk.show_hidden()  # after the press, which takes up nothing that was unseen
        return True

    def _release(self, hand: PointerState) -> None:
        self.is_pressed = False
        self.release(hand)

    def _key(self, event: QKeyEvent) -> bool:
        key = Qt.Key(event.key())
        is_escape = key == Qt.Key.Key_Escape and (self.is_busy or bool(self.desk.selection))
        if not is_escape and not self.wants(key, event.modifiers()):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
        elif event.type() == QEvent.Type.KeyPress:
            if is_escape:
                self._let_go()
            else:
                self.key(key)
        return True

    def _let_go(self) -> None:
        """Give up what is under way, else lets go of what is chosen."""
        if not self.is_busy:
            self.desk.selection.choose([])
            return
        self.is_pressed = False
        self.give_up()
        self.measure_changed.emit("")
        self.changed.emit()

    # What many tools do ----------------------------------------------------------------------

    def snapped(self, hand: PointerState) -> Point:
        """Return the nearest border within reach where snapping is on, else where the hand is."""
        if not self.desk.options.snapping or self.desk.is_hidden:
            return hand.at
        reach = hand.reach(SNAP_PX)
        near = self.desk.document.inside(Box.around(hand.at, 2 * reach, 2 * reach))
        shown = [each.geometry for each in near if self.desk.is_in_sight(each)]
        shapes = [each for each in shown if each.length > 0]
        return snapped(hand.at, shapes, reach)

    def measured(self, shape: BaseGeometry) -> str:
        """Area of a region, length of a line, in the slide's units."""
        calibration = self.desk.calibration
        if shape.area > 0:
            return calibration.area_text(calibration.area_of(shape))
        return calibration.length_text(calibration.length_of(shape))

    def choose(self, *ids: UUID) -> None:
        """Select what was drawn, where it came into the document."""
        self.desk.selection.choose(id_ for id_ in ids if id_ in self.desk.document)

    @property
    def color(self) -> QColor:
        """Return the color of what is drawn next."""
        shown_as = self.desk.current_class
        return QColor(shown_as.color if shown_as is not None else NO_CLASS_COLOR)
