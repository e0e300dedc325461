"""The panels of sessions, replay and what was seen, and the work behind them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.recording.session_catalog import started_text, title_of, who_read
from viewer.slides.remote.address import is_address, slide_path
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.recording.replay_panel import ReplayPanel
from viewer.ui.recording.seen_panel import SeenPanel
from viewer.ui.recording.session_library import SessionLibrary
from viewer.ui.recording.session_slide import SessionSlide, pixel_size_note
from viewer.ui.recording.slide_tissues import SlideTissues

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.analysis import Analysis
    from viewer.recording.session import SlideRef
    from viewer.recording.session_catalog import SessionListing
    from viewer.slides.known_slides import FoundSlide
    from viewer.ui.recording.control import RecordingControl
    from viewer.ui.recording.session_library import LibraryHost
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_LIVE_MS = 2000
"""How often what was seen is computed anew while a reading is recorded and the panel is open."""
_MOST_COMPARED = 100
"""Sessions of the slide that are offered for comparison, the newest."""


class SessionPanels(QObject):
    """Owned by the window's `RecordingController`; analyzes run in threads of its own."""

    let_go = Signal(object)
    """The SlidePane whose view a replay lets go of."""
    replay_began = Signal()

    def __init__(self, window: LibraryHost, control: RecordingControl) -> None:
        from viewer.ui.recording.replayer import Replayer

        super().__init__(window.window())
        self._window = window
        self._control = control
        self._readers = BackgroundRunner("read sessions", 2, self)
        self._replayer = Replayer(self)
        self._replayer.let_go.connect(self.let_go)
        self.replay = ReplayPanel(self._replayer, window.window())
        self.seen = SeenPanel(window.window())
        self._replayer.exit_requested.connect(self._close_replay)
        self._replayer.layers_beside = lambda: self.seen.layers
        self._tissues = SlideTissues(self._readers, self)
        self.library = SessionLibrary(
            window, self._readers, self._tissues, lambda: self._shows_sessions, self
        )
        self.sessions = self.library.panel
        self._slide: SessionSlide[Analysis] = SessionSlide(
            window, self._load, self._tie_where_it_fits
        )
        self._starting: Task | None = None
        """The session that is being read to be played."""
        self._replayed: Path | None = None
        self._reviewed: tuple[Path, SlidePane] | None = None
        self._other: Path | None = None
        self._is_analyzing = False
        self._is_stale = False
        self._live = QTimer(self, interval=_LIVE_MS)
        self._live.timeout.connect(self.refresh_seen)
        self._connect()

    def shut_down(self) -> None:
        """End replay and threads."""
        self._live.stop()
        self.replay.unload()
        self.library.shut_down()
        self._readers.close()

    def refresh(self) -> None:
        """List the sessions anew, if they are shown."""
        self.library.refresh()

    def _on_deleting(self, folders: list[Path]) -> None:
        if self._replayed in folders:
            self._stop_replay()

    # Replay ----------------------------------------------------------------------------------

    def replay_last(self) -> None:
        """Play the last session of the slide on screen; where there is none, show the sessions."""
        self.library.list_now(self._replay_last_of)

    def _replay_last_of(self, listing: SessionListing) -> None:
        ended = [each.folder for each in listing.of_slide if not each.summary.is_open]
        if ended:
            self.start_replay(ended[0])
        else:
            self.sessions.show()
            self._window.say("No session of this slide to replay: record one, or select another.")

    def start_replay(self, folder: Path) -> None:
        """Open a session's slide where needed, and play it, unless something else is asked for."""
        self._give_up_starting()
        places, pane = self.slide_places, self._window.panes.active
        asked_for = pane.asked_path

        def found(session: tuple[Analysis, FoundSlide | None]) -> None:
            if pane.asked_path == asked_for:
                self._on_found(*session)

        self._starting = self._readers.run(
            lambda: _found(folder, places), found, self.library.on_refused
        )

    def _give_up_starting(self) -> None:
        """Play nothing that was asked for before; a slide that is looked for opens no more."""
        self._slide.forget()
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None

    def _on_found(self, analysis: Analysis, found: FoundSlide | None) -> None:
        if not len(analysis.trace):
            self._window.say("This session holds no views: there is nothing to replay.")
            return
        self._slide.open(
            analysis,
            found,
            "The slide of this session is not found, in none of the folders of your recent "
            "slides: open it, and the replay begins.",
            waits=True,
        )

    def _tie_where_it_fits(self, analysis: Analysis, pane: SlidePane) -> bool:
        """Take the slide on screen for that of a session of another viewer, and play it."""
        from viewer.recording.analysis import analyze
        from viewer.recording.slide_ties import tie

        if not _may_show(pane, analysis):
            return False
        folder, slide = analysis.folder, _slide_of(pane)

        def tied() -> Analysis:
            tie(folder, slide)
            return analyze(folder)

        def load(analysis: Analysis) -> None:
            if pane.identity == analysis.header.slide.identity:
                self._load(analysis, pane)
                self._window.say(
                    "This session is of another viewer, of a slide of this size: from now on it is "
                    "a session of this slide."
                )

        self._readers.run(tied, load, self.library.on_refused)
        return True

    def _load(self, analysis: Analysis, pane: SlidePane) -> None:
        self._slide.forget()
        self.library.end_preview()
        self._replayed = analysis.folder
        header = analysis.header
        who = f"{who_read(header)}, {started_text(header)}"
        self.replay.load(analysis, pane, title_of(header) or who)
        self.replay.show()
        self.replay.start()
        self.replay_began.emit()
        self._offer_others()
        self.refresh_seen()

    def _stop_replay(self) -> None:
        """Take away all that belongs to the replay, what was seen of it too."""
        self._replayed = None
        self.replay.unload()
        self.replay.hide()
        self._clear_seen()
        self.refresh_seen()

    def end_replay(self) -> None:
        """End the replay, if one is on: something else is to move the slide."""
        if self._replayed is not None:
            self._close_replay()

    def _end_hidden_replay(self) -> None:
        """A replay without its panel could not be stopped any more."""
        if self.replay.isHidden() and self._replayed is not None:
            self._close_replay()

    def _close_replay(self) -> None:
        """End the replay because the user is done with it; its layers go too."""
        self._give_up_starting()
        self.seen.turn_off()
        self._stop_replay()
        self.library.begin_preview()

    def _on_slide_leaving(self, pane: SlidePane) -> None:
        if self._replayer.pane is pane:
            self._stop_replay()
        if self.seen.canvas is pane.canvas:
            self._clear_seen()
        if self.library.preview.pane is pane:
            self.library.end_preview()

    def _on_slide_changed(self, pane: SlidePane) -> None:
        self._slide.look_at(pane)
        self.refresh()
        self.refresh_seen()

    def _on_panes_changed(self) -> None:
        preview = self.library.preview.pane
        if preview is not None and preview not in self._window.panes.panes:
            self.library.end_preview()
        if self._replayer.pane is not None and self._replayer.pane not in self._window.panes.panes:
            self._stop_replay()

    # What was seen ---------------------------------------------------------------------------

    def show_reviewed(self, session: tuple[Path, SlidePane] | None) -> None:
        """What was seen is of the session under review, on its pane; None as before."""
        if session is not None:
            self.library.end_preview()
            self.seen.hide_scanpath()  # a review numbers the actions itself
            if self._replayed not in (None, session[0]):
                self._stop_replay()
        if session != self._reviewed:
            self._reviewed = session
            self._clear_seen()
            self.refresh_seen()

    def _clear_seen(self) -> None:
        self._live.stop()
        self.seen.show_analysis(None, None, "")

    def _seen_session(self) -> tuple[Path | None, SlidePane, bool]:
        """Return whose reading is shown, on which pane, and whether it is still being recorded.

        It is the replay's, else the review's, else the one under way, else the session that is
        selected or, of those of the slide, the last.
        """
        if self._replayed is not None and self._replayer.pane is not None:
            return self._replayed, self._replayer.pane, False
        if self._reviewed is not None:
            return *self._reviewed, False
        pane = self._window.panes.active
        recording = self._control.recording_of(pane)
        if recording is not None:
            return recording.recorder.folder, pane, True
        return self.library.shown_here, pane, False

    def refresh_seen(self) -> None:
        """Compute what was seen anew, if the panel is open."""
        from viewer.recording.analysis import analyze

        if self.seen.isHidden():
            self._clear_seen()
        if not self.seen.isVisible():
            self._live.stop()
            return
        folder, pane, is_live = self._seen_session()
        recording = self._control.recording_of(pane)
        if folder is None or pane.source is None:
            self._clear_seen()
            return
        if is_live and not self._live.isActive():
            self._live.start()
        elif not is_live:
            self._live.stop()
        self._is_stale = self._is_analyzing
        if self._is_analyzing:
            return
        self._is_analyzing = True
        if self.seen.folder is None:
            self.seen.show_analysis(None, None, "Reading the session...")
        self._tissues.ensure(pane)
        tissue, other = self._tissues.mask(pane.identity), self._other
        until_s = recording.recorder.elapsed_s if recording and is_live else 0.0
        self._readers.run(
            lambda: analyze(folder, tissue, other, until_s),
            lambda analysis: self._on_analyzed(analysis, pane, is_live=is_live),
            self._on_not_analyzed,
        )

    def _on_analyzed(self, analysis: Analysis, pane: SlidePane, *, is_live: bool) -> None:
        from viewer.slides.identity import same_slide

        self._is_analyzing = False
        is_same_slide = same_slide(pane.identity, analysis.header.slide.identity)
        if self.seen.isHidden():
            return
        if self._seen_session()[0] == analysis.folder and is_same_slide:
            header = analysis.header
            who = f"{who_read(header)}, {started_text(header)}"
            title = "This reading, up to now" if is_live else who
            title = title_of(header) or title
            if note := pixel_size_note(header.slide.mpp_um, pane.canvas.optics.mpp_um):
                title = f"{title}\n{note}"
            self.seen.show_analysis(analysis, pane.canvas, title)
        else:
            self._is_stale = True
        if self._is_stale:
            self.refresh_seen()

    def _on_not_analyzed(self, error: Exception) -> None:
        from viewer.recording.session import SessionError

        self._is_analyzing = self._is_stale = False
        if self.seen.folder is None:
            self.seen.show_analysis(None, None, "")
        if not isinstance(error, SessionError):
            _log.error("a session could not be analyzed", exc_info=error)
        elif self._replayed is not None:
            self._window.say(str(error))

    def _on_compare(self, other: Path | None) -> None:
        self._other = other
        self.refresh_seen()

    def _on_listed(self) -> None:
        self._offer_others()
        if self.seen.isVisible() and self._seen_session()[0] != self.seen.folder:
            self.refresh_seen()

    def _offer_others(self) -> None:
        own = self._seen_session()[0]
        of_slide = self.library.listing.of_slide[:_MOST_COMPARED]
        self.seen.show_sessions([each for each in of_slide if each.folder != own])

    # -----------------------------------------------------------------------------------------

    def _connect(self) -> None:
        window, sessions = self._window, self.sessions
        sessions.replay_requested.connect(self.start_replay)
        self.library.listed.connect(lambda _: self._on_listed())
        self.library.deleting.connect(self._on_deleting)
        self._tissues.made.connect(self.refresh_seen)
        self.replay.wanted.connect(self.replay_last)
        self.replay.closed.connect(self._close_replay)
        # Later: a panel that is taken out of its frame is hidden for an instant.
        self.replay.visibilityChanged.connect(
            lambda _: QTimer.singleShot(0, self, self._end_hidden_replay)
        )
        self.seen.visibilityChanged.connect(lambda _: (self.refresh(), self.refresh_seen()))
        self.seen.compare_requested.connect(self._on_compare)
        self._control.sessions_changed.connect(self.refresh)
        self._control.sessions_changed.connect(self.refresh_seen)
        window.panes.panes_changed.connect(self._on_panes_changed)
        window.panes.active_changed.connect(lambda _: (self.refresh(), self.refresh_seen()))
        window.panes.watch(self._watch)

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_leaving.connect(self._on_slide_leaving)
        pane.slide_changed.connect(self._on_slide_changed)
        pane.view_changed.connect(self._on_view_changed)

    def _on_view_changed(self, _pane: SlidePane, cause: str) -> None:
        """A new pixel size makes the sessions ones of the former."""
        if cause == "optics":
            self.refresh()
            self.refresh_seen()

    @property
    def slide_places(self) -> tuple[Path, ...]:
        """Return where a slide that moved is looked for: folders of recent and of open slides."""
        paths = [slide_path(name) for name in self._window.settings.recent_slides]
        paths += [pane.path for pane in self._window.panes.panes if pane.path is not None]
        return tuple(dict.fromkeys(path.parent for path in paths if not is_address(path)))

    @property
    def _shows_sessions(self) -> bool:
        return self.sessions.isVisible() or self.seen.isVisible()


def _found(folder: Path, places: tuple[Path, ...]) -> tuple[Analysis, FoundSlide | None]:
    from viewer.recording.analysis import analyze
    from viewer.recording.session import read_header
    from viewer.slides.known_slides import find_by_content

    return analyze(folder), find_by_content(read_header(folder).slide.identity, places)


def _slide_of(pane: SlidePane) -> SlideRef:
    from viewer.recording.session import slide_ref

    assert pane.source is not None
    return slide_ref(pane.source, pane.canvas.optics, pane.path.name if pane.path else None)


def _may_show(pane: SlidePane, analysis: Analysis) -> bool:
    from viewer.recording.slide_ties import may_be_of

    return pane.source is not None and may_be_of(analysis.header.slide, _slide_of(pane))
