"""Bookmarks and sticky notes: points that keep a view, or what somebody wrote there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.annotations.bookmarks import bookmark, next_name, note
from viewer.annotations.document import adding
from viewer.recording.events import Bookmarked, NoteTaken
from viewer.ui.services import CommandHost, DialogHost, MessageHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.geometry import Point
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.recording.controller import RecordingController


class NotesHost(MessageHost, DialogHost, CommandHost, Protocol):
    """What notes ask of the window."""

    recording: RecordingController


class NoteCommands(QObject):
    """Owned by the part."""

    def __init__(
        self,
        window: NotesHost,
        active: Callable[[], PaneAnnotations | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._active = active
        window.commands.on("annotate.bookmark", self._bookmark)
        window.commands.on("annotate.note", self.ask_note)

    def _bookmark(self) -> None:
        active = self._active()
        if active is None:
            return
        view = active.pane.canvas.view
        made = bookmark(view, next_name(active.document.marks), active.author)
        if not active.do(adding("Bookmark", [made])):
            return
        active.selection.choose([made.id])
        event = Bookmarked(round(view.center.x, 1), round(view.center.y, 1), made.name)
        self._window.recording.control.record(event, active.pane)
        self._window.say(f"Bookmarked as {made.name}: double click it in the list to come back.")

    def ask_note(self, at: Point | None = None) -> None:
        """Ask what a note is to say, and stick it at a level-0 point, by default the middle."""
        from viewer.ui.opened_dialog import open_dialog
        from viewer.ui.slides.note_dialog import NoteDialog

        active = self._active()
        if active is None:
            return
        place = active.pane.canvas.view.center if at is None else at
        dialog = NoteDialog("Sticky note", "Note:", active.pane, self._window.window())

        def stick(text: str) -> None:
            text = text.strip()
            if not text or not active.do(adding("Sticky note", [note(place, text, active.author)])):
                return
            self._window.recording.control.record(NoteTaken(len(text), text), active.pane)

        dialog.textValueSelected.connect(stick)
        open_dialog(dialog)
