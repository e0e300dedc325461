"""Chooses annotations, moves them, and changes their corners."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainterPath
from shapely import affinity

from viewer.annotations.document import changing
from viewer.annotations.id_set import IdSet
from viewer.annotations.kept_geometry import array_of
from viewer.annotations.selection import MOST_IN_A_FRAME
from viewer.annotations.shape_editing import (
    EmptyShapeError,
    mended,
    nearest_edge,
    wide_parts,
    with_new_corner,
    without_corner,
)
from viewer.canvas.annotating.drawing_tool import DRAG_PX, DrawingTool, PointerState
from viewer.canvas.annotating.edit_context import HIDDEN
from viewer.canvas.annotating.handles import CornerGrips, FrameGrips, Grips, grips_of
from viewer.canvas.annotating.picking import BORDER_PX, annotation_under, framed
from viewer.canvas.annotating.stroke_transaction import StrokeTransaction
from viewer.canvas.annotating.strokes import paint_handles, paint_line, paint_stroke
from viewer.canvas.shape_paths import Placing, shapes_path
from viewer.geometry import Box, Point
from viewer.plurals import plural
from viewer.progress import while_wanted

if TYPE_CHECKING:
    from uuid import UUID

    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Edit
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene

_GRIP_PX = 8.0
"""How near a grip has to be to be taken."""
_GAP_PX = 9.0
"""Nearer to the one before a corner shows no handle; it can be taken all the same."""
_BAND = QColor("#1f6fd0")


class _Grip(NamedTuple):
    """One grip of the annotation that is chosen alone."""

    annotation: Annotation
    grips: Grips
    number: int


class SelectTool(DrawingTool):
    """A click chooses, a drag moves, grips reshape; a drag from nothing chooses what it frames."""

    name = "select"
    cursor = Qt.CursorShape.ArrowCursor
    draws = False
    hint = "Click to select, drag to move. Double click an edge for a corner."

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        super().__init__(desk, parent)
        self._pressed: PointerState | None = None
        self._grip: _Grip | None = None
        self._is_second_press = False
        self._is_banding = False
        self._changing: dict[UUID, Annotation] = {}
        """As they are while they are being dragged."""
        self._shift: tuple[float, float] | None = None
        """How far very many are dragged, which move once they are let go."""
        self._is_too_thin = False
        self._grips: tuple[Annotation, Grips] | None = None
        self._draft = StrokeTransaction(desk, "Move")

    @property
    def is_busy(self) -> bool:
        return self._pressed is not None

    def press(self, hand: PointerState) -> None:
        self._is_second_press = False
        if self.desk.is_hidden:
            self.desk.say(HIDDEN)
            return
        grip = self._grip_at(hand)
        if grip is not None and hand.alt and grip.grips.are_corners:
            self._remove_corner(grip)
            return
        self._pressed, self._grip = hand, grip
        self._draft = StrokeTransaction(self.desk, grip.grips.label if grip is not None else "Move")
        if grip is not None:
            return
        under, selection = self._under(hand), self.desk.selection
        if under is None:
            self._is_banding = True
        elif hand.shift:
            selection.turn(under.id)
        elif under.id not in selection:
            selection.choose([under.id])

    def move(self, hand: PointerState) -> None:
        if self._pressed is None:
            self._hover(hand)
        elif not self._is_banding and self._is_dragged(hand):
            self._change(self._pressed, hand)
        self.changed.emit()

    def release(self, hand: PointerState) -> None:
        pressed = self._pressed
        if pressed is None:
            return
        if self._is_banding:
            self._choose_framed(pressed, hand)
        elif self._is_dragged(hand):
            self._change(pressed, hand)
            self.keep()
            self._move_many()
            if self._is_too_thin:
                self.desk.say("Left as it was: it would be thinner than a screen pixel.")
        elif self._is_second_press and self._add_corner(pressed):
            pass
        elif self._grip is None and not hand.shift:
            under = self._under(pressed)
            self.desk.selection.choose([under.id] if under is not None else [])
        self._clear()

    def second_press(self, hand: PointerState) -> None:
        """Without a drag it is a double click, which adds a corner."""
        self.press(hand)
        self._is_second_press = self._pressed is not None

    def wants(self, key: Qt.Key, keys: Qt.KeyboardModifier) -> bool:
        """Delete is for the corner under the hand; without one it is a command's."""
        if key not in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) or self.hand is None:
            return False
        grip = self._grip_at(self.hand)
        return grip is not None and grip.grips.are_corners

    def key(self, key: Qt.Key) -> None:
        grip = self._grip_at(self.hand) if self.hand is not None else None
        if grip is not None:
            self._remove_corner(grip)

    def keep(self) -> None:
        author = self.desk.author
        changed = {id_: _kept(each, author) for id_, each in self._changing.items()}
        if changed:
            self._draft.put(changed)
        elif self.is_busy:
            self._draft.take_back()

    def put_down(self) -> None:
        super().put_down()
        self._move_many()

    def give_up(self) -> None:
        self._draft.take_back()
        self._clear()

    def paint(self, painter: QPainter, scene: Scene) -> None:
        view = scene.view
        if self._changing:
            dragged = sorted(self._changing.values(), key=lambda each: each.shown_color)
            for color, some in groupby(dragged, key=lambda each: each.shown_color):
                shapes = array_of([each.geometry for each in some])
                paint_stroke(painter, shapes_path(shapes, Placing.of(view)), QColor(color))
        self._paint_grips(painter, scene)
        if self._shift is not None and self._pressed is not None and self.hand is not None:
            paint_line(painter, [view.to_screen(self._pressed.at), self.hand.screen], _BAND)
        if self._is_banding and self._pressed is not None and self.hand is not None:
            a, b = view.to_screen(self._pressed.at), self.hand.screen
            path = QPainterPath()
            path.addRect(QRectF(min(a.x, b.x), min(a.y, b.y), abs(b.x - a.x), abs(b.y - a.y)))
            paint_stroke(painter, path, _BAND, is_filled=True, is_dashed=True)

    # -----------------------------------------------------------------------------------------

    def _hover(self, hand: PointerState) -> None:
        grip = self._grip_at(hand)
        under = self._under(hand) if grip is None else None
        self.hovered = under.id if under is not None else None
        if grip is not None:
            self.cursor = Qt.CursorShape.PointingHandCursor
        elif under is not None and under.id in self.desk.selection and not under.is_locked:
            self.cursor = Qt.CursorShape.SizeAllCursor
        else:
            self.cursor = Qt.CursorShape.ArrowCursor

    def _is_dragged(self, hand: PointerState) -> bool:
        pressed = self._pressed
        far = pressed is not None and math.dist(pressed.at, hand.at) >= hand.reach(DRAG_PX)
        return bool(self._changing) or self._shift is not None or far

    def _under(self, hand: PointerState) -> Annotation | None:
        """Return the nearest border within reach, else the smallest region that holds the place."""
        return annotation_under(self.desk, hand.at, hand.reach(BORDER_PX))

    def _alone(self) -> Annotation | None:
        """Return what is chosen, where it is one."""
        chosen = self.desk.selection
        return chosen.annotations[0] if len(chosen) == 1 else None

    def _grips_now(self) -> tuple[Annotation, Grips] | None:
        alone = self._alone()
        if alone is None or alone.is_locked or self.desk.is_hidden:
            return None
        alone = self._changing.get(alone.id, alone)
        if self._grips is None or self._grips[0] is not alone:
            self._grips = alone, grips_of(alone)
        return self._grips

    def _grip_at(self, hand: PointerState) -> _Grip | None:
        now = self._grips_now()
        if now is None:
            return None
        annotation, grips = now
        number = grips.nearest(hand.at, hand.view, _GRIP_PX)
        return None if number is None else _Grip(annotation, grips, number)

    def _change(self, pressed: PointerState, hand: PointerState) -> None:
        if self._grip is not None:
            annotation, grips, number = self._grip
            place = self.snapped(hand) if grips.are_corners else hand.at
            try:
                shape = grips.dragged(number, place, is_even=hand.shift)
                wide_parts(shape, hand.reach(1.0))
            except EmptyShapeError:
                self._is_too_thin = True
                self._changing, self.lifted = {}, frozenset()
                self.measure_changed.emit("")
                return
            self._is_too_thin = False
            changed = replace(annotation, geometry=shape)
            self._changing = {annotation.id: changed}
            self.measure_changed.emit(self.measured(shape) if shape.length > 0 else "")
        else:
            dx, dy = hand.at.x - pressed.at.x, hand.at.y - pressed.at.y
            if self.desk.many_chosen is not None:
                self._shift = dx, dy
                count = len(self.desk.selection)
                self.measure_changed.emit(f"Let go to move {plural(count, 'annotation')}.")
                return
            chosen = self.desk.changeable
            self._changing = {each.id: _moved(each, dx, dy) for each in chosen}
            if not chosen and len(self.desk.selection):
                self._say_locked()
        self.lifted = frozenset(self._changing)

    def _move_many(self) -> None:
        """Move very many that are chosen in a thread."""
        shift, self._shift = self._shift, None
        many, author = self.desk.many_chosen, self.desk.author
        if shift is None or many is None:
            return

        def moved(chosen: list[Annotation]) -> Edit:
            return changing(
                "Move",
                ((each, _kept(_moved(each, *shift), author)) for each in while_wanted(chosen)),
            )

        many.shape_chosen("Move", moved)

    def _add_corner(self, hand: PointerState) -> bool:
        """Add a corner on the edge under the hand of what is chosen alone; False off its edges."""
        alone = self._alone()
        is_on_corner = self._grip is not None and self._grip.grips.are_corners
        if alone is None or alone.geometry.length == 0 or is_on_corner:
            return False
        edge, place, distance = nearest_edge(alone.geometry, hand.at)
        if distance > hand.reach(BORDER_PX):
            return False
        if alone.is_locked:
            self._say_locked()
        else:
            shape = with_new_corner(alone.geometry, edge, place)
            self.desk.change("Add corner", alone, self.desk.reshaped(alone, shape))
        return True

    def _remove_corner(self, grip: _Grip) -> None:
        if not isinstance(grip.grips, CornerGrips):
            return
        try:
            shape = without_corner(grip.annotation.geometry, grip.grips.corners[grip.number])
        except EmptyShapeError:
            self.desk.say("Fewer corners would leave nothing: delete it instead.")
            return
        after = self.desk.reshaped(grip.annotation, shape)
        self.desk.change("Remove corner", grip.annotation, after)
        self.changed.emit()

    def _choose_framed(self, pressed: PointerState, hand: PointerState) -> None:
        """Those that lie within the band as a whole; a click on nothing chooses nothing."""
        selection = self.desk.selection
        kept = selection.ids if hand.shift else IdSet()
        if math.dist(pressed.screen, hand.screen) < DRAG_PX:
            selection.choose(kept)
            return
        a, b = hand.view.to_screen(pressed.at), hand.screen
        corners = [hand.view.to_slide(Point(x, y)) for x, y in Box.enclosing([a, b]).corners]
        document, hidden = self.desk.document, self.desk.hidden_classes
        is_of_many = len(document.rows_inside(Box.enclosing(corners))) > MOST_IN_A_FRAME
        if is_of_many and self.desk.many is not None:
            self.desk.many.choose_found(lambda state: kept.with_ids(framed(state, corners, hidden)))
        else:
            selection.choose(kept.with_ids(framed(document.state, corners, hidden)))

    def _paint_grips(self, painter: QPainter, scene: Scene) -> None:
        now = self._grips_now()
        if now is None:
            return
        annotation, grips = now
        view = scene.view
        on_screen = [view.to_screen(Point(x, y)) for x, y in grips.places(view).tolist()]
        color = QColor(annotation.shown_color)
        field = Box(0, 0, *view.size)
        if isinstance(grips, FrameGrips) and grips.can_turn:
            *frame, turner = on_screen
            paint_line(painter, [turner, view.to_screen(Point(*grips.stalk))], color)
            paint_handles(painter, [turner], QColor("white"), are_round=True)
        else:
            frame = on_screen
        shown: list[Point] = []
        for place in frame:
            is_apart = not shown or math.dist(shown[-1], place) >= _GAP_PX
            if is_apart and field.contains(place):
                shown.append(place)
        paint_handles(painter, shown, QColor("white"))
        grip = self._grip or (self._grip_at(self.hand) if self.hand is not None else None)
        if grip is not None and grip.number < len(on_screen):
            paint_handles(painter, [on_screen[grip.number]], color)

    def _say_locked(self) -> None:
        self.desk.say("It is locked: unlock it first.")

    def _clear(self) -> None:
        self._pressed = self._grip = None
        self._is_banding = self._is_too_thin = self._is_second_press = False
        self._changing, self.lifted, self._shift = {}, frozenset(), None
        self.measure_changed.emit("")
        self.changed.emit()


def _kept(annotation: Annotation, author: str) -> Annotation:
    """Return what was dragged as it comes into the document."""
    return replace(annotation, geometry=mended(annotation.geometry)).signed(author)


def _moved(annotation: Annotation, dx: float, dy: float) -> Annotation:
    """As the hand drags it; mended once it is kept."""
    nucleus = annotation.nucleus
    if nucleus is not None:
        nucleus = affinity.translate(nucleus, dx, dy)
    return replace(
        annotation, geometry=affinity.translate(annotation.geometry, dx, dy), nucleus=nucleus
    )
