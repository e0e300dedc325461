"""The counter: a key or a click marks what is counted, in fields of a known area."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import shapely
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent

from viewer.annotations.annotation import Annotation
from viewer.annotations.counting.frame import CountingError
from viewer.annotations.counting.tally import FIELD, Tally, new_field
from viewer.annotations.document import adding, removing
from viewer.canvas.annotating.drawing_tool import DRAG_PX, DrawingTool, PointerState
from viewer.canvas.annotating.strokes import paint_label
from viewer.canvas.shape_paths import shape_path
from viewer.geometry import Point

if TYPE_CHECKING:
    from uuid import UUID

    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter

    from viewer.annotations.counting.tally import FieldCount
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene
    from viewer.geometry import Box, View

COUNT_KEY = Qt.Key.Key_T
_NEXT_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_BACK_KEYS = (Qt.Key.Key_Backspace, Qt.Key.Key_Delete)
_EDGE_PX = 3.0
_LABEL_PX = 200.0
_OUTSIDE = "Outside the counted fields: press Enter for a field here."
_DRAGS = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease)


class CountTool(DrawingTool):
    """Counts points in fields. A drag still moves the slide: counting is mostly searching."""

    name = "counter"
    hint = "Click or T counts, digits choose the class, Enter begins the next field."

    tallied = Signal()
    """The count, the field at hand or the class is another."""
    left = Signal()
    """The reader is done (Esc)."""
    next_wanted = Signal()
    """The next field is to be laid out in the middle of the view (Enter)."""
    middle_counted = Signal()
    """What is in the middle of the view counts: the key came while the mouse was elsewhere."""

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        super().__init__(desk, parent)
        self.tally = Tally(desk.document, self._on_counted)
        self.current: UUID | None = None
        """The field that was laid out or counted in last."""
        self._pressed: Point | None = None
        self._is_down = False
        self._said_outside = False
        """Whether the last mark was refused; the next that counts takes the sentence back."""

    # What is done ----------------------------------------------------------------------------

    @property
    def current_field(self) -> FieldCount | None:
        """Return the field at hand, as long as it is there."""
        return self.tally.summary.of(self.current) if self.current is not None else None

    def choose_class(self, index: int) -> None:
        """Take up the class of a digit, 0 for the first."""
        classes = self.desk.options.counted_classes
        if index < len(classes):
            self.desk.options.counted_class = classes[index]
            self.tallied.emit()

    def begin(self, center: Point, slide: Box) -> FieldCount | None:
        """Go on in the field at a level-0 point, or lay one out there; None where that fails."""
        found = self.tally.field_at(center)
        if found is None:
            return self.add_field(center, slide)
        self.current = found.field.id
        self.tallied.emit()
        return found

    def add_field(self, center: Point, slide: Box) -> FieldCount | None:
        """Lay out a field about a level-0 point; None where that cannot be, which is said."""
        frame, calibration = self.desk.options.frame, self.desk.calibration
        try:
            placed = frame.placed(center, slide, calibration)
        except CountingError as error:
            self.desk.say(str(error))
            return None
        field = new_field(frame, placed, calibration, self.tally.next_number, self.desk.author)
        if self.desk.do(adding("Counting field", [field])) is None:
            return None
        self.current = field.id
        if not placed.is_whole:
            self.desk.say(
                f"Only {placed.area_mm2:.4f} of {frame.area_mm2:g} mm² lies on the slide: that "
                "area is counted."
            )
        self.tallied.emit()
        return self.current_field

    def count_at(self, place: Point) -> None:
        """Mark a level-0 point as one of the class in hand, in the field that it lies in."""
        found = self.tally.field_at(place)
        if found is None:
            self.desk.say(_OUTSIDE)
            self._said_outside = True
            return
        if self._said_outside:
            self.desk.say("")
            self._said_outside = False
        self.current = found.field.id
        shown_as = self.desk.options.counted_class
        mark = Annotation(shapely.Point(place), shown_as=shown_as).signed(self.desk.author)
        if self.desk.do(adding(f"Count {shown_as.name}", [mark])) is not None:
            self.tallied.emit()

    def take_back(self) -> None:
        """Remove the mark that was made last in the field at hand."""
        found = self.current_field
        if found is None:
            return
        names = {each.name for each in self.desk.options.counted_classes}
        document = self.desk.document
        marks = self.tally.marks_in(found)
        inside = [
            each
            for each in marks
            if each.class_name in names and each.geometry.geom_type == "Point"
        ]
        if not inside:
            self.desk.say("Nothing is counted in this field yet.")
            return
        last = max(inside, key=lambda each: document.place(each.id))
        self.desk.do(removing(f"Take back {last.class_name}", [last]))

    def put_down(self) -> None:
        """As `DrawingTool` asks for; counts no more."""
        super().put_down()
        if not self._is_down:  # told so of a slide that leaves, and again when it has left
            self._is_down = True
            self.tally.close()

    # Qt's events -----------------------------------------------------------------------------

    def take(self, event: QEvent, view: View) -> bool:
        """As `Tool` asks for: a click counts, a drag is left to the canvas."""
        if not isinstance(event, QMouseEvent) or event.type() not in _DRAGS:
            return super().take(event, view)
        at = Point(event.position().x(), event.position().y())
        self.hand = PointerState(view.to_slide(at), at, view, event.modifiers())
        is_left = event.button() is Qt.MouseButton.LeftButton
        if event.type() == QEvent.Type.MouseButtonPress and is_left:
            self._pressed = at
        elif event.type() == QEvent.Type.MouseButtonRelease and is_left:
            pressed, self._pressed = self._pressed, None
            if pressed is not None and math.dist(pressed, at) < DRAG_PX:
                self.count_at(self.hand.at)
        return False

    def second_press(self, hand: PointerState) -> None:
        """Two marks soon after each other are no double click."""
        self.count_at(hand.at)

    def wants(self, key: Qt.Key, keys: Qt.KeyboardModifier) -> bool:
        is_plain = not keys & ~Qt.KeyboardModifier.KeypadModifier
        is_digit = Qt.Key.Key_1 <= key <= Qt.Key.Key_9
        is_ours = key in (COUNT_KEY, Qt.Key.Key_Escape, *_NEXT_KEYS, *_BACK_KEYS)
        return is_plain and (is_digit or is_ours)

    def key(self, key: Qt.Key) -> None:
        if key == COUNT_KEY and self.hand is not None:
            self.count_at(self.hand.at)
        elif key == COUNT_KEY:
            self.middle_counted.emit()
        elif key == Qt.Key.Key_Escape:
            self.left.emit()
        elif key in _NEXT_KEYS:
            self.next_wanted.emit()
        elif key in _BACK_KEYS:
            self.take_back()
        else:
            self.choose_class(key - Qt.Key.Key_1)

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """The field at hand stands out, with its count."""
        found = self.current_field
        if found is None:
            return
        path = shape_path(found.field.geometry, scene.view)
        pen = painter.pen()
        pen.setColor(QColor(FIELD.color))
        pen.setWidthF(_EDGE_PX)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        painter.drawPath(path)
        name = self.desk.options.counted_class.name
        top = path.boundingRect()
        text = f"{found.field.name}, {name}: {found.counts.get(name, 0):,}"
        at_x = min(max(top.left(), 0.0), scene.view.size.width - _LABEL_PX)
        at_y = min(max(top.top(), _LABEL_PX / 4), scene.view.size.height)
        paint_label(painter, Point(at_x, at_y), text)

    def _on_counted(self) -> None:
        self.changed.emit()
        self.tallied.emit()
