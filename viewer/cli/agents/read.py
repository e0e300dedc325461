"""`coverslip agent`: slides read by an agent, one after the other."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from viewer.cli.agents.options import (
    AskKeyOption,
    CropOption,
    ModelOption,
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
from viewer.cli.output import (
    DeviceOption,
    FileMppOption,
    JsonOption,
    fail,
    print_json,
    print_record,
    say,
)
from viewer.errors import CoverslipError
from viewer.files.atomic_write import unwritable

if TYPE_CHECKING:
    from viewer.agents.actions import Task
    from viewer.agents.agent_events import AgentEvent
    from viewer.agents.chat.client import Spending
    from viewer.agents.policy_choice import PolicyChoice
    from viewer.agents.reading import ReadingOptions, SlideReading
    from viewer.agents.report_draft import Draft
    from viewer.agents.report_template import ReportTemplate
    from viewer.cohort.slides import NamedSlides

_EXIT_FAILED = 1
_ANSWERED = "finished"
"""The state of a reading that came to an answer."""


def run_agent(
    slides: Annotated[
        list[Path],
        typer.Argument(
            metavar="SLIDE...", help="Slides, pictures of fields, folders of them, or projects."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="Folder for the session, findings.json and report.md; each of several slides has "
            "a folder in it.",
        ),
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
    mpp: FileMppOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Let an agent read slides: a session that replays, findings.json, and a draft report.md.

    Exit code 1 where a slide got no answer; the others are read nevertheless.
    """
    from viewer.agents.actions import Task
    from viewer.agents.chat.client import Spending
    from viewer.agents.errors import AgentError
    from viewer.agents.report_template import DEFAULT_TEMPLATE, load_template
    from viewer.cohort.slides import named_slides
    from viewer.slides import SlideError

    spending = Spending()
    found = named_slides(slides)
    if not found.slides:
        fail(" ".join(found.problems))
    if annotations is not None and found.is_list:
        fail("--annotations are of one slide: give one.")
    try:
        chosen = load_template(template) if template else DEFAULT_TEMPLATE
        wanted = wanted_policy(
            policy, regions, crop, system, predictor, url, model, study, permit, ask_key
        )
        only = None if found.is_list else found.slides[0][0]
        options = reading_options(policy, steps, mpp, device, tissue, annotations, only)
    except (SlideError, AgentError) as error:
        fail(str(error))
    job = _Job(Task(question, tuple(option or ())), wanted, options, chosen, spending, json)
    if only is not None:
        try:
            record = job.read(only, out)
        except _FailedError as error:
            fail(str(error))
        print_record(record, json=json)
        has_failed = record["state"] != _ANSWERED
    else:
        has_failed = job.read_all(found, out)
    if has_failed:
        raise typer.Exit(_EXIT_FAILED)


class _FailedError(CoverslipError):
    """A slide was not read; one sentence."""


class _Job(msgspec.Struct, frozen=True):
    """What is asked of each slide, and by which policy."""

    task: Task
    wanted: PolicyChoice
    options: ReadingOptions
    template: ReportTemplate
    spending: Spending
    json: bool

    def read_all(self, found: NamedSlides, out: Path) -> bool:
        """Read slides one after the other and print a record of each; whether any failed."""
        for problem in found.problems:
            say(problem)
        has_failed = bool(found.problems)
        records: list[dict[str, object]] = []
        for (slide, _), folder in zip(found.slides, _folders(found.slides), strict=True):
            if not self.json:
                say(f"{slide}:")
            try:
                record = self.read(slide, out / folder)
            except _FailedError as error:
                say(str(error))
                record = {"state": "failed", "answer": str(error)}
            record = {"slide": str(slide), **record}
            has_failed = has_failed or record["state"] != _ANSWERED
            records.append(record)
            if not self.json:
                print_record(record, json=False)
        if self.json:
            print_json(records)
        return has_failed

    def read(self, slide: Path, out: Path) -> dict[str, object]:
        """Read one slide, write what came of it, and return a record. Raises _FailedError."""
        from viewer.agents.errors import AgentError
        from viewer.agents.reading import read_slide, write_findings, write_text
        from viewer.agents.report_draft import markdown
        from viewer.slides import SlideError

        wanted, spending = self.wanted, self.spending
        tell = _quiet if self.json else _tell
        try:
            out.mkdir(parents=True, exist_ok=True)
            reading = read_slide(
                slide,
                out,
                self.task,
                lambda session: wanted.made(session, spending),
                self.options,
                tell,
            )
            draft = _drafted(reading, wanted, spending, self.template)
            findings, report = _outputs(out, reading)
            write_findings(findings, reading, spending, wanted.model)
            write_text(report, markdown(draft))
        except (SlideError, AgentError) as error:
            raise _FailedError(str(error)) from error
        except OSError as error:
            raise _FailedError(unwritable(out, error)) from error
        return _record(reading, spending, report, json=self.json)


def _folders(slides: list[tuple[Path, str]]) -> list[str]:
    """Return a folder for each slide, by its name without an ending; no two are alike."""
    taken: set[str] = set()
    folders: list[str] = []
    for path, _ in slides:
        name = stem = path.stem
        number = 2
        while name.casefold() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.casefold())
        folders.append(name)
    return folders


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


def _record(
    reading: SlideReading, spending: Spending, report: Path, *, json: bool
) -> dict[str, object]:
    """Return what is printed of a reading; tokens and cost are of all slides so far."""
    from viewer.agents.report_draft import DRAFT

    outcome = reading.outcome
    claims = [claim.line for claim in outcome.answer.claims] if outcome.answer else []
    return {
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
    }
