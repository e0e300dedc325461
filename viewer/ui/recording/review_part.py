"""Reviews in one window: finds the slide, travels from action to action, keeps the verdicts."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.recording.export.options import ExportOptions
from viewer.recording.export.reading import load_reading
from viewer.recording.log_reader import is_being_recorded
from viewer.recording.review.drafts import read_drafts
from viewer.recording.review.entries import ReviewError
from viewer.recording.review.items import items_of
from viewer.recording.review.report import report_of
from viewer.recording.review.review import Review
from viewer.recording.review.review_log import ReviewLog, review_path
from viewer.recording.review.stopwatch import Stopwatch
from viewer.recording.review.verdicts import reviews_of
from viewer.recording.session import SessionError
from viewer.slides.known_slides import find
from viewer.ui.background import Background
from viewer.ui.recording.drafting import Drafting
from viewer.ui.recording.review_canvas import ReviewCanvas
from viewer.ui.recording.review_dock import VERDICT_COLOURS, ReviewDock, verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.review.agreement import Agreement
    from viewer.recording.review.entries import Draft
    from viewer.recording.review.items import ReviewItem
    from viewer.recording.session import SessionHeader
    from viewer.ui.main_window import MainWindow
    from viewer.ui.recording.session_panels import SessionPanels
    from viewer.ui.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_KEEP_TEXT_MS = 400
"""After the last key the text is kept: within a second of any of them."""


@dataclass(frozen=True, slots=True)
class _Session:
    """A session that is made ready for review."""

    folder: Path
    header: SessionHeader
    items: list[ReviewItem]
    reviewers: list[str]
    slide: Path | None


class ReviewPart(QObject):
    """Owned by the window's `RecordingPart`; one review at a time."""

    _troubled = Signal(str)

    def __init__(self, window: MainWindow, panels: SessionPanels) -> None:
        super().__init__(window)
        self._window = window
        self.dock = ReviewDock(window.commands, window)
        self.review: Review | None = None
        self.current = 0
        self._session: _Session | None = None
        self._waiting: _Session | None = None
        """Its slide is being opened."""
        self._disk = Background("reviews", 1, self)
        self._readers = Background("read reviews", 1, self)
        self._drafting = Drafting(window)
        self._canvas = ReviewCanvas()
        self._is_shown = False
        """Whether the panel is in view: behind another tab it is not, though Qt says visible."""
        self._watch = Stopwatch()
        self._keeper = QTimer(self, singleShot=True, interval=_KEEP_TEXT_MS)
        self._keeper.timeout.connect(self._keep_text)
        self._connect(panels)

    @property
    def pane(self) -> SlidePane | None:
        """That the review travels on."""
        return self._canvas.pane

    @property
    def is_active(self) -> bool:
        """Whether verdicts can be given now."""
        return self.review is not None and self._is_shown

    def start(self, folder: Path) -> None:
        """Opens a session's slide where needed, and its review where it stopped."""
        self._readers.run(lambda: _loaded(folder), self._on_loaded, self._on_refused)

    def close_review(self) -> None:
        """Keeps what stands, and lets go of session and canvas."""
        self._end_review()
        self._session = self._waiting = None
        if self.pane is not None:
            self.pane.view_changed.disconnect(self._on_view_changed)
        self._canvas.leave()
        self.dock.show_none()
        self._window.update_situation()

    def shut_down(self) -> None:
        """Keeps what stands and ends all threads."""
        self._end_review()
        self._drafting.shut_down()
        self._readers.close()
        self._disk.close(finish=True)

    # From a folder to a review on a pane -----------------------------------------------------

    def _on_loaded(self, session: _Session) -> None:
        identity = session.header.slide.identity
        pane = next((p for p in self._window.panes.panes if _identity(p) == identity), None)
        if not session.items:
            self._window.say("This session holds no actions: there is nothing to review.")
        elif pane is not None:
            self._window.panes.activate(pane)
            self._begin(session, pane)
        elif session.slide is not None:
            self._waiting = session
            self._window.panes.active.open(session.slide)
        else:
            self._window.say("The slide of this session is not found: open it, then review.")

    def _begin(self, session: _Session, pane: SlidePane) -> None:
        self.close_review()
        self._session = session
        self._canvas.enter(pane)
        pane.view_changed.connect(self._on_view_changed)
        header = session.header
        title = header.title or f"{header.reader}, {header.started_utc[:16].replace('T', ' ')}"
        self.dock.show_session(title, session.items)
        self.dock.show()
        self.dock.raise_()
        settings = self._window.settings
        reviewer = settings.reviewer or settings.reader or f"reviewer-{os.urandom(2).hex()}"
        self._open_review(reviewer)

    def _choose_reviewer(self, name: str) -> None:
        name = name.strip()
        if self._session is None or not name or (self.review and self.review.reviewer == name):
            return
        self._end_review()
        self._open_review(name)

    def _open_review(self, reviewer: str) -> None:
        session = self._session
        assert session is not None

        def opened() -> Review:
            log = ReviewLog(review_path(session.folder, reviewer), self._troubled.emit)
            return Review(session.folder.name, reviewer, session.items, log)

        self._disk.run(
            opened,
            lambda review: self._on_opened(review, session),
            self._on_refused,
            lambda review: review.close(),
        )

    def _on_opened(self, review: Review, session: _Session) -> None:
        if session is not self._session or self.review is not None:
            self._disk.run(review.close, lambda _: None)
            return
        self.review = review
        self._window.change_settings(reviewer=review.reviewer)
        self.dock.show_reviewers(session.reviewers, review.reviewer)
        self._window.update_situation()
        self._watch = Stopwatch()
        self._go_to(review.resume_index())
        self.dock.table.setFocus()
        self.dock.show_agreement([])
        if review.is_done:
            self._tell_agreement(review)

    def _end_review(self) -> None:
        review, self.review = self.review, None
        if review is None:
            return
        self._leave(review)
        self._disk.run(review.close, self._on_closed)

    def _on_closed(self, is_whole: bool) -> None:
        if not is_whole:
            self._window.say(
                "The end of the review could not be written; it waits in the temporary folder and "
                "is taken in when the review is opened again."
            )

    # What the reviewer does ------------------------------------------------------------------

    def _accept(self) -> None:
        review = self.review
        if review is None:
            return
        by = "dictated" if self.dock.dictated.isChecked() else "typed"
        text, seconds = self.dock.text.toPlainText(), self._watch.take_s()
        try:
            review.accept(self.current, text, seconds, by)
        except ReviewError as error:
            review.leave(self.current, seconds)
            self._window.say(str(error))
            return
        self._go_on(review)

    def _reject(self) -> None:
        if self.review is not None:
            self.review.reject(self.current, self._watch.take_s())
            self._go_on(self.review)

    def _skip(self) -> None:
        if self.review is not None:
            self.review.skip(self.current, self._watch.take_s())
            self._go_on(self.review)

    def _go_on(self, review: Review) -> None:
        self._keeper.stop()
        if review.is_done:
            self._window.say(f"All {len(review.items)} actions are reviewed.")
            self._tell_agreement(review)
        self.dock.text.left.emit()
        self._go_to(review.next_open(self.current))

    def _step(self, direction: int) -> None:
        if self.review is not None:
            self._choose((self.current + direction) % len(self.review.items))

    def _choose(self, index: int) -> None:
        if self.review is not None and index != self.current:
            self._leave(self.review)
            self._go_to(index)

    def _undo(self) -> None:
        self._take_back(lambda review: review.undo(), "There is no verdict to take back.")

    def _redo(self) -> None:
        self._take_back(lambda review: review.redo(), "No verdict was taken back.")

    def _take_back(self, step: Callable[[Review], int | None], nothing: str) -> None:
        if self.review is None:
            return
        self._leave(self.review)
        index = step(self.review)
        if index is None:
            self._window.say(nothing)
        else:
            self.dock.show_agreement([])
            self._go_to(index)

    def _edit(self) -> None:
        if self.review is not None:
            self.dock.text.setFocus()
            self.dock.text.selectAll()

    def _keep_text(self) -> None:
        if self.review is not None:
            self.review.type(self.current, self.dock.text.toPlainText())

    def _leave(self, review: Review) -> None:
        self._keeper.stop()
        review.type(self.current, self.dock.text.toPlainText())
        review.leave(self.current, self._watch.take_s())

    # Drafts ----------------------------------------------------------------------------------

    def _draft(self) -> None:
        review, session = self.review, self._session
        if self._drafting.is_running:
            self._drafting.stop()
        elif review is not None and session is not None:
            count = sum(item.draft is None for item in review.items)
            if count:
                self._drafting.ask(session.folder, count)
            else:
                self._window.say("All actions of this session have a draft.")

    def _on_drafting(self, done: int, wanted: int) -> None:
        self.dock.show_drafting(done, wanted)
        self._take_drafts()

    def _on_drafting_ended(self) -> None:
        self.dock.show_drafting(0, 0)
        self._take_drafts()

    def _take_drafts(self) -> None:
        """Reads the drafts anew; what stands in the field is kept where it was typed."""
        review, session = self.review, self._session
        if review is None or session is None:
            return

        def taken(drafts: dict[str, Draft]) -> None:
            if self.review is not review:
                return
            self._keep_text()
            review.set_items([replace(item, draft=drafts.get(item.key)) for item in review.items])
            self._show()

        self._readers.run(lambda: read_drafts(session.folder), taken, self._on_refused)

    # What is shown ---------------------------------------------------------------------------

    def _go_to(self, index: int) -> None:
        review = self.review
        if review is None or self.pane is None:
            return
        self.current = index
        self._watch.touch()
        self._show()
        self._canvas.travel_to(review.items[index].action)

    def _show(self) -> None:
        review = self.review
        if review is None or self.pane is None:
            return
        item = review.items[self.current]
        self.dock.show_text(review.text(self.current), _place(item), _source(item))
        self.dock.show_verdicts(review.decisions(), self.current)
        self.dock.show_figures(review.figures())
        self.dock.dictated.setVisible(item.draft is None)
        self._show_boxes()

    def _show_boxes(self) -> None:
        """Over the slide while the panel is in view."""
        if self.review is None or not self._is_shown:
            self._canvas.show([], [], -1)
            return
        colours = [VERDICT_COLOURS[verdict_of(each)] for each in self.review.decisions()]
        self._canvas.show([item.action for item in self.review.items], colours, self.current)

    def _tell_agreement(self, review: Review) -> None:
        """With each other reviewer; only at the end, so that nobody is led by another."""
        session = self._session
        if session is None:
            return

        def agreements() -> list[Agreement]:
            review.log.flush()
            return [
                agreement
                for agreement in report_of(session.folder).agreements
                if review.reviewer in (agreement.first, agreement.second)
            ]

        def told(found: list[Agreement]) -> None:
            if self.review is review and review.is_done:
                self.dock.show_agreement(
                    [_agreement_line(agreement, review.reviewer) for agreement in found]
                )

        self._readers.run(agreements, told, self._on_refused)

    # What others tell ------------------------------------------------------------------------

    def _on_text_typed(self) -> None:
        self._watch.touch()
        self._keeper.start()

    def _on_view_changed(self, _pane: SlidePane, _cause: str) -> None:
        self._watch.touch()

    def _on_shown(self, shown: bool) -> None:
        self._is_shown = shown
        if not shown:
            self._watch.hold()
            self._keep_text()
        self._show_boxes()
        self._window.update_situation()

    def _on_slide_changed(self, pane: SlidePane) -> None:
        waiting = self._waiting
        if waiting is not None and _identity(pane) == waiting.header.slide.identity:
            self._waiting = None
            self._begin(waiting, pane)
        elif pane is self.pane:
            self.close_review()

    def _on_panes_changed(self) -> None:
        if self.pane is not None and self.pane not in self._window.panes.panes:
            self.close_review()

    def _on_deleting(self, folders: list[Path]) -> None:
        if self._session is not None and self._session.folder in folders:
            review, self.review = self.review, None
            if review is not None:
                self._disk.run(review.close, lambda _: None)
            self.close_review()

    def _on_refused(self, error: Exception) -> None:
        if not isinstance(error, SessionError):
            _log.error("a review failed", exc_info=error)
        self._window.say(str(error))

    def _connect(self, panels: SessionPanels) -> None:
        window, dock, commands = self._window, self.dock, self._window.commands
        commands.on("review.accept", self._accept)
        commands.on("review.edit", self._edit)
        commands.on("review.reject", self._reject)
        commands.on("review.skip", self._skip)
        commands.on("review.previous", lambda: self._step(-1))
        commands.on("review.next", lambda: self._step(1))
        commands.on("review.undo", self._undo)
        commands.on("review.redo", self._redo)
        dock.item_chosen.connect(self._choose)
        dock.text_typed.connect(self._on_text_typed)
        dock.reviewer_chosen.connect(self._choose_reviewer)
        dock.shown.connect(self._on_shown)
        dock.drafts_requested.connect(self._draft)
        dock.prompt_requested.connect(self._drafting.ask_prompt)
        self._drafting.progressed.connect(self._on_drafting)
        self._drafting.ended.connect(self._on_drafting_ended)
        panels.sessions.review_requested.connect(self.start)
        panels.deleting.connect(self._on_deleting)
        self._troubled.connect(window.show_trouble)
        window.panes.panes_changed.connect(self._on_panes_changed)
        for pane in window.panes.panes:
            pane.slide_changed.connect(self._on_slide_changed)
        window.panes.pane_added.connect(
            lambda pane: pane.slide_changed.connect(self._on_slide_changed)
        )


