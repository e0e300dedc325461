"""The library of sessions in one window: what the list shows, and what is done with a session."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QInputDialog, QMessageBox

from viewer.errors import sentence_of
from viewer.plurals import plural
from viewer.recording.library import Library, SessionSummary
from viewer.recording.session_catalog import NO_SESSIONS, SessionCatalog, SessionListing
from viewer.ui.background_runner import BackgroundRunner, DroppedError, Task, Urgency
from viewer.ui.opened_dialog import confirm, open_dialog
from viewer.ui.recording.session_preview import SessionPreview
from viewer.ui.recording.sessions_panel import SessionsPanel
from viewer.ui.services import DialogHost, MessageHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.analysis import Analysis
    from viewer.recording.export import Manifest
    from viewer.ui.recording.export_dialog import ExportDialog
    from viewer.ui.recording.slide_tissues import SlideTissues

_log = logging.getLogger(__name__)
_MOST_FIGURES = 2000


class LibraryHost(MessageHost, DialogHost, PaneHost, SettingsHost, Protocol):
    """What the library of sessions asks of the window."""


class SessionLibrary(QObject):
    """Lists, previews, renames, deletes and exports sessions; walks them in threads alone.

    Parameters
    ----------
    readers
        Reads sessions in its threads.
    tissues
        Where the slides hold tissue, of which a share was seen.
    is_wanted
        Tells whether the list is shown anywhere.
    """

    listed = Signal(object)
    """A new SessionListing."""
    deleting = Signal(object)
    """Folders that are deleted now, and must be let go of."""
    _export_progressed = Signal(int, int)

    def __init__(
        self,
        window: LibraryHost,
        readers: BackgroundRunner,
        tissues: SlideTissues,
        is_wanted: Callable[[], bool],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window, self._readers, self._tissues = window, readers, tissues
        self._is_wanted = is_wanted
        self._exporter = BackgroundRunner("export sessions", 1, self)
        self.panel = SessionsPanel(window.window())
        self.preview = SessionPreview(self)
        self.hides: Callable[[SessionSummary], bool] = lambda _: False
        """Tells whether a study hides a session from who reads now; asked in threads."""
        self.name_of: Callable[[str, str], str] = lambda _identity, name: name
        """Gives what a slide is called before who reads now; asked in threads."""
        self.listing: SessionListing = NO_SESSIONS
        self._catalog = SessionCatalog()
        self._is_listing = self._is_stale = False
        self._then: list[Callable[[SessionListing], object]] = []
        """Who waits for the sessions as they are now."""
        self._filling: dict[Path, Task] = {}
        """What computes the figures of sessions in sight."""
        self._figures: OrderedDict[Path, tuple[int, int]] = OrderedDict()
        """By session: the size of its log and the tissue that its figures are made of."""
        self._chosen: Path | None = None
        self._connect()

    @property
    def shown_here(self) -> Path | None:
        """Return the session of the slide on screen that is selected, else the last one of it."""
        if self.listing.identity != self._identity:
            return None
        ended = [each.folder for each in self.listing.of_slide if not each.summary.is_open]
        selected = self.panel.selected()
        if len(selected) == 1 and selected[0] in ended:
            return selected[0]
        return ended[0] if ended else None

    def shut_down(self) -> None:
        """End the threads."""
        self.preview.clear()
        self.panel.model.thumbnails.shut_down()
        self._exporter.close()

    def refresh(self) -> None:
        """List the sessions anew, where the list is shown."""
        if self._is_wanted():
            self.list_now(lambda _: None)

    def list_now(self, then: Callable[[SessionListing], object]) -> None:
        """List the sessions, then call `then`.

        While they are being listed, all who ask wait for one more listing after it.
        """
        self._then.append(then)
        if self._is_listing:
            self._is_stale = True
        else:
            self._list()

    def _list(self) -> None:
        self._is_listing, self._is_stale = True, False
        waiting, self._then = self._then, []
        identity, text = self._identity, self.panel.filter_text
        hides, name_of, catalog = self.hides, self.name_of, self._catalog

        def show(listing: SessionListing) -> None:
            if self._is_stale:
                self._then = [*waiting, *self._then]
            else:
                self._show(listing)
                for each in waiting:
                    each(listing)
            end()

        def refuse(error: Exception) -> None:
            self.on_refused(error)
            end()

        def end() -> None:
            self._is_listing = False
            if self._then:
                self._list()

        self._readers.run(
            lambda: catalog.listing(identity, text, hides, name_of),
            show,
            refuse,
            urgency=Urgency.IN_SIGHT,
        )

    def _show(self, listing: SessionListing) -> None:
        self.listing = listing
        pane = self._window.panes.active
        self.panel.show_sessions(listing, pane.canvas.optics if pane.source is not None else None)
        self.listed.emit(listing)
        if self._chosen is not None and self.preview.pane is None:
            self._choose(self._chosen)  # its slide may be on screen by now

    # Figures and preview ---------------------------------------------------------------------

    def _fill_in_sight(self) -> None:
        """Have the figures of the sessions in sight computed, those that are not known yet."""
        if not self.panel.isVisible():
            return
        in_sight = self.panel.folders_in_sight()
        self.panel.model.keep_wishes(in_sight)
        for folder in self._filling.keys() - set(in_sight):
            self._filling.pop(folder).cancel()
            self._figures.pop(folder, None)
        for folder in in_sight:
            summary = self.panel.model.session(self.panel.model.listing.row_of[folder]).summary
            if summary.header is not None:
                self._fill_in(summary, summary.header.slide.identity)

    def _fill_in(self, summary: SessionSummary, identity: str) -> None:
        from viewer.recording.analysis import analyze

        folder, tissue = summary.folder, self._tissues.mask(identity)
        made_of = (summary.bytes, id(tissue))
        if self._figures.get(folder) == made_of:
            return  # they are shown, or being computed
        self._figures[folder] = made_of
        self._figures.move_to_end(folder)
        while len(self._figures) > _MOST_FIGURES:
            self._figures.popitem(last=False)
        self._filling[folder] = self._readers.run(
            lambda: analyze(folder, tissue),
            self._show_figures,
            lambda error: self._on_not_analyzed(folder, error),
            urgency=Urgency.IN_SIGHT,
        )

    def _on_not_analyzed(self, folder: Path, error: Exception) -> None:
        self._filling.pop(folder, None)
        if isinstance(error, DroppedError):
            self._figures.pop(folder, None)  # computed once it is in sight again

    def _show_figures(self, analysis: Analysis) -> None:
        self._filling.pop(analysis.folder, None)
        seen = None if analysis.coverage is None else analysis.coverage.share(10.0)
        self.panel.show_figures(analysis.folder, len(analysis.actions), seen)

    def _choose(self, folder: Path | None) -> None:
        """Show the path of a session on its slide, where that is on screen."""
        from viewer.recording.analysis import analyze
        from viewer.slides.identity import same_slide

        self._chosen = folder
        self.preview.clear()
        row = self.panel.model.listing.row_of.get(folder) if folder is not None else None
        if folder is None or row is None or not self.panel.model.session(row).is_here:
            return
        tissue = self._tissues.mask(self._identity)

        def show(analysis: Analysis) -> None:
            pane = self._window.panes.active
            is_here = same_slide(analysis.header.slide.identity, pane.identity)
            if self._chosen == folder and is_here and self.panel.isVisible():
                self.preview.show(analysis.actions, pane)
                self._show_figures(analysis)

        self._readers.run(lambda: analyze(folder, tissue), show, self.on_refused)

    def end_preview(self) -> None:
        """Take the path of the selected session off the slide."""
        self._chosen = None
        self.preview.clear()

    # Changes ---------------------------------------------------------------------------------

    def _ask_name(self, folder: Path) -> None:
        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle("Rename session")
        dialog.setLabelText("Title:")
        row = self.panel.model.listing.row_of.get(folder)
        header = None if row is None else self.panel.model.session(row).summary.header
        dialog.setTextValue(header.title if header is not None else "")
        dialog.textValueSelected.connect(
            lambda title: self._change(lambda: Library(folder.parent).rename(folder.name, title))
        )
        open_dialog(dialog)

    def _ask_delete(self, folders: list[Path]) -> None:
        count = f"{len(folders):,} sessions" if len(folders) > 1 else "this session"
        confirm(
            self._window.window(),
            "Delete for good",
            f"Delete {count} for good? There is no way back.",
            "",
            "Delete",
            lambda: self._delete(folders),
            QMessageBox.Icon.Warning,
        )

    def _delete(self, folders: list[Path]) -> None:
        self.deleting.emit(folders)

        def delete() -> None:
            for folder in folders:
                Library(folder.parent).delete(folder.name)

        self.panel.setFocus()  # the button that was pressed has nothing to delete any more
        self._change(delete)

    def _change(self, work: Callable[[], object]) -> None:
        """Run a change of the library, then list it anew."""
        self._readers.run(work, lambda _: self.refresh(), self.on_refused)

    def on_refused(self, error: Exception) -> None:
        """Say why something cannot be done with a session."""
        self._window.say(sentence_of(error, _log, "work on sessions failed"))

    # Export ----------------------------------------------------------------------------------

    def _ask_export(self, folders: list[Path]) -> None:
        from viewer.ui.recording.export_dialog import ExportDialog

        last = self._window.settings.session_format
        dialog = ExportDialog(len(folders), self._window.window(), last)
        dialog.accepted.connect(lambda: self._export(sorted(folders), dialog))
        open_dialog(dialog)

    def _export(self, folders: list[Path], dialog: ExportDialog) -> None:
        from viewer.recording.export import export_sessions

        out, options = dialog.out, dialog.options
        self._window.change_settings(session_format=dialog.format.currentText())
        self._exporter.run(
            lambda: export_sessions(folders, out, options, self._export_progressed.emit),
            lambda manifest: self._on_exported(manifest, out),
            self._on_export_failed,
        )

    def _on_exported(self, manifest: Manifest, out: Path) -> None:
        left_out = [session for session in manifest.sessions if session.problem]
        count = len(manifest.sessions) - len(left_out)
        sentence = f"{plural(count, 'session is', 'sessions are')} exported to {out}."
        if manifest.note:
            sentence = f"{sentence} {manifest.note}"
        if left_out:
            sentence += f" {plural(len(left_out), 'was', 'were')} left out: {left_out[0].problem}"
        self._window.say(sentence)

    def _on_export_failed(self, error: Exception) -> None:
        self._window.say(sentence_of(error, _log, "an export failed"))

    # -----------------------------------------------------------------------------------------

    def _connect(self) -> None:
        window, panel = self._window, self.panel
        panel.shown.connect(self.refresh)
        panel.filter_changed.connect(lambda _: self.refresh())
        panel.sight_changed.connect(self._fill_in_sight)
        panel.session_chosen.connect(self._choose)
        panel.rename_requested.connect(self._ask_name)
        panel.delete_requested.connect(self._ask_delete)
        panel.export_requested.connect(self._ask_export)
        panel.visibilityChanged.connect(self._on_shown)
        self.preview.changed.connect(lambda shown: panel.show_previewed(previewed=shown))
        self._tissues.made.connect(self.refresh)
        self._export_progressed.connect(
            lambda done, total: window.say(f"Exporting sessions: {done} of {total}")
        )

    def begin_preview(self) -> None:
        """Show the path of the selected session, where the list is shown too."""
        selected = self.panel.selected()
        if self.panel.isVisible():
            self._choose(selected[0] if len(selected) == 1 else None)

    def _on_shown(self, is_shown: bool) -> None:
        """The path on the slide comes and goes with the list."""
        (self.begin_preview if is_shown else self.end_preview)()

    @property
    def _identity(self) -> str:
        return self._window.panes.active.identity
