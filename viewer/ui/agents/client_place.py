"""The window as the place in which an agent of another program reads; free of Qt."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.clients.client_limits import MEGAPIXELS
from viewer.agents.clients.client_policy import ClientPolicy
from viewer.agents.clients.nameless import nameless
from viewer.agents.errors import AgentError
from viewer.policy import policy as administrators_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.agents.actions import Task

_ANSWER_S = 45.0
"""For the user to answer, and for the slide to open; clients wait for a minute."""
_NO_ANSWER = "The user has not answered yet whether you may read this slide: call again."
_TOO_LATE = "The slide could not be opened in time: call again."


class Asked(msgspec.Struct):
    """A slide that a client wants to read; the window answers it.

    Attributes
    ----------
    path
        None for the slide in front.
    place
        Of the client: what the user allowed or refused it before.
    problem
        Why it may not, or cannot be read; "" where it may.
    """

    client: str
    path: Path | None
    task: Task
    policy: ClientPolicy
    place: WindowPlace
    problem: str = ""
    answered: threading.Event = msgspec.field(default_factory=threading.Event)

    def allow(self) -> None:
        """Let the client wait for the walk to begin."""
        self.answered.set()

    def refuse(self, sentence: str) -> None:
        """Let the call go with a sentence."""
        self.problem = sentence
        self.answered.set()
        self.policy.end()


class WindowPlace:
    """One client's place; `open` is called in the thread of its calls.

    Parameters
    ----------
    ask
        Takes an `Asked` to the window's thread, which asks the user and begins the walk.
    """

    def __init__(self, ask: Callable[[Asked], object]) -> None:
        self._ask = ask
        self._pending: dict[str, Asked] = {}
        self.allowed: set[str] = set()
        """Slides, by identity, that the user lets this client read while it is attached."""
        self.refused: set[str] = set()
        """Slides, by path or identity, for which the user is not asked again."""

    def open(self, path: str, client: str, task: Task) -> WindowReading:
        """Have a slide read in the window, once the user has allowed it. Raises AgentError."""
        key = os.path.realpath(path) if path and "\0" not in path else ""
        if key and not administrators_policy().allows_path(Path(key)):
            raise AgentError("The administrator's policy allows no slides there.")
        asked = self._pending.get(key)
        if asked is None:
            asked = Asked(client, Path(key) if key else None, task, ClientPolicy(client), self)
            self._pending[key] = asked
            self._ask(asked)
        if not asked.answered.wait(_ANSWER_S):
            raise AgentError(_NO_ANSWER)
        self._pending.pop(key, None)
        if asked.problem or not asked.policy.wait_begun(_ANSWER_S):
            problem = AgentError(asked.problem or _TOO_LATE)
            raise AgentError(nameless(problem, [Path(key)] if key else []))
        return WindowReading(asked.policy)

    def close(self) -> None:
        """Let go whoever waits for the user."""
        for asked in list(self._pending.values()):
            asked.refuse("The attachment has ended.")


class WindowReading:
    """A reading in the window, as the desk knows it; the window owns the walk."""

    megapixels = MEGAPIXELS

    def __init__(self, policy: ClientPolicy) -> None:
        self.policy = policy

    def close(self) -> None:
        """End the walk; the window frees what it holds."""
        run = self.policy.run
        if run is not None:
            run.cancel()
        self.policy.end()