def _loaded(folder: Path) -> _Session:
    if is_being_recorded(folder):
        raise ReviewError("This session is still being recorded: stop the recording first.")
    reading = load_reading(folder, ExportOptions())
    return _Session(
        folder=folder,
        header=reading.header,
        items=items_of(reading, read_drafts(folder)),
        reviewers=[review.reviewer for review in reviews_of(folder)],
        slide=find(reading.header.slide.identity),
    )


def _identity(pane: SlidePane) -> str:
    return pane.source.info.identity if pane.source is not None else ""


def _place(item: ReviewItem) -> str:
    told = f"{item.number}: {item.action.command.strip('<>')}, {item.action.dwell_s:.1f} s"
    return f"{told}. Note: {item.note}" if item.note else told


def _source(item: ReviewItem) -> str:
    return "No draft: write it yourself" if item.draft is None else f"Draft by {item.draft.model}"


def _agreement_line(agreement: Agreement, reviewer: str) -> str:
    other = agreement.second if agreement.first == reviewer else agreement.first
    kappa = "unknown" if agreement.kappa != agreement.kappa else f"{agreement.kappa:.2f}"
    told = f"With {other}: kappa {kappa} over {agreement.judged} judged by both"
    if agreement.both_accepted:
        told += f", {agreement.identical_share:.0%} of texts alike"
    return told
