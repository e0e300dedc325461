"""Agents of other programs in the window: who is attached, what the user allows, the banner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from viewer.agents.clients.client_limits import MOST_STEPS
from viewer.policy import policy
from viewer.ui.agents.client_banner import ClientBanner
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import DialogHost, MessageHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.agents.actions import Policy, Task
    from viewer.agents.clients.client_policy import ClientPolicy
    from viewer.agents.loop import AgentRun
    from viewer.ui.agents.client_door import ClientDoor
    from viewer.ui.agents.client_place import Asked
    from viewer.ui.agents.permission_dialog import ClientPermissionDialog
    from viewer.ui.agents.walking import AgentWalk
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.worklist import WorklistController

_REFUSED = "The user does not let you read this slide."
_NO_SLIDE = "No slide is open in the window: ask the user to open one, or give a path."


class Walks(Protocol):
    """What walks of agents are begun by."""

    @property
    def walk(self) -> AgentWalk | None:
        """Return the one under way, or the last one while its slide is open."""
        ...

    def begin(
        self,
        pane: SlidePane,
        policy: Callable[[], Policy],
        task: Task,
        *,
        most_steps: int | None = None,
        on_run: Callable[[AgentRun], object] = lambda _: None,
    ) -> AgentWalk:
        """Begin a walk on a pane that shows a slide; the walk before ends."""
        ...

    def show_panel(self) -> None:
        """Bring the page Agent to the front."""


class ClientsHost(MessageHost, DialogHost, PaneHost, SettingsHost, Protocol):
    """What agents of other programs ask of the window."""

    overlays: OverlaysController
    worklist: WorklistController


class ClientsController(QObject):
    """Owned by the window's part for agents; `listen` begins, `shut_down` ends it."""

    _wanted = Signal(object)

    def __init__(self, window: ClientsHost, walks: Walks, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self._walks = walks
        self._door: ClientDoor | None = None
        self._walk: AgentWalk | None = None
        self._policy: ClientPolicy | None = None
        self._dialog: ClientPermissionDialog | None = None
        self.banner = ClientBanner(window.window())
        self.banner.dismissed.connect(self._dismiss)
        self._wanted.connect(self._on_wanted, Qt.ConnectionType.QueuedConnection)

    def listen(self) -> None:
        """Let agents attach from now on, where settings and policy allow it."""
        from viewer.running_window import RunningWindow
        from viewer.ui.agents.client_door import ClientDoor
        from viewer.ui.agents.client_place import WindowPlace

        if not self._window.settings.attached_agents or not policy().agent_clients:
            return
        listening = RunningWindow.claim("agents")
        if listening is None:
            return
        self._door = ClientDoor(listening, lambda: WindowPlace(self._wanted.emit), self)
        self._door.came.connect(self.banner.show_client)
        self._door.left.connect(self._on_left)

    def shut_down(self) -> None:
        """Send the client away and listen no more."""
        if self._door is not None:
            self._door.close()
            self._door = None

    # What a client wants -----------------------------------------------------------------------

    def _on_wanted(self, asked: Asked) -> None:
        pane = self._pane_of(asked.path)
        if pane is None and asked.path is None:
            asked.refuse(_NO_SLIDE)
            return
        key = _key_of(pane, asked.path)
        if key in asked.place.refused:
            asked.refuse(_REFUSED)
        elif key in asked.place.allowed:
            self._begin(asked)
        elif self._dialog is not None:
            asked.refuse("The user is being asked about another slide: call again.")
        else:
            self._ask(asked, key, self._name_of(pane, asked.path))

    def _ask(self, asked: Asked, key: str, name: str) -> None:
        from viewer.ui.agents.permission_dialog import ClientPermissionDialog

        self._dialog = dialog = ClientPermissionDialog(asked.client, name, self._window.window())

        def answer(result: int) -> None:
            self._dialog = None
            if result == ClientPermissionDialog.DialogCode.Accepted:
                asked.place.allowed.add(key)
                self._begin(asked)
            else:
                asked.place.refused.add(key)
                asked.refuse(_REFUSED)

        dialog.finished.connect(answer)
        open_dialog(dialog)

    def _begin(self, asked: Asked) -> None:
        """Have the walk begin, on a slide that is opened first where it is not."""
        pane = self._pane_of(asked.path)
        if pane is None:
            assert asked.path is not None
            self._open(asked, asked.path)
            return
        if hidden := self._window.overlays.hidden_by(pane):
            asked.refuse(hidden)
            return
        assert pane.source is not None
        asked.place.allowed.add(pane.source.info.identity)
        asked.allow()

        def attach(run: AgentRun) -> None:
            asked.policy.attach(run)
            self.show_state()

        self._walk = walk = self._walks.begin(
            pane,
            lambda: asked.policy,
            asked.task,
            most_steps=MOST_STEPS,
            on_run=attach,
        )
        self._policy = asked.policy
        walk.failed.connect(lambda sentence: asked.refuse(sentence))
        self._walks.show_panel()

    def _open(self, asked: Asked, path: Path) -> None:
        pane = self._window.panes.active

        def opened(_path: object) -> None:
            forget()
            # Once all parts of the window know the slide: they end walks on the one before.
            QTimer.singleShot(0, self, begin)

        def begin() -> None:
            if self._pane_of(path) is None:
                asked.refuse("Another slide was opened in the window meanwhile.")
            else:
                self._begin(asked)

        def failed(_path: object, sentence: str) -> None:
            forget()
            asked.refuse(sentence)

        def forget() -> None:
            pane.opened.disconnect(opened)
            pane.failed.disconnect(failed)

        pane.opened.connect(opened)
        pane.failed.connect(failed)
        pane.open(path)

    def _pane_of(self, path: Path | None) -> SlidePane | None:
        """Return the pane that shows a slide, or the active one; None where none does."""
        panes = self._window.panes
        for pane in (panes.active, *panes.panes):
            if pane.source is None or pane.path is None:
                continue
            if path is None:
                return pane if pane is panes.active else None
            if pane.path == path or pane.path.resolve() == path:
                return pane
        return None

    def _name_of(self, pane: SlidePane | None, path: Path | None) -> str:
        if pane is not None:
            return f'the slide "{self._window.worklist.label_of(pane)}"'
        assert path is not None
        return f"a slide that is not open: {path}"

    # Who is there ------------------------------------------------------------------------------

    def show_state(self) -> None:
        """Show in the banner how the walk of a client goes."""
        walk = self._walks.walk
        if walk is not None and walk is self._walk:
            self.banner.show_state(walk.state)
            return
        self.banner.show_state(None)
        if self._policy is not None:
            self._policy.end()  # the client need not wait for what was closed

    def _dismiss(self) -> None:
        if self._door is not None:
            self._door.dismiss()

    def _on_left(self) -> None:
        if self._dialog is not None:
            self._dialog.reject()
        self._walk = self._policy = None
        self.banner.hide()
        self._window.say("The agent of another program has left; what it found stays.")


def _key_of(pane: SlidePane | None, path: Path | None) -> str:
    if pane is not None and pane.source is not None:
        return pane.source.info.identity
    return str(path)
