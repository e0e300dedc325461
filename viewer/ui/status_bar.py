"""What the window tells at its lower edge: place, zoom, turn, loading, troubles, display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QSizePolicy, QStatusBar, QStyleOption, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.geometry import Optics, Point, View
from viewer.slides.composites import first_displays
from viewer.slides.remote.address import is_address
from viewer.tiles.display import DisplaySettings
from viewer.tiles.stains import Stain
from viewer.ui.one_line import OneLineLabel, write_line
from viewer.ui.slides.magnification_box import MagnificationBox
from viewer.ui.slides.pane_status import PaneStatus
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from viewer.slides.channels import Axes, ImagePlane
    from viewer.ui.slides.slide_pane import SlidePane

_SAID_MS = 8000
_MESSAGE_MARGIN_PX = 6
"""As Qt has it, so that a message stays where it is."""
_ANY_PX = (1 << 24) - 1
"""The maximum of a widget that has none (QWIDGETSIZE_MAX, which PySide leaves out)."""
_LOADING = "Loading..."
_COARSE = "Coarse overview..."
_COARSE_TIP = "The overview is made of a sample of the slide, until all of it was read."
_RECORDING = {"off": "Not recording", "on": "Recording", "paused": "Recording paused"}


class WindowStatusBar(QStatusBar):
    """Reads a pane and shows it; passing messages appear at the left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.trouble = _label("Troubles", self)
        self.trouble.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.cursor_label = _label("Position under the cursor", self)
        self.drawing = _label("What is being drawn", self)
        self.overlay = OneLineLabel(self)
        _as_label(self.overlay, "Overlay")
        self.display = _label("Display", self)
        self.rotation = _label("Rotation", self)
        self.loading = _label("Loading", self)
        self.magnification = MagnificationBox(self)
        self.recording = _label("Recording", self)
        # Kept wide, or the others would jump to and fro.
        self.loading.setMinimumWidth(self.fontMetrics().horizontalAdvance(_LOADING))
        widest = self.fontMetrics().horizontalAdvance("100000, 100000 px   25000.0, 25000.0 µm")
        self.cursor_label.setMinimumWidth(widest)
        self.addWidget(self.trouble, 1)
        self.permanent = (
            self.drawing,
            self.overlay,
            self.cursor_label,
            self.display,
            self.rotation,
            self.loading,
            self.magnification,
            self.recording,
        )
        for widget in self.permanent:
            self.addPermanentWidget(widget)
        widest = max(map(self.fontMetrics().horizontalAdvance, _RECORDING.values()))
        self.recording.setMinimumWidth(widest + 12)
        self._refused = ""
        """Why what was typed as a magnification is none."""
        self._of_drawing = ""
        self.magnification.refused.connect(self._say_refused)
        self.magnification.zoom_requested.connect(lambda _: self.take_back(self._refused))
        self.messageChanged.connect(self._on_message)
        self.show_recording("off")

    def say(self, sentence: str) -> None:
        """Show a sentence for a while."""
        self.showMessage(sentence, _SAID_MS)

    def say_of_drawing(self, sentence: str) -> None:
        """Show a sentence about what is drawn or selected: for a while, or until `outdate`."""
        self._of_drawing = sentence
        self.say(sentence)

    def outdate(self) -> None:
        """Take back what was said of what is drawn or selected, which has changed since."""
        self.take_back(self._of_drawing)

    def take_back(self, *sentences: str) -> None:
        """Show none of these sentences any more."""
        if self.currentMessage() in sentences:
            self.clearMessage()

    def _say_refused(self, sentence: str) -> None:
        self._refused = sentence
        self.say(sentence)

    @property
    def shown_message(self) -> str:
        """Return the passing message as it is painted: what does not fit ends with an ellipsis."""
        room_px = self._message_room().width()
        return self.fontMetrics().elidedText(
            self.currentMessage(), Qt.TextElideMode.ElideRight, room_px
        )

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a message with an ellipsis where Qt would cut it off."""
        shown = self.shown_message
        if shown == self.currentMessage():
            super().paintEvent(event)
            return
        # Not above: PySide makes the four hundred names of QStyle when it is first asked for.
        from PySide6.QtWidgets import QStyle

        painter, option = QPainter(self), QStyleOption()
        option.initFrom(self)
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelStatusBar, option, painter, self)
        write_line(painter, self, self._message_room(), shown)

    def _message_room(self) -> QRect:
        """Return where Qt paints messages: left of all that stays."""
        kept = [each for each in self.permanent if _shows_something(each)]
        end = min((each.x() for each in kept), default=self.width())
        return self.rect().adjusted(
            _MESSAGE_MARGIN_PX, 0, end - _MESSAGE_MARGIN_PX - self.width(), 0
        )

    def _on_message(self, sentence: str) -> None:
        """Let a message have the room of what tells of the place under the cursor, if it needs it.

        What is right of that stays where it is.
        """
        self.setToolTip(plain_tip(sentence))
        most_px, hides_position = _ANY_PX, False
        if sentence:
            text_px = self.fontMetrics().horizontalAdvance(sentence) + 4 * _MESSAGE_MARGIN_PX
            drawing_px = self.drawing.width() if self.drawing.text() else 0
            room_px = self.display.x() - text_px - drawing_px - _MESSAGE_MARGIN_PX
            position_px = self.cursor_label.width() + _MESSAGE_MARGIN_PX
            hides_position = room_px < position_px
            most_px = max(room_px - (0 if hides_position else position_px), 0)
        self.cursor_label.setVisible(not hides_position)
        self.overlay.setMaximumWidth(most_px)

    _holder = "drive"
    """What the slide lies on, in a word."""

    def show_drawing(self, text: str) -> None:
        """Show how large is what is being drawn."""
        self.drawing.setText(text)

    def show_overlay(self, text: str) -> None:
        """Show what overlays tell of the place under the cursor, or how far they are."""
        self.overlay.setText(text)
        self.overlay.setToolTip(plain_tip(text))

    def show_recording(self, state: str) -> None:
        """Say whether the reading is recorded: "off", "on" or "paused"."""
        self.recording.setText(_RECORDING[state])

    def show_pane(self, pane: SlidePane) -> None:
        """Show where the pane is and how it fares."""
        has_slide = pane.source is not None
        canvas = pane.canvas
        optics = canvas.optics if has_slide else Optics()
        self.magnification.show_zoom(canvas.view.downsample if has_slide else None, optics)
        self.rotation.setText(shown_turn(canvas.view) if has_slide else "")
        problem = pane.profile_problem if has_slide else ""
        shown = pane.source.info.display_range if pane.source is not None else None
        told = ""
        if pane.source is not None:
            axes = pane.source.info.axes
            told = shown_look(canvas.look, problem, shown, axes)
            told = ", ".join(part for part in (told, shown_plane(axes, canvas.plane)) if part)
        self.display.setText(told)
        self.display.setToolTip(problem)
        self._holder = "server" if pane.path is not None and is_address(pane.path) else "drive"
        self.show_status(pane.status if has_slide else PaneStatus(is_sharp=True), optics)

    def show_status(self, status: PaneStatus, optics: Optics) -> None:
        """Show the quickly changing part alone."""
        self.cursor_label.setText(shown_position(status.cursor, optics))
        unfinished = _COARSE if status.is_coarse else _LOADING
        self.loading.setText("" if status.is_sharp else unfinished)
        self.loading.setToolTip(_COARSE_TIP if self.loading.text() == _COARSE else "")
        if status.stalled_s > 0:
            trouble = (
                f"The {self._holder} has not answered for {status.stalled_s:.0f} s; still waiting."
            )
        else:
            trouble = status.tile_error
        self.trouble.setText(trouble)
        self.trouble.setToolTip(trouble)


def shown_position(point: Point | None, optics: Optics) -> str:
    """Return a place in pixels and, where the scale is known, in micrometers."""
    if point is None:
        return ""
    pixels = f"{point.x:.0f}, {point.y:.0f} px"
    um = optics.um(point)
    return pixels if um is None else f"{pixels}   {um.x:.1f}, {um.y:.1f} µm"


def shown_turn(view: View) -> str:
    """Return the rotation in degrees and whether the slide is mirrored.

    Empty for an upright view.
    """
    parts: list[str] = []
    if view.rotation_deg:
        parts.append(f"{view.rotation_deg:.4g}°")
    if view.mirrored:
        parts.append("mirrored")
    return " ".join(parts)


def shown_look(
    look: DisplaySettings,
    profile_problem: str = "",
    display_range: tuple[float, float] | None = None,
    axes: Axes | None = None,
) -> str:
    """Return whether pixels are the file's own, stretched, by profile, of a stain or adjusted."""
    parts = ["ICC"] if look.icc else []
    is_single = look.stain is not Stain.NONE
    if display_range is not None:
        parts.append("stretched {:,.6g} to {:,.6g}".format(*display_range))
    if profile_problem:
        parts.append("unusable ICC profile")
    first = () if axes is None else first_displays(axes)
    displays = look.channels or first
    if len(displays) > 1:
        shown = sum(each.shown for each in displays)
        parts.insert(0, f"{shown} of {len(displays)} channels")
    if is_single:
        parts.append(look.stain.value)
    plain = DisplaySettings(icc=look.icc, stain=look.stain, channels=first)
    if replace(look, channels=displays) != plain:
        parts.append("adjusted")
    elif len(displays) <= 1 and not (is_single or look.icc or display_range is not None):
        parts.insert(0, "raw")
    return f"Display: {', '.join(parts)}"


def shown_plane(axes: Axes, plane: ImagePlane) -> str:
    """Return which of several planes and time points is shown; "" where there is one."""
    parts: list[str] = []
    if axes.z_count > 1:
        place = f"plane {plane.z + 1} of {axes.z_count}"
        parts.append(f"maximum of {axes.z_count} planes" if plane.is_projection else place)
    if axes.t_count > 1:
        parts.append(f"time {plane.t + 1} of {axes.t_count}")
    return ", ".join(parts)


def _shows_something(widget: QWidget) -> bool:
    has_text = not isinstance(widget, QLabel) or bool(widget.text())
    return widget.isVisible() and widget.width() > 0 and has_text


def _label(name: str, parent: QWidget) -> QLabel:
    return _as_label(QLabel(parent), name)


def _as_label(label: QLabel, name: str) -> QLabel:
    label.setAccessibleName(name)
    label.setContentsMargins(6, 0, 6, 0)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
