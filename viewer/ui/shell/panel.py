"""A panel: one subject, shown by whatever part of the window holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded

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
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)

    def set_body(self, body: QWidget, *, scrolls: bool = False) -> None:
        """Show `body` over the whole panel; with `scrolls` it may be higher than the panel."""
        if scrolls:
            area = QScrollArea(self)
            area.setFrameShape(QFrame.Shape.NoFrame)
            area.setWidgetResizable(True)
            area.setWidget(body)
            body = area
        self._column.addWidget(body)

    def show(self) -> None:
        """Bring the panel into sight."""
        if self.host is not None:
            self.host.reveal(self)
        else:
            super().show()

    def raise_(self) -> None:
        """Bring the panel into sight."""
        self.show()

    def hide(self) -> None:
        """Take the panel out of sight."""
        if self.host is not None:
            self.host.put_away(self)
        else:
            super().hide()

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
