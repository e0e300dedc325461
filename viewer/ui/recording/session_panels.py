"""The panels of sessions, replay and what was seen, and the work behind them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QDialog, QInputDialog, QMessageBox

from viewer.recording.library import Library, SessionSummary
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.recording.pixel_sizes import pixel_size_note
from viewer.ui.recording.replay_panel import ReplayPanel
from viewer.ui.recording.seen_panel import SeenPanel
from viewer.ui.recording.sessions_panel import SessionsPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.recording.analysis import Analysis
    from viewer.recording.export import Manifest
    from viewer.slides.known_slides import FoundSlide
    from viewer.slides.tissue import TissueMask
    from viewer.ui.main_window import MainWindow
    from viewer.ui.recording.control import RecordingControl
    from viewer.ui.recording.export_dialog import ExportDialog
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_LIVE_MS = 2000
"""How often what was seen is computed anew while a reading is recorded and the panel is open."""


class SessionPanels(QObject):
    """Owned by the window's `RecordingPart`; analyzes run in threads of its own."""

    deleting = Signal(object)
    """Folders that are deleted now, and must be let go of."""
    let_go = Signal(object)
    """The SlidePane whose view a replay lets go of."""
    _export_progressed = Signal(int, int)

    def __init__(self, window: MainWindow, control: RecordingControl) -> None:
        from viewer.ui.recording.replayer import Replayer

        super().__init__(window)
        self._window = window
        self._control = control
        self._readers = BackgroundRunner("read sessions", 2, self)
        self._exporter = BackgroundRunner("export sessions", 1, self)
        self._replayer = Replayer(self)
        self._replayer.let_go.connect(self.let_go)
        self.sessions = SessionsPanel(window)
        self.replay = ReplayPanel(self._replayer, window)
        self.seen = SeenPanel(window)
        self.hides: Callable[[SessionSummary], bool] = lambda _: False
        """Tells whether a study hides a session from who reads now."""
        self._summaries: list[SessionSummary] = []
        self._tissues: dict[str, TissueMask | None] = {}
        self._figures: dict[Path, tuple[tuple[int, int], tuple[int, float | None] | None]] = {}
        """By session: the size of its log and the tissue that they were made of; the figures."""
        self._waiting: Analysis | None = None
        """The session whose slide is being opened."""
        self._replayed: Path | None = None
        self._reviewed: tuple[Path, SlidePane] | None = None
        self._other: Path | None = None
        self._is_analyzing = False
        self._is_stale = False
        self._live = QTimer(self, interval=_LIVE_MS)
        self._live.timeout.connect(self.refresh_seen)
        self._connect()

    def shut_down(self) -> None:
        """Ends replay and threads."""
        self._live.stop()
        self.replay.unload()
        self._readers.close()
        self._exporter.close()

    # The library -----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Lists the sessions anew, if the panel is open."""
        if self.sessions.isVisible() or self.seen.isVisible():
            self._readers.run(lambda: Library().summaries(), self._on_summaries)

    def _on_summaries(self, summaries: list[SessionSummary]) -> None:
        summaries = [each for each in summaries if each.is_open or not self.hides(each)]
        self._summaries = summaries
        identity = self._identity
        optics = self._window.panes.active.canvas.optics
        self.sessions.show_sessions(summaries, identity, optics if identity else None)
        self._offer_others()

    def _fill_in_sight(self) -> None:
        """Have the figures of the sessions in sight computed, those that are not known yet."""
        if not self.sessions.isVisible():
            return
        summaries = {each.folder: each for each in self._summaries}
        for folder in self.sessions.folders_in_sight():
            summary = summaries.get(folder)
            if summary is not None and summary.header is not None:
                self._fill_in(summary, summary.header.slide.identity)

    def _fill_in(self, summary: SessionSummary, identity: str) -> None:
        from viewer.recording.analysis import analyze
        from viewer.slides.identity import same_slide

        folder = summary.folder
        tissue = next(
            (mask for known, mask in self._tissues.items() if same_slide(known, identity)), None
        )
        made_of = (summary.bytes, id(tissue))
        known, figures = self._figures.get(folder, (None, None))
        if known == made_of:
            if figures is not None:
                self.sessions.show_figures(folder, *figures)
            return  # else it is being computed
        self._figures[folder] = made_of, None

        def filled(analysis: Analysis) -> None:
            seen = None if analysis.coverage is None else analysis.coverage.share(10.0)
            figures = len(analysis.actions), seen
            self._figures[folder] = made_of, figures
            self.sessions.show_figures(folder, *figures)

        self._readers.run(lambda: analyze(folder, tissue), filled, lambda _: None, later=True)

    def _ask_name(self, folder: Path) -> None:
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle("Rename session")
        dialog.setLabelText("Title:")
        dialog.textValueSelected.connect(
            lambda title: self._change(lambda: Library(folder.parent).rename(folder.name, title))
        )
        _open(dialog)

    def _ask_delete(self, folders: list[Path]) -> None:
        count = f"{len(folders)} sessions" if len(folders) > 1 else "this session"
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle("Delete for good")
        box.setText(f"Delete {count} for good? There is no way back.")
        yes = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        yes.clicked.connect(lambda: self._delete(folders))
        _open(box)

    def _delete(self, folders: list[Path]) -> None:
        self.deleting.emit(folders)
        if self._replayed in folders:
            self._stop_replay()

        def delete() -> None:
            for folder in folders:
                Library(folder.parent).delete(folder.name)

        self._change(delete)

    def _change(self, work: object) -> None:
        """Runs a change of the library, then lists it anew."""
        self._readers.run(work, lambda _: self.refresh(), self._on_refused)  # type: ignore[arg-type]

    def _on_refused(self, error: Exception) -> None:
        from viewer.recording.session import SessionError

        if not isinstance(error, SessionError):
            _log.error("work on sessions failed", exc_info=error)
        self._window.say(str(error))
        self.refresh()

    # Export ----------------------------------------------------------------------------------

    def _ask_export(self, folders: list[Path]) -> None:
        from viewer.ui.recording.export_dialog import ExportDialog

        dialog = ExportDialog(len(folders), self._window)
        dialog.accepted.connect(lambda: self._export(sorted(folders), dialog))
        _open(dialog)

    def _export(self, folders: list[Path], dialog: ExportDialog) -> None:
        from viewer.recording.export import export_sessions

        out, options = dialog.out, dialog.options
        self._exporter.run(
            lambda: export_sessions(folders, out, options, self._export_progressed.emit),
            lambda manifest: self._on_exported(manifest, out),
            self._on_export_failed,
        )

    def _on_exported(self, manifest: Manifest, out: Path) -> None:
        left_out = [session for session in manifest.sessions if session.problem]
        sentence = f"{len(manifest.sessions) - len(left_out)} sessions are exported to {out}."
        if left_out:
            sentence += f" {len(left_out)} were left out: {left_out[0].problem}"
        self._window.say(sentence)

    def _on_export_failed(self, error: Exception) -> None:
        from viewer.recording.export import ExportError

        if not isinstance(error, ExportError):
            _log.error("an export failed", exc_info=error)
        self._window.say(str(error))

    # Replay ----------------------------------------------------------------------------------

    def start_replay(self, folder: Path) -> None:
        """Open a session's slide where needed, and play it."""
        places = self.slide_places
        self._readers.run(
            lambda: _found(folder, places), lambda found: self._on_found(*found), self._on_refused
        )

    def _on_found(self, analysis: Analysis, found: FoundSlide | None) -> None:
        from viewer.slides.identity import same_slide

        if not len(analysis.trace):
            self._window.say("This session holds no views: there is nothing to replay.")
            return
        identity = analysis.header.slide.identity
        pane = next(
            (p for p in self._window.panes.panes if same_slide(_identity(p), identity)), None
        )
        if pane is not None:
            self._window.panes.activate(pane)
            self._load(analysis, pane)
        elif found is not None:
            pane = self._window.panes.active
            self._waiting = analysis
            pane.open(found.path, found.image)
        else:
            self._waiting = analysis
            self._window.say(
                "The slide of this session is not found, in none of the folders of your recent "
                "slides: open it, and the replay begins."
            )

    def _load(self, analysis: Analysis, pane: SlidePane) -> None:
        self._waiting = None
        self._replayed = analysis.folder
        self.replay.load(analysis, pane)
        self.replay.show()
        self.replay.start()
        self._offer_others()
        self.refresh_seen()

    def _stop_replay(self) -> None:
        """Take away all that belongs to the replay, what was seen of it too."""
        self._replayed = None
        self.replay.unload()
        self._clear_seen()
        self.refresh_seen()

    def _end_hidden_replay(self) -> None:
        """A replay without its panel could not be stopped any more."""
        if self.replay.isHidden() and self._replayed is not None:
            self._stop_replay()

    def _on_slide_leaving(self, pane: SlidePane) -> None:
        if self._replayer.pane is pane:
            self._stop_replay()
        if self.seen.canvas is pane.canvas:
            self._clear_seen()

    def _on_slide_changed(self, pane: SlidePane) -> None:
        from viewer.slides.identity import same_slide

        waiting = self._waiting
        if waiting is not None and same_slide(_identity(pane), waiting.header.slide.identity):
            self._load(waiting, pane)
        self.refresh()
        self.refresh_seen()

    def _on_panes_changed(self) -> None:
        if self._replayer.pane is not None and self._replayer.pane not in self._window.panes.panes:
            self._stop_replay()

    # What was seen ---------------------------------------------------------------------------

    def show_reviewed(self, session: tuple[Path, SlidePane] | None) -> None:
        """What was seen is of the session under review, on its pane; None as before."""
        if session is not None and self._replayed not in (None, session[0]):
            self._stop_replay()
        if session != self._reviewed:
            self._reviewed = session
            self._clear_seen()
            self.refresh_seen()

    def _clear_seen(self) -> None:
        self._live.stop()
        self.seen.show_analysis(None, None, "")

    def _seen_session(self) -> tuple[Path | None, SlidePane, bool]:
        """Whose reading is shown: the replay's, else the review's, else the one under way.

        Gives its folder, the pane, and whether it is still being recorded.
        """
        if self._replayed is not None and self._replayer.pane is not None:
            return self._replayed, self._replayer.pane, False
        if self._reviewed is not None:
            return *self._reviewed, False
        pane = self._window.panes.active
        recording = self._control.recording_of(pane)
        return (recording.recorder.folder if recording else None), pane, True

    def refresh_seen(self) -> None:
        """Computes what was seen anew, if the panel is open."""
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
        self._ensure_tissue(pane)
        tissue, other = self._tissues.get(_identity(pane)), self._other
        until_s = recording.recorder.elapsed_s if recording and is_live else 0.0
        self._readers.run(
            lambda: analyze(folder, tissue, other, until_s),
            lambda analysis: self._on_analyzed(analysis, pane, is_live=is_live),
            self._on_not_analyzed,
        )

    def _on_analyzed(self, analysis: Analysis, pane: SlidePane, *, is_live: bool) -> None:
        from viewer.slides.identity import same_slide

        self._is_analyzing = False
        is_same_slide = same_slide(_identity(pane), analysis.header.slide.identity)
        if self._seen_session()[0] == analysis.folder and is_same_slide:
            header = analysis.header
            started = header.started_utc[:16].replace("T", " ")
            title = "This reading, up to now" if is_live else f"{header.reader}, {started} UTC"
            title = header.title or title
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
        if not isinstance(error, SessionError):
            _log.error("a session could not be analyzed", exc_info=error)
        elif self._replayed is not None:
            self._window.say(str(error))

    def _ensure_tissue(self, pane: SlidePane) -> None:
        from viewer.annotations.tissue_correction import corrected_tissue

        identity, source = _identity(pane), pane.source
        if source is None or identity in self._tissues:
            return
        self._tissues[identity] = None

        def made(mask: TissueMask) -> None:
            self._tissues[identity] = mask
            self.refresh_seen()
            self.refresh()

        def failed(error: Exception) -> None:
            self._tissues.pop(identity, None)
            _log.info("the tissue of a slide is not known (%s)", error)

        self._readers.run(lambda: corrected_tissue(source), made, failed)

    def _on_compare(self, other: Path | None) -> None:
        self._other = other
        self.refresh_seen()

    def _offer_others(self) -> None:
        from viewer.slides.identity import same_slide

        identity = self._identity
        own = self._seen_session()[0]
        self.seen.show_sessions(
            [
                summary
                for summary in self._summaries
                if summary.header is not None
                and same_slide(summary.header.slide.identity, identity)
                and summary.folder != own
            ]
        )

    # -----------------------------------------------------------------------------------------

    def _connect(self) -> None:
        window, sessions = self._window, self.sessions
        sessions.shown.connect(self.refresh)
        sessions.sight_changed.connect(self._fill_in_sight)
        sessions.replay_requested.connect(self.start_replay)
        sessions.rename_requested.connect(self._ask_name)
        sessions.delete_requested.connect(self._ask_delete)
        sessions.export_requested.connect(self._ask_export)
        # Later: a panel that is taken out of its frame is hidden for an instant.
        self.replay.visibilityChanged.connect(
            lambda _: QTimer.singleShot(0, self, self._end_hidden_replay)
        )
        self.seen.visibilityChanged.connect(lambda _: (self.refresh(), self.refresh_seen()))
        self.seen.compare_requested.connect(self._on_compare)
        self._control.sessions_changed.connect(self.refresh)
        self._control.sessions_changed.connect(self.refresh_seen)
        self._export_progressed.connect(
            lambda done, total: window.say(f"Exporting sessions: {done} of {total}")
        )
        window.panes.panes_changed.connect(self._on_panes_changed)
        window.panes.active_changed.connect(lambda _: self.refresh_seen())
        for pane in window.panes.panes:
            self._watch(pane)
        window.panes.pane_added.connect(self._watch)

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
        """Where a slide that moved is looked for: the folders of recent slides and open ones."""
        paths = [Path(name) for name in self._window.settings.recent_slides]
        paths += [pane.path for pane in self._window.panes.panes if pane.path is not None]
        return tuple(dict.fromkeys(path.parent for path in paths))

    @property
    def _identity(self) -> str:
        return _identity(self._window.panes.active)


def _found(folder: Path, places: tuple[Path, ...]) -> tuple[Analysis, FoundSlide | None]:
    from viewer.recording.analysis import analyze
    from viewer.recording.session import read_header
    from viewer.slides.known_slides import find_by_content

    return analyze(folder), find_by_content(read_header(folder).slide.identity, places)


def _identity(pane: SlidePane) -> str:
    return pane.source.info.identity if pane.source is not None else ""


def _open(dialog: QDialog) -> None:
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
