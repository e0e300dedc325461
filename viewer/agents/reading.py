"""One slide read from beginning to end without a window: for scripts and benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.agents.agent_events import AgentState
from viewer.agents.headless import HeadlessMicroscope
from viewer.agents.loop import MOST_STEPS, AgentRun
from viewer.agents.report_draft import DRAFT
from viewer.agents.slide_models import SlideModels
from viewer.agents.slide_tools import SlideTools
from viewer.audit_log import trail
from viewer.files.atomic_write import atomic_write_bytes
from viewer.geometry import Optics
from viewer.overlays.files.marks_file import load_marks
from viewer.slides import open_slide
from viewer.slides.calibration import remembered_mpp_um

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.agents.actions import Policy, Task
    from viewer.agents.agent_events import AgentEvent
    from viewer.agents.chat.client import Spending
    from viewer.agents.findings import Finding
    from viewer.agents.loop import Outcome
    from viewer.annotations.annotation import Annotation
    from viewer.slides.source import SlideSource


class ReadingOptions(msgspec.Struct, frozen=True):
    """How a slide is read.

    Attributes
    ----------
    agent
        Stands in the session where a reader's pseudonym stands.
    mpp_um
        Micrometers per level-0 pixel, where the file does not tell.
    tissue_model
        Name of a model of tissue classes that fits the organ.
    annotations
        Gives those that are on the slide of an identity now.
    mark
        Takes the slide's identity and each finding, beyond its event in the session.
    """

    most_steps: int = MOST_STEPS
    agent: str = "agent"
    mpp_um: float | None = None
    device: str = "auto"
    tissue_model: str | None = None
    annotations: Callable[[str], Sequence[Annotation]] = lambda _identity: ()
    mark: Callable[[str, Finding], object] = lambda _identity, _finding: None


class SlideReading(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes
    ----------
    session
        The session's folder.
    """

    outcome: Outcome
    session: Path
    identity: str
    elapsed_s: float = 0.0


def read_slide(
    slide: Path,
    sessions: Path,
    task: Task,
    policy_for: Callable[[Path], Policy],
    options: ReadingOptions = ReadingOptions(),
    on_event: Callable[[AgentEvent], object] = lambda _: None,
    on_run: Callable[[AgentRun], object] = lambda _: None,
) -> SlideReading:
    """Walk a slide with a policy and record it as a session.

    Parameters
    ----------
    sessions
        The session gets a folder in it.
    policy_for
        Makes the policy, given the session's folder.
    on_run
        Takes the run before it begins, to end it from another thread.

    Raises
    ------
    SlideError
        The slide cannot be opened.
    """
    source = open_slide(slide)
    trail.note("opened", slide.absolute(), "agent")
    try:
        optics = _optics(source, options.mpp_um)
        identity = source.info.identity
        instruments = SlideModels(slide, source, optics.mean_mpp_um, options.device)
        tools = SlideTools(
            source,
            instruments,
            lambda: options.annotations(identity),
            load_marks(identity),
            options.tissue_model,
        )
        microscope = HeadlessMicroscope(
            source,
            optics,
            sessions,
            options.agent,
            mark=lambda finding: options.mark(identity, finding),
        )
        run: AgentRun | None = None
        try:
            policy = policy_for(microscope.folder)
            run = AgentRun(
                policy, microscope, tools, task, most_steps=options.most_steps, on_event=on_event
            )
            on_run(run)
            outcome = run.run()
            elapsed_s = microscope.elapsed_s
        finally:
            tools.close()
            if run is not None and (run.outcome.visits or run.state is not AgentState.FAILED):
                microscope.close()
            else:
                microscope.session.discard()
    finally:
        source.close()
    return SlideReading(outcome, microscope.folder, identity, elapsed_s)


def findings_record(
    reading: SlideReading, spending: Spending | None, model: str
) -> dict[str, object]:
    """Return what findings.json holds; `model` is the language model, "" where there was none."""
    outcome = reading.outcome
    return {
        "notice": f"{DRAFT}.",
        "slide": reading.identity,
        "session": reading.session.name,
        "policy": outcome.policy,
        "model": model,
        "question": outcome.task.question,
        "options": outcome.task.options,
        "state": outcome.state.value,
        "failure": outcome.failure,
        "steps": outcome.steps,
        "elapsed_s": round(reading.elapsed_s, 3),
        "spending": spending,
        "answer": outcome.answer,
        "findings": outcome.findings,
        "visits": outcome.visits,
        "notes": outcome.notes,
        "schema_version": 1,
    }


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises OSError."""
    atomic_write_bytes(path, text.encode())


def write_findings(
    path: Path, reading: SlideReading, spending: Spending | None = None, model: str = ""
) -> None:
    """Write findings.json. Raises OSError."""
    record = msgspec.json.encode(findings_record(reading, spending, model))
    write_text(path, msgspec.json.format(record, indent=2).decode() + "\n")


def _optics(source: SlideSource, mpp_um: float | None) -> Optics:
    optics = source.info.optics
    if mpp_um is not None:
        return Optics((mpp_um, mpp_um), optics.objective_power)
    if optics.mpp_um is None:
        return Optics(remembered_mpp_um(source.info.identity), optics.objective_power)
    return optics
