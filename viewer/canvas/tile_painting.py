"""Paints tiles with Qt, however the view is turned, and what lies below and above them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QRegion, QTransform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.canvas.tile_grid import TileGrid
    from viewer.canvas.tile_picture import TilePicture

SURROUND = QColor(118, 118, 118)
_UNLOADED = QColor(150, 150, 150)
_UNREADABLE = QColor(200, 60, 40)
MOST_PLACES = 24
"""More separate places than this are painted as one."""


class PlacedTiles(msgspec.Struct, frozen=True):
    """What to paint, in upright device pixels."""

    slide: QRect
    levels: Sequence[Sequence[tuple[QRect, TilePicture]]]
    """Tiles over each other, the lowest first; those of one level share no pixel."""
    unreadable: Sequence[QRect]
    covered: QRect
    """What tiles hide of the ground; null where that is not known to be a rectangle."""
    in_motion: bool
    """Whether another frame follows at once."""

    @property
    def is_to_the_pixel(self) -> bool:
        """Return whether each pixel of a tile is one of the screen, so that none is scaled."""
        return all(
            rect.size() == picture.size() for tiles in self.levels for rect, picture in tiles
        )


def paint_place(
    painter: QPainter, base: QTransform, place: QRect, grid: TileGrid, what: PlacedTiles
) -> None:
    """Paint a rectangle of the view, which `base` brings to where it is painted."""
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    turn = grid.transform
    upright = turn.inverted()[0].mapRect(place).adjusted(-1, -1, 1, 1)
    painter.setTransform(base)
    painter.setClipRect(place)
    if grid.is_upright:
        paint_ground(painter, place, what)
    else:
        if not what.slide.contains(upright):
            painter.fillRect(place, SURROUND)
        painter.setTransform(turn * base)
        if not what.covered.contains(upright) or grid.is_at_free_angle:
            painter.fillRect(what.slide.intersected(upright), _UNLOADED)
    painter.setTransform(turn * base)
    if not what.slide.contains(upright):
        # The last tiles of a coarse level reach past the slide, by less than a pixel of it.
        painter.setClipRect(what.slide, Qt.ClipOperation.IntersectClip)
    tiles = [
        (rect, picture.sized_for(rect.width(), in_motion=what.in_motion))
        for tiles in what.levels
        for rect, picture in tiles
        if rect.intersects(upright)
    ]
    if grid.is_at_free_angle:
        for rect, picture in tiles:
            _paint_edges(painter, rect, picture)
    for rect, picture in tiles:
        _paint_tile(painter, rect, picture, turn, base)
    paint_unreadable(painter, upright, what)


def rects_of(region: QRegion) -> list[QRect]:
    """Return the rectangles that a region is made of."""
    return [QRect(rect) for rect in region]  # pyright: ignore[reportGeneralTypeIssues]


def places_of(region: QRegion) -> list[QRect]:
    """Return the rectangles of a region, or, of very many, the one around them."""
    places = rects_of(region)
    return places if len(places) <= MOST_PLACES else [region.boundingRect()]


def paint_ground(painter: QPainter, place: QRect, what: PlacedTiles) -> None:
    """Paint what shows beside tiles, in an upright view: there alone, as it takes milliseconds."""
    bare = QRegion(place) - QRegion(what.covered)
    for region, color in (
        (bare - QRegion(what.slide), SURROUND),
        (bare & QRegion(what.slide), _UNLOADED),
    ):
        for rect in rects_of(region):
            painter.fillRect(rect, color)


def paint_unreadable(painter: QPainter, upright: QRect, what: PlacedTiles) -> None:
    """Hatch, over a coarser picture where there is one, so that nobody takes it for tissue."""
    for rect in what.unreadable:
        if rect.intersects(upright):
            painter.fillRect(rect, QColor(128, 128, 128, 150))
            painter.fillRect(rect, QBrush(_UNREADABLE, Qt.BrushStyle.BDiagPattern))
            painter.setPen(_UNREADABLE)
            painter.drawRect(rect.adjusted(0, 0, -1, -1))


def paint_to_the_pixel(painter: QPainter, what: PlacedTiles) -> None:
    """Paint tiles as they are, in an upright view: two threads would wait for each other longer."""
    for tiles in what.levels:
        for rect, picture in tiles:
            painter.drawImage(rect.topLeft(), picture)


def _paint_tile(
    painter: QPainter, rect: QRect, picture: QImage, turn: QTransform, base: QTransform
) -> None:
    """Paint a tile; under a quarter turn or a flip to the pixel, which Qt alone is one off in."""
    across, down = turn.m11(), turn.m12()
    if (across, down, turn.m22()) == (1.0, 0.0, 1.0) or across * down != 0.0:
        painter.drawImage(rect, picture)
        return
    only_turn = QTransform(across, down, turn.m21(), turn.m22(), 0.0, 0.0)
    painter.setTransform(base)
    painter.drawImage(turn.mapRect(rect), picture.transformed(only_turn))
    painter.setTransform(turn * base)


def _paint_edges(painter: QPainter, rect: QRect, picture: QImage) -> None:
    """Paint a tile's outermost pixels a little beyond it.

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
