"""Where tiles lie on the screen's pixels.

Tiles are laid on a grid of whole device pixels, upright, before the view's turn is applied:
neighbors share their rounded edge, so there are no seams, and the grid does not depend on the
center, so nothing shimmers while panning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QTransform

from viewer.geometry import Point, Size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.geometry import Box, View
    from viewer.slides.source import Level
    from viewer.tiles.cache import TileKey


class TileGrid(msgspec.Struct, frozen=True):
    """Level-0 pixels to upright device pixels, and those to the frame.

    Two grids that differ in `shift` alone show the same picture, moved.
    """

    scale: float
    view: View
    width_px: int
    height_px: int
    shift: tuple[int, int]

    @classmethod
    def of(cls, view: View, device_pixel_ratio: float) -> TileGrid:
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

    def tile_rect(self, levels: Sequence[Level], key: TileKey) -> QRect:
        """Return where a tile lies, as `rect` does."""
        level, column, row = key
        return self.rect(levels[level].tile_box(column, row))

    def tile_rects(self, level: Level, keys: Sequence[TileKey]) -> list[QRect]:
        """Return where tiles of one level lie, as `rect` does, each column and row asked once."""
        columns: dict[int, tuple[int, int]] = {}
        for column in {key.column for key in keys}:
            rect = self.rect(level.tile_box(column, 0))
            columns[column] = rect.x(), rect.width()
        rows: dict[int, tuple[int, int]] = {}
        for row in {key.row for key in keys}:
            rect = self.rect(level.tile_box(0, row))
            rows[row] = rect.y(), rect.height()
        rects: list[QRect] = []
        for _, column, row in keys:
            (left, width), (top, height) = columns[column], rows[row]
            rects.append(QRect(left, top, width, height))
        return rects

    def outline(self, upright: QRect) -> QRect:
        """Return the frame's pixels that a rectangle of upright device pixels may touch."""
        margin = 1 if self.is_at_free_angle else 0
        return self.transform.mapRect(upright).adjusted(-margin, -margin, margin, margin)

    @property
    def whole(self) -> QRect:
        """Return all of the view, in device pixels."""
        return QRect(0, 0, self.width_px, self.height_px)

    @property
    def upright(self) -> QRect:
        """Return all of the view, in upright device pixels, where it is turned by right angles."""
        return QRect(0, 0, *_upright(self.width_px, self.height_px, self.view))

    @property
    def is_upright(self) -> bool:
        """Return whether the view is neither turned nor mirrored."""
        return not self.view.rotation_deg % 360.0 and not self.view.mirrored

    @property
    def is_at_free_angle(self) -> bool:
        """Return whether the view is turned by anything but quarter turns."""
        return bool(self.view.rotation_deg % 90.0)

    @property
    def transform(self) -> QTransform:
        """Upright device pixels to pixels of the frame."""
        across, down = _upright(self.width_px, self.height_px, self.view)
        return QTransform.fromTranslate(-across / 2, -down / 2) * QTransform(*self.view.transform)

    def moved_from(self, old: TileGrid) -> QPoint | None:
        """Return how far the frame's pixels moved since `old`.

        None where it must be painted anew.
        """
        if replace(old, shift=self.shift) != self or self.is_at_free_angle:
            return None
        dx, dy = old.shift[0] - self.shift[0], old.shift[1] - self.shift[1]
        return QTransform(*self.view.transform[:4], 0, 0).map(QPoint(dx, dy))


def _upright(width: int, height: int, view: View) -> tuple[int, int]:
    """Return the frame's width and height as seen by the unturned slide."""
    is_on_its_side = view.rotation_deg % 180.0 == 90.0
    return (height, width) if is_on_its_side else (width, height)
