"""`coverslip agent`: one slide read by an agent."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.agents.options import (
    AskKeyOption,
    CropOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    MppOption,
    PermitOption,
    PolicyOption,
    PredictorOption,
    RegionsOption,
    StepsOption,
    StudyOption,
    SystemOption,
    TissueOption,
    UrlOption,
    reading_options,
    wanted_policy,
)
from viewer.cli.output import fail, print_record

if TYPE_CHECKING:
    from viewer.agents.agent_events import AgentEvent
    from viewer.agents.client import Spending
    from viewer.agents.policy_choice import PolicyChoice
    from viewer.agents.reading import SlideReading
    from viewer.agents.report_draft import Draft
    from viewer.agents.report_template import ReportTemplate

_EXIT_FAILED = 1


def run_agent(
    slide: Annotated[Path, typer.Argument(help="The slide, or a picture of a field.")],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Folder for the session, findings.json and report.md."),
    ],
    question: Annotated[str, typer.Option(help="What is asked.")] = "What is seen on this slide?",
    option: Annotated[
        list[str] | None, typer.Option(help="An answer to choose from; give it several times.")
    ] = None,
    policy: PolicyOption = "local",
    url: UrlOption = None,
    model: ModelOption = None,
    study: StudyOption = "default",
    permit: PermitOption = False,
    ask_key: AskKeyOption = False,
    steps: StepsOption = 30,
    regions: RegionsOption = 5,
    crop: CropOption = None,
    system: SystemOption = None,
    predictor: PredictorOption = None,
    tissue: TissueOption = None,
    annotations: Annotated[
        Path | None, typer.Option(help="A file of annotations that the agent may read.")
    ] = None,
    template: Annotated[Path | None, typer.Option(help="A JSON template of the report.")] = None,
    mpp: MppOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Let an agent read a slide: a session that replays, findings.json, and a draft report.md."""
    from viewer.agents.actions import Task
    from viewer.agents.client import Spending
    from viewer.agents.errors import AgentError
    from viewer.agents.reading import read_slide, write_findings, write_text
    from viewer.agents.report_draft import markdown
    from viewer.agents.report_template import DEFAULT_TEMPLATE, load_template
    from viewer.slides import SlideError

    spending = Spending()
    try:
        chosen = load_template(template) if template else DEFAULT_TEMPLATE
        wanted = wanted_policy(
            policy, regions, crop, system, predictor, url, model, study, permit, ask_key
        )
        options = reading_options(policy, steps, mpp, device, tissue, annotations, slide)
        out.mkdir(parents=True, exist_ok=True)
        task = Task(question, tuple(option or ()))
        tell = _quiet if json else _tell
        reading = read_slide(
            slide, out, task, lambda session: wanted.made(session, spending), options, tell
        )
        draft = _drafted(reading, wanted, spending, chosen)
        findings, report = _outputs(out, reading)
        write_findings(findings, reading, spending, wanted.model)
        write_text(report, markdown(draft))
    except (SlideError, AgentError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{out} cannot be written ({error.strerror or error}): choose another place.")
    _tell_end(reading, spending, report, json=json)


def _outputs(out: Path, reading: SlideReading) -> tuple[Path, Path]:
    """Return where findings and report go: a run that failed replaces none of a run before."""
    findings, report = out / "findings.json", out / "report.md"
    if reading.outcome.answer is not None or not findings.exists():
        return findings, report
    typer.echo(f"{findings} is of a run before and stays; this run failed.", err=True)
    return out / "findings.failed.json", out / "report.failed.md"


def _drafted(
    reading: SlideReading, wanted: PolicyChoice, spending: Spending, template: ReportTemplate
) -> Draft:
    """By the model where there is one and it answers, else from the walk alone."""
    from viewer.agents.errors import AgentError
    from viewer.agents.report_draft import draft_by_model, draft_from_walk

    if wanted.endpoint is not None and reading.outcome.answer is not None:
        try:
            client = wanted.client(reading.session, spending)
            return draft_by_model(client, reading.outcome, template)
        except AgentError as error:
            typer.echo(f"The report is filled without the model: {error}", err=True)
    return draft_from_walk(reading.outcome, template)


def _quiet(_event: AgentEvent) -> None: ...


def _tell(event: AgentEvent) -> None:
    """A line an event on stderr."""
    from viewer.agents.agent_events import Found, Measured, Moved, Said

    match event:
        case Moved(visit, why):
            box = ", ".join(f"{side:.0f}" for side in visit.box)
            typer.echo(f"Region {visit.region} ({box}). {why}", err=True)
        case Found(finding):
            typer.echo(f"  {finding.text}", err=True)
        case Measured(tool, _, str(trouble)):
            typer.echo(f"  {tool}: {trouble}", err=True)
        case Said(text, is_done=True):
            typer.echo(f"  {text}", err=True)
        case _:
            pass


def _tell_end(reading: SlideReading, spending: Spending, report: Path, *, json: bool) -> None:
    from viewer.agents.report_draft import DRAFT

    outcome = reading.outcome
    claims = [claim.line for claim in outcome.answer.claims] if outcome.answer else []
    print_record(
        {
            "state": outcome.state.value,
            "answer": outcome.answer.text if outcome.answer else outcome.failure,
            "claims": claims if json else "\n".join(claims),
            "regions": len(outcome.visits),
            "steps": outcome.steps,
            "tokens": spending.tokens_in + spending.tokens_out,
            "cost": round(spending.cost, 4),
            "session": str(reading.session) if reading.session.exists() else None,
            "report": str(report),
            "notice": f"{DRAFT}.",
        },
        json=json,
    )
    if outcome.answer is None:
        raise typer.Exit(_EXIT_FAILED)
