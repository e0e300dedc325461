"""Drafting in one window: asks before anything is sent, runs in a thread, can be stopped."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QMessageBox

from viewer.agents.cancelling import Cancel
from viewer.agents.drafting import session_drafter
from viewer.agents.endpoint import Endpoint, load_endpoint
from viewer.agents.errors import AgentError
from viewer.agents.keys import Keys
from viewer.agents.permission import Permission, PermissionBook, what_will_be_sent
from viewer.recording.review.drafting import draft_session
from viewer.recording.review.prompts import load_template, save_template, studies
from viewer.recording.session import SessionError
from viewer.slides.errors import SlideError, TileError
from viewer.ui.background import Background
from viewer.ui.recording.prompt_dialog import PromptDialog

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.agents.client import Spending
    from viewer.ui.main_window import MainWindow

_log = logging.getLogger(__name__)
_TOLD = (AgentError, SessionError, SlideError, TileError)
"""Errors that are a sentence for the user."""


class Drafting(QObject):
    """Owned by the window's `ReviewPart`; one session at a time."""

    progressed = Signal(int, int)
    """Drafts made, and wanted."""
    ended = Signal()

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._keys = Keys()
        self._work = Background("draft rationales", 1, self)
        self._disk = Background("prompts and permissions", 1, self)
        self._cancel: Cancel | None = None

    @property
    def is_running(self) -> bool:
        return self._cancel is not None

    def ask(self, session: Path, count: int) -> None:
        """Drafts for `count` actions of a session, once the user has allowed it for the study."""
        study = self._window.settings.study

        def known() -> tuple[Endpoint, Permission | None]:
            endpoint = load_endpoint()
            endpoint.check()
            return endpoint, PermissionBook().find(study, endpoint.host)

        def on_known(found: tuple[Endpoint, Permission | None]) -> None:
            endpoint, permission = found
            if permission is None:
                self._ask_permission(session, endpoint, study, count)
            else:
                self._start(session, endpoint, study, permission)

        self._disk.run(known, on_known, self._on_refused)

    def stop(self) -> None:
        """Ends the drafting; what is drafted is kept."""
        if self._cancel is not None:
            self._cancel.set()

    def ask_prompt(self) -> None:
        """Lets the user edit the prompts."""
        self._disk.run(
            lambda: {study: load_template(study) for study in studies()},
            self._open_prompts,
            self._on_refused,
        )

    def shut_down(self) -> None:
        """Stops and ends the threads."""
        self.stop()
        self._work.close()
        self._disk.close(finish=True)

    # -----------------------------------------------------------------------------------------

    def _ask_permission(self, session: Path, endpoint: Endpoint, study: str, count: int) -> None:
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Before anything is sent")
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(f"Let {endpoint.model} draft rationales for {count} actions?")
        lines = [
            *what_will_be_sent(endpoint, study),
            f"Now: for each of the {count} actions the slide with its box, the box, and its cells, "
            "with the prompt of the study.",
            "Your answer holds for this study and this host.",
        ]
        box.setInformativeText("\n\n".join(lines))
        send = box.addButton("Send and draft", QMessageBox.ButtonRole.AcceptRole)
        cancel = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(cancel)
        send.clicked.connect(lambda: self._on_permitted(session, endpoint, study))
        box.finished.connect(box.deleteLater)
        box.open()

    def _on_permitted(self, session: Path, endpoint: Endpoint, study: str) -> None:
        self._disk.run(
            lambda: PermissionBook().give(study, endpoint.host),
            lambda permission: self._start(session, endpoint, study, permission),
            self._on_refused,
        )

    def _start(self, session: Path, endpoint: Endpoint, study: str, permission: Permission) -> None:
        if self._cancel is not None:
            return
        cancel = self._cancel = Cancel()

        def drafted() -> str:
            key = self._keys.key_of(endpoint.host)
            drafter = session_drafter(session, endpoint, study, permission, key, cancel)
            count = draft_session(
                session,
                drafter,
                load_template(study),
                progress=self.progressed.emit,
                is_cancelled=lambda: cancel.is_set,
            )
            return _told(count, drafter.spending, endpoint)

        self._window.say(f"{endpoint.model} drafts rationales.")
        self._work.run(drafted, self._on_drafted, self._on_failed)

    def _on_drafted(self, told: str) -> None:
        self._end()
        self._window.say(told)

    def _on_failed(self, error: Exception) -> None:
        self._end()
        self._on_refused(error)

    def _on_refused(self, error: Exception) -> None:
        if not isinstance(error, _TOLD):
            _log.error("drafting failed", exc_info=error)
        self._window.say(str(error))

    def _end(self) -> None:
        self._cancel = None
        self.ended.emit()

    def _open_prompts(self, templates: dict[str, str]) -> None:
        dialog = PromptDialog(templates, self._window.settings.study, self._window)
        dialog.accepted.connect(lambda: self._keep_prompt(dialog.study, dialog.text))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _keep_prompt(self, study: str, text: str) -> None:
        self._window.change_settings(study=study)
        self._disk.run(
            lambda: save_template(study, text),
            lambda _: self._window.say(f'The prompt of the study "{study}" is kept.'),
            self._on_refused,
        )


def _told(count: int, spending: Spending, endpoint: Endpoint) -> str:
    tokens = spending.tokens_in + spending.tokens_out
    cost = f", {spending.cost:.2f} {endpoint.currency}" if spending.cost else ""
    return (
        f"{count} rationales were drafted ({tokens:,} tokens{cost}): none goes out before you "
        "accept it."
    )
