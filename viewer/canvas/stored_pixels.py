"""The slide as it is stored, beside a canvas that shows it adjusted: for tools that see colors."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage, QPainter

from viewer.canvas.tile_layer import TileLayer
from viewer.canvas.tile_painting import SURROUND
from viewer.canvas.tile_picture import TilePicture, TilePreparer
from viewer.geometry import Point, Size, View
from viewer.tiles.cache import TileCache
from viewer.tiles.display import DisplaySettings, DisplayTransform
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import TilePlan, level_for, visible_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.canvas.layer import Scene
    from viewer.canvas.tile_scaling import TileScaler
    from viewer.slides.source import SlideSource
    from viewer.tiles.cache import TileKey

_LEAVING_S = 0.03
_CACHE_BYTES = 64 << 20
_WAIT_S = 0.1
"""For the few tiles round the hand, at the first look at a place."""


def square_of(layer: TileLayer, scene: Scene, at: Point, side_px: int) -> QImage:
    """Paint what a layer of tiles shows in a square of logical pixels about a screen position."""
    picture = QImage(side_px, side_px, QImage.Format.Format_RGB888)
    picture.fill(SURROUND)
    with QPainter(picture) as painter:
        painter.translate(side_px / 2 - at.x, side_px / 2 - at.y)
        layer.paint(painter, scene)
    return picture


class StoredPixels:
    """Tiles of one slide without any adjustment, read when asked for; `close` frees them.

    Parameters
    ----------
    scaler
        That of the canvas: Qt would paint other pixels.
    """

    def __init__(self, source: SlideSource, scaler: TileScaler | None) -> None:
        self._layer = TileLayer(scaler)
        self._came = threading.Event()
        prepare = TilePreparer(DisplayTransform(DisplaySettings()))
        self._loader = TileLoader(
            source, prepare, TileCache[TilePicture](_CACHE_BYTES), lambda _: self._came.set()
        )
        self._layer.set_loader(self._loader)

    def square(self, scene: Scene, at: Point, side_px: int) -> QImage | None:
        """Return a square as the canvas would show it unadjusted; None while it is being read."""
        keys = self._wanted(scene, at, side_px)
        if not all(map(self._loader.is_settled, keys)):
            self._loader.request(TilePlan(keys[0].level, keys, (), ()))
            if not self._wait(keys):
                return None
        for key in keys:
            self._layer.tile_arrived(key)
        return square_of(self._layer, scene, at, side_px)

    def close(self) -> None:
        self._layer.set_loader(None)
        self._loader.close(_LEAVING_S)

    def _wanted(self, scene: Scene, at: Point, side_px: int) -> tuple[TileKey, ...]:
        view = scene.view
        levels = self._loader.source.levels
        wanted = level_for(levels, view.downsample / scene.device_pixel_ratio)
        around = View(
            view.to_slide(at),
            view.downsample,
            Size(side_px, side_px),
            view.rotation_deg,
            view.mirrored,
        )
        return visible_tiles(levels, wanted, around)

    def _wait(self, keys: Sequence[TileKey]) -> bool:
        """Wait a moment; whether all have come."""
        for _ in keys:
            self._came.clear()
            if all(map(self._loader.is_settled, keys)):
                return True
            if not self._came.wait(_WAIT_S):
                break
        return all(map(self._loader.is_settled, keys))
