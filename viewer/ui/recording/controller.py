"""All of recording in one window: commands, pill, notice and panels put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.policy import policy, read_policy
from viewer.recording.events import NoteTaken, ToolChosen
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.recording.control import RecordingControl, RecordingState
from viewer.ui.recording.record_pill import RecordPill
from viewer.ui.recording.review_controller import ReviewController, ReviewHost
from viewer.ui.recording.saved_notice import SavedNotice
from viewer.ui.recording.session_library import LibraryHost
from viewer.ui.recording.session_panels import SessionPanels
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.recording.consent_dialog import ConsentDialog
    from viewer.ui.status_bar import WindowStatusBar


class RecordingHost(LibraryHost, ReviewHost, Protocol):
    """What the recording of sessions asks of the window."""

    status: WindowStatusBar
    toolbox: Toolbox


class RecordingController(QObject):
    """Owned by the window; `shut_down` ends the sessions."""

    def __init__(self, window: RecordingHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._left = ""
        """The reader whose recording a change of the reader ended."""
        commands = window.commands
        self.control = RecordingControl(window.panes, lambda: window.settings, self)
        self.panels = SessionPanels(window, self.control)
        self.review = ReviewController(window, self.panels)
        others = [commands[each] for each in ("recording.pause", "recording.note")]
        self.pill = RecordPill(
            commands["recording.on"], others, lambda: self.control.elapsed_s, window.window()
        )
        self.saved = SavedNotice(window.panes, self)
        self.saved.replay_requested.connect(self.panels.start_replay)
        self.control.saved.connect(self.saved.tell)
        self.panels.replay_began.connect(self.saved.withdraw)
        reviewing = self.review.reviewing
        reviewing.availability_changed.connect(
            lambda: reviewing.is_active and self.saved.withdraw()
        )
        commands.on_toggle("recording.on", self._switch)
        commands.on_toggle("recording.pause", lambda paused: self.control.set_paused(paused=paused))
        commands.on("recording.note", self._ask_note)
        self.control.state_changed.connect(self._on_state)
        self.control.trouble_changed.connect(window.show_error)
        self.control.mended.connect(window.say)
        self.control.place_changed.connect(self.review.reviewing.set_place)
        window.reader.leaving.connect(self._on_reader_leaving)
        window.reader.changed.connect(self._on_reader_changed)
        self.panels.let_go.connect(self.control.note_view)
        window.toolbox.tool_chosen.connect(
            lambda name: self.control.record_everywhere(ToolChosen(name))
        )

    def shut_down(self) -> None:
        """End review, replay and sessions."""
        self.review.shut_down()
        self.panels.shut_down()
        self.saved.shut_down()
        self.control.shut_down()

    def _switch(self, on: bool) -> None:
        rule = policy().recording
        if not on:
            self.control.stop()
        elif rule == "off":
            self._window.commands["recording.on"].setChecked(False)
            why = read_policy().problem or "the administrator's policy does not allow it."
            self._window.say(f"Nothing is recorded: {why}")
        elif rule == "consent":
            self._window.commands["recording.on"].setChecked(False)
            self._ask_consent()
        elif self._window.settings.consent_utc and self._window.reader.name:
            self._start()
        else:
            self._window.commands["recording.on"].setChecked(False)
            self._ask_consent()

    def _on_reader_leaving(self) -> None:
        """A session is of one reader: it ends before another name holds."""
        self._left = ""
        if self.control.state is not RecordingState.OFF:
            self._left = self._window.reader.name
            self.control.stop()

    def _on_reader_changed(self) -> None:
        if self._left:
            name = self._window.reader.name or "nobody"
            self._window.say(
                f"The reader is now {name}: the recording of {self._left} ended. "
                "Start recording again to go on."
            )

    def _ask_consent(self) -> None:
        from viewer.ui.recording.consent_dialog import ConsentDialog

        dialog = ConsentDialog(self._window.reader.name, self._window.window())
        dialog.accepted.connect(lambda: self._on_consent(dialog))
        open_dialog(dialog)

    def _on_consent(self, dialog: ConsentDialog) -> None:
        self._window.change_settings(
            reader=dialog.reader.text().strip(),
            consent_utc=utc_stamp(),
            record_names=dialog.names.isChecked(),
            record_texts=dialog.texts.isChecked(),
        )
        self._start()

    def _start(self) -> None:
        """Record, with the keyboard on the slide: the reader reads on, from a list, too."""
        self.control.start()
        self._window.panes.active.focus()

    def _ask_note(self) -> None:
        from viewer.ui.slides.note_dialog import NoteDialog

        pane = self._window.panes.active
        recording = self.control.recording_of(pane)
        if recording is None:
            return
        kept = self._window.settings.record_texts
        dialog = NoteDialog(
            "Note", "What do you see here?", pane, self._window.window(), saves_text=kept
        )

        def take(text: str) -> None:
            if not text.strip():
                return
            is_kept = dialog.keeps_text.isChecked()
            is_new = is_kept and not recording.recorder.header.consent.texts
            note = NoteTaken(len(text), text if is_kept else None, is_allowed=is_new)
            recording.record(note)
            self._window.change_settings(record_texts=is_kept)
            self._window.say("Note saved." if is_kept else "The length of the note is saved.")

        dialog.textValueSelected.connect(take)
        open_dialog(dialog)

    def _on_state(self, state: RecordingState) -> None:
        self.pill.show_state(state)
        self._window.status.show_recording(state.value)
        if state is RecordingState.ON:
            self.saved.bar.hide()
        commands = self._window.commands
        commands["recording.on"].setChecked(state is not RecordingState.OFF)
        commands["recording.pause"].setChecked(state is RecordingState.PAUSED)
        self._window.update_situation()
