"""`coverslip agent` and `coverslip evaluate agent`: agents that read slides without a window."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli_output import fail, print_record, print_table

if TYPE_CHECKING:
    from viewer.agents.agent_events import AgentEvent
    from viewer.agents.benchmark.results import Result
    from viewer.agents.benchmark.scores import Figure, Scores
    from viewer.agents.client import Spending
    from viewer.agents.endpoint import Endpoint
    from viewer.agents.permission import Permission
    from viewer.agents.policy_choice import PolicyChoice
    from viewer.agents.reading import ReadingOptions, SlideReading
    from viewer.agents.report_draft import Draft
    from viewer.agents.report_template import ReportTemplate
    from viewer.annotations.annotation import Annotation

KEY_VARIABLE = "COVERSLIP_MODEL_KEY"
"""Holds the key of the model's server for one run, where there is no keyring."""
_EXIT_FAILED = 1

_Policy = Annotated[
    str,
    typer.Option(
        help="local: no language model. predictor: proposals, then a model reasons. "
        "giant: the model chooses every crop."
    ),
]
_Url = Annotated[
    str | None, typer.Option(help="Address of the model's server; by default as in the settings.")
]
_Model = Annotated[str | None, typer.Option(help="The model, as its server knows it.")]
_Study = Annotated[str, typer.Option(help="What the permission to send pictures is given for.")]
_Permit = Annotated[
    bool, typer.Option("--permit", help="Allow pictures of this study's slides to be sent.")
]
_AskKey = Annotated[
    bool, typer.Option("--ask-key", help="Ask for the server's key; it goes to the keyring.")
]
_Steps = Annotated[int, typer.Option(help="Moves and measurements at most.", min=1, max=1000)]
_Regions = Annotated[int, typer.Option(help="Proposals that are gone to.", min=1, max=50)]
_Crop = Annotated[
    int | None, typer.Option(help="Longest side of a crop that giant sees, pixels.", min=64)
]
_System = Annotated[
    Path | None, typer.Option(help="A text file: what the model is told that it is.")
]
_Predictor = Annotated[
    str | None, typer.Option(help="Predictor that proposes; tissue and nuclei by default.")
]
_Tissue = Annotated[str | None, typer.Option(help="Model of tissue classes that fits the organ.")]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
_Mpp = Annotated[
    float | None, typer.Option(help="um per pixel of a file that tells none.", min=0.001)
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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
    policy: _Policy = "local",
    url: _Url = None,
    model: _Model = None,
    study: _Study = "default",
    permit: _Permit = False,
    ask_key: _AskKey = False,
    steps: _Steps = 30,
    regions: _Regions = 5,
    crop: _Crop = None,
    system: _System = None,
    predictor: _Predictor = None,
    tissue: _Tissue = None,
    annotations: Annotated[
        Path | None, typer.Option(help="A file of annotations that the agent may read.")
    ] = None,
    template: Annotated[Path | None, typer.Option(help="A JSON template of the report.")] = None,
    mpp: _Mpp = None,
    device: _Device = "auto",
    json: _Json = False,
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
        wanted = _wanted(
            policy, regions, crop, system, predictor, url, model, study, permit, ask_key
        )
        options = _options(policy, steps, mpp, device, tissue, annotations)
        out.mkdir(parents=True, exist_ok=True)
        task = Task(question, tuple(option or ()))
        tell = _quiet if json else _tell
        reading = read_slide(
            slide, out, task, lambda session: wanted.made(session, spending), options, tell
        )
        draft = _drafted(reading, wanted, spending, chosen)
        write_findings(out / "findings.json", reading, spending, wanted.model)
        write_text(out / "report.md", markdown(draft))
    except (SlideError, AgentError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{out} cannot be written ({error.strerror or error}): choose another place.")
    _tell_end(reading, spending, out, json=json)


def evaluate_agent(
    questions: Annotated[
        Path, typer.Option(help="Questions: .json, .jsonl or .csv, as MultiPathQA or PathMMU.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for results.jsonl, scores and sessions.")
    ],
    slides: Annotated[
        Path | None, typer.Option(help="Folder of the slides; the questions' own by default.")
    ] = None,
    policy: _Policy = "local",
    positive: Annotated[
        str, typer.Option(help="The answer that counts as positive, for precision and recall.")
    ] = "",
    limit: Annotated[int, typer.Option(help="Ask only so many; 0 asks all.", min=0)] = 0,
    url: _Url = None,
    model: _Model = None,
    study: _Study = "default",
    permit: _Permit = False,
    ask_key: _AskKey = False,
    steps: _Steps = 30,
    regions: _Regions = 5,
    crop: _Crop = None,
    system: _System = None,
    predictor: _Predictor = None,
    tissue: _Tissue = None,
    mpp: _Mpp = None,
    device: _Device = "auto",
    json: _Json = False,
) -> None:
    """Measure an agent on questions; run it again after a crash and it goes on where it was."""
    from viewer.agents.benchmark.harness import Bench, run_benchmark
    from viewer.agents.benchmark.questions import load_questions
    from viewer.agents.errors import AgentError
    from viewer.agents.reading import write_text

    try:
        asked = load_questions(questions)[: limit or None]
        wanted = _wanted(
            policy, regions, crop, system, predictor, url, model, study, permit, ask_key
        )
        bench = Bench(
            questions=asked,
            slides=slides or questions.absolute().parent,
            policy=policy,
            model=wanted.model,
            policy_for=wanted.made,
            options=_options(policy, steps, mpp, device, tissue, None),
            most_cost=wanted.endpoint.most_cost if wanted.endpoint else 0.0,
        )
        results = run_benchmark(bench, out, _quiet_result if json else _tell_result)
        scores = _all_scores(results, positive)
        record = _scores_json(scores)
        write_text(out / "scores.json", record)
    except AgentError as error:
        fail(f"{error} What was answered is kept: run the same command again to go on.")
    except OSError as error:
        fail(f"{out} cannot be written ({error.strerror or error}): choose another place.")
    if json:
        typer.echo(record)
    else:
        _print_scores(scores)


# How an agent is made -------------------------------------------------------------------------


def _wanted(
    policy: str,
    regions: int,
    crop_px: int | None,
    system: Path | None,
    predictor: str | None,
    url: str | None,
    model: str | None,
    study: str,
    permit: bool,
    ask_key: bool,
) -> PolicyChoice:
    from viewer.agents.errors import AgentError
    from viewer.agents.policy_choice import POLICIES, PolicyChoice

    if policy not in POLICIES:
        fail(f'There is no policy "{policy}": there are {", ".join(POLICIES)}.')
    prompt = None
    if system is not None:
        try:
            prompt = system.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise AgentError(f"{system} cannot be read ({error}).") from error
    proposer = None
    if predictor is not None:
        from viewer.agents.trained_proposals import trained_proposer  # brings torch

        proposer = trained_proposer(predictor)
    choice = PolicyChoice(policy, regions, crop_px, prompt, proposer)
    if policy == "local":
        return choice
    endpoint = _endpoint(url, model)
    permission = _permission(endpoint, study, permit=permit)
    return replace(
        choice,
        endpoint=endpoint,
        study=study,
        permission=permission,
        key=_key(endpoint, ask=ask_key),
    )


def _endpoint(url: str | None, model: str | None) -> Endpoint:
    import msgspec

    from viewer.agents.endpoint import load_endpoint

    endpoint = load_endpoint()
    if url is not None:
        endpoint = msgspec.structs.replace(endpoint, base_url=url)
    if model is not None:
        endpoint = msgspec.structs.replace(endpoint, model=model)
    endpoint.check()
    return endpoint


def _permission(endpoint: Endpoint, study: str, *, permit: bool) -> Permission:
    """The permission that was given before, or is given now with --permit."""
    from viewer.agents.permission import PermissionBook, check_permitted, what_will_be_sent

    book = PermissionBook()
    known = book.find(study, endpoint.host)
    if known is None and not permit:
        for line in what_will_be_sent(endpoint, study):
            typer.echo(line, err=True)
        fail("Nothing was sent. Add --permit to allow it, once for this study and host.")
    given = known or book.give(study, endpoint.host)
    check_permitted(endpoint, study, given)
    return given


def _key(endpoint: Endpoint, *, ask: bool) -> str | None:
    """From the keyring, or for this run only from the environment; never shown."""
    from viewer.agents.keys import Keys

    keys = Keys()
    if ask:
        told = keys.set(endpoint.host, typer.prompt("Key", hide_input=True, err=True))
        if told:
            typer.echo(told, err=True)
    return keys.key_of(endpoint.host) or os.environ.get(KEY_VARIABLE) or None


def _options(
    policy: str,
    steps: int,
    mpp_um: float | None,
    device: str,
    tissue: str | None,
    annotations: Path | None,
) -> ReadingOptions:
    from viewer.agents.errors import AgentError
    from viewer.agents.reading import ReadingOptions
    from viewer.inference.bundle import BundleError
    from viewer.inference.model_library import find_model

    if tissue is not None:
        try:
            find_model(tissue)
        except BundleError as error:
            raise AgentError(str(error)) from error
    read = _annotations(annotations) if annotations else ()
    return ReadingOptions(steps, f"agent-{policy}", mpp_um, device, tissue, read)


def _annotations(path: Path) -> list[Annotation]:
    from viewer.agents.errors import AgentError
    from viewer.annotations.exchange import read_annotations
    from viewer.annotations.reading import AnnotationFileError

    try:
        return list(read_annotations(path, []))
    except AnnotationFileError as error:
        raise AgentError(str(error)) from error


# What is told ---------------------------------------------------------------------------------


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


def _tell_end(reading: SlideReading, spending: Spending, out: Path, *, json: bool) -> None:
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
            "session": str(reading.session),
            "report": str(out / "report.md"),
            "notice": f"{DRAFT}.",
        },
        json=json,
    )
    if outcome.answer is None:
        raise typer.Exit(_EXIT_FAILED)


