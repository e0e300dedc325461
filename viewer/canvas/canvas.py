"""The deep-zoom canvas: shows a slide under its tools, and takes gestures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QImage
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer.canvas.accessible import CanvasAnnouncer
from viewer.canvas.gestures import Gestures
from viewer.canvas.layer import Layer, LayerOrder
from viewer.canvas.qt_guard import guarded
from viewer.canvas.scale_bar import ScaleBar
from viewer.canvas.slide_veil import SlideVeil
from viewer.canvas.streamed_widget import StreamedWidget
from viewer.canvas.tool_input import ToolInput
from viewer.geometry import Optics, Point, View

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from viewer.canvas.stored_pixels import StoredPixels
    from viewer.canvas.tile_picture import TilePicture
    from viewer.canvas.tool import Tool
    from viewer.tiles.cache import TileCache
    from viewer.tiles.plan import Motion


class SlideCanvas(StreamedWidget):
    """One view of one slide, with the parameters of `StreamedWidget`."""

    cursor_moved = Signal(object)
    """The level-0 Point under the cursor; None when the cursor left."""
    menu_requested = Signal(object)
    """A context menu is asked for at a logical position on the canvas, a Point; None by a key."""
    focus_turned = Signal(int)
    """Planes to go up (positive) or down, by Shift and the wheel; also where there is but one."""

    def __init__(
        self,
        cache: TileCache[TilePicture],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(cache, parent)
        self._gestures = Gestures(self, self._navigator)
        self._tool_input = ToolInput(self, self._gestures)
        self._stored_pixels: StoredPixels | None = None
        self._scale_bar = ScaleBar()
        self.veil = SlideVeil()
        self.add_layer(self.veil, LayerOrder.TILES)
        self.add_layer(self._scale_bar, LayerOrder.HUD)
        self.add_layer(self._overview, LayerOrder.HUD)
        self._hovered_failure = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_AcceptTouchEvents)
        self.grabGesture(Qt.GestureType.PinchGesture)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Slide")
        self.announcer = CanvasAnnouncer(self)

    def clear(self) -> None:
        """Show nothing; free and close the slide that was shown."""
        if self._stored_pixels is not None:
            self._stored_pixels.close()
            self._stored_pixels = None
        super().clear()

    @property
    def optics(self) -> Optics:
        return self._optics

    def set_optics(self, optics: Optics) -> None:
        """Take a scale that the user has set."""
        self._optics = optics
        self.view_changed.emit(self.view, "optics")
        self.update()

    # Layers and settings ---------------------------------------------------------------------

    def set_tool(self, tool: Tool | None) -> None:
        """Hand the left mouse button to a tool; None gives it back."""
        self._stack.in_hand = tool
        self._tool_input.set_tool(tool)
        self.update()

    def show_cursor(self) -> None:
        """Show the cursor of the tool in hand, if any."""
        self._tool_input.show_cursor()

    def picture_around(self, at: Point, side_px: int) -> QImage | None:
        """Return the slide alone at the screen's zoom, a square of logical pixels about a position.

        Its pixels are those of the slide, whatever the display does to them; None while they are
        being read.
        """
        from viewer.canvas.stored_pixels import StoredPixels, square_of

        if self._source is None or self._look.is_plain:
            return square_of(self._tile_layer, self._scene, at, side_px)
        if self._stored_pixels is None:
            self._stored_pixels = StoredPixels(self._source, self.scaler)
        return self._stored_pixels.square(self._scene, at, side_px)

    def set_scale_bar_visible(self, visible: bool) -> None:
        self._set_layer_visible(self._scale_bar, visible)

    def set_overview_visible(self, visible: bool) -> None:
        self._set_layer_visible(self._overview, visible)

    def set_overview_px(self, longest_px: float) -> None:
        """Make the longer side of the overview map so long, in logical pixels, within bounds."""
        self._overview.longest_px = longest_px
        self._overview.forget_map()
        self.update()

    @property
    def overview_rect(self) -> QRectF | None:
        """Return where the overview map lies, in logical pixels; None while it is hidden."""
        if self._source is None or not self.has_layer(self._overview):
            return None
        return self._overview.place(self._slide, self._size())

    def overview_point(self, screen: Point, *, nearest: bool = False) -> Point | None:
        """Return the level-0 point under a position on the overview map; None beside the map.

        With `nearest`, a position beside the map counts as the nearest one on it.
        """
        if self.overview_rect is None:
            return None
        if nearest:
            return self._overview.nearest_slide_point(screen, self._slide, self._size())
        return self._overview.slide_point(screen, self._slide, self._size())

    def set_kinetic(self, kinetic: bool) -> None:
        """Set whether a drag glides on when it is let go."""
        self._navigator.kinetic = kinetic

    def set_wheel(self, speed: float = 1.0, *, inverted: bool = False) -> None:
        """Set how far a notch of the wheel zooms (1.0: by the root of two), and which way."""
        self._gestures.wheel_speed = -speed if inverted else speed

    def set_touchpad(self, speed: float = 1.0, *, inverted: bool = False) -> None:
        """Set how far two fingers zoom (1.0: by two in 200 pixels), and which way."""
        self._gestures.touchpad_speed = -speed if inverted else speed

    # Qt's events -----------------------------------------------------------------------------

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        return QSize(960, 640)

    @guarded(QSize())
    def minimumSizeHint(self) -> QSize:
        return QSize(160, 120)

    def handle_event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._after_move()
        self._tool_input.note_pointer(event)
        if self._source is not None and self._tool_input.handle_event(event):
            self.update()
            return True
        if self._source is not None and self._gestures.take(event):
            self._after_move()
            return True
        if event.type() == QEvent.Type.Leave:
            self.cursor_moved.emit(None)
        return False

    @guarded()
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu at the mouse, or by the menu key where the pointer is."""
        if self._source is None:
            return
        event.accept()
        by_mouse = event.reason() is QContextMenuEvent.Reason.Mouse
        at = Point(event.pos().x(), event.pos().y())
        self.menu_requested.emit(at if by_mouse else None)

    @property
    def pointer(self) -> Point | None:
        """Return where the mouse is, in logical pixels; None off the canvas."""
        return self._tool_input.pointer

    @property
    def pointed_at(self) -> Point | None:
        """Return the level-0 point under the mouse, which may rest; None off the canvas."""
        pointer = self.pointer
        return None if pointer is None else self.view.to_slide(pointer)

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._source is not None:
            self._navigator.resize(self._size())
            self._after_move()

    def report_cursor(self, screen: Point) -> None:
        """Tell what lies under the cursor; gestures call it."""
        point = self.view.to_slide(screen)
        self.cursor_moved.emit(point)
        stream, ratio = self._stream, self.devicePixelRatioF()
        failure = stream.failure_at(point, self.view, ratio) if stream is not None else ""
        if failure != self._hovered_failure:
            self._hovered_failure = failure
            self.tile_failed.emit(failure)

    # -----------------------------------------------------------------------------------------

    def _motion(self, here: View, there: View) -> Motion:
        return self._gestures.motion(here, there)

    def _follow_view(self) -> None:
        self._tool_input.follow_view()

    def _set_layer_visible(self, layer: Layer, visible: bool) -> None:
        if visible and layer not in self._stack:
            self.add_layer(layer, LayerOrder.HUD)
        elif not visible:
            self.remove_layer(layer)
