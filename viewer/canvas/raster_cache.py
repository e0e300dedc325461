"""Pictures of what lies over the slide, kept in squares: made once, moved by a pan.

A frame makes as much as its time allows; what was there before is shown meanwhile, all of it where
all changed at once: former and new are never seen side by side.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QImage, QPainter, QPainterPath, QTransform

from viewer.geometry import Box, Point, Size, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from viewer.canvas.layer import Scene

    Square = tuple[int, int]

SIDE_PX = 512
"""Of a square, in device pixels."""
_MOST_SQUARES = 128
_MAKING_S = 0.005
"""Of a frame, for making pictures."""
_HURRY_S = 0.025
"""Of a frame that follows a change, which otherwise would be seen a moment late."""


class RasterGrid(msgspec.Struct, frozen=True):
    """Squares over the slide as one zoom, turn and mirroring show it, wherever the view is."""

    downsample: float
    rotation_deg: float
    mirrored: bool
    ratio: float

    @classmethod
    def under(cls, scene: Scene) -> RasterGrid:
        view = scene.view
        return cls(view.downsample, view.rotation_deg, view.mirrored, scene.device_pixel_ratio)

    @property
    def _upright(self) -> View:
        at, size = Point(0.0, 0.0), Size(0.0, 0.0)
        return View(at, self.downsample, size, self.rotation_deg, self.mirrored)

    def origin(self, view: View) -> Point:
        """Return where the slide's origin lies on the screen, in whole device pixels."""
        x, y = view.to_screen(Point(0, 0))
        return Point(round(x * self.ratio), round(y * self.ratio))

    def squares(self, view: View) -> list[Square]:
        """Return those on the screen, from the middle outward."""
        x, y = self.origin(view)
        width, height = view.size.width * self.ratio, view.size.height * self.ratio
        columns = range(math.floor(-x / SIDE_PX), math.ceil((width - x) / SIDE_PX))
        rows = range(math.floor(-y / SIDE_PX), math.ceil((height - y) / SIDE_PX))
        middle = (width / 2 - x) / SIDE_PX - 0.5, (height / 2 - y) / SIDE_PX - 0.5
        found = [(column, row) for column in columns for row in rows]
        return sorted(found, key=lambda square: math.dist(square, middle))

    def box(self, square: Square, margin_px: float = 0.0) -> Box:
        """Return the level-0 box that holds a square with a margin in device pixels."""
        low = Point(square[0] * SIDE_PX - margin_px, square[1] * SIDE_PX - margin_px)
        side = SIDE_PX + 2 * margin_px
        corners = Box(low.x, low.y, low.x + side, low.y + side).corners
        to_slide = self._upright.to_slide
        return Box.enclosing([to_slide(Point(x / self.ratio, y / self.ratio)) for x, y in corners])

    def transform(self, square: Square) -> tuple[float, float, float, float, float, float]:
        """Return how level 0 lies in a square's picture (logical pixels), in QTransform's order."""
        m11, m12, m21, m22, _, _ = self._upright.transform
        x, y = (place * SIDE_PX / self.ratio for place in square)
        return m11, m12, m21, m22, -x, -y


