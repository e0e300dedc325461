"""The deep-zoom canvas: shows a slide, takes gestures, and says what it shows."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent, QImage
from PySide6.QtWidgets import QSizePolicy, QWidget

from viewer.canvas.accessible import CanvasAnnouncer
from viewer.canvas.gestures import Gestures
from viewer.canvas.layer import Layer, LayerOrder, Scene
from viewer.canvas.navigated_widget import NavigatedWidget
from viewer.canvas.overview import Overview
from viewer.canvas.qt_guard import guarded
from viewer.canvas.scale_bar import ScaleBar
from viewer.canvas.slide_veil import SlideVeil
from viewer.canvas.tile_layer import TileLayer
from viewer.canvas.tile_picture import TilePicture, TilePreparer
from viewer.canvas.tile_scaling import TileScaler, tile_scaler
from viewer.canvas.tool_input import ToolInput
from viewer.geometry import Box, Optics, Point, View
from viewer.slides.channels import FIRST_PLANE, ImagePlane
from viewer.tiles.display import DisplaySettings, DisplayTransform
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import Motion, TilePlan, coarsest_tiles, level_for, plan, visible_tiles
from viewer.tiles.rendering import rendering_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QResizeEvent

    from viewer.canvas.stored_pixels import StoredPixels
    from viewer.canvas.tool import Tool
    from viewer.slides.source import RgbImage, SlideSource
    from viewer.tiles.cache import TileCache, TileKey

_FRAME_MS = 16
_STALL_CHECK_MS = 1000
_ZOOM_REST_MS = 100
_STALL_S = 3.0
_LEAVING_S = 0.03
"""How long a slide that is left is waited for: idle workers end in it."""


class SlideCanvas(NavigatedWidget):
    """One view of one slide.

    Parameters
    ----------
    cache
        The application's tiles; bounds what all canvases keep together.
    worker_count
        How many tiles are read at the same time.
    """

    cursor_moved = Signal(object)
    """The level-0 Point under the cursor; None when the cursor left."""
    tile_failed = Signal(str)
    """Why a tile cannot be read, when it fails and when the cursor rests on it; "" off it."""
    source_changed = Signal()
    """Another slide is shown, or none."""
    unreadable = Signal(str)
    """Why nothing of what is looked at can be read, when all of it failed; "" when some can be."""
    menu_requested = Signal(object)
    """A context menu is asked for at a logical position on the canvas, a Point; None by a key."""
    file_changed = Signal(str)
    """A sentence: the file is no longer the one that was opened, and no more of it is shown."""
    server_silent = Signal(str)
    """A sentence when the slide's server gives nothing any more, "" when it does again."""
    stalled = Signal(float)
    """Seconds that a read has taken so far when that is long; 0.0 when reads come again."""
    sharp_changed = Signal(bool)
    """Whether everything on screen is at its sharpest."""
    coarse_changed = Signal(bool)
    """Whether the overview is made of a sample of the slide, as long as not all of it was read."""
    look_changed = Signal(object)
    """The new Look."""
    plane_changed = Signal(object)
    """The ImagePlane that is shown now."""
    focus_turned = Signal(int)
    """Planes to go up (positive) or down, by Shift and the wheel; also where there is but one."""
    _tiles_arrived = Signal()
    scaler: TileScaler | None = tile_scaler
    """What scales tiles while the view is upright; None leaves that to Qt."""

    def __init__(
        self,
        cache: TileCache[TilePicture],
        parent: QWidget | None = None,
        *,
        worker_count: int = 2,
    ) -> None:
        super().__init__(parent)
        self._cache = cache
        self._worker_count = worker_count
        self._loader: TileLoader[TilePicture] | None = None
        self._slide = Box(0.0, 0.0, 1.0, 1.0)
        self._look = DisplaySettings()
        self._plane = FIRST_PLANE
        self._gestures = Gestures(self, self._navigator)
        self._tool_input = ToolInput(self, self._gestures)
        self._tile_layer = TileLayer(self.scaler)
        self._stored_pixels: StoredPixels | None = None
        self._scale_bar = ScaleBar()
        self._overview = Overview()
        self.veil = SlideVeil()
        self.add_layer(self._tile_layer, LayerOrder.TILES)
        self.add_layer(self.veil, LayerOrder.TILES)
        self.add_layer(self._scale_bar, LayerOrder.HUD)
        self.add_layer(self._overview, LayerOrder.HUD)
        self._is_sharp = self._is_coarse = False
        self._is_stalled = False
        self._hovered_failure = ""
        self._unreadable = ""
        self._has_reported_change = False
        self._reported_away = ""
        # Filled by the workers, emptied on the GUI thread; one queued signal for many tiles.
        self._arrivals: deque[TileKey] = deque()
        self._has_announced = False
        self._tiles_arrived.connect(self._take_arrivals, Qt.ConnectionType.QueuedConnection)
        self._frame_timer = QTimer(self, interval=_FRAME_MS, timerType=Qt.TimerType.PreciseTimer)
        self._frame_timer.timeout.connect(self._tick)
        # Tiles that arrive in a row share a frame; each frame painted is time taken from decoding.
        self._arrival_timer = QTimer(self, interval=_FRAME_MS, singleShot=True)
        self._arrival_timer.timeout.connect(self.update)
        # Runs from the last change of zoom or turn until layers paint with all finish.
        self._zoom_timer = QTimer(self, interval=_ZOOM_REST_MS, singleShot=True)
        self._zoom_timer.timeout.connect(self._finish_frame)
        self._is_zooming = False
        self._painted_zoom = (1.0, 0.0, False)
        self._stall_timer = QTimer(self, interval=_STALL_CHECK_MS)
        self._stall_timer.timeout.connect(self._check_stall)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_AcceptTouchEvents)
        self.grabGesture(Qt.GestureType.PinchGesture)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Slide")
        self.announcer = CanvasAnnouncer(self)

    # The slide -------------------------------------------------------------------------------

    @property
    def source(self) -> SlideSource | None:
        return self._source

    @property
    def slide_box(self) -> Box:
        """Return the whole slide, in level-0 pixels."""
        return self._slide

    def set_source(
        self,
        source: SlideSource,
        optics: Optics,
        *,
        view: View | None = None,
        loader: TileLoader[TilePicture] | None = None,
    ) -> None:
        """Shows a slide; the canvas closes the one it showed.

        Parameters
        ----------
        view
            Where it begins; the whole slide where none is given.
        loader
            Holds tiles of the source already, made for the look of the canvas; the canvas closes
            it.
        """
        self.clear()
        base = source.levels[0]
        self._source = source
        self._has_reported_change, self._reported_away = False, ""
        self._optics = optics
        self._plane = FIRST_PLANE
        self._slide = Box(0.0, 0.0, base.width_px, base.height_px)
        self._loader = loader or TileLoader(
            source,
            self._prepare(),
            self._cache,
            self._on_loaded,
            self._worker_count,
            rendering_of(source.info, self._look, self._plane),
        )
        self._loader.listen(self._on_loaded)
        self._tile_layer.set_loader(self._loader)
        self._overview.set_loader(self._loader)
        self._navigator.open(self._slide, self._size())
        if view is not None:
            self._navigator.travel(view.resized(self._size()), "open", animated=False)
        self._stall_timer.start()
        self._after_move()
        self.history_changed.emit()
        self.source_changed.emit()

    def clear(self) -> None:
        """Shows nothing; frees and closes the slide that was shown."""
        for timer in (self._frame_timer, self._arrival_timer, self._zoom_timer, self._stall_timer):
            timer.stop()
        self._is_zooming = False
        loader, source = self._loader, self._source
        self._loader = self._source = None
        if self._stored_pixels is not None:
            self._stored_pixels.close()
            self._stored_pixels = None
        self._tile_layer.set_loader(None)
        self._overview.set_loader(None)
        self._arrivals.clear()
        self._unreadable = ""
        close = source.close if source is not None else (lambda: None)
        if loader is not None:
            loader.close(_LEAVING_S, close)  # a slide that reads for seconds holds nobody up
        else:
            close()
        self._set_sharp(sharp=False)
        self._set_coarse(coarse=False)
        self._note_layers()
        self.update()
        self.source_changed.emit()

    @property
    def optics(self) -> Optics:
        return self._optics

    def set_optics(self, optics: Optics) -> None:
        """Takes a scale that the user has set."""
        self._optics = optics
        self.view_changed.emit(self.view, "optics")
        self.update()

    @property
    def look(self) -> DisplaySettings:
        return self._look

    def set_look(self, look: DisplaySettings) -> None:
        """Shows the pixels another way; the old look stays on screen until the new one is there."""
        if look == self._look:
            return
        self._look = look
        self._render_anew()
        self.look_changed.emit(look)

    @property
    def plane(self) -> ImagePlane:
        """Return which focal plane and time point is shown."""
        return self._plane

    def set_plane(self, plane: ImagePlane) -> None:
        """Show another focal plane or time point; one that the slide has not is the nearest."""
        if self._source is None:
            return
        axes = self._source.info.axes
        z = min(max(plane.z, 0), axes.z_count - 1)
        t = min(max(plane.t, 0), axes.t_count - 1)
        can_project = plane.is_projection and axes.z_count > 1 and not axes.is_rgb
        plane = ImagePlane(z, t, can_project)
        if plane == self._plane:
            return
        self._plane = plane
        self._render_anew()
        self.plane_changed.emit(plane)

    def reload_failed_tiles(self) -> None:
        """Tries tiles again that could not be read."""
        if self._loader is not None:
            self._loader.retry_failures()
            self._tile_layer.repaint_all()
            self._request()
            self.update()

    @property
    def is_sharp(self) -> bool:
        """Whether everything on screen, the overview map too, is at its sharpest and at rest."""
        return self._is_sharp

    @property
    def worker_count(self) -> int:
        """Return how many tiles of a slide that is opened next are read at the same time."""
        return self._worker_count

    @property
    def has_hole(self) -> bool:
        """Return whether the last paint had a place for which nothing was at hand."""
        return self._tile_layer.has_hole

    @property
    def loader(self) -> TileLoader[TilePicture] | None:
        """For counting what was decoded."""
        return self._loader

    # Layers and settings ---------------------------------------------------------------------

    def set_tool(self, tool: Tool | None) -> None:
        """Hands the left mouse button to a tool; None gives it back."""
        self._stack.in_hand = tool
        self._tool_input.set_tool(tool)
        self.update()

    def show_cursor(self) -> None:
        """The cursor of the tool in hand, if any."""
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
            self._stored_pixels = StoredPixels(self._source)
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
        """Whether a drag glides on when it is let go."""
        self._navigator.kinetic = kinetic

    def set_worker_count(self, worker_count: int) -> None:
        """How many tiles are read at the same time, for slides shown from now on."""
        self._worker_count = worker_count

    def set_wheel(self, speed: float = 1.0, *, inverted: bool = False) -> None:
        """How far a notch of the wheel zooms (1.0: by the square root of two), and which way."""
        self._gestures.wheel_speed = -speed if inverted else speed

    def set_touchpad(self, speed: float = 1.0, *, inverted: bool = False) -> None:
        """How far two fingers zoom (1.0: by two in 200 pixels), and which way."""
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

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._source is not None:
            self._navigator.resize(self._size())
            self._after_move()

    def report_cursor(self, screen: Point) -> None:
        """Tells what lies under the cursor; gestures call it."""
        point = self.view.to_slide(screen)
        self.cursor_moved.emit(point)
        failure = self._failure_at(point)
        if failure != self._hovered_failure:
            self._hovered_failure = failure
            self.tile_failed.emit(failure)

    # -----------------------------------------------------------------------------------------

    @property
    def _scene(self) -> Scene:
        ratio = self.devicePixelRatioF()
        return Scene(self.view, self._slide, self._optics, ratio, self._is_zooming)

    def _paint_soon(self) -> None:
        if not self._arrival_timer.isActive():
            self._arrival_timer.start()

    def _set_layer_visible(self, layer: Layer, visible: bool) -> None:
        if visible and layer not in self._stack:
            self.add_layer(layer, LayerOrder.HUD)
        elif not visible:
            self.remove_layer(layer)

    def _prepare(self) -> Callable[[RgbImage], tuple[TilePicture, int]]:
        assert self._source is not None
        return TilePreparer(DisplayTransform(self._look, self._source.info.icc_profile))

    def _render_anew(self) -> None:
        if self._loader is not None and self._source is not None:
            rendering = rendering_of(self._source.info, self._look, self._plane)
            self._loader.set_prepare(self._prepare(), rendering)
            self._request()
            self._update_sharp()

    def _tick(self) -> None:
        if not self._navigator.tick():
            self._frame_timer.stop()
            self.rested.emit()
            return
        self._after_move()

    def _after_move(self) -> None:
        """The view may have changed: asks for its tiles and paints it."""
        if self._source is None:
            return
        if self._navigator.is_moving:
            if not self._frame_timer.isActive():
                self._frame_timer.start()
        else:
            self._frame_timer.stop()
        self._note_zoom()
        self._request()
        self._update_sharp()
        self.update()
        self.view_changed.emit(self.view, self._navigator.cause)
        self.history_changed.emit()
        self._tool_input.follow_view()
        if not self.is_moving:
            self.rested.emit()

    def _note_zoom(self) -> None:
        """After a change of zoom that soon follows another, layers leave their finish for later."""
        zoom = (self.view.downsample, self.view.rotation_deg, self.view.mirrored)
        if zoom != self._painted_zoom:
            self._is_zooming = self._zoom_timer.isActive()
            self._painted_zoom = zoom
            self._zoom_timer.start()

    def _finish_frame(self) -> None:
        self._is_zooming = False
        self.update()
        self._update_sharp()

    def _request(self) -> None:
        assert self._loader is not None
        assert self._source is not None
        self._loader.request(*self._plans(self._source))

    def _plans(self, source: SlideSource) -> list[TilePlan]:
        """For where the view is heading, and on a pan also for what is passed on the way."""
        ratio = self.devicePixelRatioF()
        here, there = self.view, self.destination
        plans = [plan(source.levels, there, ratio, self._gestures.motion(here, there))]
        if there is not here:
            passing = plan(source.levels, here, ratio, Motion())
            if passing.level == plans[0].level:
                plans.append(passing)
        return plans

    def _on_loaded(self, key: TileKey) -> None:
        """In a worker thread."""
        self._arrivals.append(key)
        if not self._has_announced:
            self._has_announced = True
            self._tiles_arrived.emit()

    def _take_arrivals(self) -> None:
        # First this, then the emptying: a tile that comes between is announced once more.
        self._has_announced = False
        loader = self._loader
        if loader is None:
            self._arrivals.clear()
            return
        coarsest = len(loader.source.levels) - 1
        while self._arrivals:
            key = self._arrivals.popleft()
            self._tile_layer.tile_arrived(key)
            if key.level == coarsest:
                self._overview.forget_map()
            if key in loader.failures:
                self.tile_failed.emit(loader.failures[key])
        if loader.change and not self._has_reported_change:
            self._has_reported_change = True
            self.file_changed.emit(loader.change)
        if loader.away != self._reported_away:
            self._reported_away = loader.away
            self.server_silent.emit(loader.away)
        self._update_sharp()
        if self._is_sharp:
            self.update()
        elif not self._arrival_timer.isActive():
            self._arrival_timer.start()

    def _update_sharp(self) -> None:
        if self._source is None or self._loader is None:
            return
        view, levels = self.view, self._source.levels
        wanted = level_for(levels, view.downsample / self.devicePixelRatioF())
        is_settled = self._loader.is_settled
        seen = [*visible_tiles(levels, wanted, view), *coarsest_tiles(levels)]
        self._note_unreadable(seen)
        is_at_rest = not self.is_moving and not self._is_zooming
        self._set_sharp(sharp=is_at_rest and all(map(is_settled, reversed(seen))))
        self._set_coarse(coarse=self._loader.is_coarse)

    def _note_unreadable(self, seen: Sequence[TileKey]) -> None:
        """Tell when every tile of what is looked at failed, and when one can be read again."""
        assert self._loader is not None
        failures = self._loader.failures
        reason = failures.get(seen[0], "") if all(key in failures for key in seen) else ""
        if reason != self._unreadable:
            self._unreadable = reason
            self.unreadable.emit(reason)

    def _set_sharp(self, *, sharp: bool) -> None:
        if sharp != self._is_sharp:
            self._is_sharp = sharp
            self.sharp_changed.emit(sharp)

    def _set_coarse(self, *, coarse: bool) -> None:
        if coarse != self._is_coarse:
            self._is_coarse = coarse
            self.coarse_changed.emit(coarse)

    def _failure_at(self, point: Point) -> str:
        if self._loader is None or not self._loader.failures or self._source is None:
            return ""
        levels = self._source.levels
        wanted = level_for(levels, self.view.downsample / self.devicePixelRatioF())
        for key, reason in self._loader.failures.items():
            if key.level == wanted and levels[wanted].tile_box(*key[1:]).contains(point):
                return reason
        return ""

    def _check_stall(self) -> None:
        if self._loader is None:
            return
        wait_s = self._loader.longest_wait_s()
        is_stalled = wait_s >= _STALL_S
        if is_stalled or self._is_stalled:
            self.stalled.emit(wait_s if is_stalled else 0.0)
        self._is_stalled = is_stalled
