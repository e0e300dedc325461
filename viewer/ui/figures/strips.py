"""A field painted by the real canvas, in strips: a figure of any size is never held whole."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QCoreApplication, QEventLoop
from PySide6.QtGui import QImage, QPainter

from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.layer import Scene
from viewer.canvas.qt_guard import guarded
from viewer.errors import CoverslipError
from viewer.geometry import Point, Size, View
from viewer.slides.source import lost_in
from viewer.tiles.cache import TileKey
from viewer.tiles.plan import level_for, tiles_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from viewer.canvas.layer import Layer
    from viewer.canvas.tile_picture import TilePicture
    from viewer.geometry import Optics
    from viewer.slides.source import SlideSource
    from viewer.tiles.loader import TileLoader

SCREEN_DPI = 96.0
"""At this many pixels an inch lines and letters are as on a screen; at more they grow with it."""
ROWS_PX = 256
"""The rows of a strip, but the last, are a multiple of these."""
_STRIP_BYTES = 48 << 20
_PIXEL_BYTES = 4
_PATIENCE_S = 120.0


class FigureError(CoverslipError):
    """A figure that cannot be painted; `str()` is one sentence."""


class FigureCanvas(SlideCanvas):
    """A canvas that is never shown and paints at any number of pixels an inch."""

    dpi = SCREEN_DPI
    scaler = None  # it rounds its own way: a figure is the same whatever else was done before

    @property
    def ratio(self) -> float:
        """Return how many pixels of the figure one of the screen is."""
        return self.dpi / SCREEN_DPI

    def set_source(
        self,
        source: SlideSource,
        optics: Optics,
        *,
        view: View | None = None,
        loader: TileLoader[TilePicture] | None = None,
    ) -> None:
        """Show a slide; a figure does not wait for a server that is silent."""
        super().set_source(source, optics, view=view, loader=loader)
        if self.loader is not None:
            self.loader.waits_for_servers = False

    @guarded(1.0)
    def devicePixelRatioF(self) -> float:
        """Return `ratio`: tiles, lines and letters are painted for it."""
        return self.ratio


class Part(NamedTuple):
    """A rectangle of a figure, in its pixels."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int


def figure_strips(
    canvas: FigureCanvas, whole: View, size_px: tuple[int, int], furniture: Sequence[Layer]
) -> Iterator[QImage]:
    """Yield a figure from the top, each strip once all its tiles are sharp.

    Parameters
    ----------
    whole
        The view of the whole figure, in logical pixels.
    furniture
        Painted over all strips as over one picture, such as a scale bar.

    Raises
    ------
    FigureError
        The slide's tiles do not come.
    """
    width_px, height_px = size_px
    fitting_px = _STRIP_BYTES // (_PIXEL_BYTES * width_px)
    rows_px = min(height_px, max(ROWS_PX, fitting_px // ROWS_PX * ROWS_PX))
    for top_px in range(0, height_px, rows_px):
        part = Part(0, top_px, width_px, min(rows_px, height_px - top_px))
        aim(canvas, whole, Part(0, top_px, width_px, rows_px))
        _wait_until_sharp(canvas)
        yield painted_part(canvas, whole, part, furniture)


def aim(canvas: FigureCanvas, whole: View, part: Part) -> None:
    """Have a canvas show a part of a figure, so that its tiles are read."""
    ratio = canvas.ratio
    canvas.resize(math.ceil(part.width_px / ratio), math.ceil(part.height_px / ratio))
    size = Size(canvas.width(), canvas.height())
    middle = Point(part.left_px / ratio + size.width / 2, part.top_px / ratio + size.height / 2)
    center = whole.to_slide(middle)
    canvas.show_any_view(View(center, whole.downsample, size, whole.rotation_deg, whole.mirrored))


def painted_part(
    canvas: FigureCanvas, whole: View, part: Part, furniture: Sequence[Layer]
) -> QImage:
    """Return a part of a figure that the canvas was aimed at."""
    ratio = canvas.ratio
    scene = Scene(whole, canvas.slide_box, canvas.optics, ratio)
    picture = QImage(part.width_px, part.height_px, QImage.Format.Format_RGB32)
    picture.setDevicePixelRatio(ratio)
    canvas.render(picture)
    while not canvas.is_finished:
        canvas.render(picture)
    painter = QPainter(picture)
    painter.translate(-part.left_px / ratio, -part.top_px / ratio)
    for layer in furniture:
        painter.save()
        layer.paint(painter, scene)
        painter.restore()
    painter.end()
    picture.setDevicePixelRatio(1.0)
    return picture


def unreadable_in(canvas: FigureCanvas, whole: View) -> list[str]:
    """Return why tiles of a painted figure cannot be read: those hatched in it, not those ahead."""
    loader = canvas.loader
    if loader is None:
        return []
    levels, failures = loader.source.levels, loader.failures
    reasons: list[str] = []
    for key in tiles_in(levels, level_for(levels, whole.downsample / canvas.ratio), whole.box):
        parts = lost_in(loader.source, *key, loader.shown_values)
        hatched = {TileKey(part.level, part.column, part.row): str(part) for part in parts}
        if not parts and key in failures:
            hatched[key] = failures[key]
        reasons += [
            reason
            for (level, column, row), reason in hatched.items()
            if whole.sees(levels[level].tile_box(column, row))
        ]
    return reasons


def _wait_until_sharp(canvas: SlideCanvas) -> None:
    until_s = time.monotonic() + _PATIENCE_S
    while not canvas.is_sharp:
        if time.monotonic() > until_s:
            raise FigureError(
                f"The slide's tiles did not come within {_PATIENCE_S:.0f} s: check its drive."
            )
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.001)
