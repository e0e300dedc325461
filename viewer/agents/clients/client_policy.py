"""The policy of an agent that is another program: each of its calls is an action of the walk."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

from viewer.agents.actions import Answer
from viewer.agents.agent_events import AgentState
from viewer.agents.errors import ToolError

if TYPE_CHECKING:
    from viewer.agents.actions import Action, Observation, Scene, Walk
    from viewer.agents.loop import AgentRun

PATIENCE_S = 20.0
"""For a person who paused or took over; clients wait for a minute for an answer."""
_LOOK_S = 0.05
_PAUSED = {
    AgentState.PAUSED: "The reading is paused by the user: wait, then call again.",
    AgentState.TAKEN_OVER: "The user moves the slide now: wait, then call again.",
}
ENDED = "The reading has ended: open a slide to begin another."


class _Request:
    """One action that is wanted, and what was seen after it."""

    def __init__(self, action: Action) -> None:
        self.action = action
        self.is_done = threading.Event()
        self.seen: Observation | None = None


class ClientPolicy:
    """Yields what another program asks for, as it asks.

    `perform` is called in the thread of the calls, `walk` runs in the agent's.

    Parameters
    ----------
    name
        Stands in the session and the report.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.scene: Scene | None = None
        self.first: Observation | None = None
        self._run: AgentRun | None = None
        self._has_begun, self._has_ended = threading.Event(), threading.Event()
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._news: list[str] = []

    def walk(self, scene: Scene, first: Observation) -> Walk:
        self.scene, self.first = scene, first
        self._hear(first)
        self._has_begun.set()
        try:
            while True:
                with scene.cancel.stopping(lambda: self._requests.put(None)):
                    request = self._requests.get()
                scene.cancel.check()
                assert request is not None
                request.seen = yield request.action
                self._hear(request.seen)
                request.is_done.set()
        finally:
            self._has_ended.set()

    # In the thread of the calls ----------------------------------------------------------------

    def attach(self, run: AgentRun) -> None:
        """Take the run that walks by this policy; before it begins, from any thread."""
        self._run = run

    @property
    def run(self) -> AgentRun | None:
        """Return the run that walks by this policy, once there is one."""
        return self._run

    def wait_begun(self, seconds: float) -> bool:
        """Wait for the walk to begin, or for `end`; return whether it has begun."""
        self._has_begun.wait(seconds)
        return self.scene is not None

    def end(self) -> None:
        """Let go whoever waits: no walk will come, or it is over."""
        self._has_ended.set()
        self._has_begun.set()

    def news(self) -> list[str]:
        """Return what the user said or did since this was last asked."""
        news, self._news = self._news, []
        return news

    def wait_turn(self) -> None:
        """Wait while the user has the slide. Raises ToolError after a while, and at the end."""
        until_s = time.monotonic() + PATIENCE_S
        while (state := self._state()) in _PAUSED:
            if time.monotonic() > until_s:
                raise ToolError(_PAUSED[state])
            self._has_ended.wait(_LOOK_S)
        if state.is_over or self._has_ended.is_set():
            raise ToolError(ENDED)

    def perform(self, action: Action) -> Observation:
        """Have an action done and return what is seen after it.

        Raises
        ------
        ToolError
            It was not done, or its result is withheld; one sentence.
        """
        self.wait_turn()
        request = _Request(action)
        self._requests.put(request)
        paused_s = 0.0
        while not request.is_done.wait(_LOOK_S):
            if self._has_ended.is_set():
                return self._after_the_end(action)
            state = self._state()
            paused_s = paused_s + _LOOK_S if state in _PAUSED else 0.0
            if paused_s > PATIENCE_S:
                raise ToolError(_PAUSED[state])
        assert request.seen is not None
        if request.seen.trouble:
            raise ToolError(request.seen.trouble)
        return request.seen

    def _after_the_end(self, action: Action) -> Observation:
        """Return the last that was seen, where the action was to end the walk and has."""
        while self._run is not None and not self._state().is_over:
            time.sleep(_LOOK_S)
        if isinstance(action, Answer) and self._state() is AgentState.FINISHED:
            assert self.first is not None
            return self.first
        failure = self._run.outcome.failure if self._run is not None else ""
        raise ToolError(failure or ENDED)

    def _state(self) -> AgentState:
        return AgentState.FAILED if self._run is None else self._run.state

    def _hear(self, seen: Observation) -> None:
        self._news += [f"The user says: {remark}" for remark in seen.remarks]
        if seen.was_moved:
            visit = seen.visits[-1]
            sides = ", ".join(f"{side:.0f}" for side in visit.box)
            self._news.append(f"The user moved the slide: region {visit.region} is box [{sides}].")
