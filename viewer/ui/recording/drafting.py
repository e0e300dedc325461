"""Drafting in one window: by the model that the user chose, in a thread, and can be stopped."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from viewer.agents.canceling import Cancel
from viewer.errors import sentence_of
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import DialogHost, MessageHost, SettingsHost

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.agents.chat.client import Client, Spending
    from viewer.ui.agents.language_model import LanguageModel

_log = logging.getLogger(__name__)


class Agents(Protocol):
    """What answers in words."""

    model: LanguageModel


class DraftingHost(MessageHost, DialogHost, SettingsHost, Protocol):
    """What drafting a report of a session asks of the window."""

    @property
    def agents(self) -> Agents:
        """Return what answers in words."""
        ...


class Drafting(QObject):
    """Owned by the window's `ReviewPart`; one session at a time."""

    began = Signal()
    progressed = Signal(int, int)
    """Drafts made, and wanted."""
    ended = Signal()
    failed = Signal(str)
    """One sentence: why there is no draft, or no prompt; it stays until it is read."""

    def __init__(self, window: DraftingHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._work = BackgroundRunner("draft rationales", 1, self)
        self._disk = BackgroundRunner("prompts", 1, self)
        self._cancel: Cancel | None = None

    @property
    def is_running(self) -> bool:
        return self._cancel is not None

    def ask(self, session: Path) -> None:
        """Drafts for a session, once the user has chosen a model and allowed it for the study."""
        from viewer.agents.drafting import DRAFTING_FOLDER

        self._window.agents.model.client(
            lambda client: self._start(session, client), session / DRAFTING_FOLDER
        )

    def stop(self) -> None:
        """End the drafting; what is drafted is kept."""
        if self._cancel is not None:
            self._cancel.set()

    def ask_prompt(self) -> None:
        """Let the user edit the prompts."""
        from viewer.recording.review.prompts import load_template, studies

        self._disk.run(
            lambda: {study: load_template(study) for study in studies()},
            self._open_prompts,
            self._on_refused,
        )

    def shut_down(self) -> None:
        """Stop and end the threads."""
        self.stop()
        self._work.close()
        self._disk.close(finish=True)

    # -----------------------------------------------------------------------------------------

    def _start(self, session: Path, client: Client) -> None:
        from viewer.agents.drafting import ModelDrafter
        from viewer.recording.review.drafting import draft_session
        from viewer.recording.review.prompts import load_template

        if self._cancel is not None:
            return
        cancel = self._cancel = Cancel()
        self.began.emit()
        before = replace(client.spending)

        def drafted() -> str:
            count = draft_session(
                session,
                ModelDrafter(client, cancel),
                load_template(client.study),
                progress=self.progressed.emit,
                is_canceled=lambda: cancel.is_set,
            )
            return _summary(count, before, client)

        self._window.say(f"{client.endpoint.model} drafts rationales.")
        self._work.run(drafted, self._on_drafted, self._on_failed)

    def _on_drafted(self, text: str) -> None:
        self._end()
        self._window.say(text)

    def _on_failed(self, error: Exception) -> None:
        self._end()
        self._on_refused(error)

    def _on_refused(self, error: Exception) -> None:
        self.failed.emit(sentence_of(error, _log, "drafting failed"))

    def _end(self) -> None:
        self._cancel = None
        self.ended.emit()

    def _open_prompts(self, templates: dict[str, str]) -> None:
        from viewer.ui.recording.prompt_dialog import PromptDialog

        dialog = PromptDialog(templates, self._window.settings.study, self._window.window())
        dialog.accepted.connect(lambda: self._keep_prompt(dialog.study, dialog.text))
        open_dialog(dialog)

    def _keep_prompt(self, study: str, text: str) -> None:
        from viewer.recording.review.prompts import save_template

        self._window.change_settings(study=study)
        self._disk.run(
            lambda: save_template(study, text),
            lambda _: self._window.say(f'The prompt of the study "{study}" is kept.'),
            self._on_refused,
            keeps="The prompt of the study",
        )


def _summary(count: int, before: Spending, client: Client) -> str:
    now = client.spending
    tokens = now.tokens_in + now.tokens_out - before.tokens_in - before.tokens_out
    cost = now.cost - before.cost
    spent = f", {cost:.2f} {client.endpoint.currency}" if cost else ""
    return (
        f"{count} rationales were drafted ({tokens:,} tokens{spent}): none goes out before you "
        "accept it."
    )
