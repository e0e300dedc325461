"""What the overlays have under the cursor, told in the status bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal

from viewer.ui.overlays.card_state import shown_progress
from viewer.ui.services import DialogHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.geometry import Point
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.overlay_stacks import OverlayStacks
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.status_bar import WindowStatusBar


class CursorHost(DialogHost, PaneHost, Protocol):
    """What the values under the cursor ask of the window."""

    status: WindowStatusBar


class ValuesUnderCursor(QObject):
    """Tells values while the cursor is over a slide, else how far the runs are.

    Parameters
    ----------
    is_paused
        Whether the models wait.
    """

    pointed_at = Signal(object, object)
    """The Overlay and its ResultAt under the cursor, or None and None where there is none."""

    def __init__(
        self,
        window: CursorHost,
        stacks: OverlayStacks,
        is_paused: Callable[[], bool],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._stacks = stacks
        self._is_paused = is_paused
        self.others: list[Callable[[SlidePane, Point], str]] = []
        """Give what else is known of a level-0 point of a pane's slide."""

    def tell(self, pane: SlidePane, point: Point | None) -> None:
        """Tell what is at a level-0 point of the active pane; at None how far the runs are."""
        if pane is not self._window.panes.active:
            return
        overlays = self._stacks.all_of(pane)
        shown = [each for each in overlays if point is not None and each.is_visible]
        results = [(each, each.result_at(point)) for each in shown if point is not None]
        known = [(each, result) for each, result in results if result is not None]
        texts = [result.text for _, result in known]
        if point is not None:
            texts += filter(None, (value(pane, point) for value in self.others))
        summary = "; ".join(texts)
        self._window.status.show_overlay(summary or self._progress(overlays))
        self.pointed_at.emit(*(known[0] if known else (None, None)))

    def _progress(self, overlays: list[Overlay]) -> str:
        going = [each for each in overlays if each.progress.total > each.progress.done]
        paused = self._is_paused()
        return "; ".join(
            f"{each.origin.name} {shown_progress(each.progress, is_paused=paused)}"
            for each in going
        )
