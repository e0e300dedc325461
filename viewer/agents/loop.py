"""The loop of an agent: observe, act, until an answer or the step limit.

    run = AgentRun(policy, microscope, tools, Task("Is there tumor?"), on_event=show)
    run.start()          # a thread; or run.run() in one's own
    run.pause(); run.resume(); run.take_over(); run.hand_back(); run.remark("..."); run.cancel()
    run.outcome          # what came of it, from the beginning on

All methods may be called from any thread and return at once. `on_event` is called with the frozen
dataclasses of `viewer.agents.agent_events` in the agent's thread; `StateChanged` also in the thread
that pauses, resumes, takes over or hands back.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.actions import (
    Action,
    Annotate,
    Answer,
    Bookmark,
    CallTool,
    GoTo,
    Note,
    Observation,
    Scene,
)
from viewer.agents.agent_events import (
    AgentState,
    Failed,
    Finished,
    Found,
    Measured,
    Moved,
    Said,
    StateChanged,
    Step,
)
from viewer.agents.canceling import AgentCancelledError, Cancel
from viewer.agents.errors import AgentError, MicroscopeError, ToolError
from viewer.agents.findings import Finding, GroundedAnswer, Visit, corners, visit_of
from viewer.agents.grounding import grounded
from viewer.agents.microscope import LEAST_BOX_PX, on_slide, slide_box
from viewer.plurals import plural
from viewer.recording.events import Bookmarked, NoteTaken, QuestionAnswered, QuestionAsked

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.agents.actions import Policy, Task
    from viewer.agents.agent_events import AgentEvent
    from viewer.agents.microscope import Microscope
    from viewer.agents.slide_tools import SlideTools

_log = logging.getLogger(__name__)

MOST_STEPS = 30
_DWELL_S = 1.5
"""At each region: a second is the least that counts as a look in the analysis of sessions."""
_MOST_REFUSALS = 3
"""Actions without a step left, after which the agent is ended."""


class Outcome(msgspec.Struct):
    """What came of a walk so far.

    Attributes
    ----------
    failure
        One sentence; "" where nothing failed.
    error
        What ended the walk, where it is of a known kind.
    """

    task: Task
    policy: str
    state: AgentState = AgentState.RUNNING
    visits: list[Visit] = msgspec.field(default_factory=list[Visit])
    findings: list[Finding] = msgspec.field(default_factory=list[Finding])
    notes: list[str] = msgspec.field(default_factory=list[str])
    answer: GroundedAnswer | None = None
    steps: int = 0
    failure: str = ""
    error: AgentError | None = None


class AgentRun:
    """One walk of one agent over one slide.

    Parameters
    ----------
    most_steps
        Moves and measurements until the agent has to answer.
    """

    def __init__(
        self,
        policy: Policy,
        microscope: Microscope,
        tools: SlideTools,
        task: Task,
        *,
        most_steps: int = MOST_STEPS,
        on_event: Callable[[AgentEvent], object] = lambda _: None,
    ) -> None:
        self.outcome = Outcome(task, policy.name)
        self._policy = policy
        self._microscope = microscope
        self._tools = tools
        self._most_steps = most_steps
        self._on_event = on_event
        self._cancel = Cancel()
        self._gate = threading.Condition()
        self._remarks: list[str] = []
        self._was_moved = False
        self._thread: threading.Thread | None = None

    # From any thread --------------------------------------------------------------------------

    @property
    def state(self) -> AgentState:
        return self.outcome.state

    def start(self) -> None:
        """Walk in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="agent", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Hold before the next action."""
        self._turn(AgentState.PAUSED, AgentState.RUNNING)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._turn(AgentState.RUNNING, AgentState.PAUSED)

    def take_over(self) -> None:
        """The user moves the slide; the agent does nothing until `hand_back`."""
        self._turn(AgentState.TAKEN_OVER, AgentState.RUNNING, AgentState.PAUSED)

    def hand_back(self) -> None:
        """Let the agent go on from what the user shows now."""
        with self._gate:
            self._was_moved = self._was_moved or self.outcome.state is AgentState.TAKEN_OVER
        self._turn(AgentState.RUNNING, AgentState.TAKEN_OVER)

    def remark(self, text: str) -> None:
        """Tell the agent something, such as a correction; it reads it before its next action."""
        with self._gate:
            self._remarks.append(text)

    def cancel(self) -> None:
        """End the walk and what is under way; what was found stays."""
        self._cancel.set()
        with self._gate:
            self._gate.notify_all()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread; return whether it has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # In the agent's thread --------------------------------------------------------------------

    def run(self) -> Outcome:
        """Walk to the end; never raises."""
        try:
            self._walk()
        except AgentCancelledError:
            self._end(AgentState.CANCELED)
        except AgentError as error:
            self.outcome.error = error
            self._fail(str(error))
        except Exception as error:
            _log.exception("an agent stopped")
            self._fail(f"The agent stopped ({error}).")
        return self.outcome

    def _walk(self) -> None:
        task = self.outcome.task
        self._microscope.record(QuestionAsked("task", task.question))
        scene = Scene(
            task,
            self._microscope,
            self._tools,
            self._cancel,
            lambda text: self._on_event(Said(text, is_done=False)),
        )
        walk = self._policy.walk(scene, self._observed())
        try:
            action = next(walk)
            while not isinstance(action, Answer):
                action = walk.send(self._after(action))
            self._pass_gate()
        except StopIteration:
            raise AgentError("The agent ended without an answer.") from None
        finally:
            walk.close()
        self._answer(action)

    def _after(self, action: Action) -> Observation:
        """Do an action as soon as it is the agent's turn, and look."""
        self._pass_gate()
        result, trouble = None, ""
        try:
            result = self._do(action)
        except (MicroscopeError, ToolError) as error:
            trouble = str(error)
            if isinstance(action, CallTool):
                self._on_event(Measured(action.tool, action.arguments, trouble))
        self._pass_gate()
        return self._observed(result, trouble)

    def _do(self, action: Action) -> object:
        match action:
            case GoTo():
                self._count_step()
                self._go_to(action)
            case CallTool():
                self._count_step()
                result = self._tools.call(action.tool, action.arguments, self._cancel)
                self._on_event(Measured(action.tool, action.arguments, result))
                return result
            case Annotate():
                self._annotate(action)
            case Note(text):
                self._note(text)
            case Bookmark():
                self._bookmark(action)
            case Answer():
                raise AssertionError("an answer ends the walk")
        return None

    def _count_step(self) -> None:
        outcome = self.outcome
        outcome.steps += 1
        if outcome.steps >= self._most_steps + _MOST_REFUSALS:
            raise AgentError(f"The agent gave no answer within {plural(self._most_steps, 'step')}.")
        if outcome.steps > self._most_steps:
            raise ToolError("There is no step left: answer now.")
        self._on_event(Step(outcome.steps, self._most_steps))

    def _go_to(self, action: GoTo) -> None:
        box = on_slide(action.box, self._microscope.source)
        shown = self._microscope.go_to(box, action.magnification)
        visit = visit_of(len(self.outcome.visits) + 1, shown)
        self.outcome.visits.append(visit)
        self._on_event(Moved(visit, action.why))
        self._microscope.dwell(_DWELL_S, self._cancel)

    def _annotate(self, action: Annotate) -> None:
        visits = self.outcome.visits
        if not visits:
            raise ToolError("Go to a region first.")
        box = visits[-1].box
        if action.box is not None:
            box = corners(on_slide(action.box, self._microscope.source, LEAST_BOX_PX))
        finding = Finding(
            region=visits[-1].region,
            box=box,
            magnification=visits[-1].magnification,
            label=action.label,
            text=action.text,
            figures=action.figures,
            author=action.author,
        )
        self.outcome.findings.append(finding)
        self._microscope.annotate(finding)
        self._on_event(Found(finding))

    def _note(self, text: str) -> None:
        self.outcome.notes.append(text)
        self._microscope.record(NoteTaken(len(text), text))
        self._on_event(Said(text))

    def _bookmark(self, action: Bookmark) -> None:
        field = self._microscope.field.box if action.box is None else action.box
        middle = on_slide(field, self._microscope.source, LEAST_BOX_PX).center
        self._microscope.record(Bookmarked(middle.x, middle.y, action.label))
        self._on_event(Said(f"Bookmark: {action.label}"))

    def _answer(self, action: Answer) -> None:
        slide = slide_box(self._microscope.source)
        answer = grounded(action, self.outcome.visits, slide)
        self.outcome.answer = answer
        self._microscope.record(QuestionAnswered("task", answer.text))
        self._on_event(Finished(answer))
        self._end(AgentState.FINISHED)

    def _observed(self, result: object = None, trouble: str = "") -> Observation:
        with self._gate:
            remarks, self._remarks = tuple(self._remarks), []
            was_moved, self._was_moved = self._was_moved, False
        shown = self._microscope.field
        if was_moved:
            visit = visit_of(len(self.outcome.visits) + 1, shown)
            self.outcome.visits.append(visit)
            self._on_event(Moved(visit, "Shown by you."))
        return Observation(
            field=shown,
            steps_left=max(0, self._most_steps - self.outcome.steps),
            visits=tuple(self.outcome.visits),
            result=result,
            trouble=trouble,
            remarks=remarks,
            was_moved=was_moved,
        )

    def _pass_gate(self) -> None:
        """Wait while the agent is paused or the user has the slide."""
        with self._gate:
            self._gate.wait_for(
                lambda: self._cancel.is_set or self.outcome.state is AgentState.RUNNING
            )
        self._cancel.check()

    def _turn(self, to: AgentState, *from_: AgentState) -> None:
        with self._gate:
            if self.outcome.state not in from_:
                return
            self.outcome.state = to
            self._gate.notify_all()
        self._on_event(StateChanged(to))

    def _fail(self, sentence: str) -> None:
        self.outcome.failure = sentence
        self._on_event(Failed(sentence))
        self._end(AgentState.FAILED)

    def _end(self, state: AgentState) -> None:
        with self._gate:
            self.outcome.state = state
        self._on_event(StateChanged(state))
