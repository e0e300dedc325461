"""The preview of cells on a pane: a field, what is found in it, and the layers that show it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.canvas.layer import LayerOrder
from viewer.canvas.objects_layer import ObjectsLayer
from viewer.canvas.outline_layer import OutlineLayer
from viewer.geometry import Box, Point, Size
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.slides.region import read_region
from viewer.ui.background_runner import BackgroundRunner, Task

if TYPE_CHECKING:
    from viewer.inference.cells.settings import CellSettings
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.cell_previewer import CellPreviewer
    from viewer.overlays.objects import Objects
    from viewer.ui.slides.slide_pane import SlidePane

_WHOLE_VIEW_UM_PER_PX = 0.55
"""Up to which (20x, and a little slack) all that is seen is previewed."""
_MOST_PX = 1_100_000
"""Of a field that is previewed; farther out it is a window in the middle of the view."""
_WINDOW_UM = (400.0, 300.0)
_SETTLE_MS = 60
_WINDOW_COLOR = "#ff9f1a"


def preview_field(
    view: Box, slide: Box, mpp_um: float, settings: CellSettings, scale: float
) -> Box:
    """Return what of a view is previewed, level-0 pixels: all of it near, else its middle.

    Parameters
    ----------
    scale
        Level-0 pixels per pixel of the screen.
    """
    seen = view.intersection(slide)
    pixel = settings.requested_pixel_size_um / mpp_um
    is_near = scale * mpp_um <= _WHOLE_VIEW_UM_PER_PX
    if is_near and seen.width * seen.height / pixel**2 <= _MOST_PX:
        return seen
    width, height = (side / mpp_um for side in _WINDOW_UM)
    shrink = min(1.0, math.sqrt(_MOST_PX * pixel**2 / (width * height)))
    return Box.around(seen.center, width * shrink, height * shrink).intersection(seen)


class FieldPreviewer(QObject):
    """Shows on one pane at a time; `shut_down` ends the process that finds."""

    found = Signal(object, bool)
    """GradedCells of the field, and whether it is a window in the view; None while it is off."""
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._process: CellPreviewer | None = None
        self._background = BackgroundRunner("preview cells", 1, self)
        self._layer = ObjectsLayer()
        self._window = OutlineLayer(_WINDOW_COLOR, fill=0.0, name="Preview of cells")
        self._pane: SlidePane | None = None
        self._settings: CellSettings | None = None
        self._network: ModelBundle | None = None
        self._task: Task | None = None
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._start)

    @property
    def pane(self) -> SlidePane | None:
        """Return the pane that a preview is on; None while there is none."""
        return self._pane

    def show(
        self, pane: SlidePane, settings: CellSettings, network: ModelBundle | None = None
    ) -> None:
        """Preview settings on a pane, and follow its view until `hide`.

        Parameters
        ----------
        network
            Whose maps the settings are for; None where they are for the pixels themselves.
        """
        self._network = network
        if pane is not self._pane:
            self.hide()
            self._pane = pane
            pane.canvas.view_changed.connect(self._on_view)
            pane.canvas.add_layer(self._layer, LayerOrder.OBJECTS)
            pane.canvas.add_layer(self._window, LayerOrder.OBJECTS)
        self._settings = settings
        self._start()

    def forget(self) -> None:
        """Preview nothing more on a pane that is closed."""
        self._pane = None
        self.hide()

    def hide(self) -> None:
        """Preview nothing more; the process stays for the next time."""
        pane, self._pane = self._pane, None
        self._settle.stop()
        self._background.cancel_waiting()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if pane is not None:
            pane.canvas.view_changed.disconnect(self._on_view)
            self._layer.show_map(None)
            self._window.clear()
            pane.canvas.remove_layer(self._layer)
            pane.canvas.remove_layer(self._window)
            pane.canvas.update()
            self.found.emit(None, False)

    def shut_down(self) -> None:
        """End the process and the thread."""
        self.hide()
        if self._process is not None:
            self._process.close()
        self._background.close(finish=True)

    def _on_view(self, _view: object, _cause: str) -> None:
        self._settle.start()

    def _start(self) -> None:
        pane, settings = self._pane, self._settings
        mpp_um = None if pane is None else pane.canvas.optics.mean_mpp_um
        if pane is None or pane.source is None or settings is None or mpp_um is None:
            return
        canvas, source, process = pane.canvas, pane.source, self._finder()
        view, slide = canvas.view, canvas.slide_box
        field = preview_field(view.box, slide, mpp_um, settings, view.downsample)
        if field.is_empty:
            return
        pixel = settings.requested_pixel_size_um / mpp_um
        width, height = (max(8, round(side / pixel)) for side in (field.width, field.height))
        is_window = field != view.box.intersection(slide)

        network = self._network

        def work() -> Objects:
            process.use(network)
            is_known = process.knows(field, settings)
            rgb = None if is_known else read_region(source, field, width, height)
            return process.cells(rgb, field, settings)

        if self._task is not None:
            self._task.cancel()
        self._background.cancel_waiting()
        self._task = self._background.run(
            work,
            lambda objects: self._show(pane, field, settings, objects, is_window=is_window),
            lambda error: self.failed.emit(str(error)),
        )

    def _finder(self) -> CellPreviewer:
        from viewer.inference.runs.cell_previewer import CellPreviewer

        if self._process is None:
            self._process = CellPreviewer()
        return self._process

    def _show(
        self, pane: SlidePane, field: Box, settings: CellSettings, objects: Objects,
        *, is_window: bool,
    ) -> None:  # fmt: skip
        from viewer.overlays.graded_cells import GradedCells

        mpp_um = pane.canvas.optics.mean_mpp_um
        if pane is not self._pane or mpp_um is None:
            return
        slide = pane.canvas.slide_box
        side = math.ceil(max(field.width, field.height))
        grid = BlockGrid(
            Size(slide.width, slide.height), 1.0, side, 0, Point(field.x0, field.y0)
        )  # fmt: skip
        found = ObjectMap(grid, mpp_um)
        found.put(BlockKey(0, 0), objects)
        self._layer.show_map(found, [color for _, color in settings.colors])
        if is_window:
            self._window.show_field(
                [
                    (field.x0, field.y0),
                    (field.x1, field.y0),
                    (field.x1, field.y1),
                    (field.x0, field.y1),
                ]
            )
        else:
            self._window.clear()
        pane.canvas.update()
        names = settings.class_names
        counts = {name: int((objects.classes == n).sum()) for n, name in enumerate(names)}
        self.found.emit(GradedCells.of(counts), is_window)
