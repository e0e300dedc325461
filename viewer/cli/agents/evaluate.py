"""`coverslip evaluate agent`: an agent measured on questions."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

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
    EXIT_INCOMPLETE,
    DeviceOption,
    FileMppOption,
    JsonOption,
    fail,
    print_table,
)
from viewer.files.atomic_write import unwritable
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.agents.benchmark.judge import Judge
    from viewer.agents.benchmark.questions import Question
    from viewer.agents.benchmark.results import Result
    from viewer.agents.benchmark.scores import Figure, Scores
    from viewer.agents.chat.client import Spending
    from viewer.agents.policy_choice import PolicyChoice


def evaluate_agent(
    questions: Annotated[
        Path,
        typer.Option(
            help="Questions: .json, .jsonl, .csv or .tsv, as MultiPathQA, PathMMU, RefPath or "
            "PathMR publish theirs."
        ),
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
    judge: Annotated[
        str | None,
        typer.Option(help="A model of the same server that judges free answers; else compared."),
    ] = None,
    recorded: Annotated[
        Path | None,
        typer.Option(help="Score the answers of this file, such as GIANT's, and ask nobody."),
    ] = None,
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
    mpp: FileMppOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Measure an agent on questions; run it again after a crash and it goes on where it was."""
    from viewer.agents.benchmark.harness import BenchmarkRun, run_benchmark
    from viewer.agents.benchmark.questions import read_questions
    from viewer.agents.benchmark.recorded import recorded_results
    from viewer.agents.errors import AgentError
    from viewer.agents.reading import write_text

    def ask(asked: list[Question]) -> list[Result]:
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
            settings=wanted.settings | _judge_settings(judge),
            judge=_judge(judge, wanted, out),
        )
        if judge is None and (free := sum(question.is_free for question in asked)):
            _note(
                f"Free answers ({free:,}) are right only where they equal the right one. "
                "Name a model with --judge to have them judged."
            )
        return run_benchmark(bench, out, _quiet_result if json else _tell_result, _note)

    kept = ""
    try:
        file = read_questions(questions)
        asked = file.questions[: limit or None]
        if file.invalid:
            left_out = plural(file.invalid, "question")
            _note(f"Left out, as their authors say is_valid is false: {left_out}.")
        out.mkdir(parents=True, exist_ok=True)
        if recorded is None:
            kept = " What was answered is kept: run the same command again to go on."
            results = ask(asked)
        else:
            results = recorded_results(asked, recorded)
            if missing := len(asked) - len(results):
                left_out = plural(missing, "question")
                _note(f"Left out, as {recorded.name} has no answer to them: {left_out}.")
        scores = _all_scores(results, asked, positive)
        record = _scores_json(scores)
        write_text(out / "scores.json", record)
    except AgentError as error:
        fail(f"{error}{kept}")
    except OSError as error:
        fail(unwritable(out, error))
    if json:
        typer.echo(record)
    else:
        _print_scores(scores)
    if scores["all"].left_out:
        raise typer.Exit(EXIT_INCOMPLETE)


def _note(sentence: str) -> None:
    typer.echo(sentence, err=True)


def _judge_settings(judge: str | None) -> dict[str, str]:
    from hashlib import sha256

    from viewer.agents.benchmark.judge import JUDGE_SYSTEM

    if judge is None:
        return {}
    return {"judge": judge, "judge's prompt": sha256(JUDGE_SYSTEM.encode()).hexdigest()}


def _judge(
    judge: str | None, wanted: PolicyChoice, out: Path
) -> Callable[[Spending], Judge] | None:
    """Return what makes the judge; its exchanges are kept beside the results."""
    from dataclasses import replace

    import msgspec

    from viewer.agents.benchmark.judge import JUDGE_FOLDER, Judge

    if judge is None:
        return None
    if wanted.endpoint is None:
        fail("--judge needs a model's server: choose a --policy with a model.")
    endpoint = msgspec.structs.replace(wanted.endpoint, model=judge)
    choice = replace(wanted, endpoint=endpoint, refused=set[str]())
    folder = out / JUDGE_FOLDER

    def made(spending: Spending) -> Judge:
        folder.mkdir(parents=True, exist_ok=True)
        return Judge(choice.client(folder, spending))

    return made


def _quiet_result(_result: Result, _done: int, _total: int) -> None: ...


def _tell_result(result: Result, done: int, total: int) -> None:
    verdict = "right" if result.is_right else result.failure or "wrong"
    typer.echo(f"{done}/{total} {result.id}: {result.given or 'no answer'} ({verdict})", err=True)


def _all_scores(
    results: list[Result], asked: Sequence[Question], positive: str
) -> dict[str, Scores]:
    """Of each task, of the splits of a part together as PathMMU counts them, and of all."""
    from viewer.agents.benchmark.scores import scores_of

    tasks = sorted({question.task for question in asked})
    parts = {task.partition("/")[0] for task in tasks if "/" in task}
    groups = [part for part in sorted(parts) if sum(t.startswith(f"{part}/") for t in tasks) > 1]
    found: dict[str, Scores] = {}
    for name in [*groups, *tasks] if len(tasks) > 1 else []:
        part = [each for each in results if each.task == name or each.task.startswith(f"{name}/")]
        count = sum(each.task == name or each.task.startswith(f"{name}/") for each in asked)
        if part:
            found[name or "(none)"] = scores_of(part, positive, count - len(part))
    found["all"] = scores_of(results, positive, len(asked) - len(results))
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
                _reported_text(each),
                f"{each.mean_steps:.1f}",
                str(each.tokens_in + each.tokens_out),
                f"{each.cost:.4f}",
                f"{each.mean_elapsed_s:.1f} s",
            )
        )
    columns = (
        "task", "questions", "accuracy", "balanced", "reported", "steps", "tokens", "cost", "time",
    )  # fmt: skip
    print_table(columns, rows)
    grounding = scores["all"].grounding
    if grounding is not None:
        figures = [("mean IoU", grounding.mean_iou), ("mean Dice", grounding.mean_dice)]
        grounding_rows = [(name, _figure_text(figure)) for name, figure in figures]
        grounding_rows.append(("cumulative IoU", f"{grounding.cumulative_iou:.3f}"))
        shares = grounding.accuracy_at.items()
        grounding_rows += [(f"accuracy at IoU {at}", f"{share:.3f}") for at, share in shares]
        print_table(("places", ""), grounding_rows)
    detection = scores["all"].detection
    if detection is not None:
        detection_rows = [
            (name, _figure_text(getattr(detection, name))) for name in ("precision", "recall")
        ]
        print_table(
            (f'"{detection.positive}"', ""),
            [*detection_rows, ("accuracy", _figure_text(detection.accuracy))],
        )


def _reported_text(scores: Scores) -> str:
    """Return the figure that the authors of the questions report, as they write it."""
    if scores.reported is None:
        return ""
    name = scores.metric.replace("_", " ")
    return f"{name} {scores.reported.value:.3f} \u00b1 {scores.reported.std:.3f}"


def _figure_text(figure: Figure | None) -> str:
    if figure is None:
        return "not defined"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
