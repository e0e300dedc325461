"""The loop over a real slide: what is done, who has the slide, and what the session holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_steps import PATIENCE_S, Heard, bench
from session_lines import read_lines

from viewer.agents.actions import (
    Annotate,
    Answer,
    CallTool,
    GoTo,
    Note,
    Observation,
    Scene,
    Task,
    Walk,
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
from viewer.agents.errors import AgentError
from viewer.agents.findings import Claim
from viewer.agents.loop import AgentRun
from viewer.geometry import Box
from viewer.recording.behaviors import actions_of
from viewer.recording.events import (
    AnnotationChanged,
    NoteTaken,
    QuestionAnswered,
    QuestionAsked,
    Viewport,
)
from viewer.recording.log_reader import verify
from viewer.recording.replay import ReplayClock
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace

A, B = Box(400, 400, 900, 800), Box(1000, 1500, 1400, 1800)


class Scripted:
    """Does what a test says; `seen` has what it was shown after each."""

    name = "scripted"

    def __init__(self, script: Callable[[list[Observation]], Walk]) -> None:
        self.seen: list[Observation] = []
        self._script = script

    def walk(self, scene: Scene, first: Observation) -> Walk:  # noqa: ARG002 - as policies have it
        self.seen.append(first)
        walk = self._script(self.seen)
        action = next(walk)
        while True:
            self.seen.append((yield action))
            try:
                action = walk.send(self.seen[-1])
            except StopIteration:
                return


def _result(seen: Observation) -> Any:
    return seen.result


def test_a_walk_becomes_a_session_that_replays(sample_slide: Path, tmp_path: Path) -> None:
    def script(_: list[Observation]) -> Walk:
        yield GoTo(A, None, "It is dark.")
        yield Annotate("A gland", "A gland lies here.", Box(500, 500, 600, 600), {"n": 1.0}, "me")
        yield CallTool("measure", {"x0": 400, "y0": 400, "x1": 900, "y1": 800})
        yield GoTo(B, 10.0)
        yield Note("All was seen.")
        yield Answer("It is a gland.", (Claim("Gland", region=1), Claim("Vessel", (0, 0, 50, 50))))

    heard, policy = Heard(), Scripted(script)
    with bench(sample_slide, tmp_path) as at:
        run = AgentRun(policy, at.microscope, at.tools, Task("What is it?"), on_event=heard)
        outcome = run.run()
        session = at.session
    assert outcome.state is AgentState.FINISHED
    assert [visit.region for visit in outcome.visits] == [1, 2]
    assert outcome.visits[1].magnification == pytest.approx(10.0)
    assert outcome.findings[0].box == (500.0, 500.0, 600.0, 600.0)
    assert _result(policy.seen[3])["width_um"] == pytest.approx(500 * 0.499, abs=0.1)
    assert outcome.answer is not None
    assert [claim.region for claim in outcome.answer.claims] == [1, None]
    assert outcome.answer.claims[1].line == "Vessel (not visited)"
    kinds = (Step, Moved, Found, Step, Measured, Step, Moved, Said, Finished, StateChanged)
    assert tuple(type(event) for event in heard.events) == kinds
    assert verify(session).is_good
    header = read_header(session)
    assert (header.origin, header.reader, header.slide.name) == ("agent", "agent-test", None)
    events = [line.event for line in read_lines(session)]
    views = [event for event in events if isinstance(event, Viewport)]
    assert [view.cause for view in views] == ["agent"] * 3
    assert (NoteTaken(13, "All was seen.")) in events
    assert QuestionAsked("task", "What is it?") in events
    assert QuestionAnswered("task", "It is a gland.") in events
    assert any(isinstance(event, AnnotationChanged) for event in events)
    trace = load_trace(session)
    found = actions_of(trace)
    assert [action.command for action in found] == ["<40x-peek>", "<10x-inspect>"]
    clock = ReplayClock(trace)
    clock.step(found, 1)
    clock.step(found, 1)
    assert trace.causes[clock.view_index] == "agent"


def test_what_cannot_be_done_is_told_and_the_walk_goes_on(
    sample_slide: Path, tmp_path: Path
) -> None:
    def script(_: list[Observation]) -> Walk:
        yield Annotate("early", "before any region")
        yield GoTo(Box(90_000, 0, 91_000, 500))
        yield CallTool("delete_files", {})
        yield CallTool("measure", {"x0": 1, "y0": "two"})
        yield CallTool("measure", {"x0": 10, "y0": 10, "x1": 5, "y1": 5})
        yield Answer("Nothing.")

    policy = Scripted(script)
    with bench(sample_slide, tmp_path) as at:
        outcome = AgentRun(policy, at.microscope, at.tools, Task("?")).run()
    told = [seen.trouble for seen in policy.seen[1:]]
    for trouble, words in zip(
        told, ("Go to a region", "not lie on", "no tool", "are wrong", "not lie on"), strict=True
    ):
        assert words in trouble
    assert outcome.state is AgentState.FINISHED
    assert outcome.visits == outcome.findings == []


def test_the_step_limit_ends_an_agent_that_never_answers(
    sample_slide: Path, tmp_path: Path
) -> None:
    def script(_: list[Observation]) -> Walk:
        while True:
            yield GoTo(A)

    policy = Scripted(script)
    with bench(sample_slide, tmp_path) as at:
        outcome = AgentRun(policy, at.microscope, at.tools, Task("?"), most_steps=4).run()
    assert outcome.state is AgentState.FAILED
    assert "within 4 steps" in outcome.failure
    assert len(outcome.visits) == 4
    assert "answer now" in policy.seen[-1].trouble
    assert policy.seen[-1].steps_left == 0


def test_the_user_takes_over_corrects_and_hands_back(sample_slide: Path, tmp_path: Path) -> None:
    def script(_: list[Observation]) -> Walk:
        yield GoTo(A)
        yield Note("one")
        yield GoTo(B)
        yield Answer("done")

    heard, policy = Heard(), Scripted(script)
    with bench(sample_slide, tmp_path) as at:
        run = AgentRun(policy, at.microscope, at.tools, Task("?"), on_event=heard)

        def stop_at_first(event: object) -> None:
            heard(event)  # type: ignore[arg-type]
            if isinstance(event, Moved) and event.visit.region == 1:
                run.take_over()

        run._on_event = stop_at_first
        run.start()
        heard.wait(lambda: run.state is AgentState.TAKEN_OVER)
        assert not run.join(0.3)
        mine = Box(100, 2000, 700, 2400)
        at.microscope.go_to(mine)
        run.remark("Look at the lower left.")
        run.hand_back()
        assert run.join(PATIENCE_S)
        outcome = run.outcome
    assert outcome.state is AgentState.FINISHED
    seen = policy.seen[1]
    assert seen.was_moved
    assert seen.remarks == ("Look at the lower left.",)
    assert [visit.region for visit in outcome.visits] == [1, 2, 3]
    assert Box(*outcome.visits[1].box).contains(mine.center)
    states = [event.state for event in heard.of(StateChanged)]
    assert states == [AgentState.TAKEN_OVER, AgentState.RUNNING, AgentState.FINISHED]


def test_pause_holds_resume_goes_on_cancel_ends(sample_slide: Path, tmp_path: Path) -> None:
    def script(_: list[Observation]) -> Walk:
        for _again in range(100_000):
            yield Note("again")
        yield Answer("done")

    heard = Heard()
    with bench(sample_slide, tmp_path) as at:
        run = AgentRun(Scripted(script), at.microscope, at.tools, Task("?"), on_event=heard)
        run.pause()
        run.resume()
        run.pause()
        run.start()
        assert not run.join(0.3)
        assert heard.of(Said) == []
        run.hand_back()  # not taken over: nothing happens
        assert run.state is AgentState.PAUSED
        run.cancel()
        assert run.join(PATIENCE_S)
        assert run.state is AgentState.CANCELED
        assert run.outcome.answer is None
        again = AgentRun(Scripted(script), at.microscope, at.tools, Task("?"), on_event=heard)
        again.start()
        heard.wait(lambda: len(heard.of(Said)) > 3)
        again.cancel()
        assert again.join(PATIENCE_S)
        assert len(heard.of(Said)) < 100_000


@pytest.mark.parametrize("error", [AgentError("The model is gone."), ValueError("odd")])
def test_a_policy_that_fails_is_one_sentence(
    sample_slide: Path, tmp_path: Path, error: Exception
) -> None:
    def script(_: list[Observation]) -> Walk:
        yield GoTo(A)
        raise error

    heard = Heard()
    with bench(sample_slide, tmp_path) as at:
        outcome = AgentRun(
            Scripted(script), at.microscope, at.tools, Task("?"), on_event=heard
        ).run()
    assert outcome.state is AgentState.FAILED
    assert str(error).rstrip(".") in outcome.failure
    assert heard.of(Failed) == [Failed(outcome.failure)]
    assert len(outcome.visits) == 1
