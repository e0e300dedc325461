"""A panel: one subject, shown by whatever part of the window holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.widgets import ScrollColumn

if TYPE_CHECKING:
    from PySide6.QtGui import QHideEvent, QShowEvent


class PanelHost(Protocol):
    """What holds panels: brings them to the front and puts them away."""

    def reveal(self, panel: Panel) -> None:
        """Bring `panel` into sight."""

    def put_away(self, panel: Panel) -> None:
        """Take `panel` out of sight."""


class Panel(QWidget):
    """One subject of the window, such as the sessions or the annotations of a slide.

    It stands alone or as a tab beside others. `show` and `raise_` bring it to the front and
    `hide` puts it away, wherever it stands; only one that is in sight `isVisible`.

    Parameters
    ----------
    title
        What its tab and the messages of the window call it.
    """

    visibilityChanged = Signal(bool)  # noqa: N815 - named as Qt names its own
    """The panel came into sight, or left it."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self.host: PanelHost | None = None
        self._first: QWidget | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)

    def set_body(self, body: QWidget, *, scrolls: bool = False) -> None:
        """Show `body` over the whole panel; with `scrolls` it may be higher than the panel."""
        self._column.addWidget(ScrollColumn(body, self) if scrolls else body)

    @guarded()
    def show(self) -> None:
        """Bring the panel into sight."""
        if self.host is not None:
            self.host.reveal(self)
        else:
            super().show()

    @guarded()
    def raise_(self) -> None:
        """Bring the panel into sight."""
        self.show()

    @guarded()
    def hide(self) -> None:
        """Take the panel out of sight."""
        if self.host is not None:
            self.host.put_away(self)
        else:
            super().hide()

    @guarded()
    def setFocusProxy(self, widget: QWidget) -> None:
        """Let `setFocus` put the keyboard on a widget of the panel.

        Qt's own proxy would make a tab stop of the panel, and where `widget` is hidden or disabled
        a trap: Tab then stays where it is.
        """
        self._first = widget

    @guarded()
    def setFocus(self, reason: Qt.FocusReason = Qt.FocusReason.OtherFocusReason) -> None:
        """Put the keyboard on the widget that was named for it, or the first that can take it."""
        inside = (self._first, *self.findChildren(QWidget))
        widget = next((each for each in inside if each is not None and _takes_keys(each)), None)
        if widget is not None:
            widget.setFocus(reason)

    @guarded()
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not event.spontaneous():
            self.visibilityChanged.emit(True)

    @guarded()
    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self.visibilityChanged.emit(False)


def _takes_keys(widget: QWidget) -> bool:
    is_stop = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
    return is_stop and widget.isVisible() and widget.isEnabled()