class RasterCache:
    """The squares of one layer.

    Parameters
    ----------
    make
        Paints a square's picture in small pieces, a piece a step of the iterator; what is under
        way when it is not needed any more is given up.
    stand_in
        Paints what lies in these level-0 boxes where there is no picture yet; without one the
        pictures of the zoom before stand there.
    """

    def __init__(
        self,
        make: Callable[[QImage, RasterGrid, Square], Iterator[bool]],
        stand_in: Callable[[QPainter, Scene, Sequence[Box]], None] | None = None,
    ) -> None:
        self._make = make
        self._stand_in = stand_in
        self._lattice: RasterGrid | None = None
        self._held: dict[Square, QImage | None] = {}
        self._old: set[Square] = set()
        self._is_all_new = False
        """Whether all changed at once, and what is made waits in `_ready` to be shown together."""
        self._ready: dict[Square, QImage | None] = {}
        self._behind: tuple[RasterGrid, dict[Square, QImage | None]] | None = None
        self._making: tuple[Square, QImage, Iterator[bool]] | None = None
        self._has_content = False
        self._hurries = False

    def forget(self) -> None:
        """Everything changed at once."""
        self._held, self._old, self._behind, self._making = {}, set(), None, None
        self._is_all_new, self._ready = False, {}

    def invalidate(
        self, box: Box | None = None, margin_px: float = 0.0, *, hurries: bool = True
    ) -> None:
        """Have a level-0 box made anew; all, without one. What was made is shown till then.

        A change by hand `hurries`: it is made in the next frame where that can be.
        """
        lattice = self._lattice
        if lattice is None:
            return
        if box is None:
            self._held |= self._ready  # newer than what is shown; all may change again and again
            self._is_all_new, self._ready = True, {}
            touched = set(self._held)
        else:
            self._hurries |= hurries
            if hurries:
                self._show_ready()  # nobody waits for the rest to see what the hand does
            touched = {
                square for square in self._held if _meet(lattice.box(square, margin_px), box)
            }
        self._old |= touched
        for square in touched:
            self._ready.pop(square, None)
        if self._making is not None and (
            box is None or _meet(lattice.box(self._making[0], margin_px), box)
        ):
            self._making = None

    def paint(self, painter: QPainter, scene: Scene) -> bool:
        """Paint what is there; return True while there is more to be made."""
        lattice = RasterGrid.under(scene)
        if lattice != self._lattice:
            self._turn_to(lattice)
        squares = lattice.squares(scene.view)
        wanted = [square for square in squares if self._is_wanted(square)]
        if wanted and not (scene.is_zooming and self._behind):
            wanted = self._make_some(lattice, wanted)
        if not wanted:
            self._show_ready()
        missing = [square for square in wanted if square not in self._held]
        if not wanted:
            self._behind = None
        elif missing and self._stand_in is not None:
            painter.save()
            painter.setClipPath(_area(missing, lattice, scene.view))
            self._stand_in(painter, scene, [lattice.box(square) for square in missing])
            painter.restore()
        elif self._behind is not None:
            self._paint_behind(painter, scene, missing)
        origin = lattice.origin(scene.view)
        for square in squares:
            picture = self._held.get(square)
            if picture is not None:
                x, y = origin.x + square[0] * SIDE_PX, origin.y + square[1] * SIDE_PX
                painter.drawImage(QPointF(x / lattice.ratio, y / lattice.ratio), picture)
        self._bound(squares)
        return bool(wanted)

    def _is_wanted(self, square: Square) -> bool:
        return square not in self._held or (square in self._old and square not in self._ready)

    def _show_ready(self) -> None:
        """Show together what was made since all changed at once."""
        self._held |= self._ready
        self._old -= self._ready.keys()
        self._is_all_new, self._ready = False, {}

    def _turn_to(self, lattice: RasterGrid) -> None:
        if self._lattice is not None and self._held:
            shown_before = self._behind is None or len(self._held) > len(self._behind[1])
            if shown_before:
                self._behind = self._lattice, self._held
        self._lattice = lattice
        self._held, self._old, self._making = {}, set(), None
        self._is_all_new, self._ready = False, {}

    def _make_some(self, lattice: RasterGrid, wanted: list[Square]) -> list[Square]:
        """Make squares until the frame's time is used up; return those that are left."""
        until_s = time.thread_time() + (_HURRY_S if self._hurries else _MAKING_S)
        self._hurries = False
        left = list(wanted)
        if self._making is not None and self._making[0] not in left:
            self._making = None
        while left:
            if self._making is None:
                picture = _empty(lattice)
                self._making = left[0], picture, self._make(picture, lattice, left[0])
                self._has_content = False
            square, picture, steps = self._making
            for has_content in steps:
                self._has_content |= has_content
                if time.thread_time() >= until_s:
                    return left
            made = picture if self._has_content else None
            if self._is_all_new and square in self._held:
                self._ready[square] = made
            else:
                self._held.pop(square, None)
                self._held[square] = made
                self._old.discard(square)
            self._making = None
            left.remove(square)
        return left

    def _paint_behind(self, painter: QPainter, scene: Scene, missing: list[Square]) -> None:
        """The pictures of another zoom, where there are none of this one."""
        assert self._behind is not None
        assert self._lattice is not None
        lattice, pictures = self._behind
        painter.save()
        painter.setClipPath(_area(missing, self._lattice, scene.view))
        from_behind = QTransform(*lattice.transform((0, 0))).inverted()[0]
        painter.setTransform(from_behind * QTransform(*scene.view.transform), combine=True)
        side = SIDE_PX / lattice.ratio
        for (column, row), picture in pictures.items():
            if picture is not None:
                target = QRectF(column * side, row * side, side, side)
                painter.drawImage(target, picture, QRectF(picture.rect()))
        painter.restore()

    def _bound(self, shown: list[Square]) -> None:
        """Squares that were seen last stay."""
        for square in shown:
            if square in self._held:
                self._held[square] = self._held.pop(square)
        for square in list(self._held)[: -max(_MOST_SQUARES, len(shown))]:
            del self._held[square]
            self._old.discard(square)
            self._ready.pop(square, None)


def _area(squares: list[Square], lattice: RasterGrid, view: View) -> QPainterPath:
    origin, side = lattice.origin(view), SIDE_PX / lattice.ratio
    path = QPainterPath()
    for column, row in squares:
        x, y = origin.x / lattice.ratio + column * side, origin.y / lattice.ratio + row * side
        path.addRect(QRectF(x, y, side, side))
    return path


def _empty(lattice: RasterGrid) -> QImage:
    picture = QImage(SIDE_PX, SIDE_PX, QImage.Format.Format_ARGB32_Premultiplied)
    picture.setDevicePixelRatio(lattice.ratio)
    picture.fill(0)
    return picture


def _meet(a: Box, b: Box) -> bool:
    """Also where one of them is a point or a line."""
    return a.x0 <= b.x1 and b.x0 <= a.x1 and a.y0 <= b.y1 and b.y0 <= a.y1
