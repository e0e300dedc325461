"""Which drawing tool is in hand, for all panes of a window."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication

from viewer.canvas.annotating.brush_tool import LEAST_PX, MOST_PX, BrushTool, EraserTool
from viewer.canvas.annotating.count_tool import CountTool
from viewer.canvas.annotating.edit_context import DrawingOptions
from viewer.canvas.annotating.points_tool import PointsTool
from viewer.canvas.annotating.polygon_tool import PolygonTool, PolylineTool
from viewer.canvas.annotating.ruler_tool import AngleTool, RulerTool
from viewer.canvas.annotating.select_tool import SelectTool
from viewer.canvas.annotating.shape_tools import EllipseTool, LineTool, RectangleTool
from viewer.canvas.annotating.teach_tool import TeachTool
from viewer.canvas.annotating.wand_tool import WandTool
from viewer.canvas.layer import LayerOrder
from viewer.canvas.qt_guard import guarded
from viewer.ui.commands.annotating import TOOL_NAMES, tool_id
from viewer.ui.services import CommandHost, DialogHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from viewer.canvas.annotating.drawing_tool import DrawingTool
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.canvas.annotations_layer import AnnotationsLayer
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.status_bar import WindowStatusBar

MOVE, SELECT = "move", "select"
_TOOLS: dict[str, type[DrawingTool]] = {
    tool.name: tool
    for tool in (
        SelectTool,
        RectangleTool,
        EllipseTool,
        PolygonTool,
        BrushTool,
        EraserTool,
        WandTool,
        PointsTool,
        LineTool,
        PolylineTool,
        RulerTool,
        AngleTool,
        CountTool,
        TeachTool,
    )
}
_BRUSH_STEP = 1.2
_HELD_S = 0.35
"""S held longer than this is for a moment's use."""


class _Place(msgspec.Struct):
    """What a pane has for drawing."""

    desk: EditContext
    layer: AnnotationsLayer
    tool: DrawingTool | None = None


class ToolboxHost(DialogHost, PaneHost, CommandHost, SettingsHost, Protocol):
    """What the drawing tools ask of the window."""

    status: WindowStatusBar


