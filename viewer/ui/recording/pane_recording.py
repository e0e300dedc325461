"""One pane's reading of one slide, from its opening to its closing, as a session."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import asdict
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent

from viewer.canvas.qt_guard import guarded
from viewer.geometry import Point
from viewer.recording.events import (
    Click,
    DisplayChanged,
    FocusChanged,
    OverlayChanged,
    PlaceChanged,
    PlaneChanged,
    WindowChanged,
)
from viewer.recording.thinning import REST_NS
from viewer.recording.viewing import viewport
from viewer.slides.composites import first_displays

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.canvas.canvas import SlideCanvas
    from viewer.geometry import View
    from viewer.recording.events import AnyEvent
    from viewer.recording.recorder import Recorder
    from viewer.recording.session import Screen, SessionHeader
    from viewer.settings import Settings
    from viewer.slides.channels import ImagePlane
    from viewer.tiles.display import DisplaySettings
    from viewer.ui.recording.presence import Place
    from viewer.ui.slides.slide_pane import SlidePane

_INPUTS = (
    QEvent.Type.MouseMove,
    QEvent.Type.Wheel,
    QEvent.Type.KeyPress,
    QEvent.Type.TouchUpdate,
    QEvent.Type.NativeGesture,
)
_BUTTONS: dict[Qt.MouseButton, Literal["left", "right", "middle"]] = {
    Qt.MouseButton.LeftButton: "left",
    Qt.MouseButton.RightButton: "right",
    Qt.MouseButton.MiddleButton: "middle",
}


class PaneRecording(QObject):
    """Listens to a pane's canvas and hands what happens to a `Recorder`."""

    troubled = Signal(str)
    """One sentence when the log cannot be written, "" when it can again; from the writer."""
    signed = Signal(str)
    """The public key (base64) that signs the session; from the writer."""
    resumed = Signal(object)
    """Itself, at the end of a pause: what is on screen may be another thing than before."""

    def __init__(
        self,
        pane: SlidePane,
        sessions: Path,
        settings: Settings,
        place: Place = "slide",
        study: str = "",
    ) -> None:
        from viewer.recording.recorder import Recorder

        super().__init__(pane)
        self.pane = pane
        canvas = pane.canvas
        header = _header(pane, settings, study)
        self.recorder = Recorder(
            sessions / header.id,
            header,
            on_trouble=self.troubled.emit,
            on_key=self.signed.emit,
        )
        self._canvas = canvas
        self._cause = "open"
        self._layers: frozenset[str] = frozenset()
        self._plane: PlaneChanged | None = None
        self._place: Place = place
        self._has_mouse_moved = False
        self._rest = QTimer(self, interval=REST_NS // 1_000_000, singleShot=True)
        self._rest.timeout.connect(self._record_rest)
        canvas.view_changed.connect(self._on_view)
        canvas.cursor_moved.connect(self._on_cursor)
        canvas.look_changed.connect(self._on_look)
        canvas.plane_changed.connect(self._on_plane)
        canvas.layers_changed.connect(self._on_layers)
        canvas.installEventFilter(self)
        if place == "elsewhere":
            self.recorder.record(FocusChanged(gained=False))
        self._record_state()

    @property
    def identity(self) -> str:
        """Return the content key of the slide that is read."""
        return self.recorder.header.slide.identity

    def record(self, event: AnyEvent) -> None:
        """Take an event that is not the canvas's."""
        self.recorder.note_input()
        self.recorder.record(event)

    def set_place(self, place: Place) -> None:
        """The reader works in another part of the window, or not in the window at all."""
        before, self._place = self._place, place
        if (place == "elsewhere") != (before == "elsewhere"):
            self.recorder.record(FocusChanged(gained=place != "elsewhere"))
        if place != "elsewhere" and place != before:
            self.recorder.record(PlaceChanged(place))

    def pause(self) -> None:
        """Record nothing until `resume`."""
        self._settle()
        self.recorder.pause()

    def resume(self) -> None:
        """Record again, first of all what is on screen: any of it may have changed meanwhile."""
        self.recorder.resume()
        self.recorder.record(FocusChanged(gained=self._place != "elsewhere"))
        self._record_state()
        self.resumed.emit(self)

    def note_view(self) -> None:
        """Record the view as the reader's own: a replay or an agent let go of it."""
        self._cause = "other"
        self._record_rest()

    def end(self) -> Recorder:
        """Listen no more; the caller closes the recorder where it may wait for a disk."""
        self._settle()
        canvas = self._canvas
        canvas.removeEventFilter(self)
        canvas.view_changed.disconnect(self._on_view)
        canvas.cursor_moved.disconnect(self._on_cursor)
        canvas.look_changed.disconnect(self._on_look)
        canvas.plane_changed.disconnect(self._on_plane)
        canvas.layers_changed.disconnect(self._on_layers)
        self.deleteLater()
        return self.recorder

    @guarded(False)
    def eventFilter(self, _canvas: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.MouseButtonPress and isinstance(event, QMouseEvent):
            at = event.position()
            point = self._canvas.view.to_slide(Point(at.x(), at.y()))
            button = _BUTTONS.get(event.button())
            if button is not None:
                self.record(Click(round(point.x, 1), round(point.y, 1), button))
        elif kind in _INPUTS:
            self._has_mouse_moved |= kind == QEvent.Type.MouseMove
            self.recorder.note_input()
        elif kind == QEvent.Type.Resize:
            size, ratio = self._canvas.size(), self._canvas.devicePixelRatioF()
            self.recorder.record(WindowChanged(size.width(), size.height(), ratio))
        return False

    def _settle(self) -> None:
        """The last view of a movement is recorded now rather than when it has rested."""
        if self._rest.isActive():
            self._record_rest()
        self._rest.stop()

    def _record_state(self) -> None:
        """Record all that is on screen: size, look, layers, who has the keyboard, the view."""
        canvas = self._canvas
        ratio = canvas.devicePixelRatioF()
        self.recorder.record(WindowChanged(canvas.width(), canvas.height(), ratio))
        self._plane = None
        self._on_look(canvas.look)
        for name in sorted(self._layers | canvas.shown_layers):
            self.recorder.record(OverlayChanged(name, shown=name in canvas.shown_layers))
        self._layers = canvas.shown_layers
        if self._place != "elsewhere":
            self.recorder.record(PlaceChanged(self._place))
        self._record_rest()

    def _on_layers(self, shown: frozenset[str]) -> None:
        if self.recorder.is_paused:
            return
        for name in sorted(shown ^ self._layers):
            self.recorder.record(OverlayChanged(name, shown=name in shown))
        self._layers = shown

    def _on_view(self, view: View, cause: str) -> None:
        self._cause = cause
        self.recorder.record_view(viewport(view, self._canvas.optics, cause, at_rest=False))
        self._rest.start()

    def _record_rest(self) -> None:
        canvas = self._canvas
        shown = viewport(canvas.view, canvas.optics, self._cause, at_rest=True)
        self.recorder.record_view(shown)

    def _on_cursor(self, point: Point | None) -> None:
        # The slide may also move under a mouse at rest, as in a replay: no input of the reader's.
        if point is not None and self._has_mouse_moved:
            self._has_mouse_moved = False
            self.recorder.record_pointer(point.x, point.y)

    def _on_look(self, look: DisplaySettings) -> None:
        values = {
            name: value.name.lower() if isinstance(value, Enum) else value
            for name, value in asdict(look).items()
        }
        self.recorder.record(DisplayChanged(values))
        self._on_plane(self._canvas.plane)

    def _on_plane(self, plane: ImagePlane) -> None:
        """Record what is shown of a slide with channels or planes, where that is new."""
        source = self._canvas.source
        if source is None or not source.info.axes.has_pages:
            return
        axes, look = source.info.axes, self._canvas.look
        displays = look.channels or first_displays(axes)
        pairs = zip(axes.channels, displays, strict=False)
        names = [channel.name for channel, display in pairs if display.shown]
        shown = PlaneChanged(plane.z, plane.t, plane.is_projection, names)
        if shown != self._plane:
            self._plane = shown
            self.recorder.record(shown)


def _header(pane: SlidePane, settings: Settings, study: str) -> SessionHeader:
    from viewer.recording.session import Consent, header_now, slide_ref

    source, canvas = pane.source, pane.canvas
    assert source is not None
    name = pane.path.name if pane.path and settings.record_names else None
    begun = header_now(slide_ref(source, canvas.optics, name), settings.reader, _screen(canvas))
    consent = Consent(
        given_utc=settings.consent_utc, names=settings.record_names, texts=settings.record_texts
    )
    return msgspec.structs.replace(begun, study=study, consent=consent)


def _screen(canvas: SlideCanvas) -> Screen:
    from viewer.recording.session import Screen

    screen = canvas.screen().size()
    return Screen(
        screen_width_px=screen.width(),
        screen_height_px=screen.height(),
        window_width_px=canvas.width(),
        window_height_px=canvas.height(),
        device_pixel_ratio=canvas.devicePixelRatioF(),
    )
