"""Whether the window records, and the recordings of its panes."""

from __future__ import annotations

import logging
import time
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.policy import policy
from viewer.recording.library import Library
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.recording.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.events import AnyEvent
    from viewer.settings import Settings
    from viewer.ui.recording.pane_recording import PaneRecording
    from viewer.ui.recording.presence import Place
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.split_view import SplitView

_log = logging.getLogger(__name__)


class RecordingState(Enum):
    """What the pill in the top bar shows."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"


def own_study(name: str) -> str:
    """Return the study of readings that are of no project."""
    return f"own:{name}"


class RecordingControl(QObject):
    """Keeps one `PaneRecording` a pane with a slide while recording is on.

    Off at each start of the program. Sessions that a crash left are mended first, in a thread.

    Parameters
    ----------
    settings
        Gives the settings in force.
    """

    state_changed = Signal(object)
    """The new RecordingState."""
    trouble_changed = Signal(str)
    """One sentence when a log cannot be written; "" when all can."""
    began = Signal(object)
    """A PaneRecording."""
    sessions_changed = Signal()
    """A session began or ended, or was mended."""
    signed = Signal(str, str, str)
    """Study, reader and public key (base64) of a session that is signed from now on."""
    place_changed = Signal(object)
    """The Place in the program where the keyboard is now."""
    saved = Signal(object)
    """The folders of the sessions that ended when recording was turned off, once written."""
    mended = Signal(str)
    """What was mended after a crash, one sentence."""

    def __init__(self, panes: SplitView, settings: Callable[[], Settings], parent: QObject) -> None:
        super().__init__(parent)
        self.state = RecordingState.OFF
        self._panes = panes
        self._settings = settings
        self.study_of: Callable[[SlidePane], str] = lambda _pane: own_study(settings().study)
        """Gives the study for which the slide of a pane is read."""
        self._folder: Path | None = None
        self._recordings: dict[SlidePane, PaneRecording] = {}
        self._troubles: dict[PaneRecording, str] = {}
        self._ended: list[Path] = []
        """The sessions that ended since recording was turned on."""
        self._recorded_s, self._since_s = 0.0, 0.0
        self._disk = BackgroundRunner("recordings", 1, self)
        panes.watch(self._watch)
        self._presence = Presence(panes, self)
        self._presence.input_came.connect(self._on_input)
        self._presence.place_changed.connect(self._on_place)
        self._presence.place_changed.connect(self.place_changed)
        self.find_folder()

    @property
    def elapsed_s(self) -> float:
        """Return how long has been recorded since it was turned on, without pauses."""
        running = self.state is RecordingState.ON
        return self._recorded_s + (time.monotonic() - self._since_s if running else 0.0)

    def start(self) -> None:
        """Record every slide that is open, and those opened from now on."""
        if self.state is RecordingState.OFF and policy().recording != "off":
            self._presence.start()
            self._ended, self._recorded_s = [], 0.0
            self._set_state(RecordingState.ON)
            for pane in self._panes.panes:
                self._begin(pane)

    def stop(self) -> None:
        """End all sessions; `saved` tells of them once they are written."""
        for pane in list(self._recordings):
            self._end(pane)
        self._presence.stop()
        self._set_state(RecordingState.OFF)
        if self._ended:
            ended, self._ended = tuple(self._ended), []
            self.when_closed(lambda: self.saved.emit(ended))

    def set_paused(self, *, paused: bool) -> None:
        """Record nothing until it is called again; no effect while recording is off."""
        if self.state is RecordingState.OFF:
            return
        for recording in self._recordings.values():
            (recording.pause if paused else recording.resume)()
        self._set_state(RecordingState.PAUSED if paused else RecordingState.ON)

    def record(self, event: AnyEvent, pane: SlidePane) -> None:
        """Take an event that happens on a pane's slide at this moment.

        What ends later than it begins, such as a question and its answer, keeps what
        `recording_of` gives at its beginning: the pane may show another slide by then.
        """
        if pane in self._recordings:
            self._recordings[pane].record(event)

    def record_everywhere(self, event: AnyEvent) -> None:
        """Take an event of the whole window."""
        for recording in self._recordings.values():
            recording.record(event)

    def note_view(self, pane: SlidePane) -> None:
        """A replay or an agent let go of a pane's view, which is the reader's from now on."""
        if pane in self._recordings:
            self._recordings[pane].note_view()

    def recording_of(self, pane: SlidePane) -> PaneRecording | None:
        """Return what is being recorded of a pane.

        It takes nothing more once the slide has left.
        """
        return self._recordings.get(pane)

    def when_closed(self, then: Callable[[], object]) -> None:
        """Call `then` once sessions that ended are on the disk."""
        self._disk.run(lambda: None, lambda _: then())

    def find_folder(self) -> None:
        """Keep sessions in the home of this moment, and mend those that a crash left there."""
        self._disk.run(_recovered, self._on_recovered, self._on_no_folder)

    def shut_down(self) -> None:
        """End all sessions and wait for them to be on the disk."""
        self.stop()
        self._disk.close(finish=True)

    def _on_input(self) -> None:
        for recording in self._recordings.values():
            recording.recorder.note_input()

    def _on_place(self, place: Place) -> None:
        for recording in self._recordings.values():
            recording.set_place(place)

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_leaving.connect(self._end)
        pane.slide_changed.connect(self._on_slide_changed)
        pane.destroyed.connect(lambda: self._recordings.pop(pane, None))

    def _on_slide_changed(self, pane: SlidePane) -> None:
        self._end(pane)
        if self.state is not RecordingState.OFF:
            self._begin(pane)

    def _begin(self, pane: SlidePane) -> None:
        from viewer.ui.recording.pane_recording import PaneRecording

        if pane.source is None or self._folder is None:
            return
        place = self._presence.place
        settings, study = self._settings(), self.study_of(pane)
        recording = PaneRecording(pane, self._folder, settings, place, study)
        recording.signed.connect(lambda public: self.signed.emit(study, settings.reader, public))
        recording.troubled.connect(lambda problem: self._on_trouble(recording, problem))
        if self.state is RecordingState.PAUSED:
            recording.pause()
        self._recordings[pane] = recording
        self.began.emit(recording)
        self.sessions_changed.emit()

    def _end(self, pane: SlidePane) -> None:
        recording = self._recordings.pop(pane, None)
        if recording is None:
            return
        self._on_trouble(recording, "")
        recorder = recording.end()
        self._ended.append(recorder.folder)
        self._disk.run(recorder.close, lambda _: self.sessions_changed.emit())

    def _set_state(self, state: RecordingState) -> None:
        if state is not self.state:
            self._recorded_s = self.elapsed_s
            self.state, self._since_s = state, time.monotonic()
            self.state_changed.emit(state)

    def _on_trouble(self, recording: PaneRecording, problem: str) -> None:
        before = self._trouble
        if problem and recording in self._recordings.values():
            self._troubles[recording] = problem
        else:
            self._troubles.pop(recording, None)
        if self._trouble != before:
            self.trouble_changed.emit(self._trouble)

    @property
    def _trouble(self) -> str:
        return next(iter(self._troubles.values()), "")

    def _on_recovered(self, found: tuple[Path, list[str]]) -> None:
        self._folder, notes = found
        if self.state is not RecordingState.OFF:
            for pane in self._panes.panes:
                if pane not in self._recordings:
                    self._begin(pane)
        for note in notes:
            self.mended.emit(note)
        self.sessions_changed.emit()

    def _on_no_folder(self, error: Exception) -> None:
        _log.error("there is no folder for sessions", exc_info=error)
        self.trouble_changed.emit(
            f"Readings cannot be recorded: the folder for them cannot be made ({error})."
        )


def _recovered() -> tuple[Path, list[str]]:
    library = Library()
    return library.folder, library.recover()