def _quiet_result(_result: Result, _done: int, _total: int) -> None: ...


def _tell_result(result: Result, done: int, total: int) -> None:
    verdict = "right" if result.is_right else result.failure or "wrong"
    typer.echo(f"{done}/{total} {result.id}: {result.given or 'no answer'} ({verdict})", err=True)


def _all_scores(results: list[Result], positive: str) -> dict[str, Scores]:
    """Of each task, and of all together."""
    from viewer.agents.benchmark.scores import scores_of

    tasks = sorted({result.task for result in results})
    found: dict[str, Scores] = {}
    if len(tasks) > 1:
        for task in tasks:
            part = [result for result in results if result.task == task]
            found[task or "(none)"] = scores_of(part, positive)
    found["all"] = scores_of(results, positive)
    return found


def _scores_json(scores: dict[str, Scores]) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(scores), indent=2).decode()


def _print_scores(scores: dict[str, Scores]) -> None:
    rows: list[tuple[str, ...]] = []
    for task, each in scores.items():
        rows.append(
            (
                task,
                str(each.questions),
                _told(each.accuracy),
                _told(each.balanced_accuracy),
                f"{each.mean_steps:.1f}",
                str(each.tokens_in + each.tokens_out),
                f"{each.cost:.4f}",
                f"{each.mean_elapsed_s:.1f} s",
            )
        )
    columns = ("task", "questions", "accuracy", "balanced", "steps", "tokens", "cost", "time")
    print_table(columns, rows)
    detection = scores["all"].detection
    if detection is not None:
        told = [(name, _told(getattr(detection, name))) for name in ("precision", "recall")]
        print_table(
            (f'"{detection.positive}"', ""), [*told, ("accuracy", _told(detection.accuracy))]
        )


def _told(figure: Figure | None) -> str:
    if figure is None:
        return "not defined"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
