"""What takes the mouse from the canvas while it is in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent, Qt

    from viewer.geometry import Point, View


class Tool(Protocol):
    """Is asked before the gestures; with Space held, or by other buttons, the slide still moves."""

    @property
    def cursor(self) -> Qt.CursorShape: ...

    def take(self, event: QEvent, view: View) -> bool:
        """Handle an event of the canvas; return True when it is not to go any further."""
        ...

    def follow(self, screen: Point, view: View) -> None:
        """Take note that the view changed under the mouse at a screen position (logical px)."""
        ...
