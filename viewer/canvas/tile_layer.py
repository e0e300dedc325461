"""Paints the slide's tiles into a frame that is kept between paints.

A pan paints only the strip that came in; a tile that arrives paints only its own place. So a frame
costs what changed, not what is on screen. While the zoom changes nothing can be kept: then tiles go
straight to the screen, as smooth as at rest; Qt paints large ones with all cores.

Tiles are laid on a grid of whole device pixels, upright, before the view's turn is applied:
neighbors share their rounded edge, so there are no seams, and the grid does not depend on the
center, so nothing shimmers while panning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPixmap, QRegion, QTransform

from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Box, Point, Size, View
from viewer.tiles.plan import best_available_tiles, level_for, visible_tiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from viewer.canvas.layer import Scene
    from viewer.tiles.cache import TileKey
    from viewer.tiles.loader import TileLoader

SURROUND = QColor(118, 118, 118)
_UNLOADED = QColor(150, 150, 150)
_UNREADABLE = QColor(200, 60, 40)

# More separate places than this are repainted as one.
_MOST_PLACES = 24


@dataclass(frozen=True, slots=True)
class _Grid:
    """Level-0 pixels to upright device pixels, and those to the frame.

    Two grids that differ in `shift` alone show the same picture, moved.
    """

    scale: float
    view: View
    width_px: int
    height_px: int
    shift: tuple[int, int]

    @classmethod
    def of(cls, view: View, device_pixel_ratio: float) -> _Grid:
        width = round(view.size.width * device_pixel_ratio)
        height = round(view.size.height * device_pixel_ratio)
        scale = device_pixel_ratio / view.downsample
        across, down = _upright(width, height, view)
        shift = (
            round(view.center.x * scale - across / 2),
            round(view.center.y * scale - down / 2),
        )
        at_origin = replace(view, center=Point(0.0, 0.0), size=Size(width, height), downsample=1.0)
        return cls(scale, at_origin, width, height, shift)

    def rect(self, box: Box) -> QRect:
        """Return a level-0 box in upright device pixels; neighbors share their edges."""
        left, top = round(box.x0 * self.scale), round(box.y0 * self.scale)
        right, bottom = round(box.x1 * self.scale), round(box.y1 * self.scale)
        return QRect(left - self.shift[0], top - self.shift[1], right - left, bottom - top)

    @property
    def whole(self) -> QRect:
        """Return all of the view, in device pixels."""
        return QRect(0, 0, self.width_px, self.height_px)

    @property
    def transform(self) -> QTransform:
        """Upright device pixels to pixels of the frame."""
        across, down = _upright(self.width_px, self.height_px, self.view)
        return QTransform.fromTranslate(-across / 2, -down / 2) * QTransform(*self.view.transform)

    def moved_from(self, old: _Grid) -> QPoint | None:
        """How far the frame's pixels moved since `old`; None where it must be painted anew."""
        if replace(old, shift=self.shift) != self or self.view.rotation_deg % 90.0:
            return None
        dx, dy = old.shift[0] - self.shift[0], old.shift[1] - self.shift[1]
        return QTransform(*self.view.transform[:4], 0, 0).map(QPoint(dx, dy))


