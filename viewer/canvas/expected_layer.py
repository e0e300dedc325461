"""Where a reader is expected to look: a heatmap, and numbered boxes of the best fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.canvas.patch_layer import PatchLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPainter

    from viewer.canvas.layer import Scene
    from viewer.geometry import Box


class ExpectedLayer(PatchLayer):
    """Paints the heatmap and the boxes over it, which stay opaque."""

    def __init__(self) -> None:
        from viewer.canvas.scanpath_layer import ScanpathLayer

        super().__init__()
        self._boxes = ScanpathLayer(joined=False)

    def clear(self) -> None:
        super().clear()
        self._boxes.clear()

    def show_boxes(self, boxes: Sequence[tuple[Box, str]]) -> None:
        """Take boxes in level-0 pixels with their colors, in the order of their numbers."""
        self._boxes.show_boxes(boxes)

    def paint(self, painter: QPainter, scene: Scene) -> None:
        painter.save()
        super().paint(painter, scene)
        painter.restore()
        painter.setOpacity(1.0)
        self._boxes.paint(painter, scene)
