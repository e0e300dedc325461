"""Reviews in one window: finds session and slide, opens and closes reviews, asks for drafts."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QObject, Signal

from viewer.errors import sentence_of
from viewer.plurals import percent
from viewer.recording.review.entries import ReviewError
from viewer.recording.session_catalog import started_text, title_of, who_read
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.recording.drafting import Drafting, DraftingHost
from viewer.ui.recording.review_panel import ReviewPanel
from viewer.ui.recording.reviewing import Reviewing
from viewer.ui.recording.session_slide import SessionSlide
from viewer.ui.services import (
    CommandHost,
    DialogHost,
    MessageHost,
    PaneHost,
    ReaderHost,
    SettingsHost,
)

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.review.agreement import Agreement
    from viewer.recording.review.entries import Draft
    from viewer.recording.review.items import ReviewItem
    from viewer.recording.review.review import Review
    from viewer.recording.session import SessionHeader
    from viewer.slides.known_slides import FoundSlide
    from viewer.ui.recording.session_panels import SessionPanels
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)
MODE = "Review"


class _Session(msgspec.Struct, frozen=True):
    """A session that is made ready for review."""

    folder: Path
    header: SessionHeader
    items: list[ReviewItem]
    reviewers: list[str]
    slide: FoundSlide | None


class ReviewHost(
    DraftingHost, MessageHost, DialogHost, PaneHost, CommandHost, SettingsHost, ReaderHost, Protocol
):
    """What the review of sessions asks of the window."""


class ReviewController(QObject):
    """Owned by the window's `RecordingPart`; one review at a time."""

    _troubled = Signal(str)

    def __init__(self, window: ReviewHost, panels: SessionPanels) -> None:
        super().__init__(window.window())
        self._window = window
        self._panels = panels
        self.panel = ReviewPanel(window.commands, window.window())
        self.reviewing = Reviewing(self.panel, window.commands, window.say, self)
        self._drafting = Drafting(window)
        self._session: _Session | None = None
        self._slide: SessionSlide[_Session] = SessionSlide(window, self._begin)
        self._disk = BackgroundRunner("reviews", 1, self)
        self._readers = BackgroundRunner("read reviews", 1, self)
        self._connect(panels)

    def start(self, folder: Path) -> None:
        """Open a session's slide where needed, and its review where it stopped."""
        places = self._panels.slide_places
        self._readers.run(lambda: _loaded(folder, places), self._on_loaded, self._on_refused)

    def close_review(self, *, keep: bool = True) -> None:
        """Let go of session and slide; what stands in the field is kept."""
        self._slide.forget()
        self._leave(keep=keep)

    def _leave(self, *, keep: bool = True) -> None:
        self._end_review(keep=keep)
        self._session = None
        pane = self.reviewing.pane
        self.reviewing.leave()
        self._panels.show_reviewed(None)
        if pane is not None:
            pane.modes.leave(MODE)
            self._panels.let_go.emit(pane)
        self.panel.show_none()

    def shut_down(self) -> None:
        """Keep what stands and end all threads."""
        self._end_review()
        self._drafting.shut_down()
        self._readers.close()
        self._disk.close(finish=True)

    # From a folder to a review on a pane -----------------------------------------------------

    def _on_loaded(self, session: _Session) -> None:
        if not session.items:
            self._window.say("This session holds no actions: there is nothing to review.")
            return
        missing = "The slide of this session is not found: open it, then review."
        self._slide.open(session, session.slide, missing)

    def _begin(self, session: _Session, pane: SlidePane) -> None:
        self.close_review()
        self._session = session
        self.panel.notice.hide()
        self.reviewing.enter(pane)
        self._panels.show_reviewed((session.folder, pane))
        header = session.header
        who = f"{who_read(header)}, {started_text(header)}"
        named = title_of(header)
        title = f"{named}\n{who}" if named else who
        own = [*self.reviewing.layers, *self._panels.seen.layers]
        pane.modes.enter(MODE, named or who, self.close_review, own)
        self.panel.show_session(title, session.items)
        self.panel.show()
        self.panel.raise_()
        window = self._window
        reviewer = window.settings.reviewer or window.reader.name
        reviewer = reviewer or f"reviewer-{os.urandom(2).hex()}"
        self._open_review(session, reviewer)

    def _choose_reviewer(self, name: str) -> None:
        session, review = self._session, self.reviewing.review
        name = name.strip()
        if session is not None and name and not (review and review.reviewer == name):
            self._end_review()
            self._open_review(session, name)

    def _open_review(self, session: _Session, reviewer: str) -> None:
        def opened() -> Review:
            from viewer.recording.review.review import Review
            from viewer.recording.review.review_log import ReviewLog, review_path

            log = ReviewLog(review_path(session.folder, reviewer), self._troubled.emit)
            return Review(session.folder.name, reviewer, session.items, log)

        self._disk.run(
            opened,
            lambda review: self._on_opened(review, session),
            self._on_refused,
            lambda review: review.close(),
        )

    def _on_opened(self, review: Review, session: _Session) -> None:
        if session is not self._session or self.reviewing.review is not None:
            self._disk.run(review.close, lambda _: None)
            return
        self._window.change_settings(reviewer=review.reviewer)
        if review.reviewer not in session.reviewers:
            session.reviewers.append(review.reviewer)
        self.panel.show_reviewers(session.reviewers, review.reviewer)
        self.panel.show_agreement([])
        self.reviewing.begin(review)
        self._take_drafts()
        if review.is_done:
            self._tell_agreement()

    def _end_review(self, *, keep: bool = True) -> None:
        review = self.reviewing.end(keep=keep)
        if review is not None:
            self._disk.run(review.close, lambda _: None)

    def _tell_agreement(self) -> None:
        """With each other reviewer; only at the end, so that nobody is led by another."""
        session, review = self._session, self.reviewing.review
        if session is None or review is None:
            return

        def agreements() -> list[Agreement]:
            from viewer.recording.review.report import report_of

            review.log.flush()
            return [
                agreement
                for agreement in report_of(session.folder).agreements
                if review.reviewer in (agreement.first, agreement.second)
            ]

        def show(found: list[Agreement]) -> None:
            if self.reviewing.review is review and review.is_done:
                self.panel.show_agreement(
                    [_agreement_line(agreement, review.reviewer) for agreement in found]
                )

        self._readers.run(agreements, show, self._on_refused)

    # Drafts ----------------------------------------------------------------------------------

    def _draft(self) -> None:
        review, session = self.reviewing.review, self._session
        if self._drafting.is_running:
            self._drafting.stop()
        elif review is not None and session is not None:
            if any(item.draft is None for item in review.items):
                self._drafting.ask(session.folder)
            else:
                self._window.say("All actions of this session have a draft.")

    def _on_drafting(self, done: int, wanted: int) -> None:
        self.panel.show_drafting(done, wanted)
        self._take_drafts()

    def _take_drafts(self) -> None:
        from viewer.recording.review.drafts import read_drafts

        session, review = self._session, self.reviewing.review
        if session is None or review is None:
            return

        def other_drafts() -> dict[int, Draft | None]:
            """Return the drafts that the review does not have as they are now."""
            drafts = read_drafts(session.folder)
            now = {n: drafts.get(item.key) for n, item in enumerate(review.items)}
            return {n: draft for n, draft in now.items() if draft != review.items[n].draft}

        def take(drafts: dict[int, Draft | None]) -> None:
            if review is self.reviewing.review:
                self.reviewing.take_drafts(drafts)

        self._readers.run(other_drafts, take, self._on_refused)

    # What others tell ------------------------------------------------------------------------

    def _on_slide_changed(self, pane: SlidePane) -> None:
        self._slide.look_at(pane)

    def _on_slide_leaving(self, pane: SlidePane) -> None:
        if pane is self.reviewing.pane:
            self._leave()

    def _on_panes_changed(self) -> None:
        pane = self.reviewing.pane
        if pane is not None and pane not in self._window.panes.panes:
            self.close_review()

    def _on_deleting(self, folders: list[Path]) -> None:
        if self._session is not None and self._session.folder in folders:
            self._drafting.stop()
            self.close_review(keep=False)

    def _on_refused(self, error: Exception) -> None:
        self._window.say(sentence_of(error, _log, "a review failed"))

    def _connect(self, panels: SessionPanels) -> None:
        window, panel = self._window, self.panel
        self.reviewing.availability_changed.connect(window.update_situation)
        self.reviewing.finished.connect(self._tell_agreement)
        self.reviewing.reopened.connect(lambda: panel.show_agreement([]))
        panel.reviewer_chosen.connect(self._choose_reviewer)
        panel.drafts_requested.connect(self._draft)
        panel.when_built(lambda: panel.notice.acted.connect(self._draft))
        panel.sessions_requested.connect(panels.sessions.show)
        panel.prompt_requested.connect(self._drafting.ask_prompt)
        self._drafting.began.connect(lambda: panel.notice.hide())
        self._drafting.failed.connect(panel.show_failed_draft)
        self._drafting.began.connect(lambda: self.reviewing.set_drafting(running=True))
        self._drafting.progressed.connect(self._on_drafting)
        self._drafting.ended.connect(lambda: self._on_drafting(0, 0))
        self._drafting.ended.connect(lambda: self.reviewing.set_drafting(running=False))
        panels.sessions.review_requested.connect(self.start)
        panels.library.deleting.connect(self._on_deleting)
        self._troubled.connect(window.show_error)
        window.panes.panes_changed.connect(self._on_panes_changed)
        window.panes.watch(self._watch)

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_leaving.connect(self._on_slide_leaving)
        pane.slide_changed.connect(self._on_slide_changed)


def _loaded(folder: Path, places: tuple[Path, ...]) -> _Session:
    from viewer.recording.export.options import ExportOptions
    from viewer.recording.export.reading import load_reading
    from viewer.recording.log_reader import is_being_recorded
    from viewer.recording.review.drafts import read_drafts
    from viewer.recording.review.items import items_of
    from viewer.recording.review.verdicts import reviews_of
    from viewer.slides.known_slides import find_by_content

    if is_being_recorded(folder):
        raise ReviewError("This session is still being recorded: stop the recording first.")
    reading = load_reading(folder, ExportOptions())
    return _Session(
        folder=folder,
        header=reading.header,
        items=items_of(reading, read_drafts(folder)),
        reviewers=[review.reviewer for review in reviews_of(folder)],
        slide=find_by_content(reading.header.slide.identity, places),
    )


def _agreement_line(agreement: Agreement, reviewer: str) -> str:
    other = agreement.second if agreement.first == reviewer else agreement.first
    kappa = "unknown" if agreement.kappa != agreement.kappa else f"{agreement.kappa:.2f}"
    text = f"With {other}: kappa {kappa} over {agreement.judged} judged by both"
    if agreement.both_accepted:
        text += f", {percent(agreement.identical_share)} of texts alike"
    return text