class TileLayer:
    """The slide itself."""

    def __init__(self) -> None:
        self._loader: TileLoader[QImage] | None = None
        self._frame = _Frame()
        self._grid: _Grid | None = None
        self._arrived: set[TileKey] = set()
        # Of the wanted level, not at hand when the frame was painted. A tile can be at hand before
        # its arrival is reported here, and the canvas then counts as sharp already.
        self._owed: set[TileKey] = set()
        self.has_hole = False

    def set_loader(self, loader: TileLoader[QImage] | None) -> None:
        """Shows another slide; None shows nothing."""
        self._loader = loader
        self.repaint_all()

    def repaint_all(self) -> None:
        """The next paint starts from nothing."""
        self._grid = None
        self._arrived.clear()
        self._owed.clear()

    def tile_arrived(self, key: TileKey) -> None:
        """The next paint paints the tile's place."""
        self._arrived.add(key)

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Brings the frame up to date and paints it."""
        loader = self._loader
        if loader is None:
            painter.fillRect(QRect(0, 0, *map(round, scene.view.size)), SURROUND)
            return
        ratio = scene.device_pixel_ratio
        painter.scale(1 / ratio, 1 / ratio)  # device pixels from here on
        grid = _Grid.of(scene.view, ratio)
        if scene.is_zooming:
            self._paint_straight(painter, grid, scene, loader)
        else:
            self._paint_frame(grid, scene, loader)
            self._frame.show(painter)
        self._arrived.clear()

    def _paint_straight(
        self, painter: QPainter, grid: _Grid, scene: Scene, loader: TileLoader[QImage]
    ) -> None:
        """Paints all tiles on the screen; nothing of it is left in the frame."""
        self.repaint_all()
        what = self._tiles(grid, scene, loader)
        _paint_place(painter, painter.worldTransform(), grid.whole, grid, what)

    def _paint_frame(self, grid: _Grid, scene: Scene, loader: TileLoader[QImage]) -> None:
        """Brings the frame up to date."""
        dirty = self._move_frame(grid)
        self._arrived |= {key for key in self._owed if loader.has(key)}
        dirty += self._arrivals(grid, loader)
        self._grid = grid
        if dirty.isEmpty():
            return
        what = self._tiles(grid, scene, loader)
        with QPainter(self._frame.picture) as painter:
            for place in _places(dirty):
                for part, shift in self._frame.parts(place):
                    base = QTransform.fromTranslate(shift.x(), shift.y())
                    _paint_place(painter, base, part.translated(-shift), grid, what)

    def _move_frame(self, grid: _Grid) -> QRegion:
        """Keeps what the frame holds already; gives the places that it does not hold."""
        moved = grid.moved_from(self._grid) if self._grid is not None else None
        if moved is None:
            self._frame.begin(grid.whole.size())
            return QRegion(grid.whole)
        if moved.isNull():
            return QRegion()
        self._frame.move(moved)
        return QRegion(grid.whole) - QRegion(grid.whole.translated(moved))

    def _arrivals(self, grid: _Grid, loader: TileLoader[QImage]) -> QRegion:
        levels = loader.source.levels
        region = QRegion()
        for key in self._arrived:
            box = levels[key.level].tile_box(key.column, key.row)
            region += _outline(grid, grid.rect(box)).intersected(grid.whole)
        return region

    def _tiles(self, grid: _Grid, scene: Scene, loader: TileLoader[QImage]) -> _Tiles:
        """Return the best tiles at hand for all of the view."""
        levels = loader.source.levels
        wanted = level_for(levels, scene.view.downsample / scene.device_pixel_ratio)
        visible = visible_tiles(levels, wanted, scene.view)
        # What arrives while this runs, and lies beside what is painted, stays owed.
        still = self._owed - self._arrived
        self._owed = {key for key in visible if key in still or not loader.has(key)}
        keys, self.has_hole = best_available_tiles(levels, visible, loader.has)
        tiles = [
            (grid.rect(levels[key.level].tile_box(key.column, key.row)), tile.picture)
            for key in keys
            if (tile := loader.tile(key)) is not None
        ]
        return _Tiles(
            grid.rect(scene.slide),
            tiles,
            [
                grid.rect(levels[key.level].tile_box(key.column, key.row))
                for key in visible
                if key in loader.failures
            ],
            self.has_hole or len(tiles) < len(keys),
            scene.is_zooming,
        )


class _Frame:
    """A picture that is moved without moving its pixels.

    What leaves on one side is where the strip on the other side comes in, as on a torus.
    """

    def __init__(self) -> None:
        self.picture = QPixmap()
        self._x = self._y = 0
        """Where the upper left corner of what is shown lies in the picture."""

    def begin(self, size: QSize) -> None:
        """Take up another size; what is held counts no more."""
        if self.picture.size() != size:
            self.picture = QPixmap(size)
        self._x = self._y = 0

    def move(self, by: QPoint) -> None:
        """Show all that is held at another place."""
        self._x = (self._x - by.x()) % self.picture.width()
        self._y = (self._y - by.y()) % self.picture.height()

    def parts(self, place: QRect) -> Iterator[tuple[QRect, QPoint]]:
        """Yield the rectangles of the picture that hold a place, each with its way from there."""
        width, height = self.picture.width(), self.picture.height()
        for y in (self._y, self._y - height):
            for x in (self._x, self._x - width):
                part = place.translated(x, y).intersected(self.picture.rect())
                if not part.isEmpty():
                    yield part, QPoint(x, y)

    def show(self, painter: QPainter) -> None:
        """Paint what is held where it belongs."""
        for part, shift in self.parts(self.picture.rect()):
            painter.drawPixmap(part.topLeft() - shift, self.picture, part)


@dataclass(frozen=True, slots=True)
class _Tiles:
    """What to paint, in upright device pixels: tiles over each other, on the slide."""

    slide: QRect
    tiles: list[tuple[QRect, QImage]]
    unreadable: list[QRect]
    has_hole: bool
    """Whether there is a place of the view that none of the tiles covers."""
    in_motion: bool
    """Whether another frame follows at once."""


def _paint_place(
    painter: QPainter, base: QTransform, place: QRect, grid: _Grid, what: _Tiles
) -> None:
    """Paints a rectangle of the view, which `base` brings to where it is painted."""
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setTransform(base)
    painter.setClipRect(place)
    turn = grid.transform
    upright = turn.inverted()[0].mapRect(place).adjusted(-1, -1, 1, 1)
    is_within = what.slide.contains(upright)
    # Filling a large screen takes a millisecond or two: only where it can be seen.
    if not is_within:
        painter.fillRect(place, SURROUND)
    painter.setTransform(turn * base)
    if what.has_hole or not is_within or grid.view.rotation_deg % 90.0:
        painter.fillRect(what.slide.intersected(upright), _UNLOADED)
    if not is_within:
        # The last tiles of a coarse level reach past the slide, by less than a pixel of it.
        painter.setClipRect(what.slide, Qt.ClipOperation.IntersectClip)
    tiles = [
        (rect, _sized(rect, image, in_motion=what.in_motion))
        for rect, image in what.tiles
        if rect.intersects(upright)
    ]
    if grid.view.rotation_deg % 90.0:
        for rect, picture in tiles:
            _paint_edges(painter, rect, picture)
    for rect, picture in tiles:
        _paint_tile(painter, rect, picture, turn, base)
    _paint_unreadable(painter, (rect for rect in what.unreadable if rect.intersects(upright)))


def _paint_tile(
    painter: QPainter, rect: QRect, picture: QImage, turn: QTransform, base: QTransform
) -> None:
    """Paints a tile; under a quarter turn or a flip to the pixel, which Qt alone is one off in."""
    across, down = turn.m11(), turn.m12()
    if (across, down, turn.m22()) == (1.0, 0.0, 1.0) or across * down != 0.0:
        painter.drawImage(rect, picture)
        return
    only_turn = QTransform(across, down, turn.m21(), turn.m22(), 0.0, 0.0)
    painter.setTransform(base)
    painter.drawImage(turn.mapRect(rect), picture.transformed(only_turn))
    painter.setTransform(turn * base)


def _sized(rect: QRect, picture: QImage, *, in_motion: bool) -> QImage:
    if isinstance(picture, TilePicture):
        return picture.sized_for(rect.width(), in_motion=in_motion)
    return picture


def _paint_edges(painter: QPainter, rect: QRect, picture: QImage) -> None:
    """Paints a tile's outermost pixels a little beyond it.

    At a free angle Qt leaves pixels between neighbors to neither: what lies beneath shows there.
    """
    left, top, width, height = rect.x(), rect.y(), rect.width(), rect.height()
    across, down = picture.width(), picture.height()
    for target, source in (
        (QRectF(left - 1, top - 1, width + 2, 2), QRectF(0, 0, across, 1)),
        (QRectF(left - 1, top + height - 1, width + 2, 2), QRectF(0, down - 1, across, 1)),
        (QRectF(left - 1, top - 1, 2, height + 2), QRectF(0, 0, 1, down)),
        (QRectF(left + width - 1, top - 1, 2, height + 2), QRectF(across - 1, 0, 1, down)),
    ):
        painter.drawImage(target, picture, source)


def _paint_unreadable(painter: QPainter, rects: Iterable[QRect]) -> None:
    """Hatches, over a coarser picture where there is one, so that nobody takes it for tissue."""
    for rect in rects:
        painter.fillRect(rect, QColor(128, 128, 128, 150))
        painter.fillRect(rect, QBrush(_UNREADABLE, Qt.BrushStyle.BDiagPattern))
        painter.setPen(_UNREADABLE)
        painter.drawRect(rect.adjusted(0, 0, -1, -1))


def _places(region: QRegion) -> list[QRect]:
    places = [QRect(rect) for rect in region]  # pyright: ignore[reportGeneralTypeIssues]
    return places if len(places) <= _MOST_PLACES else [region.boundingRect()]


def _outline(grid: _Grid, upright: QRect) -> QRect:
    """Return the frame's pixels that an upright rectangle may touch."""
    margin = 1 if grid.view.rotation_deg % 90.0 else 0
    return grid.transform.mapRect(upright).adjusted(-margin, -margin, margin, margin)


def _upright(width: int, height: int, view: View) -> tuple[int, int]:
    """Return the frame's width and height as seen by the unturned slide."""
    is_on_its_side = view.rotation_deg % 180.0 == 90.0
    return (height, width) if is_on_its_side else (width, height)
