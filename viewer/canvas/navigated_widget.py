"""A widget whose view of a slide is moved, zoomed and turned by calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from viewer.canvas.layered_widget import LayeredWidget
from viewer.canvas.navigator import Navigator
from viewer.geometry import Optics, Point, Size, View

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class NavigatedWidget(LayeredWidget):
    """Has a view of a slide and its history; a subclass shows the slide where that is now."""

    view_changed = Signal(object, str)
    """The new View and its cause: wheel, drag, key, overview, go-to, fit, ..."""
    rested = Signal()
    """The view moves no further by itself, after a movement or a change at once."""
    history_changed = Signal()
    """There may now be a view to go back or forward to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._optics = Optics()
        self._navigator = Navigator(time.monotonic)

    @property
    def view(self) -> View:
        return self._navigator.view

    @property
    def destination(self) -> View:
        """Return the view that the present movement ends at."""
        return self._navigator.destination

    @property
    def is_moving(self) -> bool:
        return self._navigator.is_moving

    @property
    def shows_all(self) -> bool:
        """Return whether the view is that of the whole slide, as large as it fits."""
        return self._navigator.shows_all

    @property
    def can_go_back(self) -> bool:
        return self._navigator.can_go_back

    @property
    def can_go_forward(self) -> bool:
        return self._navigator.can_go_forward

    def go_to(
        self,
        center: Point,
        downsample: float | None = None,
        *,
        animated: bool = True,
        cause: str = "go-to",
    ) -> None:
        """Centers on a level-0 point, at `downsample` (level-0 px per logical px) if given."""
        downsample = self.destination.downsample if downsample is None else downsample
        view = View(
            center, downsample, self._size(), self.destination.rotation_deg, self.view.mirrored
        )
        self._navigator.travel(view, cause, animated=animated)
        self._after_move()

    def show_view(self, view: View, *, animated: bool = False, cause: str = "go-to") -> None:
        """Take a whole view, turn and flip included; its size is ours."""
        self._navigator.travel(view.resized(self._size()), cause, animated=animated)
        self._after_move()

    def show_any_view(self, view: View) -> None:
        """Take a view at once, however far out or in, and beside the slide if so asked."""
        self._navigator.is_limited = False
        self.show_view(view)

    def follow_view(self, view: View, cause: str = "link") -> None:
        """Take the view of a linked canvas or of a replay, with no way back."""
        self._navigator.set_view(view.resized(self._size()), cause)
        self._after_move()

    def set_magnification(self, magnification: float) -> bool:
        """Zoom about the middle; return False when the slide's scale is unknown."""
        downsample = self._optics.downsample(magnification)
        if downsample is None:
            return False
        self._navigator.travel(self.destination.zoomed(downsample), "magnification")
        self._after_move()
        return True

    def zoom_by(self, factor: float) -> None:
        """Zoom in by a factor (below 1: out) about the middle."""
        self._navigator.zoom(factor, None, "key")
        self._after_move()

    def fit(self) -> None:
        """Show the whole slide."""
        self._navigator.show_all()
        self._after_move()

    def home(self) -> None:
        """Show the slide as it was opened: whole, upright, not mirrored."""
        self._navigator.home()
        self._after_move()

    def back(self) -> None:
        """Return to the view before."""
        self._navigator.back()
        self._after_move()

    def forward(self) -> None:
        """Undo `back`."""
        self._navigator.forward()
        self._after_move()

    def rotate_by(self, clockwise_deg: float) -> None:
        """Turn what is on screen about its middle."""
        self._navigator.turn(clockwise_deg)
        self._after_move()

    def flip_horizontally(self) -> None:
        """Mirror what is on screen left to right."""
        self._navigator.travel(self.destination.flipped_horizontally(), "flip")
        self._after_move()

    def flip_vertically(self) -> None:
        """Mirror what is on screen top to bottom."""
        self._navigator.travel(self.destination.flipped_vertically(), "flip")
        self._after_move()

    def reset_orientation(self) -> None:
        """Turn the slide upright and take flips back; place and zoom stay."""
        view = self.destination
        upright = View(view.center, view.downsample, view.size)
        self._navigator.travel(upright, "rotate")
        self._after_move()

    # For subclasses --------------------------------------------------------------------------

    def _after_move(self) -> None:
        """The view may have changed."""
        raise NotImplementedError

    def _size(self) -> Size:
        return Size(max(self.width(), 1), max(self.height(), 1))
