"""Regions that are painted: brush and eraser."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import msgspec
import shapely
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from viewer.annotations.annotation import DRAWN_WITH
from viewer.annotations.shape_editing import (
    EmptyShapeError,
    TooThinError,
    brush_mark,
    ellipse,
    merged,
    wide_parts,
    without,
)
from viewer.annotations.simplifying import simplified
from viewer.canvas.annotating.drawing_tool import DrawingTool, PointerState
from viewer.canvas.annotating.edit_context import HIDDEN
from viewer.canvas.annotating.stroke_transaction import StrokeTransaction
from viewer.canvas.annotating.strokes import paint_rim, paint_stroke
from viewer.canvas.shape_paths import shape_path
from viewer.geometry import Box, Point

if TYPE_CHECKING:
    from uuid import UUID

    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter, QPainterPath
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.layer import Scene

_ERASED = QColor(40, 40, 40)
_SLACK_PX = 0.05
"""How far the border of a stroke may move when corners are left out."""
LEAST_PX, MOST_PX = 2.0, 2000.0
"""Diameters of the brush."""
_PER_NOTCH = 1.15


class RegionTool(DrawingTool):
    """Each place of a stroke adds a region; Alt takes it away instead.

    A stroke adds to what is chosen where it begins inside it, or with Shift; else it makes a new
    region.
    """

    label: ClassVar[str]
    erases: ClassVar[bool] = False
    nothing_painted: ClassVar[str] = ""
    """What is said where a stroke found no region."""

    def __init__(self, desk: EditContext, parent: QObject | None = None) -> None:
        from viewer.canvas.annotating.stroke_preview import StrokePreview

        super().__init__(desk, parent)
        self._painted: BaseGeometry | None = None
        self._last: PointerState | None = None
        self._targets: list[Annotation] = []
        self._is_erasing = False
        self._erases_many = False
        """Whether very many are chosen, of which those under the stroke are looked for."""
        self._found: dict[UUID, Annotation] = {}
        """Those that were, as they were before."""
        self._new: Annotation | None = None
        self._draft = StrokeTransaction(desk, self.label)
        self._live = StrokePreview()

    @abstractmethod
    def mark(self, last: PointerState, now: PointerState) -> BaseGeometry | None:
        """Return the region, level 0, of a movement; from a place to itself at the beginning."""

    @property
    def is_busy(self) -> bool:
        return self._painted is not None

    @property
    def targets(self) -> list[UUID]:
        """Return what the stroke under way changes; empty for a new region, and of very many."""
        return [target.id for target in self._targets]

    def press(self, hand: PointerState) -> None:
        self._is_erasing = self.erases or hand.alt
        self._targets = self._erased(hand) if self._is_erasing else self._added_to(hand)
        if self._is_erasing and not self._targets and not self._erases_many:
            nothing = "There is nothing to erase here that is not locked."
            self.desk.say(HIDDEN if self.desk.is_hidden else nothing)
            return
        self._new, self._draft = None, StrokeTransaction(self.desk, self._label)
        self._painted, self._last = shapely.Polygon(), hand
        self._live.clear()
        self._go_to(hand)

    def move(self, hand: PointerState) -> None:
        if self._painted is not None:
            self._go_to(hand)
        self.changed.emit()

    def release(self, hand: PointerState) -> None:
        if self._painted is None:
            return
        if self._painted.is_empty and self.nothing_painted:
            self.desk.say(self.nothing_painted)
        self.keep()
        if not self._erases_many:
            self.choose(*([self._new.id] if self._new is not None else self.targets))
        self._clear()

    def keep(self) -> None:
        if self._painted is None or self._painted.is_empty or self._last is None:
            return
        painted = simplified(self._painted, self._last.reach(_SLACK_PX))
        try:
            self._draft.put(self._wanted(painted))
        except TooThinError as error:
            self.desk.say(str(error))
        except EmptyShapeError:
            self.desk.say("All of it is covered by others, which are not to be overlapped.")

    def give_up(self) -> None:
        self._draft.take_back()
        self._clear()

    def paint(self, painter: QPainter, scene: Scene) -> None:
        if self._painted is not None and not self._painted.is_empty:
            self._live.paint(painter, scene, self._painted, self._paint_path)

    # -----------------------------------------------------------------------------------------

    def _paint_path(self, painter: QPainter, path: QPainterPath) -> None:
        color = _ERASED if self._is_erasing else self._stroke_color
        paint_stroke(painter, path, color, is_filled=True)

    @property
    def _label(self) -> str:
        return "Erase" if self._is_erasing else self.label

    @property
    def _stroke_color(self) -> QColor:
        return QColor(self._targets[0].shown_color) if self._targets else self.color

    def _go_to(self, hand: PointerState) -> None:
        assert self._painted is not None
        assert self._last is not None
        region = self.mark(self._last, hand)
        if region is not None:
            self._painted = shapely.union(self._painted, region)
            self._live.touch(region)
        self._last = hand
        self.measure_changed.emit(f"{self._label}: {self.measured(self._painted)}")

    def _added_to(self, hand: PointerState) -> list[Annotation]:
        if hand.shift:
            return self.desk.uppermost(lambda each: each.geometry.area > 0)
        at, here = shapely.Point(hand.at), self.desk.changeable_at(hand.at)
        return [e for e in here if e.geometry.area > 0 and e.geometry.covers(at)][-1:]

    def _erased(self, hand: PointerState) -> list[Annotation]:
        """Return what is chosen, else the uppermost under the hand; nothing that is hidden."""
        if self.desk.is_hidden:
            return []
        if self.desk.many_chosen is not None:
            self._erases_many = bool(self.desk.uppermost(lambda each: each.geometry.area > 0))
            return []
        chosen = [each for each in self.desk.changeable if each.geometry.area > 0]
        if chosen:
            return chosen
        at = shapely.Point(hand.at)
        under = [
            each
            for each in self.desk.document.inside(Box.around(hand.at, 0, 0))
            if not each.is_locked and self.desk.is_in_sight(each)
            if each.geometry.area > 0 and each.geometry.covers(at)
        ]
        return under[-1:]

    def _wanted(self, painted: BaseGeometry) -> dict[UUID, Annotation | None]:
        """What the document is to hold. Raises EmptyShapeError where nothing may be added."""
        desk = self.desk
        if self._is_erasing:
            targets = self._found_under(painted) if self._erases_many else self._targets
            touched = [each for each in targets if each.geometry.intersects(painted)]
            return {each.id: self._without(each, painted) for each in touched}
        free = self.desk.spared(painted, self._targets)
        if self._targets:
            target = self._targets[0]
            return {target.id: desk.reshaped(target, merged([target.geometry, free]))}
        if self._last is not None:
            free = wide_parts(free, self._last.reach(1.0))
        self._new = replace(self._new or self._begun(free), geometry=free)
        return {self._new.id: self._new}

    def _found_under(self, painted: BaseGeometry) -> list[Annotation]:
        """Return of very many that are chosen those near the stroke, as they were before it."""
        for each in self.desk.changeable_inside(Box(*painted.bounds)):
            if each.geometry.area > 0:
                self._found.setdefault(each.id, each)
        return list(self._found.values())

    def _begun(self, region: BaseGeometry) -> Annotation:
        """Return a new region that tells which tool painted it."""
        return self.desk.new(region).noted(DRAWN_WITH, self.label)

    def _without(self, annotation: Annotation, painted: BaseGeometry) -> Annotation | None:
        try:
            return self.desk.reshaped(annotation, without(annotation.geometry, [painted]))
        except EmptyShapeError:
            return None

    def _clear(self) -> None:
        self._painted = self._last = self._new = None
        self._targets, self._found, self._erases_many = [], {}, False
        self.measure_changed.emit("")
        self.changed.emit()


class BrushTool(RegionTool):
    """Round; its size stays the same on the screen or on the slide."""

    name = "brush"
    label = "Brush"
    hint = "Paint a region. Shift adds to what is selected, Alt erases, [ and ] resize."

    def radius(self, hand: PointerState) -> float:
        """Return the radius in the slide's unit (um, else px); a pen's pressure scales it."""
        options = self.desk.options
        diameter = options.brush_px if options.brush_on_slide else hand.reach(options.brush_px)
        return diameter * self.desk.calibration.mean_pixel / 2 * hand.pressure

    def mark(self, last: PointerState, now: PointerState) -> BaseGeometry | None:
        places = [last.at] if last.at == now.at else [last.at, now.at]
        return brush_mark(places, self.radius(now), self.desk.calibration)

    def wheel(self, hand: PointerState, notches: float) -> bool:
        self.resize(_PER_NOTCH**notches)
        return True

    def resize(self, factor: float) -> None:
        """Make the brush larger or smaller."""
        options = self.desk.options
        options.brush_px = min(max(options.brush_px * factor, LEAST_PX), MOST_PX)
        if self.hand is not None:
            width = self.desk.calibration.length_text(2 * self.radius(self.hand))
            self.measure_changed.emit(f"Brush: {width} wide")
        self.changed.emit()

    def paint(self, painter: QPainter, scene: Scene) -> None:
        super().paint(painter, scene)
        if self.hand is None:
            return
        is_erasing = self.erases or bool(self.hand.keys & Qt.KeyboardModifier.AltModifier)
        at = scene.view.to_slide(self.hand.screen)
        radius = self.radius(msgspec.structs.replace(self.hand, view=scene.view))
        x, y = self.desk.calibration.pixel
        rim = ellipse(
            Point(at.x - radius / x, at.y - radius / y), Point(at.x + radius / x, at.y + radius / y)
        )
        color = _ERASED if is_erasing else self.color
        paint_rim(painter, shape_path(rim, scene.view), color)


class EraserTool(BrushTool):
    """A brush that takes away from what is chosen, else from what it is set down on."""

    name = "eraser"
    label = "Erase"
    erases = True
    draws = False
    hint = "Erase from what is selected, or from what you begin on. [ and ] resize."
