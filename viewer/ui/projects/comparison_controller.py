"""Two sets of annotations of the slide on screen compared, and their differences drawn."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import msgspec
import shapely
from PySide6.QtCore import QObject

from viewer.annotations.bookmarks import MARKS
from viewer.annotations.document import Document
from viewer.annotations.formats.problems import Problems
from viewer.canvas.layer import LayerOrder
from viewer.errors import sentence_of
from viewer.geometry import Box
from viewer.slides.remote.address import folder_beside
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.file_dialogs import ask_file
from viewer.ui.projects.comparison_panel import ComparisonPanel
from viewer.ui.services import DialogHost, MessageHost, PaneHost
from viewer.ui.slides.slide_place import place_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.comparison import Comparison, Disagreement
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.formats.problems import Problem
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.annotations.sets.places import AnnotationsPlace
    from viewer.canvas.canvas import SlideCanvas
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.sets.slide_sets import SetEntry
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_ALL_COLOR, _ONE_COLOR = "#e5484d", "#ffd60a"
_MOST_DRAWN = 2000
"""The largest; more would hold up each frame."""
_ROUND = 2.0
"""The field is so much larger than what is traveled to."""
_NEAREST_MPP_UM = 0.25


class _Set(msgspec.Struct, frozen=True):
    """What is compared: a file, a set, or what is drawn on the slide, of one author or of all."""

    path: Path | None = None
    author: str | None = None
    place: AnnotationsPlace | None = None


class ComparisonHost(MessageHost, DialogHost, PaneHost, Protocol):
    """What a comparison of annotations asks of the window."""

    annotations: AnnotationsController


class ComparisonController(QObject):
    """Owned by the window's part; `shut_down` ends its threads."""

    def __init__(self, window: ComparisonHost) -> None:
        from viewer.canvas.outline_layer import OutlineLayer

        super().__init__(window.window())
        self._window = window
        self._background = BackgroundRunner("compare annotations", 1, self)
        self._files: list[Path] = []
        self._classes: set[str] = set()
        self._identity = ""
        self._canvas: SlideCanvas | None = None
        self._comparison: Comparison | None = None
        self._all = OutlineLayer(_ALL_COLOR, name="disagreements")
        self._one = OutlineLayer(_ONE_COLOR, width_px=3.0, fill=0.0)
        self.panel = ComparisonPanel(window.window())
        self.panel.compare_requested.connect(self.compare)
        self.panel.file_requested.connect(self._ask_file)
        self.panel.travel_requested.connect(self._travel)
        self.panel.shown_changed.connect(self._on_shown)
        window.panes.active_changed.connect(lambda _: self._refresh())
        window.annotations.opened.connect(lambda _: self._refresh())
        window.annotations.sets_changed.connect(self._refresh)
        window.panes.watch(self._watch)

    def shut_down(self) -> None:
        self._background.close()

    def add_file(self, path: Path) -> None:
        """Offer a file as the second set, and read its classes for the reference."""
        if path not in self._files:
            self._files.append(path)
        self._refresh()
        row = next(
            (r for r in range(self.panel.b.count()) if self.panel.b.itemData(r) == _Set(path)), -1
        )
        self.panel.b.setCurrentIndex(row)

    def compare(self) -> None:
        """Compare the chosen sets within the chosen reference, in a thread."""
        from viewer.annotations.comparison import compare, regions_of

        pane = self._window.panes.active
        if pane.source is None:
            return
        one, other = self.panel.a.currentData(), self.panel.b.currentData()
        if one == other:
            self.panel.say("Choose two different sets.")
            return
        within, slide_box = self.panel.reference.currentData(), pane.canvas.slide_box
        active = self._window.annotations.active
        drawn = (active.document if active is not None else Document()).snapshot()
        identity, place = pane.source.info.identity, place_of(pane)

        def work() -> tuple[Comparison, set[str], int]:
            problems = Problems()
            first, second = (_read(each, drawn, problems, place) for each in (one, other))
            classes = {each.class_name for each in (*first, *second)} - {""}
            reference = slide_box.polygon
            if within:
                reference = regions_of([*first, *second], within)
                first = [each for each in first if each.class_name != within]
                second = [each for each in second if each.class_name != within]
            return (
                compare(first, second, reference),
                classes,
                sum(each.number > 0 for each in problems),
            )

        self.panel.say("Comparing...")
        self.panel.compare.setEnabled(False)
        self._background.run(work, lambda found: self._on_compared(identity, *found), self._failed)

    # -----------------------------------------------------------------------------------------

    def _others(self) -> list[SetEntry]:
        """Return the sets of the slide but the one that is drawn on."""
        sets = self._window.annotations.active_sets
        return [each for each in sets.entries if each is not sets.current] if sets else []

    def _refresh(self) -> None:
        """Offer what can be compared on the slide in the active pane."""
        pane = self._window.panes.active
        identity = pane.identity
        if identity != self._identity:
            self._identity, self._classes = identity, set()
            self._show(None)
        active = self._window.annotations.active
        held = active.document if active is not None else Document()
        sets: list[tuple[str, object]] = []
        if identity:
            sets.append(("On this slide, all", _Set()))
            authors = sorted(held.authors - {""})
            if len(authors) > 1:
                sets += [(f"On this slide, by {name}", _Set(author=name)) for name in authors]
            sets += [(each.label, _Set(place=each.listed.place)) for each in self._others()]
            sets += [(path.name, _Set(path)) for path in self._files]
        classes = self._classes | held.class_counts.keys() - {"", *MARKS}
        self.panel.show_sets(sets, sorted(classes))

    def _on_compared(
        self, identity: str, comparison: Comparison, classes: set[str], problems: int
    ) -> None:
        self.panel.compare.setEnabled(True)
        if identity != self._identity:
            return
        self._classes = classes
        self._refresh()
        self._show(comparison)
        if problems:
            self._window.say(f"{problems:,} things of the files were repaired or left out.")

    def _failed(self, error: Exception) -> None:
        self.panel.compare.setEnabled(True)
        self.panel.say(sentence_of(error, _log, "annotations cannot be compared"))

    def _show(self, comparison: Comparison | None) -> None:
        self._comparison = comparison
        canvas = self._window.panes.active.canvas
        self.panel.show_comparison(comparison, canvas.optics.mean_mpp_um)
        self._all.clear()
        self._one.clear()
        if comparison is not None:
            self._all.show_regions(_polygons(comparison.disagreements[:_MOST_DRAWN]))
        self._draw_on(canvas if comparison is not None and self.panel.isVisible() else None)

    def _draw_on(self, canvas: SlideCanvas | None) -> None:
        for layer in (self._all, self._one):
            if self._canvas is not None:
                self._canvas.remove_layer(layer)
            if canvas is not None:
                canvas.add_layer(layer, LayerOrder.TOOLS)
        self._canvas = canvas

    def _on_shown(self, is_shown: bool) -> None:
        if not is_shown:
            self._draw_on(None)
            return
        self._refresh()
        if self.panel.model.rows:
            self._draw_on(self._window.panes.active.canvas)

    def _travel(self, disagreement: Disagreement) -> None:
        canvas = self._window.panes.active.canvas
        self._one.show_regions(_polygons([disagreement]))
        x0, y0, x1, y1 = disagreement.geometry.bounds
        box = Box(x0, y0, x1, y1)
        field = Box.around(box.center, box.width * _ROUND, box.height * _ROUND)
        nearest = _NEAREST_MPP_UM / (canvas.optics.mean_mpp_um or _NEAREST_MPP_UM)
        canvas.go_to(box.center, max(canvas.view.showing(field).downsample, nearest))
        canvas.update()

    def _ask_file(self) -> None:
        path = self._window.panes.active.path
        ask_file(
            self._window.window(),
            "Annotations to compare",
            self.add_file,
            start=folder_beside(path) if path else None,
        )

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(lambda _: self._refresh())
        pane.view_changed.connect(self._on_view_changed)

    def _on_view_changed(self, pane: SlidePane, cause: str) -> None:
        """Show the areas by a pixel size that was changed."""
        if cause == "optics" and pane is self._window.panes.active and self._comparison is not None:
            self.panel.show_comparison(self._comparison, pane.canvas.optics.mean_mpp_um)


def _read(
    wanted: _Set, drawn: DocumentState, problems: list[Problem], place: SlidePlace
) -> Sequence[Annotation]:
    """For worker threads. Raises AnnotationFileError, AnnotationStoreError."""
    from viewer.annotations.formats.exchange import read_all

    if wanted.place is not None:
        return wanted.place.kept()

    if wanted.path is not None:
        return read_all(wanted.path, problems, slide=place)
    if wanted.author is not None:
        return [each for each in drawn if each.author == wanted.author]
    return list(drawn)


def _polygons(disagreements: tuple[Disagreement, ...] | list[Disagreement]) -> shapely.MultiPolygon:
    parts = shapely.get_parts([each.geometry for each in disagreements]).tolist()
    return shapely.MultiPolygon([part for part in parts if isinstance(part, shapely.Polygon)])
