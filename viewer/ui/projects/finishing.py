"""Marking a slide as done: only with every required answer, and with unseen tissue shown first."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QObject

from viewer.canvas.layer import LayerOrder
from viewer.canvas.outline_layer import OutlineLayer
from viewer.geometry import Box, Point
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.projects.seen_tissue import SeenTissue
from viewer.ui.services import DialogHost, MessageHost, PaneHost, ReaderHost
from viewer.ui.widgets import NoticeBar

if TYPE_CHECKING:
    from collections.abc import Callable

    import shapely

    from viewer.recording.coverage import CoverageMap
    from viewer.slides.source import SlideSource
    from viewer.slides.tissue import TissueMask
    from viewer.studies.project import ProjectSlide
    from viewer.ui.projects.open_project import OpenProject
    from viewer.ui.projects.questions_controller import QuestionsController
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_LEAST_SHARE = 0.005
"""Less unseen tissue than this is the ragged edge of what was seen."""
_NEARLY = 0.99
"""A view at 9.95x counts as one at 10x."""
_ANYWAY = "Press F7 again to mark the slide as done all the same."


class Unseen(msgspec.Struct, frozen=True):
    """Tissue that a reader did not look at.

    Attributes
    ----------
    share
        Of all tissue, 0 to 1.
    outline
        In level-0 pixels.
    """

    share: float
    outline: shapely.MultiPolygon


class FinishingHost(MessageHost, DialogHost, PaneHost, ReaderHost, Protocol):
    """What finishing a slide asks of the window."""


class Finishing(QObject):
    """Owned by the part of projects; `shut_down` ends its thread."""

    def __init__(
        self, window: FinishingHost, opened: OpenProject, questions: QuestionsController
    ) -> None:
        super().__init__(window.window())
        self._window = window
        self._opened = opened
        self._questions = questions
        self._readers = BackgroundRunner("unseen tissue", 1, self)
        self._seen = SeenTissue(
            window.panes, self._asks_tissue_of, lambda: window.reader.name, self
        )
        self._warned: tuple[SlidePane, SlideSource, str] | None = None
        """The pane and slide whose unseen tissue is shown, and the reader who was told."""
        self._layer = OutlineLayer("#e5484d", name="unseen tissue")
        self._pieces: list[Box] = []
        self.bar = NoticeBar(window.window())
        """Why the slide is not done."""
        self.bar.acted.connect(self._go_to_unseen)
        questions.panel.answered.connect(lambda *_: self._warned or self.bar.hide())
        window.panes.watch(self._watch)
        window.panes.active_changed.connect(lambda _: self._clear())
        window.reader.changed.connect(self._clear)
        opened.switched.connect(self._clear)

    def finish(self, slide: ProjectSlide, mark_done: Callable[[], object]) -> None:
        """Call `mark_done` once nothing keeps the slide from it; say what does otherwise."""
        self._questions.check_complete(
            slide, lambda sentence: self._on_checked(slide, sentence, mark_done)
        )

    def shut_down(self) -> None:
        self._readers.close()

    # -----------------------------------------------------------------------------------------

    def _on_checked(
        self, slide: ProjectSlide, sentence: str, mark_done: Callable[[], object]
    ) -> None:
        if sentence:
            self._clear()
            self.bar.tell(sentence, "warning")
        elif not self._opened.project.check_tissue_at:
            self._pass(mark_done)
        else:
            self._check_tissue(slide, mark_done)

    def _pass(self, mark_done: Callable[[], object]) -> None:
        self._clear()
        mark_done()

    def _check_tissue(self, slide: ProjectSlide, mark_done: Callable[[], object]) -> None:
        pane = self._pane_of(slide)
        if pane is None or pane.source is None:
            name = self._opened.name_of(slide)
            self.bar.tell(
                f"{name}: not done yet. The study shows unseen tissue first: open the slide, then "
                "mark it as done.",
                "warning",
            )
            return
        source, reader = pane.source, self._window.reader.name
        if self._warned == (pane, source, reader):
            self._pass(mark_done)
            return
        if pane.canvas.optics.mean_mpp_um is None:
            self._warned = (pane, source, reader)
            self.bar.tell(
                "Pixel size unknown: which tissue was not seen cannot be shown. Set the pixel "
                f"size, or press F7 again to mark {self._opened.name_of(slide)} as done.",
                "warning",
            )
            return
        study = self._opened.project.study
        self._window.say("Looking for unseen tissue...")
        self._readers.run(
            lambda: _tissue_and_earlier(source, reader, study),
            lambda found: self._on_tissue(pane, source, found, mark_done),
            lambda error: self._on_no_tissue(pane, source, error),
        )

    def _on_tissue(
        self,
        pane: SlidePane,
        source: SlideSource,
        found: tuple[TissueMask, CoverageMap],
        mark_done: Callable[[], object],
    ) -> None:
        if pane.source is not source or pane not in self._window.panes.panes:
            self._window.say("Not done: the slide was left before its tissue was checked.")
            return
        tissue, earlier = found
        at_least = self._opened.project.check_tissue_at
        coverage = self._seen.coverage(pane, tissue)
        coverage.take(earlier)
        share = 1.0 - coverage.share(at_least * _NEARLY) if tissue.cells.any() else 0.0
        if share < _LEAST_SHARE:
            self._pass(mark_done)
            return
        outline = coverage.unseen_outline(at_least * _NEARLY)
        self._show(pane, source, Unseen(share, outline))

    def _on_no_tissue(self, pane: SlidePane, source: SlideSource, error: Exception) -> None:
        _log.warning("the tissue of a slide is not known (%s)", error)
        if pane.source is source:
            self._warned = (pane, source, self._window.reader.name)
            sentence = f"Where the slide holds tissue is unknown ({error})."
            self.bar.tell(f"{sentence} {_ANYWAY}", "warning")

    def _show(self, pane: SlidePane, source: SlideSource, unseen: Unseen) -> None:
        self._clear()
        self._warned = (pane, source, self._window.reader.name)
        largest_first = sorted(unseen.outline.geoms, key=lambda piece: -piece.area)
        self._pieces = [Box(*piece.bounds) for piece in largest_first]
        self._layer.show_regions(unseen.outline)
        pane.canvas.add_layer(self._layer, LayerOrder.OBJECTS)
        at_least = self._opened.project.check_tissue_at
        percent = max(1, round(unseen.share * 100))
        self.bar.tell(
            f"{percent} % of the tissue was not seen at {at_least:g}x or more (outlined in red). "
            f"{_ANYWAY}",
            "warning",
            "Go there",
        )

    def _go_to_unseen(self) -> None:
        """Center on the largest piece, then the next; at the magnification that is asked for."""
        if self._warned is None or not self._pieces:
            return
        pane = self._warned[0]
        piece = self._pieces.pop(0)
        self._pieces.append(piece)
        optics = pane.canvas.optics
        center = Point((piece.x0 + piece.x1) / 2, (piece.y0 + piece.y1) / 2)
        pane.canvas.go_to(center, optics.downsample(self._opened.project.check_tissue_at))

    def _clear(self) -> None:
        """Take away what was shown of the last try."""
        if self._warned is not None:
            self._warned[0].canvas.remove_layer(self._layer)
        self._layer.clear()
        self._pieces = []
        self._warned = None
        self.bar.hide()

    def _pane_of(self, slide: ProjectSlide) -> SlidePane | None:
        panes = self._window.panes
        ordered = [panes.active, *(pane for pane in panes.panes if pane is not panes.active)]
        project = self._opened.project
        for pane in ordered:
            if pane.source is not None:
                held = project.slide(pane.source.info.identity)
                if held is not None and held.identity == slide.identity:
                    return pane
        return None

    def _asks_tissue_of(self, pane: SlidePane) -> bool:
        project = self._opened.project
        return bool(
            project.check_tissue_at
            and pane.source is not None
            and project.slide(pane.source.info.identity) is not None
        )

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_leaving.connect(self._on_leaving)

    def _on_leaving(self, pane: SlidePane) -> None:
        if pane is self._window.panes.active or (self._warned and self._warned[0] is pane):
            self._clear()


def _tissue_and_earlier(
    source: SlideSource, reader: str, study: str
) -> tuple[TissueMask, CoverageMap]:
    """Return the tissue of a slide and what the reader's recorded sessions saw; for threads."""
    from viewer.annotations.tissue_correction import corrected_tissue
    from viewer.recording.coverage import CoverageMap, coverage_of
    from viewer.recording.library import Library
    from viewer.recording.session import SessionError
    from viewer.recording.trace_loading import load_trace
    from viewer.slides.identity import same_slide

    tissue = corrected_tissue(source)
    earlier = CoverageMap(tissue)
    for summary in Library().summaries() if study else ():
        header = summary.header
        if header is None or (header.reader, header.study) != (reader, study):
            continue
        is_here = same_slide(header.slide.identity, source.info.identity)
        if header.origin != "recorded" or not is_here:
            continue
        try:
            earlier.take(coverage_of(load_trace(summary.folder), tissue))
        except SessionError as error:
            _log.warning("an earlier session cannot be read (%s)", error)
    return tissue, earlier
