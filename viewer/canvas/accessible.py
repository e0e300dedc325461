"""What screen readers are told of a canvas: which slide, where, how large, what is selected.

Any other widget that draws itself says its role as the attribute ``accessible_role``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QAccessibleEvent
from PySide6.QtWidgets import QAccessibleWidget

from viewer.canvas.qt_guard import guarded

if TYPE_CHECKING:
    from PySide6.QtGui import QAccessibleInterface
    from PySide6.QtWidgets import QWidget

    from viewer.canvas.canvas import SlideCanvas
    from viewer.geometry import Optics, View

_REST_MS = 400
"""Moving on and on is announced once, where it comes to rest."""


class CanvasAnnouncer(QObject):
    """Announces view and selection of a canvas to screen readers; does nothing where none runs."""

    announced = Signal(str)
    """The sentence that was announced."""

    def __init__(self, canvas: SlideCanvas) -> None:
        super().__init__(canvas)
        _install()
        self._canvas = canvas
        self._selection = ""
        self._announced = ""
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._rest.timeout.connect(self._announce)
        canvas.view_changed.connect(lambda *_: self._wait())

    @property
    def sentence(self) -> str:
        """Return magnification, position and selection; "No slide" where there is none."""
        canvas = self._canvas
        if canvas.source is None:
            return "No slide"
        parts = (view_sentence(canvas.destination, canvas.optics), self._selection)
        return "; ".join(filter(None, parts))

    def show_selection(self, selection: str) -> None:
        """Say what is selected on the slide, such as "2 annotations selected"; "" for nothing."""
        self._selection = selection
        self._wait()

    def _wait(self) -> None:
        if QAccessible.isActive():
            self._rest.start()

    def _announce(self) -> None:
        sentence = self.sentence
        if sentence == self._announced:
            return
        self._announced = sentence
        for event in (QAccessible.Event.ValueChanged, QAccessible.Event.DescriptionChanged):
            QAccessible.updateAccessibility(QAccessibleEvent(self._canvas, event))
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._canvas, sentence))
        self.announced.emit(sentence)


class _CanvasInterface(QAccessibleWidget):
    """A canvas as Qt's bridges see it; the widget's accessible name says which slide it shows."""

    def __init__(self, canvas: SlideCanvas) -> None:
        super().__init__(canvas, QAccessible.Role.Canvas)
        self._announcer = canvas.announcer

    @guarded("")
    def text(self, kind: QAccessible.Text) -> str:
        if kind in (QAccessible.Text.Value, QAccessible.Text.Description):
            return self._announcer.sentence
        return super().text(kind)


def view_sentence(view: View, optics: Optics) -> str:
    """Say the magnification and the middle of a view, e.g. "20x, 3.2 mm right, 1 mm down"."""
    magnification = optics.magnification(view.downsample)
    zoom = f"1:{view.downsample:.3g}" if magnification is None else f"{magnification:.3g}x"
    at_um = optics.um(view.center)
    if at_um is None:
        place = f"{view.center.x:,.0f} pixels right, {view.center.y:,.0f} pixels down"
    else:
        place = f"{at_um.x / 1000:.2f} mm right, {at_um.y / 1000:.2f} mm down"
    turn = f", turned by {view.rotation_deg:.4g}°" if view.rotation_deg else ""
    return f"{zoom}, {place}{turn}{', mirrored' if view.mirrored else ''}"


@cache
def _install() -> None:
    """Let Qt ask for canvases here; once, for it keeps the function for good."""
    QAccessible.installFactory(_interface)


@guarded()
def _interface(_class_name: str, widget: QWidget) -> QAccessibleInterface | None:
    from viewer.canvas.canvas import SlideCanvas

    if isinstance(widget, SlideCanvas):
        return _CanvasInterface(widget) if hasattr(widget, "announcer") else None
    role = getattr(widget, "accessible_role", None)
    return QAccessibleWidget(widget, role) if isinstance(role, QAccessible.Role) else None
