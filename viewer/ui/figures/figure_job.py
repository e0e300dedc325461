"""A figure of what a pane shows, made piece by piece while the window goes on."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, QPoint, QTimer, Signal
from PySide6.QtGui import QImage, QPainter

from viewer.canvas.annotations_layer import AnnotationsLayer
from viewer.canvas.tile_picture import TilePicture
from viewer.errors import CoverslipError
from viewer.slides.lent_source import LentSource
from viewer.tiles.cache import TileCache
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.figures.strips import (
    ROWS_PX,
    FigureCanvas,
    Part,
    aim,
    painted_part,
    unreadable_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from viewer.canvas.canvas import SlideCanvas
    from viewer.canvas.layer import Layer
    from viewer.geometry import View

_CACHE_BYTES = 96 << 20
_TICK_MS = 10
_PIECE_PX = 2048
"""Width of what is painted at once: a longer stop of the window would be felt."""
_WAITING_STRIPS = 2


class FigureCanceledError(CoverslipError):
    """The figure was given up."""


class FigurePlan(msgspec.Struct, frozen=True):
    """What is to be painted.

    Attributes
    ----------
    whole
        The view of the whole figure, in logical pixels.
    size_px
        Of the figure.
    furniture
        Painted over all, such as a scale bar.
    """

    whole: View
    size_px: tuple[int, int]
    dpi: float
    has_overlays: bool = True
    furniture: tuple[Layer, ...] = msgspec.field(default_factory=tuple)


class FigureJob(QObject):
    """Paints in the window's thread, a piece a tick, and hands strips to a thread that writes.

    Parameters
    ----------
    write
        Takes the strips from the top, in a thread; what it returns goes to `done`.
    """

    progressed = Signal(float)
    done = Signal(object)
    """What `write` returned."""
    failed = Signal(object)
    """An Exception."""

    def __init__(
        self,
        canvas: SlideCanvas,
        plan: FigurePlan,
        write: Callable[[Iterator[QImage]], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        source = canvas.source
        assert source is not None
        self._plan = plan
        self._own: list[AnnotationsLayer] = []
        self._figure = FigureCanvas(TileCache[TilePicture](_CACHE_BYTES))
        self._figure.dpi = plan.dpi
        self._figure.set_scale_bar_visible(False)
        self._figure.set_overview_visible(False)
        self._figure.set_look(canvas.look)
        self._figure.set_source(LentSource(source), canvas.optics)
        self._figure.set_plane(canvas.plane)
        if plan.has_overlays:
            layers = [(order, self._unchosen(each)) for order, each in canvas.layers_over_slide()]
            for order, layer in layers:
                self._figure.add_layer(layer, order)
            self._figure.set_order([[layer] for _, layer in layers])
        self._strips: queue.Queue[QImage | Exception | None] = queue.Queue()
        self._parts = list(_parts(plan.size_px))
        self._painted = 0
        self._strip: QImage | None = None
        self._is_aimed = False
        self._is_over = False
        self.unreadable = 0
        """How many tiles could not be read, once it is over; they are hatched."""
        self._timer = QTimer(self, interval=_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._writer = BackgroundRunner("figure", 1, self)
        self._writer.run(lambda: write(self._coming()), self._on_written, self._on_failed)
        self._timer.start()

    def cancel(self) -> None:
        """Give it up; a file that was there before is as it was."""
        self._stop(FigureCanceledError("The export was canceled."))

    def shut_down(self) -> None:
        """Give it up and wait for the thread."""
        self.cancel()
        self._writer.close(finish=True)

    def _tick(self) -> None:
        if self._painted == len(self._parts):
            return
        part = self._parts[self._painted]
        if not self._is_aimed:
            aim(self._figure, self._plan.whole, part)
            self._is_aimed = True
        elif self._figure.is_sharp and self._strips.qsize() < _WAITING_STRIPS:
            self._paint(part)

    def _paint(self, part: Part) -> None:
        plan = self._plan
        picture = painted_part(self._figure, plan.whole, part, plan.furniture)
        if self._strip is None:
            width_px = plan.size_px[0]
            self._strip = QImage(width_px, part.height_px, QImage.Format.Format_RGB32)
        painter = QPainter(self._strip)
        painter.drawImage(QPoint(part.left_px, 0), picture)
        painter.end()
        self._painted += 1
        self._is_aimed = False
        if part.left_px + part.width_px == plan.size_px[0]:
            self._strips.put(self._strip)
            self._strip = None
        self.progressed.emit(self._painted / len(self._parts))
        if self._painted == len(self._parts):
            self._strips.put(None)

    def _coming(self) -> Iterator[QImage]:
        """Yield strips as they are painted; for the thread that writes."""
        while (strip := self._strips.get()) is not None:
            if isinstance(strip, Exception):
                raise strip
            yield strip

    def _stop(self, error: Exception) -> None:
        self._end()  # at once: the slide may be closed next, and nobody may be reading it then
        self._strips.put(error)

    def _unchosen(self, layer: Layer) -> Layer:
        """Nothing is marked as chosen on a figure."""
        if not isinstance(layer, AnnotationsLayer):
            return layer
        own = layer.for_figure()
        self._own.append(own)
        return own

    def _on_written(self, result: object) -> None:
        self._end()
        self.done.emit(result)

    def _on_failed(self, error: Exception) -> None:
        self._end()
        self.failed.emit(error)

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._timer.stop()
        self.unreadable = len(unreadable_in(self._figure, self._plan.whole))
        for layer in self._own:
            self._figure.remove_layer(layer)
            layer.close()
        self._own.clear()
        self._figure.clear()
        self._figure.deleteLater()


def _parts(size_px: tuple[int, int]) -> Iterator[Part]:
    """Yield the pieces of a figure, row by row."""
    width_px, height_px = size_px
    for top_px in range(0, height_px, ROWS_PX):
        for left_px in range(0, width_px, _PIECE_PX):
            yield Part(
                left_px,
                top_px,
                min(_PIECE_PX, width_px - left_px),
                min(ROWS_PX, height_px - top_px),
            )
