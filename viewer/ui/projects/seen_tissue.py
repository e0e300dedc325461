"""What of the tissue was looked at, while a study asks for it before a slide is done."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from viewer.recording.coverage import LEAST_SEEN_S, CoverageMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.geometry import View
    from viewer.slides.tissue import TissueMask
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.split_view import SplitView

_NOT_A_READER = ("replay", "agent")
"""Causes of a view that nobody looks for himself."""
_MOST_BYTES = 64 << 20
_MOST_VIEWS = 5000


class _SlideOfReader(NamedTuple):
    reader: str
    identity: str


class SeenTissue(QObject):
    """Notes views that rest on screen, in memory alone, whether or not a session is recorded.

    Parameters
    ----------
    is_asked
        Whether the study asks what was seen of the slide in a pane.
    reader
        Gives who reads now.
    """

    def __init__(
        self,
        panes: SplitView,
        is_asked: Callable[[SlidePane], bool],
        reader: Callable[[], str],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._is_asked = is_asked
        self._reader = reader
        self._views: OrderedDict[_SlideOfReader, list[tuple[View, float]]] = OrderedDict()
        self._maps: OrderedDict[_SlideOfReader, CoverageMap] = OrderedDict()
        self._rests: dict[SlidePane, QTimer] = {}
        self._causes: dict[SlidePane, str] = {}
        panes.watch(self._watch)

    def coverage(self, pane: SlidePane, tissue: TissueMask) -> CoverageMap:
        """Return what was seen so far of the slide in a pane."""
        self._note(pane)
        place = self._place(pane)
        coverage = self._maps.pop(place, None)
        if coverage is None or coverage.tissue.cells.shape != tissue.cells.shape:
            coverage = CoverageMap(tissue)
        coverage.tissue = tissue  # it may have been corrected meanwhile
        for view, magnification in self._views.pop(place, ()):
            coverage.add(view, magnification)
        self._maps[place] = coverage
        while len(self._maps) > 1 and sum(m.nbytes for m in self._maps.values()) > _MOST_BYTES:
            self._maps.popitem(last=False)
        return coverage

    def _place(self, pane: SlidePane) -> _SlideOfReader:
        return _SlideOfReader(self._reader(), pane.identity)

    def _watch(self, pane: SlidePane) -> None:
        rest = QTimer(pane, interval=round(LEAST_SEEN_S * 1000), singleShot=True)
        rest.timeout.connect(lambda: self._note(pane))
        self._rests[pane] = rest
        pane.view_changed.connect(self._on_view)
        pane.slide_changed.connect(lambda changed: self._on_view(changed, "open"))
        pane.destroyed.connect(lambda: (self._rests.pop(pane, None), self._causes.pop(pane, None)))

    def _on_view(self, pane: SlidePane, cause: str) -> None:
        self._causes[pane] = cause
        self._rests[pane].start()

    def _note(self, pane: SlidePane) -> None:
        """Take the view on screen as seen, unless it has not rested yet or nobody looks."""
        if pane.source is None or self._rests[pane].isActive() or not self._is_asked(pane):
            return
        view, magnification = pane.canvas.view, self._magnification(pane)
        is_looked_at = QApplication.activeWindow() is not None and pane.isVisible()
        if magnification is None or not is_looked_at:
            return
        if self._causes.get(pane) in _NOT_A_READER:
            return
        place = self._place(pane)
        if place in self._maps:
            self._maps[place].add(view, magnification)
            return
        views = self._views.setdefault(place, [])
        if len(views) < _MOST_VIEWS and (view, magnification) not in views[-1:]:
            views.append((view, magnification))

    @staticmethod
    def _magnification(pane: SlidePane) -> float | None:
        return pane.canvas.optics.magnification(pane.canvas.view.downsample)
