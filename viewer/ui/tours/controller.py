"""Takes the user through a tour, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.resource_files import resource
from viewer.ui.services import CommandHost, DialogHost, PaneHost
from viewer.ui.tours.step import Step, Tour
from viewer.ui.tours.tour_bar import TourBar
from viewer.ui.tours.tours import TourHost, ai_tour, annotate_tour, record_tour

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtCore import SignalInstance

    from viewer.ui.slides.slide_pane import SlidePane

_TOURS = {"annotate": annotate_tour, "ai": ai_tour, "record": record_tour}


def sample_slide() -> Path:
    """Return the slide that comes with Coverslip."""
    return resource("slides", "CMU-1-Small-Region.svs")


class ToursHost(TourHost, DialogHost, PaneHost, CommandHost, Protocol):
    """What the tours ask of the window."""


class ToursController(QObject):
    """Owned by the window; one tour at a time."""

    def __init__(self, window: ToursHost) -> None:
        super().__init__(window.window())
        self._window = window
        self.bar = TourBar(window.frame, window.panes, lambda: window.panes.active.mode_bar)
        self.bar.skipped.connect(self._go_on)
        self.bar.ended.connect(self.end)
        self._tour: Tour | None = None
        self._number = 0
        self._is_done: Callable[[], bool] = lambda: False
        self._watched: list[SignalInstance] = []
        self._pane: SlidePane | None = None

    @property
    def step(self) -> Step | None:
        """Return the step that is under way; None outside of a tour and after its last step."""
        tour = self._tour
        is_under_way = tour is not None and self._number < len(tour.steps)
        return tour.steps[self._number] if tour is not None and is_under_way else None

    def begin(self, name: str) -> None:
        """Begin a tour on the sample slide, in the active pane."""
        self.end()
        pane, sample = self._window.panes.active, sample_slide()
        tour = _TOURS[name](self._window)
        opening = Step(
            "Opening the sample slide...",
            lambda: lambda: pane.path == sample and pane.source is not None,
            lambda: [pane.slide_changed],
        )
        self._tour = Tour(tour.title, (opening, *tour.steps), tour.end)
        self._number = 0
        self._pane = pane
        pane.failed.connect(self._on_failed)
        if pane.path != sample:
            pane.open(sample)
        self._begin_step()

    def end(self) -> None:
        """Leave the tour."""
        self._unwatch()
        if self._pane in self._window.panes.panes:
            self._pane.failed.disconnect(self._on_failed)
        self._pane = self._tour = None
        self.bar.close_tour()

    def _on_failed(self, _path: Path, _sentence: str) -> None:
        """The pane says why the slide does not open; there is nothing to do on it."""
        if self._number == 0:
            self.end()

    def _begin_step(self) -> None:
        tour, step = self._tour, self.step
        if tour is None:
            return
        if step is None:
            self._unwatch()
            self.bar.tell(tour.title, tour.end, None, is_last=True)
            return
        self._is_done = step.begin()
        self._unwatch()
        self._watched = list(step.signals())
        for signal in self._watched:
            signal.connect(self._look)
        number, count = self._number, len(tour.steps) - 1
        heading = f"{tour.title}: step {number} of {count}" if number else tour.title
        self.bar.tell(heading, step.text, step.target(), is_last=False)
        self._look()

    def _look(self, *_: object) -> None:
        if self.step is not None and self._is_done():
            self._go_on()

    def _go_on(self) -> None:
        if self._number == 0 and self._pane is not None:
            self._pane.canvas.home()  # not where the reader looked last
        self._number += 1
        self._begin_step()

    def _unwatch(self) -> None:
        for signal in self._watched:
            signal.disconnect(self._look)
        self._watched = []
