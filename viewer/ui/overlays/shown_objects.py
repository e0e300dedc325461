"""Objects of a run on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.canvas.layer import Stratum
from viewer.canvas.objects_layer import ObjectsLayer

if TYPE_CHECKING:
    from viewer.canvas.canvas import SlideCanvas
    from viewer.geometry import Box
    from viewer.inference.bundle import ModelBundle
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.object_map import ObjectMap


class ShownObjects(QObject):
    """Keeps the outlines on the canvas up to date with what is found."""

    stratum = Stratum.OBJECTS
    changed = Signal()

    def __init__(
        self, canvas: SlideCanvas, found: ObjectMap, bundle: ModelBundle, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.found = found
        self.hidden: set[int] = set()
        self.layer = ObjectsLayer()
        self.layer.show_map(found, [colour for _, colour in bundle.colours])
        self._canvas = canvas

    def refresh(self, key: BlockKey) -> None:
        """The objects of a block changed."""
        self.layer.refresh(key)
        if self._canvas.view.box.intersects(self.found.grid.input_box(key)):
            self._canvas.update()

    def set_filled(self, *, filled: bool) -> None:
        self.layer.is_filled = filled
        self._canvas.update()

    def set_hidden(self, classes: set[int]) -> None:
        """Leaves classes out."""
        self.hidden = set(classes)
        self.layer.set_hidden(classes)
        self._canvas.update()

    def lines(self) -> list[str]:
        """What the panel tells."""
        count = self.count_in(self._canvas.view.box)
        return [f"{count:,} in view, {self.found.count:,} on the slide so far"]

    def count_in(self, box: Box) -> int:
        """Objects whose middle is in a level-0 box."""
        count = 0
        for _, objects in self.found.inside(box):
            x, y = objects.centroids[:, 0], objects.centroids[:, 1]
            count += int(((x >= box.x0) & (x < box.x1) & (y >= box.y0) & (y < box.y1)).sum())
        return count

    def shut_down(self) -> None:
        """Nothing of it goes on by itself."""
