"""The vision-language model that the user chose: settings, key, and permission for the study."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QObject

from viewer.agents.endpoint import Endpoint, load_endpoint, save_endpoint
from viewer.agents.errors import AgentError
from viewer.agents.exchanges import ExchangeLog
from viewer.agents.permission import PermissionBook
from viewer.folders import data_folder
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import DialogHost, MessageHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.agents.chat.client import Client
    from viewer.agents.chat.keys import Keys
    from viewer.agents.permission import Permission


class _Wish(msgspec.Struct, frozen=True):
    """Who wants a client, and where its exchanges are kept; None makes a folder of its own."""

    study: str
    use: Callable[[Client], object]
    keep_in: Path | None
    slide: str = ""


class LanguageModelHost(MessageHost, DialogHost, PaneHost, SettingsHost, Protocol):
    """What the choice of a language model asks of the window."""


class LanguageModel(QObject):
    """Gives clients to those who want to ask; asks the user for what is missing first.

    Files and the keyring are read and written off the window's thread.
    """

    def __init__(self, window: LanguageModelHost, parent: QObject) -> None:
        from viewer.agents.chat.client import Spending

        super().__init__(parent)
        self._window = window
        self._background = BackgroundRunner("language model", 1, self)
        self.spending = Spending()
        self._refused: dict[Endpoint, set[str]] = {}

    @cached_property
    def _keys(self) -> Keys:
        from viewer.agents.chat.keys import (
            Keys,  # looks through every installed package for keyrings
        )

        return Keys()

    def client(self, use: Callable[[Client], object], keep_in: Path | None = None) -> None:
        """Give `use` a client as soon as the user has chosen a model and allowed it.

        It is never called where they do not.

        Parameters
        ----------
        keep_in
            Where the exchanges are kept; by default in a folder of their own.
        """
        self._grant(_Wish(self._window.settings.study, use, keep_in, self._slide()))

    def allowed_client(self, use: Callable[[Client | None], object]) -> None:
        """Give `use` a client where a model was chosen and allowed before; else None."""
        wish = _Wish(self._window.settings.study, use, None, self._slide())

        def known(found: tuple[Endpoint, Permission | None]) -> None:
            endpoint, permission = found
            try:
                endpoint.check()
            except AgentError:
                permission = None
            if permission is None:
                use(None)
            else:
                self._give(endpoint, permission, wish)

        self._background.run(lambda: _known(wish.study), known, self._on_failed)

    def choose(self) -> None:
        """Let the user choose the model."""
        self._choose(lambda: None)

    def shut_down(self) -> None:
        self._background.close(finish=True)

    # -----------------------------------------------------------------------------------------

    def _slide(self) -> str:
        """Return the name of the slide in front, for the list of what was sent."""
        path = self._window.panes.active.path
        return path.name if path is not None else ""

    def _grant(self, wish: _Wish) -> None:
        self._background.run(
            lambda: _known(wish.study),
            lambda known: self._checked(known[0], known[1], wish),
            self._on_failed,
        )

    def _checked(self, endpoint: Endpoint, permission: Permission | None, wish: _Wish) -> None:
        try:
            endpoint.check()
        except AgentError as error:
            self._choose(lambda: self._grant(wish), str(error))
            return
        if permission is None:
            self._ask_permission(endpoint, wish)
        else:
            self._give(endpoint, permission, wish)

    def _ask_permission(self, endpoint: Endpoint, wish: _Wish) -> None:
        from viewer.ui.agents.permission_dialog import PermissionDialog

        dialog = PermissionDialog(endpoint, wish.study, self._window.window())

        def permitted(permission: Permission) -> None:
            self._window.say(f"Images may go to {endpoint.host} in this study.")
            self._give(endpoint, permission, wish)

        dialog.accepted.connect(
            lambda: self._background.run(
                lambda: PermissionBook().give(wish.study, endpoint.host),
                permitted,
                self._on_failed,
                keeps="The permission to send images",
            )
        )
        dialog.rejected.connect(lambda: self._window.say("Nothing was sent."))
        open_dialog(dialog)

    def _give(self, endpoint: Endpoint, permission: Permission, wish: _Wish) -> None:
        from viewer.agents.chat.client import Client
        from viewer.recording.session import new_session_id

        spending, keys = self.spending, self._keys
        refused = self._refused.setdefault(endpoint, set())

        def made() -> Client:
            own = data_folder() / "exchanges" / new_session_id(datetime.now(UTC))
            log = ExchangeLog(wish.keep_in or own)
            key = keys.key_of(endpoint.host)
            return Client(
                endpoint,
                wish.study,
                permission,
                key=key,
                log=log,
                spending=spending,
                refused=refused,
                slide=wish.slide,
            )

        self._background.run(made, wish.use, self._on_failed)

    def _choose(self, chosen: Callable[[], object], why: str = "") -> None:
        self._background.run(
            load_endpoint, lambda now: self._show(now, chosen, why), self._on_failed
        )

    def _show(self, endpoint: Endpoint, chosen: Callable[[], object], why: str) -> None:
        from viewer.ui.agents.endpoint_dialog import EndpointDialog  # as `_keys`

        dialog = EndpointDialog(endpoint, self._keys, self._window.window(), why)
        dialog.accepted.connect(lambda: self._keep(dialog.endpoint, dialog.key, chosen))
        open_dialog(dialog)

    def _keep(self, endpoint: Endpoint, key: str, chosen: Callable[[], object]) -> None:
        keys = self._keys

        def keep() -> str:
            save_endpoint(endpoint)
            return keys.set(endpoint.host, key) if key else ""

        def kept(problem: str) -> None:
            self._window.say(problem or f"The model is {endpoint.model} at {endpoint.host}.")
            chosen()

        self._background.run(keep, kept, self._on_failed, keeps="The choice of a language model")

    def _on_failed(self, error: Exception) -> None:
        self._window.show_error(str(error))


def _known(study: str) -> tuple[Endpoint, Permission | None]:
    endpoint = load_endpoint()
    return endpoint, PermissionBook().find(study, endpoint.host)