class Toolbox(QObject):
    """Gives each pane with annotations a tool of the kind in hand; the slide moves with none."""

    tool_chosen = Signal(str)
    """The name of the tool that is in hand now, "move" for none."""
    options_changed = Signal()
    """The size of the brush, the sensitivity of the wand or how they draw is another."""
    stroke_changed = Signal()
    """Undo or redo is now for the stroke under way, or no longer."""

    def __init__(self, window: ToolboxHost) -> None:
        super().__init__(window.window())
        self._window = window
        settings = window.settings
        self.options = DrawingOptions(
            avoid_overlap=settings.avoid_overlap,
            snapping=settings.snapping,
            brush_px=settings.brush_px,
            brush_on_slide=settings.brush_on_slide,
        )
        self.name = MOVE
        self._click = window.commands["overlays.click"]
        self._places: dict[SlidePane, _Place] = {}
        self._before_select: tuple[str, float] | None = None
        self._has_just_moved_back = False
        self._can_step = (False, False)
        self._sizes = self.options.brush_px, self.options.wand_sensitivity
        self._connect()

    def take_desk(self, pane: SlidePane, desk: EditContext, layer: AnnotationsLayer) -> None:
        """The annotations of a pane's slide are there to be drawn."""
        self.release(pane)
        self._places[pane] = _Place(desk, layer)
        pane.canvas.installEventFilter(self)
        self._take_up(pane)

    def finish(self, pane: SlidePane) -> None:
        """The pane's slide leaves: what is being drawn is finished on it as well as it can be."""
        tool = self.tool_of(pane)
        if tool is not None:
            is_busy = tool.is_busy
            tool.put_down()
            if is_busy or pane is self._window.panes.active:
                self._window.status.show_drawing("")

    def release(self, pane: SlidePane) -> None:
        """A pane's annotations go; what is being drawn on them is kept."""
        place = self._places.get(pane)
        if place is not None:
            self.finish(pane)
            self._put_down(pane)
            pane.canvas.removeEventFilter(self)
            del self._places[pane]

    def tool_of(self, pane: SlidePane) -> DrawingTool | None:
        """Return what is in hand over a pane."""
        place = self._places.get(pane)
        return place.tool if place is not None else None

    def choose(self, name: str) -> None:
        """Take up a tool by name; "move" puts it down."""
        if self._click.isChecked():
            self._click.trigger()
        self._change(name)

    def set_brush_px(self, diameter_px: float) -> None:
        """Make the brush of a diameter, in pixels of the screen or of the slide."""
        if round(self.options.brush_px) != round(diameter_px):
            self.options.brush_px = diameter_px
            self._window.panes.active.canvas.update()
            self._keep_options()

    def set_wand_sensitivity(self, sensitivity: float) -> None:
        """Let the wand take colors that are so unlike."""
        self.options.wand_sensitivity = sensitivity

    def shut_down(self) -> None:
        """Keep strokes and options."""
        for pane in list(self._places):
            self.release(pane)
        self._keep_options()

    @guarded(False)
    def eventFilter(self, canvas: QObject, event: QEvent) -> bool:
        """S let go after a while gives back the tool from before.

        A press soon after the click that finished a shape is a press on the slide, and no second
        half of a double click.
        """
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyRelease:
            before = self._before_select
            if event.key() == Qt.Key.Key_S and not event.isAutoRepeat() and before is not None:
                self._before_select = None
                if time.monotonic() - before[1] > _HELD_S:
                    self.choose(before[0])
        elif event.type() == QEvent.Type.MouseButtonPress:
            self._has_just_moved_back = False
        elif event.type() == QEvent.Type.MouseButtonDblClick and self._has_just_moved_back:
            self._has_just_moved_back = False
            assert isinstance(event, QMouseEvent)
            QApplication.sendEvent(canvas, _as_press(event))
            return True
        return False

    # -----------------------------------------------------------------------------------------

    def _change(self, name: str) -> None:
        is_other = name != self.name
        self.name = name
        self._show_checked()
        if not is_other:
            return
        for pane, place in self._places.items():
            if place.tool is not None:
                place.tool.put_down()
            self._put_down(pane)
            self._take_up(pane)
        self._window.status.show_drawing("")
        self._show_hint(_TOOLS[name].hint if name in _TOOLS else "")
        self.tool_chosen.emit(name)

    def _show_hint(self, hint: str) -> None:
        """Say how the tool in hand works; of none, take back what was said of the one before."""
        status = self._window.status
        if hint:
            status.say(hint)
        else:
            status.take_back(*(each.hint for each in _TOOLS.values()))

    def _show_checked(self) -> None:
        for each in TOOL_NAMES:
            is_in_hand = each == self.name and not self._click.isChecked()
            self._window.commands[tool_id(each)].setChecked(is_in_hand)

    def _on_click_to_segment(self, is_on: bool) -> None:
        """Only one of the two has the mouse."""
        if is_on:
            self._change(MOVE)
        self._show_checked()

    def _take_up(self, pane: SlidePane) -> None:
        kind, place = _TOOLS.get(self.name), self._places[pane]
        if kind is None:
            return
        if kind is WandTool:
            tool = WandTool(place.desk, pane.canvas.picture_around, self)
        else:
            tool = kind(place.desk, self)
        place.tool = tool
        tool.changed.connect(lambda: self._show(pane))
        tool.measure_changed.connect(self._window.status.show_drawing)
        tool.finished.connect(lambda: self._on_finished(tool))
        pane.canvas.add_layer(tool, LayerOrder.TOOLS)
        pane.canvas.set_tool(tool)

    def _put_down(self, pane: SlidePane) -> None:
        place = self._places[pane]
        if place.tool is None:
            return
        pane.canvas.set_tool(None)
        pane.canvas.remove_layer(place.tool)
        place.layer.lift(())
        place.layer.hover(None)
        place.tool.deleteLater()
        place.tool = None
        self._show_steps()

    def _show(self, pane: SlidePane) -> None:
        place = self._places.get(pane)
        if place is not None and place.tool is not None:
            place.layer.lift(place.tool.lifted)
            place.layer.hover(place.tool.hovered)
            pane.canvas.update()
        self._show_steps()
        sizes = self.options.brush_px, self.options.wand_sensitivity
        if sizes != self._sizes:
            self._sizes = sizes
            self.options_changed.emit()

    def _show_steps(self) -> None:
        tool = self.tool_of(self._window.panes.active)
        can_step = (False, False)
        if tool is not None:
            can_step = tool.can_step_back, tool.can_step_forward
        if can_step != self._can_step:
            self._can_step = can_step
            self.stroke_changed.emit()

    def _on_finished(self, tool: DrawingTool) -> None:
        """Back to moving, unless it was another tool that put this one down."""
        if self._window.settings.back_to_moving and tool.name == self.name:
            self._has_just_moved_back = True
            self.choose(MOVE)

    def _select(self) -> None:
        self._before_select = (self.name, time.monotonic()) if self.name != SELECT else None
        self.choose(SELECT)

    def _resize_brush(self, factor: float) -> None:
        tool = self.tool_of(self._window.panes.active)
        if isinstance(tool, BrushTool):
            tool.resize(factor)

    def _set_option(self, name: str, *, on: bool) -> None:
        if name == "brush_on_slide" and on != self.options.brush_on_slide:
            canvas = self._window.panes.active.canvas
            downsample = canvas.view.downsample if canvas.source is not None else 1.0
            as_large_px = self.options.brush_px * (downsample if on else 1 / downsample)
            self.options.brush_px = min(max(as_large_px, LEAST_PX), MOST_PX)
        setattr(self.options, name, on)
        self._keep_options()
        self.options_changed.emit()

    def _keep_options(self) -> None:
        self._window.change_settings(
            avoid_overlap=self.options.avoid_overlap,
            snapping=self.options.snapping,
            brush_px=self.options.brush_px,
            brush_on_slide=self.options.brush_on_slide,
        )

    def _connect(self) -> None:
        commands = self._window.commands
        for name in TOOL_NAMES:
            act = self._select if name == SELECT else (lambda name=name: self.choose(name))
            commands.on(tool_id(name), act)
        commands[tool_id(SELECT)].setAutoRepeat(False)
        commands[tool_id(MOVE)].setChecked(True)
        self._click.toggled.connect(self._on_click_to_segment)
        commands.on("annotate.brush_smaller", lambda: self._resize_brush(1 / _BRUSH_STEP))
        commands.on("annotate.brush_larger", lambda: self._resize_brush(_BRUSH_STEP))
        for option in ("snapping", "avoid_overlap", "brush_on_slide"):
            commands[f"annotate.{option}"].setChecked(getattr(self.options, option))
            commands.on_toggle(
                f"annotate.{option}", lambda on, option=option: self._set_option(option, on=on)
            )


def _as_press(event: QMouseEvent) -> QMouseEvent:
    return QMouseEvent(
        QEvent.Type.MouseButtonPress,
        event.position(),
        event.globalPosition(),
        event.button(),
        event.buttons(),
        event.modifiers(),
    )
