"""Paints the slide's tiles into a frame that is kept between paints.

A pan paints only the strip that came in; a tile that arrives paints only its own place. So a frame
costs what changed, not what is on screen. A zoom changes all of it, so nothing is kept meanwhile:
tiles go straight to the screen, as smooth as at rest. OpenCV scales them there in time; Qt has to
where OpenCV is not loaded yet or the view is turned.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import groupby
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QPainter, QRegion, QTransform

from viewer.canvas.kept_frame import KeptFrame
from viewer.canvas.tile_grid import TileGrid
from viewer.canvas.tile_painting import (
    MOST_PLACES,
    SURROUND,
    PlacedTiles,
    paint_ground,
    paint_place,
    paint_to_the_pixel,
    paint_unreadable,
    places_of,
)
from viewer.tiles.plan import best_available_tiles, level_for, visible_tiles
from viewer.window_first import drawing_in_motion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PySide6.QtGui import QImage

    from viewer.canvas.layer import Scene
    from viewer.canvas.tile_picture import TilePicture
    from viewer.canvas.tile_scaling import TileScaler
    from viewer.slides.source import Level
    from viewer.tiles.cache import TileKey
    from viewer.tiles.loader import TileLoader


class TileLayer:
    """The slide itself.

    Parameters
    ----------
    scaler
        Paints upright views, once it is loaded; None leaves all to Qt.
    """

    def __init__(self, scaler: TileScaler | None = None) -> None:
        self._scaler = scaler
        self._loader: TileLoader[TilePicture] | None = None
        self._frame = KeptFrame()
        self._is_scaled = self._is_hasty = False
        self._scale = 0.0
        """Of the last paint, with or without the frame."""
        self._grid: TileGrid | None = None
        self._arrived: set[TileKey] = set()
        # Of the wanted level, not at hand when the frame was painted. A tile can be at hand before
        # its arrival is reported here, and the canvas then counts as sharp already.
        self._owed: set[TileKey] = set()
        self.has_hole = False

    def set_loader(self, loader: TileLoader[TilePicture] | None) -> None:
        """Show another slide; None shows nothing."""
        self._loader = loader
        self.repaint_all()

    def repaint_all(self) -> None:
        """The next paint starts from nothing."""
        self._grid = None
        self._arrived.clear()
        self._owed.clear()

    def tile_arrived(self, key: TileKey) -> bool:
        """Paint the tile's place with the next paint; return whether the last one lacked it."""
        self._arrived.add(key)
        return key in self._owed

    def paint(self, painter: QPainter, scene: Scene) -> None:
        """Bring the frame up to date and paint it."""
        loader = self._loader
        if loader is None:
            painter.fillRect(QRect(0, 0, *map(round, scene.view.size)), SURROUND)
            return
        ratio = scene.device_pixel_ratio
        painter.scale(1 / ratio, 1 / ratio)  # device pixels from here on
        grid = TileGrid.of(scene.view, ratio)
        with drawing_in_motion() if scene.is_zooming else nullcontext():
            is_painted = scene.is_zooming and self._paint_straight(painter, grid, scene, loader)
            if not is_painted:
                self._paint_frame(grid, scene, loader)
                self._frame.show(painter)
        self._scale = grid.scale
        self._arrived.clear()

    def _paint_straight(
        self, painter: QPainter, grid: TileGrid, scene: Scene, loader: TileLoader[TilePicture]
    ) -> bool:
        """Paint all tiles on the screen, where nothing of the frame serves, and return whether.

        A frame that is gone with the next step of a zoom is not worth a copy of its pixels.
        """
        from viewer.canvas.paint_target import paint_target

        if not self._can_scale(grid):
            self.repaint_all()
            what = self._tiles(grid, scene, loader)
            paint_place(painter, painter.worldTransform(), grid.whole, grid, what)
            return True
        target = paint_target(painter, grid.whole) if grid.scale != self._scale else None
        if target is None or target.region.rectCount() > MOST_PLACES:
            return False
        self.repaint_all()
        what = self._tiles(grid, scene, loader)
        painter.save()
        for place in places_of(target.region):
            self._scale_place(painter, target.picture, place, target.shift, what)
        painter.restore()
        return True

    def _paint_frame(self, grid: TileGrid, scene: Scene, loader: TileLoader[TilePicture]) -> None:
        """Bring the frame up to date."""
        dirty = self._move_frame(grid, scene)
        self._arrived |= {key for key in self._owed if loader.has(key)}
        if dirty != QRegion(grid.whole):
            dirty += self._arrivals(grid, scene, loader)
        self._grid = grid
        if dirty.isEmpty():
            return
        what = self._tiles(grid, scene, loader)
        paint = self._scale_part if self._is_scaled else self._paint_part
        for place in places_of(dirty):
            for part, shift in self._frame.parts(place):
                paint(part, shift, grid, what)
        if self._scaler is not None and not self._owed:
            self._scaler.load()  # the slide is on the screen: nobody waits for it now

    def _can_scale(self, grid: TileGrid) -> bool:
        return self._scaler is not None and self._scaler.is_ready and grid.is_upright

    def _paint_part(self, part: QRect, shift: QPoint, grid: TileGrid, what: PlacedTiles) -> None:
        """Paint a rectangle of the frame, `shift` away from where it is seen, with Qt."""
        base = QTransform.fromTranslate(shift.x(), shift.y())
        with QPainter(self._frame.picture) as painter:
            paint_place(painter, base, part.translated(-shift), grid, what)

    def _scale_part(self, part: QRect, shift: QPoint, _: TileGrid, what: PlacedTiles) -> None:
        """Paint a rectangle of the frame, `shift` away from where it is seen, with the scaler."""
        with QPainter(self._frame.picture) as painter:
            painter.setTransform(QTransform.fromTranslate(shift.x(), shift.y()))
            self._scale_place(painter, self._frame.picture, part.translated(-shift), shift, what)
        self._is_hasty |= what.in_motion and not all(
            tile.is_finished_for(rect.width()) for tiles in what.levels for rect, tile in tiles
        )

    def _scale_place(
        self, painter: QPainter, picture: QImage, place: QRect, shift: QPoint, what: PlacedTiles
    ) -> None:
        """Paint a rectangle of the view with the scaler; `shift` leads from there to the picture.

        The painter paints on the same picture, what lies below and above the tiles.
        """
        assert self._scaler is not None
        painter.setClipRect(place)
        paint_ground(painter, place, what)
        on_slide = place.intersected(what.slide)
        if what.is_to_the_pixel:
            painter.setClipRect(on_slide)
            paint_to_the_pixel(painter, what)
        else:
            clip = on_slide.translated(shift)
            self._scaler.draw(picture, what.levels, shift, clip, in_motion=what.in_motion)
        if what.unreadable:
            painter.setClipRect(on_slide)
            paint_unreadable(painter, place, what)

    def _move_frame(self, grid: TileGrid, scene: Scene) -> QRegion:
        """Keep what the frame holds already; return the places that it does not hold."""
        moved = grid.moved_from(self._grid) if self._grid is not None else None
        if moved is not None and not grid.whole.intersects(grid.whole.translated(moved)):
            moved = None
        if moved is None or (self._is_hasty and not scene.is_zooming):
            self._frame.begin(grid.whole.size())
            # All of a frame is made one way, as the two ways round differently.
            self._is_scaled = self._can_scale(grid)
            self._is_hasty = False
            return QRegion(grid.whole)
        if moved.isNull():
            return QRegion()
        self._frame.move(moved)
        return QRegion(grid.whole) - QRegion(grid.whole.translated(moved))

    def _arrivals(self, grid: TileGrid, scene: Scene, loader: TileLoader[TilePicture]) -> QRegion:
        """Return the places of tiles that arrived, of other levels where the wanted one lacks.

        Where it is painted already, coarser tiles that were read ahead lie under it unseen.
        """
        levels = loader.source.levels
        wanted = _wanted_level(levels, scene)

        def places(keys: Iterable[TileKey]) -> QRegion:
            region = QRegion()
            for key in keys:
                region += grid.outline(grid.tile_rect(levels, key)).intersected(grid.whole)
            return region

        region = places(key for key in self._arrived if key.level == wanted)
        if self._owed:
            others = places(key for key in self._arrived if key.level != wanted)
            region += others & places(self._owed)
        return region

    def _tiles(self, grid: TileGrid, scene: Scene, loader: TileLoader[TilePicture]) -> PlacedTiles:
        """Return the best tiles at hand for all of the view."""
        levels = loader.source.levels
        wanted = _wanted_level(levels, scene)
        visible = visible_tiles(levels, wanted, scene.view)
        found = loader.tiles(visible)
        # What arrives while this runs, and lies beside what is painted, stays owed.
        still = self._owed - self._arrived
        self._owed = {key for key in visible if key in still or key not in found}
        keys: Sequence[TileKey] = visible
        self.has_hole = False
        if len(found) < len(visible):
            keys, self.has_hole = best_available_tiles(levels, visible, loader.has)
            found = loader.tiles(keys)
        tiles: list[list[tuple[QRect, TilePicture]]] = []
        for level, of_level in groupby(keys, key=lambda key: key.level):
            at_hand = [key for key in of_level if key in found]
            rects = grid.tile_rects(levels[level], at_hand)
            pictures = [found[key].picture for key in at_hand]
            tiles.append(list(zip(rects, pictures, strict=True)))
        has_hole = self.has_hole or len(found) < len(keys)
        slide, failures = grid.rect(scene.slide), loader.failures
        covered = QRect()
        if not has_hole and slide.contains(grid.upright):
            covered = grid.upright
        elif not has_hole and all(key.level == wanted for key in keys):
            # Coarser tiles in place of others might end before the slide does.
            for rect, _ in tiles[0] if tiles else ():
                covered = covered.united(rect)
        return PlacedTiles(
            slide,
            tiles,
            [grid.tile_rect(levels, key) for key in visible if key in failures],
            covered.intersected(slide),
            scene.is_zooming,
        )


def _wanted_level(levels: Sequence[Level], scene: Scene) -> int:
    return level_for(levels, scene.view.downsample / scene.device_pixel_ratio)
