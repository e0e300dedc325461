"""Outlined objects over the slide: outlines near, dots farther out, density from afar.

Outlines and dots are kept as pictures, which a pan moves; a zoom paints the objects themselves.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen, QPolygonF, QTransform

from viewer.canvas.fast_paths import closed_path, point_list
from viewer.canvas.raster_cache import RasterCache
from viewer.geometry import Point
from viewer.overlays.object_style import ObjectStyle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from viewer.canvas.layer import Scene
    from viewer.canvas.raster_cache import RasterGrid, Square
    from viewer.geometry import Box
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.objects import Objects

_OUTLINE_UM_PER_PX = 0.7
"""Finer than this outlines are drawn: at 20x, not yet at 10x, where a nucleus has 8 pixels."""
_DOT_UM_PER_PX = 2.2
_REACH_PX = 3.0
"""How far what is painted of an object reaches beyond it."""
_CELLS_PER_BLOCK = 16
_MOST_CELLS = 4096
"""Along a side of the density picture."""
_MOST_PATHS = 512
"""Blocks whose outlines and dots are kept ready to paint."""
_MAKING_S = 0.003
"""Of a frame, for making what is painted."""
_FULL_PER_MM2 = 6000.0
"""Density that is painted in full color; densely packed lymphocytes have about as many."""


class ObjectsLayer:
    """Paints an `ObjectMap`; call `refresh` when it changed."""

    def __init__(self) -> None:
        self.opacity = 1.0
        self._is_filled = False
        self.pointed_out: NDArray[np.float32] | None = None
        """(k, 2) an outline that is drawn boldly at any zoom, level-0 pixels."""
        self._map: ObjectMap | None = None
        self._preview: tuple[BlockKey, Objects] | None = None
        self._class_colors: list[QColor] = []
        self._colors: list[QColor] = []
        self._style = ObjectStyle()
        self._paths = _Made(self._outlines)
        self._dots = _Made(self._middles)
        self._sheet = RasterCache(self._make, self._paint_themselves)
        self._density: QImage | None = None
        self._is_density_old = True
        self._density_left: dict[BlockKey, None] = {}
        self._cells = _CELLS_PER_BLOCK

    def show_map(self, objects: ObjectMap | None, colors: Sequence[str] = ()) -> None:
        """Paint these objects from now on, a color a class; None paints nothing."""
        self._map, self._preview = objects, None
        self._class_colors = self._colors = [QColor(color) for color in colors]
        self._paths, self._dots = _Made(self._outlines), _Made(self._middles)
        self._sheet.forget()
        self._density = None

    def set_style(self, style: ObjectStyle, colors: Sequence[str] = ()) -> None:
        """Tell objects apart otherwise; a color for each step of a measurement."""
        self._style = style
        self._colors = [QColor(color) for color in colors] or self._class_colors
        self._paths.invalidate()
        self._dots.invalidate()
        self._sheet.invalidate()
        self._is_density_old = True

    @property
    def is_filled(self) -> bool:
        """Return whether outlines are filled faintly."""
        return self._is_filled

    @is_filled.setter
    def is_filled(self, is_filled: bool) -> None:
        self._is_filled = is_filled
        self._sheet.invalidate()

    def show_preview(self, key: BlockKey, objects: Objects) -> None:
        """Paint some objects of a block until the map has it; call `refresh` to end it before."""
        self.refresh(key)
        self._preview = key, objects

    @property
    def preview(self) -> tuple[BlockKey, Objects] | None:
        """Return the block that is painted in part, and what of it."""
        return self._preview

    def refresh(self, key: BlockKey) -> None:
        """The objects of a block changed."""
        if self._preview is not None and self._preview[0] == key:
            self._preview = None
        self._paths.invalidate(key)
        self._dots.invalidate(key)
        self._density_left[key] = None
        if self._map is not None:
            touched = self._map.grid.core_box(key).grown(self._reach())
            self._sheet.invalidate(touched, _REACH_PX, hurries=False)

    def paint(self, painter: QPainter, scene: Scene) -> bool:
        """Paint what is on screen, as fine as the zoom allows.

        What had to be made for it and took too long is made in the next frames: True until then,
        and what was made before a change is painted meanwhile.
        """
        if self._map is None or not (self._map.count or self._preview):
            return False
        um_per_px = scene.view.downsample * self._map.mpp_um
        painter.save()
        painter.setOpacity(self.opacity)
        if um_per_px > _DOT_UM_PER_PX:
            is_unfinished = self._paint_density(painter, scene)
            if self._preview is not None:  # dots, as a part of a block has no density
                _paint_dots(painter, self._dots.get(*self._preview))
        elif scene.is_zooming:
            self._paint_themselves(painter, scene, [scene.view.box])
            is_unfinished = True
        else:
            is_unfinished = self._sheet.paint(painter, scene)
        painter.restore()
        if self.pointed_out is not None:
            self._paint_pointed_out(painter, scene)
        return is_unfinished

    def _reach(self) -> float:
        """Return how far objects of a block may lie beyond it, level-0 pixels."""
        assert self._map is not None
        return self._map.grid.margin_px * self._map.grid.downsample

    def _blocks(self, boxes: Sequence[Box]) -> dict[BlockKey, Objects]:
        """Return the blocks whose objects may reach into these level-0 boxes."""
        assert self._map is not None
        reach = self._reach()
        blocks = {
            key: objects
            for box in boxes
            for key, objects in self._map.inside(box.grown(reach))
            if len(objects)
        }
        if self._preview is not None:
            blocks.setdefault(*self._preview)
        return blocks

    def _paint_pointed_out(self, painter: QPainter, scene: Scene) -> None:
        """In black and white, which stand out against any stain."""
        assert self.pointed_out is not None
        points = [scene.view.to_screen(Point(x, y)) for x, y in self.pointed_out.tolist()]
        polygon = QPolygonF([QPointF(*point) for point in points])
        painter.resetTransform()
        painter.setOpacity(1.0)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for color, width_px in ((QColor("black"), 4.0), (QColor("white"), 2.0)):
            painter.setPen(_pen(color, width_px))
            painter.drawPolygon(polygon)

    def _make(self, picture: QImage, lattice: RasterGrid, square: Square) -> Iterator[bool]:
        """Paint a square's picture, a block a step."""
        assert self._map is not None
        to_square = QTransform(*lattice.transform(square))
        is_near = self._is_near(lattice.downsample)
        for key, objects in self._blocks([lattice.box(square, _REACH_PX)]).items():
            with QPainter(picture) as painter:
                painter.setTransform(to_square)
                if is_near:
                    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                    self._paint_outlines(painter, key, self._paths.get(key, objects), is_bold=True)
                else:
                    _paint_dots(painter, self._dots.get(key, objects))
            yield True

    def _paint_themselves(self, painter: QPainter, scene: Scene, boxes: Sequence[Box]) -> None:
        """Paint what is ready or can be in a moment, with thin lines: they take less time."""
        painter.setTransform(QTransform(*scene.view.transform), combine=True)
        budget, blocks = _Budget(), self._blocks(boxes)
        if self._is_near(scene.view.downsample):
            for key, objects in blocks.items():
                paths = self._paths.get(key, objects, budget, len(blocks))
                self._paint_outlines(painter, key, paths, is_bold=False)
        else:
            for key, objects in blocks.items():
                _paint_dots(painter, self._dots.get(key, objects, budget, len(blocks)))

    def _is_near(self, downsample: float) -> bool:
        assert self._map is not None
        return downsample * self._map.mpp_um <= _OUTLINE_UM_PER_PX

    def _paint_outlines(
        self,
        painter: QPainter,
        key: BlockKey,
        paths: list[tuple[QColor, QPainterPath]],
        *,
        is_bold: bool,
    ) -> None:
        """With pens of one pixel, the only ones Qt strokes quickly; bolder by a second pass."""
        assert self._map is not None
        to_screen = painter.transform()
        corner = self._map.grid.core_box(key)
        from_block = QTransform.fromTranslate(corner.x0, corner.y0) * to_screen
        for color, path in paths:
            painter.setPen(_pen(color, 1.0))
            painter.setTransform(from_block)
            if self._is_filled:
                faint = QColor(color)
                faint.setAlphaF(0.3)
                painter.fillPath(path, faint)
            painter.drawPath(path)
            if is_bold:
                painter.setTransform(from_block * QTransform.fromTranslate(0.5, 0.5))
                painter.drawPath(path)
        painter.setTransform(to_screen)

    def _outlines(self, key: BlockKey, objects: Objects) -> list[tuple[QColor, QPainterPath]]:
        """A path a color, from the block's corner, since level-0 pixels are too large for Qt."""
        assert self._map is not None
        corner = self._map.grid.core_box(key)
        points = objects.points - (corner.x0, corner.y0)
        groups = self._style.groups(objects)
        return [
            (
                self._colors[index],
                closed_path(points, objects.starts, np.flatnonzero(groups == index)),
            )
            for index in _present(groups)
        ]

    def _middles(self, _: BlockKey, objects: Objects) -> list[tuple[QColor, QPolygonF]]:
        groups = self._style.groups(objects)
        return [
            (self._colors[index], point_list(objects.centroids[groups == index]))
            for index in _present(groups)
        ]

    def _paint_density(self, painter: QPainter, scene: Scene) -> bool:
        """Paint how many lie where; return True while there is more to count."""
        assert self._map is not None
        budget = _Budget()
        if self._density is None:
            self._density = self._empty_density()
            self._is_density_old = True
        if self._is_density_old:
            self._density_left = dict.fromkeys(self._map.with_objects)
            self._is_density_old = False
        while self._density_left and budget.is_left():
            key = next(iter(self._density_left))
            del self._density_left[key]
            objects = self._map.of_block(key)
            if objects is not None:
                self._paint_cells(self._density, key, objects)
        cell = self._map.grid.side / self._cells
        width, height = self._density.width() * cell, self._density.height() * cell
        painter.setTransform(QTransform(*scene.view.transform), combine=True)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(0, 0, width, height), self._density, QRectF(self._density.rect()))
        return bool(self._density_left)

    def _empty_density(self) -> QImage:
        """Return a picture of the slide in cells, filled block by block."""
        assert self._map is not None
        grid = self._map.grid
        longest = max(grid.columns, grid.rows)
        self._cells = max(1, min(_CELLS_PER_BLOCK, _MOST_CELLS // longest))
        image = QImage(
            grid.columns * self._cells,
            grid.rows * self._cells,
            QImage.Format.Format_ARGB32_Premultiplied,
        )
        image.fill(Qt.GlobalColor.transparent)
        return image

    def _paint_cells(self, image: QImage, key: BlockKey, objects: Objects) -> None:
        """A block's cells in their commonest color, the denser the less clear."""
        assert self._map is not None
        groups = self._style.groups(objects)
        is_shown = groups >= 0
        core, count = self._map.grid.core_box(key), self._cells
        cell = core.width / count
        places = np.clip((objects.centroids - (core.x0, core.y0)) / cell, 0, count - 1)
        columns, rows = places.astype(int)[is_shown].T
        counts = np.zeros((len(self._colors), count, count))
        np.add.at(counts, (groups[is_shown], rows, columns), 1)
        per_mm2 = counts.sum(0) / (cell * self._map.mpp_um / 1000) ** 2
        rgba = np.zeros((count, count, 4), np.uint8)
        table = np.array([[c.red(), c.green(), c.blue()] for c in self._colors], np.uint8)
        rgba[..., :3] = table[counts.argmax(0)]
        rgba[..., 3] = np.sqrt(np.clip(per_mm2 / _FULL_PER_MM2, 0, 1)) * 220
        cells = QImage(rgba.data, count, count, QImage.Format.Format_RGBA8888)
        with QPainter(image) as painter:
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
            painter.drawImage(key.column * count, key.row * count, cells)


T = TypeVar("T")


class _Budget:
    """Time of this thread for making things in one frame."""

    def __init__(self) -> None:
        self._until_s = time.thread_time() + _MAKING_S

    def is_left(self) -> bool:
        return time.thread_time() < self._until_s


class _Made(Generic[T]):
    """What was made of blocks to be painted, the newest kept; some of it before a change."""

    def __init__(self, make: Callable[[BlockKey, Objects], list[tuple[QColor, T]]]) -> None:
        self._make = make
        self._held: dict[BlockKey, list[tuple[QColor, T]]] = {}
        self._old: set[BlockKey] = set()

    def invalidate(self, key: BlockKey | None = None) -> None:
        """Have a block made anew, or all of them."""
        self._old |= self._held.keys() if key is None else {key}

    def get(
        self, key: BlockKey, objects: Objects, budget: _Budget | None = None, shown: int = 0
    ) -> list[tuple[QColor, T]]:
        """Return what a block looks like; as it was before, or nothing, where time has run out.

        All of the `shown` blocks of a frame are kept: one that makes room for another would be made
        again in each frame.
        """
        held = self._held.get(key)
        is_wanted = held is None or key in self._old
        if is_wanted and (budget is None or budget.is_left()):
            self._held.pop(key, None)
            held = self._held[key] = self._make(key, objects)
            self._old.discard(key)
            while len(self._held) > max(_MOST_PATHS, shown):
                self._held.pop(next(iter(self._held)))
        return held or []


def _paint_dots(painter: QPainter, colored: list[tuple[QColor, QPolygonF]]) -> None:
    for color, middles in colored:
        pen = _pen(color, 3.0)
        pen.setCapStyle(Qt.PenCapStyle.SquareCap)
        painter.setPen(pen)
        painter.drawPoints(middles)


def _present(groups: NDArray[np.intp]) -> list[int]:
    """Return the colors to paint."""
    return [index for index in np.unique(groups).tolist() if index >= 0]


def _pen(color: QColor, width_px: float) -> QPen:
    pen = QPen(color, width_px)
    pen.setCosmetic(True)
    return pen
