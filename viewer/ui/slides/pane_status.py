"""What the status bar tells of a pane, gathered as its canvas says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from viewer.canvas.canvas import SlideCanvas
    from viewer.geometry import Point


class PaneStatus(msgspec.Struct, frozen=True):
    """What is to be told of a pane now.

    Attributes
    ----------
    cursor
        Under the mouse, in level-0 pixels.
    tile_error
        Why the tile last seen failing cannot be read; empty when none is.
    stalled_s
        How long the drive has not answered; 0.0 when it does.
    is_coarse
        Whether the overview is made of a sample of the slide so far.
    """

    cursor: Point | None = None
    tile_error: str = ""
    stalled_s: float = 0.0
    is_sharp: bool = False
    is_coarse: bool = False


class StatusWatch(QObject):
    """Listens to a canvas, and tells when what is to be told has changed."""

    changed = Signal()

    def __init__(self, canvas: SlideCanvas, parent: QObject) -> None:
        super().__init__(parent)
        self.status = PaneStatus()
        canvas.cursor_moved.connect(lambda at: self._change(cursor=at))
        canvas.tile_failed.connect(lambda sentence: self._change(tile_error=sentence))
        canvas.stalled.connect(lambda seconds: self._change(stalled_s=seconds))
        canvas.sharp_changed.connect(lambda sharp: self._change(is_sharp=sharp))
        canvas.coarse_changed.connect(lambda coarse: self._change(is_coarse=coarse))

    def clear(self) -> None:
        """Forget what was said of the slide that leaves."""
        self._set(PaneStatus())

    def _change(self, **changes: object) -> None:
        self._set(replace(self.status, **changes))

    def _set(self, status: PaneStatus) -> None:
        if status != self.status:
            self.status = status
            self.changed.emit()
