"""The heatmap of a run on the canvas: of classes, of likeness, of few-shot marks."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.canvas.layer import LayerOrder
from viewer.colors import class_color
from viewer.overlays.heatmap import (
    Heatmap,
    HeatmapStyle,
    Query,
    class_heatmap,
    query_heatmap,
    score_heatmap,
)
from viewer.overlays.result_at import ResultAt
from viewer.ui.background_runner import BackgroundRunner, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.canvas.canvas import SlideCanvas
    from viewer.canvas.patch_layer import PatchLayer
    from viewer.geometry import Point
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.ui.overlays.overlay import OverlaySource

_log = logging.getLogger(__name__)

LIKELIEST_CLASS = "Likeliest class"
_PAUSE_MS = 60
"""Between pictures while blocks come in or a slider moves."""


class HeatmapPresenter(QObject):
    """Makes the picture anew, off the window's thread, whenever what it shows changed."""

    stratum = LayerOrder.HEATMAPS
    whole = LIKELIEST_CLASS
    """What is shown where no class is chosen."""
    changed = Signal()

    def __init__(
        self,
        canvas: SlideCanvas,
        found: PatchFeatureMap,
        origin: OverlaySource,
        identity: str,
        parent: QObject,
    ) -> None:
        from viewer.canvas.patch_layer import PatchLayer
        from viewer.overlays.files.marks_file import load_marks

        super().__init__(parent)
        self.found = found
        self.style = HeatmapStyle()
        self.heatmap: Heatmap | None = None
        self.layer: PatchLayer = PatchLayer()
        self._canvas = canvas
        self._origin = origin
        self._identity = identity
        self._background = BackgroundRunner("heatmap", 1, self)
        self._making: Task | None = None
        self._is_stale = False
        self._timer = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._timer.timeout.connect(self._make)
        is_asked = origin.task == "embedding"
        self.query = Query(marks=load_marks(identity)) if is_asked else Query()

    def refresh(self, key: BlockKey) -> None:
        """A block came."""
        self._touch()

    def refresh_all(self) -> None:
        """Everything may have changed."""
        self._touch()

    def set_style(self, style: HeatmapStyle) -> None:
        self.style = style
        self._touch()

    def set_query(self, query: Query) -> None:
        """Asks embeddings something else; marks are kept for the next reading."""
        from viewer.overlays.files.marks_file import save_marks

        if query.marks != self.query.marks:
            identity, marks = self._identity, query.marks
            self._background.run(
                lambda: save_marks(identity, marks),
                lambda _: None,
                lambda error: _log.warning("marks cannot be kept (%s)", error),
            )
        self.query = query
        self._touch()

    def lines(self) -> list[str]:
        """What the panel tells."""
        area_mm2 = self.found.count * (self.found.cell * self.found.mpp_um / 1000) ** 2
        lines = [f"{self.found.count:,} tiles analyzed ({area_mm2:.3g} mm²)"]
        heatmap = self.heatmap
        if heatmap is None:
            if self._origin.task == "embedding":
                lines.append("Ask for fields like this one, or mark some.")
            return lines
        if heatmap.classes is not None:
            known = heatmap.classes[heatmap.colors[..., 3] > 0]
            for index, (name, _) in enumerate(self.legend()):
                count = int((known == index).sum())
                lines.append(f"{name}: {count:,} fields, {count * area_mm2:.2f} mm2")
        return lines

    def result_at(self, point: Point) -> ResultAt | None:
        """The value or class at a level-0 point; None where nothing is known."""
        heatmap, cell = self.heatmap, self.found.cell
        row, column = int(point.y // cell), int(point.x // cell)
        if heatmap is None or not (0 <= row < self.found.rows and 0 <= column < self.found.columns):
            return None
        value = float(heatmap.values[row, column])
        if math.isnan(value):
            return None
        name = self._origin.name
        if heatmap.classes is not None:
            index = int(heatmap.classes[row, column])
            if index < 0:
                return None
            name = self.legend()[index][0]
        return ResultAt(f"{name} {value:.2f}", self.found.cell_box(row, column))

    def legend(self) -> list[tuple[str, str]]:
        """Names and colors of what is shown."""
        if self._origin.task == "embedding":
            return [(name, class_color(i)) for i, name in enumerate(self.query.names)]
        return self._origin.colors

    def choices(self) -> list[str]:
        """The values that can be shown instead of the likeliest class."""
        names = [name for name, _ in self._origin.colors]
        return names if len(names) > 1 else []

    def shut_down(self) -> None:
        self._timer.stop()
        if self._making is not None:
            self._making.cancel()
        self._background.close(finish=True)

    def _touch(self) -> None:
        self._is_stale = True
        if self._making is None and not self._timer.isActive():
            self._timer.start()

    def _make(self) -> None:
        self._is_stale = False
        self._making = self._background.run(self._work(), self._show, self._on_failed)

    def _work(self) -> Callable[[], Heatmap | None]:
        """What makes the picture, in a thread."""
        found, style, query = self.found, self.style, self.query
        colors = [color for _, color in self.legend()]
        if self._origin.task == "embedding":
            return lambda: query_heatmap(found, style, query, colors)
        if self._origin.task == "scores":
            return lambda: score_heatmap(found, style)
        return lambda: class_heatmap(found, style, colors)

    def _show(self, heatmap: Heatmap | None) -> None:
        self._making = None
        self.heatmap = heatmap
        if heatmap is None:
            self.layer.clear()
        else:
            smooth = heatmap.classes is None
            self.layer.show_colors(heatmap.colors, self.found.cell, smooth=smooth)
        self._canvas.update()
        self.changed.emit()
        if self._is_stale:
            self._touch()

    def _on_failed(self, error: Exception) -> None:
        self._making = None
        _log.error("the heatmap could not be made", exc_info=error)
