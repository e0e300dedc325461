"""`coverslip evaluate agent`: an agent measured on questions."""

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
from viewer.cli.output import fail, print_table

if TYPE_CHECKING:
    from viewer.agents.benchmark.results import Result
    from viewer.agents.benchmark.scores import Figure, Scores


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
    policy: PolicyOption = "local",
    positive: Annotated[
        str, typer.Option(help="The answer that counts as positive, for precision and recall.")
    ] = "",
    limit: Annotated[int, typer.Option(help="Ask only so many; 0 asks all.", min=0)] = 0,
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
    mpp: MppOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Measure an agent on questions; run it again after a crash and it goes on where it was."""
    from viewer.agents.benchmark.harness import BenchmarkRun, run_benchmark
    from viewer.agents.benchmark.questions import load_questions
    from viewer.agents.errors import AgentError
    from viewer.agents.reading import write_text

    try:
        asked = load_questions(questions)[: limit or None]
        wanted = wanted_policy(
            policy, regions, crop, system, predictor, url, model, study, permit, ask_key
        )
        bench = BenchmarkRun(
            questions=asked,
            slides=slides or questions.absolute().parent,
            policy=policy,
            model=wanted.model,
            policy_for=wanted.made,
            options=reading_options(policy, steps, mpp, device, tissue, None),
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
                _figure_text(each.accuracy),
                _figure_text(each.balanced_accuracy),
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
        detection_rows = [
            (name, _figure_text(getattr(detection, name))) for name in ("precision", "recall")
        ]
        print_table(
            (f'"{detection.positive}"', ""),
            [*detection_rows, ("accuracy", _figure_text(detection.accuracy))],
        )


def _figure_text(figure: Figure | None) -> str:
    if figure is None:
        return "not defined"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
