"""Click to segment: the tool in hand, the model behind it, and what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import shapely
from PySide6.QtCore import QObject

from viewer.annotations.shape_editing import EmptyShapeError
from viewer.annotations.sound_geometry import repaired
from viewer.canvas.click_tool import ClickTool
from viewer.canvas.layer import LayerOrder
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.services import CommandHost, DrawingHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.prompter import Ring
    from viewer.overlays.prompt import Prompt
    from viewer.ui.slides.slide_pane import SlidePane

_UNCLEAR = "Nothing clear here. Zoom out, or draw a box round what you mean."
_HINT = "Click what you mean, or draw a box. Shift adds, Alt leaves out, Enter keeps, Esc lets go."


class ClickHost(MessageHost, PaneHost, CommandHost, DrawingHost, Protocol):
    """What outlining by a click asks of the window."""


class ClickSegmenting(QObject):
    """Owned by the part; `shut_down` ends the process that outlines."""

    def __init__(self, window: ClickHost, parent: QObject) -> None:
        from viewer.inference.runs.prompter import Prompter

        super().__init__(parent)
        self._window = window
        self._pane: SlidePane | None = None
        self._model: ModelBundle | None = None
        self._prompter = Prompter()
        self._task: Task | None = None
        self._background = BackgroundRunner("click to segment", 1, self)
        self.tool = ClickTool(self)
        self.tool.prompted.connect(self._outline)
        self.tool.kept.connect(self._keep)
        window.commands.on_toggle("overlays.click", self._switch)
        window.panes.active_changed.connect(lambda _: self._follow())

    def use_model(self, model: ModelBundle | None) -> None:
        """Outlines by this model from now on; None by color."""
        self._model = model
        click = self._window.commands["overlays.click"]
        if click.isChecked() != (model is not None):
            click.trigger()

    def forget(self, pane: SlidePane) -> None:
        """The slide of a pane changed."""
        if pane is self._pane:
            self.tool.clear()

    def shut_down(self) -> None:
        self._prompter.close()
        self._background.close(finish=True)

    def _switch(self, on: bool) -> None:
        self._take_away()
        if on:
            self._take_up(self._window.panes.active)
            self._window.say(_HINT)

    def _follow(self) -> None:
        """The tool goes with the active pane."""
        if self._pane is not None:
            self._take_away()
            self._take_up(self._window.panes.active)

    def _take_up(self, pane: SlidePane) -> None:
        self._pane = pane
        pane.canvas.set_tool(self.tool)
        pane.canvas.add_layer(self.tool, LayerOrder.TOOLS)

    def _take_away(self) -> None:
        self.tool.clear()
        if self._pane is not None:
            self._pane.canvas.set_tool(None)
            self._pane.canvas.remove_layer(self.tool)
            self._pane = None

    def _outline(self, prompt: Prompt) -> None:
        from viewer.inference.runs.prompter import SIDE_PX, is_cut_off
        from viewer.slides.region import read_region

        pane = self._pane
        if self._task is not None:
            self._task.cancel()
        if pane is None or pane.source is None:
            return
        pane.canvas.update()
        if prompt.is_empty:
            return
        source, model, prompter = pane.source, self._model, self._prompter
        side = SIDE_PX if model is None else model.description.patch_px
        field = prompt.field(side, pane.canvas.view.downsample)

        def work() -> list[Ring] | None:
            picture = read_region(source, field, side, side)
            rings = prompter.outline(picture, field, prompt, model)
            return None if is_cut_off(rings, field) else rings

        self._background.cancel_waiting()
        self._task = self._background.run(work, self._show, self._on_failed)

    def _show(self, rings: list[Ring] | None) -> None:
        """Show the outline; None stands for one that has no end in the field."""
        pane = self._pane
        if pane is None:
            return
        self.tool.rings = rings or []
        pane.canvas.update()
        mpp_um = pane.canvas.optics.mean_mpp_um
        if rings is None:
            self._window.say(_UNCLEAR)
        elif not rings:
            self._window.say("No object found here.")
        elif mpp_um is not None:
            area_um2 = sum(shapely.Polygon(ring).area for ring in rings) * mpp_um**2
            self._window.say(f"{area_um2:,.1f} µm². Enter keeps it, Shift adds, Alt leaves out.")

    def _keep(self) -> None:
        """The outline becomes an annotation of the present class, and is chosen."""
        pane, rings = self._pane, [ring for ring in self.tool.rings if len(ring) > 2]
        if pane is None or not rings:
            return
        annotations = self._window.annotations.of(pane)
        if annotations is None:
            self._window.say("The annotations of this slide are not open: nothing can be kept.")
            return
        desk = annotations.desk
        try:
            outline = repaired(shapely.MultiPolygon([shapely.Polygon(ring) for ring in rings]))
            region = desk.spared(outline)
        except (EmptyShapeError, ValueError) as error:
            self._window.say(str(error))
            return
        drawn = desk.new(region)
        if desk.add("Click to segment", drawn) is None:
            return
        self.tool.clear()
        pane.canvas.update()
        self._window.say(f"Kept as {drawn.class_name or 'a region'}; Ctrl+Z takes it back.")

    def _on_failed(self, error: Exception) -> None:
        self._window.show_error(str(error))
