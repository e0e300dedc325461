"""A widget that shows the tiles of a slide as they come, and says how far that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal

from viewer.canvas.layer import LayerOrder, Scene
from viewer.canvas.navigated_widget import NavigatedWidget
from viewer.canvas.overview import Overview
from viewer.canvas.tile_layer import TileLayer
from viewer.canvas.tile_picture import TilePicture, TilePreparer
from viewer.canvas.tile_scaling import TileScaler, tile_scaler
from viewer.geometry import Box, Optics, View
from viewer.slides.channels import FIRST_PLANE, ImagePlane
from viewer.tiles.display import DisplaySettings, DisplayTransform
from viewer.tiles.rendering import rendering_of
from viewer.tiles.stream import StreamState, TileStream

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from viewer.slides.source import SlideSource
    from viewer.tiles.cache import TileCache
    from viewer.tiles.loader import TileLoader
    from viewer.tiles.plan import Motion

_FRAME_MS = 16
_JUMP_MS = 25
"""After a jump, until it is painted though it is not sharp: most are sharp before."""
_STALL_CHECK_MS = 1000
_ZOOM_REST_MS = 100
_STALL_S = 3.0


class StreamedWidget(NavigatedWidget):
    """Shows one slide, and when all of what is looked at is there; a subclass takes the gestures.

    Parameters
    ----------
    cache
        The application's tiles; bounds what all canvases keep together.
    """

    tile_failed = Signal(str)
    """Why a tile cannot be read, when it fails and when the cursor rests on it; "" off it."""
    source_changed = Signal()
    """Another slide is shown, or none."""
    unreadable = Signal(str)
    """Why nothing of what is looked at can be read, when all of it failed; "" when some can be."""
    file_changed = Signal(str)
    """A sentence: the file is no longer the one that was opened, and no more of it is shown."""
    server_silent = Signal(str)
    """A sentence when the slide's server gives nothing any more, "" when it does again."""
    file_gone = Signal(str)
    """A sentence when a file of the slide is not in its place any more, "" when it is again."""
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
    _tiles_arrived = Signal()
    scaler: TileScaler | None = tile_scaler
    """What scales tiles while the view is upright; None leaves that to Qt."""

    def __init__(
        self,
        cache: TileCache[TilePicture],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._cache = cache
        self._worker_count = 2
        self._stream: TileStream[TilePicture] | None = None
        self._state = StreamState()
        self._slide = Box(0.0, 0.0, 1.0, 1.0)
        self._look = DisplaySettings()
        self._plane = FIRST_PLANE
        self._tile_layer = TileLayer(self.scaler)
        self._overview = Overview()
        self.add_layer(self._tile_layer, LayerOrder.TILES)
        self._is_stalled = False
        # One queued signal for many tiles.
        self._tiles_arrived.connect(self._take_arrivals, Qt.ConnectionType.QueuedConnection)
        self._frame_timer = QTimer(self, interval=_FRAME_MS, timerType=Qt.TimerType.PreciseTimer)
        self._frame_timer.timeout.connect(self._tick)
        # Tiles that arrive in a row share a frame; each frame painted is time taken from decoding.
        self._arrival_timer = QTimer(self, singleShot=True)
        self._arrival_timer.timeout.connect(self._paint_arrivals)
        # Runs from the last change of zoom or turn until layers paint with all finish.
        self._zoom_timer = QTimer(self, interval=_ZOOM_REST_MS, singleShot=True)
        self._zoom_timer.timeout.connect(self._finish_frame)
        self._is_zooming = False
        self._painted_zoom = (1.0, 0.0, False)
        self._seen: Box | None = None
        """What of the slide the last view showed."""
        self._stall_timer = QTimer(self, interval=_STALL_CHECK_MS)
        self._stall_timer.timeout.connect(self._check_stall)

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
        """Show a slide; the canvas closes the one it showed.

        Parameters
        ----------
        view
            Where it begins; the whole slide where none is given.
        loader
            Holds tiles of the source already, made for the look of the canvas; the canvas closes
            it.
        """
        from viewer.tiles.loader import TileLoader

        self.clear()
        base = source.levels[0]
        self._source = source
        self._optics = optics
        self._plane = FIRST_PLANE
        self._slide = Box(0.0, 0.0, base.width_px, base.height_px)
        loader = loader or TileLoader(
            source,
            self._preparer(source),
            self._cache,
            lambda _: None,
            self._worker_count,
            rendering_of(source.info, self._look, self._plane),
        )
        self._stream = TileStream(loader, self._tiles_arrived.emit)
        self._tile_layer.set_loader(loader)
        self._overview.set_loader(loader)
        self._navigator.open(self._slide, self._size())
        if view is not None:
            self._navigator.travel(view.resized(self._size()), "open", animated=False)
        self._stall_timer.start()
        self._after_move()
        for reason in list(loader.failures.values())[-1:]:  # of a slide that was opened ahead
            self.tile_failed.emit(reason)
        self.history_changed.emit()
        self.source_changed.emit()

    def clear(self) -> None:
        """Show nothing; free and close the slide that was shown."""
        for timer in (self._frame_timer, self._arrival_timer, self._zoom_timer, self._stall_timer):
            timer.stop()
        self._is_zooming = False
        self._seen = None
        stream, source = self._stream, self._source
        self._stream = self._source = None
        self._tile_layer.set_loader(None)
        self._overview.set_loader(None)
        close = source.close if source is not None else (lambda: None)
        if stream is not None:
            stream.loader.close(0.0, close)  # its workers and its reader end without the window
        else:
            close()
        was, self._state = self._state, StreamState()
        if was.is_sharp:
            self.sharp_changed.emit(False)
        if was.is_coarse:
            self.coarse_changed.emit(False)
        self._note_layers()
        self.update()
        self.source_changed.emit()

    @property
    def look(self) -> DisplaySettings:
        return self._look

    def set_look(self, look: DisplaySettings) -> None:
        """Show the pixels another way; the old look stays on screen until the new one is there."""
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
        """Try tiles again that could not be read."""
        if self._stream is not None:
            self._stream.loader.retry_failures()
            self._tile_layer.repaint_all()
            self._request(self._stream)
            self.update()

    @property
    def is_sharp(self) -> bool:
        """Return whether all on screen, the overview map too, is at its sharpest and at rest."""
        return self._state.is_sharp

    @property
    def worker_count(self) -> int:
        """Return how many tiles of a slide that is opened next are read at the same time."""
        return self._worker_count

    def set_worker_count(self, worker_count: int) -> None:
        """Set how many tiles are read at the same time, for slides shown from now on."""
        self._worker_count = worker_count

    @property
    def has_hole(self) -> bool:
        """Return whether the last paint had a place for which nothing was at hand."""
        return self._tile_layer.has_hole

    @property
    def loader(self) -> TileLoader[TilePicture] | None:
        """Return the loader, for counting what was decoded."""
        return self._stream.loader if self._stream is not None else None

    # For subclasses --------------------------------------------------------------------------

    def _motion(self, here: View, there: View) -> Motion:
        """Return where the view is heading, for prefetching."""
        raise NotImplementedError

    def _follow_view(self) -> None:
        """The view has changed, and whoever listens has heard of it."""

    # -----------------------------------------------------------------------------------------

    @property
    def _scene(self) -> Scene:
        ratio = self.devicePixelRatioF()
        return Scene(self.view, self._slide, self._optics, ratio, self._is_zooming)

    def _paint_soon(self, within_ms: int = _FRAME_MS) -> None:
        if not self._arrival_timer.isActive():
            self._arrival_timer.start(within_ms)

    def _preparer(self, source: SlideSource) -> TilePreparer:
        return TilePreparer(DisplayTransform(self._look, source.info.icc_profile))

    def _render_anew(self) -> None:
        if self._stream is not None and self._source is not None:
            rendering = rendering_of(self._source.info, self._look, self._plane)
            self._stream.loader.set_prepare(self._preparer(self._source), rendering)
            self._request(self._stream)
            self._show_state()

    def _tick(self) -> None:
        if not self._navigator.tick():
            self._frame_timer.stop()
            self.update()
            self.rested.emit()
            return
        self._after_move()

    def _after_move(self) -> None:
        """The view may have changed: asks for its tiles and paints it."""
        if self._stream is None:
            return
        if self._navigator.is_moving:
            if not self._frame_timer.isActive():
                self._frame_timer.start()
        else:
            self._frame_timer.stop()
        self._note_zoom()
        self._request(self._stream)
        self._show_state()
        if self._has_jumped() and not (self.is_moving or self.is_sharp):
            # A coarse frame would take a fifth of the time in which the sharp one is there.
            self._paint_soon(_JUMP_MS)
        else:
            self.update()
        self.view_changed.emit(self.view, self._navigator.cause)
        self.history_changed.emit()
        self._follow_view()
        if not self.is_moving:
            self.rested.emit()

    def _has_jumped(self) -> bool:
        """Return whether nothing is in view that was before."""
        seen, self._seen = self._seen, self.view.box
        return seen is not None and not seen.intersects(self._seen)

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
        self._show_state()

    def _request(self, stream: TileStream[TilePicture]) -> None:
        here, there = self.view, self.destination
        stream.request(here, there, self.devicePixelRatioF(), self._motion(here, there))

    def _take_arrivals(self) -> None:
        stream = self._stream
        if stream is None:
            return
        was_sharp = self.is_sharp
        was_painted = not self._note_arrivals(stream) and was_sharp
        self._show_state()
        if self.is_sharp:
            if not was_painted:  # what was read ahead is beside the view
                self._arrival_timer.stop()
                self.update()
        elif not self.is_moving:  # a movement paints all of its frames anyway
            self._paint_soon()
            if self._stream is stream:
                stream.announce_all_at_once(self.view, self.devicePixelRatioF())

    def _paint_arrivals(self) -> None:
        """Paint what has come so far."""
        if self._stream is not None:
            self._note_arrivals(self._stream)
            self._show_state()
        self.update()

    def _note_arrivals(self, stream: TileStream[TilePicture]) -> bool:
        """Take note of the tiles that came; return whether the last paint lacked any."""
        was_lacking = False
        for key in stream.take_arrivals():
            was_lacking |= self._tile_layer.tile_arrived(key)
            if stream.is_of_overview(key):
                self._overview.forget_map()
                was_lacking = True
            reason = stream.failure(key)
            if reason:
                self.tile_failed.emit(reason)
        return was_lacking

    def _show_state(self) -> None:
        """Say what has changed of the tiles of the view."""
        stream = self._stream
        if stream is None:
            return
        is_at_rest = not self.is_moving and not self._is_zooming
        state = stream.state(self.view, self.devicePixelRatioF(), is_at_rest=is_at_rest)
        was, self._state = self._state, state
        if state.change and not was.change:
            self.file_changed.emit(state.change)
        for name, signal in (
            ("away", self.server_silent),
            ("gone", self.file_gone),
            ("unreadable", self.unreadable),
            ("is_sharp", self.sharp_changed),
            ("is_coarse", self.coarse_changed),
        ):
            value = getattr(state, name)
            # Whoever was told may have moved the view meanwhile, or shown another slide.
            is_still = self._stream is stream and value == getattr(self._state, name)
            if is_still and value != getattr(was, name):
                signal.emit(value)

    def _check_stall(self) -> None:
        if self._stream is None:
            return
        wait_s = self._stream.loader.longest_wait_s()
        is_stalled = wait_s >= _STALL_S
        if is_stalled or self._is_stalled:
            self.stalled.emit(wait_s if is_stalled else 0.0)
        self._is_stalled = is_stalled
