"""What teaches by the annotations of the active pane: it listens to the set that is drawn in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from viewer.annotations.document import Edit
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.recording.controller import RecordingController


class TeachingHost(MessageHost, DialogHost, PaneHost, CommandHost, SettingsHost, Protocol):
    """What teaching asks of the window."""

    annotations: AnnotationsController
    overlays: OverlaysController
    recording: RecordingController


class FollowedAnnotations(QObject):
    """Follows the active annotations while the command is checked.

    Attributes
    ----------
    _annotations
        Those that are listened to; None while there are none, or no lesson.
    """

    def __init__(self, window: TeachingHost, command: str) -> None:
        super().__init__(window.window())
        self._window = window
        self._command = window.commands[command]
        self._annotations: PaneAnnotations | None = None
        window.annotations.opened.connect(lambda _: self._follow())
        window.annotations.closing.connect(self._on_closing)
        window.panes.active_changed.connect(lambda _: self._follow())

    def _follow(self) -> None:
        if not self._command.isChecked():
            return
        active = self._window.annotations.active
        if active is not self._annotations:
            self._let_go()
            self._annotations = active
            if active is not None:
                active.slide.stepped.connect(self._on_stepped)
        self._on_followed()

    def _on_followed(self) -> None:
        """Show what the annotations that are active now teach."""
        raise NotImplementedError

    def _on_stepped(self, step: Edit) -> None:
        """Take a change of the annotations."""
        raise NotImplementedError

    def _on_closing(self, annotations: PaneAnnotations) -> None:
        if annotations is self._annotations:
            self._let_go()

    def _let_go(self) -> None:
        """Listen to none any more."""
        annotations, self._annotations = self._annotations, None
        if annotations is not None:
            annotations.slide.stepped.disconnect(self._on_stepped)
