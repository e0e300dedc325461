"""Tells the log of a reading which overlays are on, and which of their results are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from viewer.recording.events import OverlayChanged, ResultViewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.overlays.result_at import ResultAt
    from viewer.settings import Settings
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.recording.control import RecordingControl
    from viewer.ui.recording.pane_recording import PaneRecording

_LOOK_MS = 300
"""The cursor rests on a result as long before it counts as looked at; a slider before its value."""


class RecordedOverlays(QObject):
    """Between the overlays of a window and its recordings.

    Parameters
    ----------
    settings
        Gives the settings in force.
    """

    def __init__(
        self,
        overlays: OverlaysController,
        control: RecordingControl,
        settings: Callable[[], Settings],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._overlays = overlays
        self._control = control
        self._settings = settings
        self._logged: dict[Overlay, OverlayChanged] = {}
        self._under: tuple[Overlay, ResultAt] | None = None
        self._hover = QTimer(self, singleShot=True, interval=_LOOK_MS)
        self._hover.timeout.connect(self._tell_hovered)
        self._fade = QTimer(self, singleShot=True, interval=_LOOK_MS)
        self._fade.timeout.connect(self._tell_all)
        overlays.began.connect(self._on_overlay)
        overlays.values.pointed_at.connect(self._on_pointed_at)
        control.began.connect(self._on_began)

    def _on_overlay(self, overlay: Overlay) -> None:
        overlay.look_changed.connect(lambda: self._on_look(overlay))
        overlay.viewed.connect(lambda result: self._tell_viewed(overlay, result))
        self._tell(overlay)

    def _on_began(self, recording: PaneRecording) -> None:
        self._tell_state(recording)
        recording.resumed.connect(self._tell_state)

    def _tell_state(self, recording: PaneRecording) -> None:
        """Tell what is on at the beginning of a reading, and at the end of each pause."""
        for overlay in self._overlays.all_of(recording.pane):
            self._logged.pop(overlay, None)
            self._tell(overlay)

    def _on_look(self, overlay: Overlay) -> None:
        before = self._logged.get(overlay)
        if before is not None and before.shown and overlay.is_visible:
            self._fade.start()  # a slider tells every step of its way
        else:
            self._tell(overlay)
        if overlay not in self._overlays.all_of(overlay.pane):
            self._logged.pop(overlay, None)

    def _tell_all(self) -> None:
        for overlay in list(self._logged):
            self._tell(overlay)

    def _tell(self, overlay: Overlay) -> None:
        event = OverlayChanged(
            self._name(overlay),
            shown=overlay.is_visible,
            opacity=round(overlay.opacity, 2),
            version=overlay.version,
        )
        recording = self._recording(overlay)
        is_recorded = recording is not None and not recording.recorder.is_paused
        if recording is not None and is_recorded and self._logged.get(overlay) != event:
            self._logged[overlay] = event
            recording.record(event)

    def _on_pointed_at(self, overlay: Overlay | None, result: ResultAt | None) -> None:
        under = None if overlay is None or result is None else (overlay, result)
        if under != self._under:
            self._under = under
            self._hover.start()

    def _tell_hovered(self) -> None:
        if self._under is not None:
            self._tell_viewed(*self._under)

    def _tell_viewed(self, overlay: Overlay, result: ResultAt) -> None:
        from viewer.overlays.files.result_file import ResultFile

        recording = self._recording(overlay)
        if recording is not None:
            box = result.box
            place = (round(box.x0, 1), round(box.y0, 1), round(box.x1, 1), round(box.y1, 1))
            name, text = self._name(overlay), result.text
            if isinstance(overlay.origin, ResultFile) and name != overlay.origin.name:
                text = text.removeprefix(overlay.origin.name).strip()
            recording.record(ResultViewed(name, text, place))

    def _recording(self, overlay: Overlay) -> PaneRecording | None:
        """Of the overlay's own slide, which the pane may no longer show."""
        recording = self._control.recording_of(overlay.pane)
        is_same = recording is not None and recording.identity == overlay.identity
        return recording if is_same else None

    def _name(self, overlay: Overlay) -> str:
        """A file's name may tell of whom it is, and is kept only where the reader allowed names."""
        from viewer.overlays.files.result_file import ResultFile

        is_file = isinstance(overlay.origin, ResultFile)
        return "file" if is_file and not self._settings().record_names else overlay.origin.name
