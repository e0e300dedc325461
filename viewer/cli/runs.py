"""`coverslip runs`: batches of `coverslip run`, `embed` and the page Batch, wherever they run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import EXIT_INCOMPLETE, JsonOption, fail, print_json, print_table, say

if TYPE_CHECKING:
    from viewer.cohort.batch import Batch, BatchWhere

runs_app = typer.Typer(help="See, end and go on with runs over many slides.", no_args_is_help=True)

_Run = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="As `runs status` lists it, or its beginning."),
]
_On = Annotated[
    str | None,
    typer.Option(metavar="local|ray://HOST:PORT", help="Elsewhere than it ran before."),
]
_Gpus = Annotated[float | None, typer.Option(help="GPUs that a slide takes on the cluster.", min=0)]


@runs_app.command("list", hidden=True)  # what many look for first
@runs_app.command("status")
def show_status(run: _Run = None, json: JsonOption = False) -> None:
    """List all runs with how far each is and how long it takes, or the slides of one."""
    if run is not None:
        _show_one(_found(run), json=json)
        return
    records = [_record(batch) for batch in _all()]
    if json:
        print_json(records)
        return
    if not records:
        say("There are no runs yet: `coverslip run MODEL FOLDER` begins one.")
        return
    columns = ("run", "title", "state", "done", "failed", "slides", "left", "on", "store")
    rows = [tuple("" if row[name] is None else str(row[name]) for name in columns)
            for row in records]  # fmt: skip
    print_table(columns, rows)


@runs_app.command("resume")
def resume(
    run: _Run = None, on: _On = None, gpus_per_task: _Gpus = None, json: JsonOption = False
) -> None:
    """Go on with a run, by default the last: what is not done is run, and what failed again.

    Exit code 1 if any slide fails.
    """
    _go_on(run, on, gpus_per_task, only_failed=False, json=json)


@runs_app.command("retry")
def retry(
    run: _Run = None, on: _On = None, gpus_per_task: _Gpus = None, json: JsonOption = False
) -> None:
    """Run once more only the slides of a run that failed, by default of the last.

    Exit code 1 if any slide fails again.
    """
    _go_on(run, on, gpus_per_task, only_failed=True, json=json)


@runs_app.command("cancel")
def cancel(run: _Run = None) -> None:
    """End a run that is under way, by default the last; what it computed is kept."""
    from viewer.cohort.errors import BatchError

    batch = _found(run)
    if not batch.is_running:
        fail(f"{batch.title} ({batch.id}) does not run now.")
    try:
        batch.ask_to_cancel()
    except BatchError as error:
        fail(str(error))
    say(f"{batch.title} ends; `coverslip runs resume {batch.id[:8]}` goes on with it.")


def _go_on(
    run: str | None, on: str | None, gpus_per_task: float | None, *, only_failed: bool, json: bool
) -> None:
    from viewer.cli.batches import print_batch, run_batch
    from viewer.cohort.choosing import check_store, check_where, executor_for
    from viewer.cohort.errors import BatchError
    from viewer.cohort.features.batches import finish_embedding

    batch = _found(run)
    if only_failed and not any(record.state == "failed" for record in batch.records()):
        fail(f"No slide of {batch.title} failed: `coverslip runs resume` runs what is left.")
    where = _where(batch, on, gpus_per_task)
    try:
        check_where(where)
        check_store(batch.settings.store, where)
        with executor_for(where, batch.settings.command) as place:
            batch.move(where)
            ended = run_batch(batch, place, only_failed=only_failed)
        if batch.settings.command == "embed":
            finish_embedding(batch)
    except BatchError as error:
        fail(str(error))
    print_batch(batch, json=json)
    if not ended:
        sys.exit(EXIT_INCOMPLETE)


def _where(batch: Batch, on: str | None, gpus_per_task: float | None) -> BatchWhere:
    from viewer.cohort.batch import LOCAL, BatchWhere

    before = batch.where
    gpus = before.gpus_per_task if gpus_per_task is None else gpus_per_task
    place = before.on if on is None else on
    return BatchWhere(on=place, gpus_per_task=0.0 if place == LOCAL else gpus)


def _all() -> list[Batch]:
    from viewer.cohort.batch import kept_batches
    from viewer.cohort.errors import BatchError

    try:
        return kept_batches()
    except (BatchError, OSError) as error:
        fail(f"Runs cannot be read ({error}).")


def _found(name: str | None) -> Batch:
    """Return the one run of a name, by default the last; else a sentence ends the command."""
    batches = _all()
    if not batches:
        fail("There are no runs yet: `coverslip run MODEL FOLDER` begins one.")
    if name is None:
        return batches[0]
    found = [batch for batch in batches if name and batch.id.startswith(name)]
    if len(found) != 1:
        what = "Several runs begin" if found else "No run begins"
        fail(f'{what} with "{name}": `coverslip runs status` lists them.')
    return found[0]


def _record(batch: Batch) -> dict[str, object]:
    from viewer.cohort.runner import duration_text

    states = [record.state for record in batch.records()]
    done, failed, total = states.count("done"), states.count("failed"), len(states)
    is_running, progress = batch.is_running, batch.progress
    left_s = progress.left_s if is_running and progress is not None else None
    if is_running:
        state = "running"
    elif done == total:
        state = "done"
    else:
        state = "failed" if done + failed == total else "stopped"
    return {
        "run": batch.id, "title": batch.title, "state": state, "done": done, "failed": failed,
        "slides": total, "left": None if left_s is None else duration_text(left_s),
        "left_s": left_s, "begun_utc": batch.created_utc, "on": batch.where.on,
        "store": batch.settings.store or None,
    }  # fmt: skip


def _show_one(batch: Batch, *, json: bool) -> None:
    from viewer.cohort.table import measured_rate

    record, rate = _record(batch), measured_rate(batch)
    slides = [
        {"slide": slide.name, "state": held.state, "error": held.error or None, "path": slide.path}
        for slide, held in zip(batch.slides, batch.records(), strict=True)
    ]
    if json:
        measured = {"blocks_per_s": None, "blocks_per_slide": None}
        if rate is not None:
            measured = {"blocks_per_s": round(rate[0], 4), "blocks_per_slide": round(rate[1], 2)}
        print_json({**record, **measured, "list": slides})
        return
    left = f", {record['left']} left" if record["left"] else ""
    failed = f", {record['failed']} failed" if record["failed"] else ""
    said = f"{batch.title}: {record['state']}, {record['done']} of {record['slides']} slides"
    typer.echo(f"{said}{failed}{left}")
    if rate is not None:
        typer.echo(f"A worker computes {rate[0]:.3g} blocks/s; a slide has {rate[1]:.3g} blocks.")
    columns = ("slide", "state", "error")
    print_table(columns, [tuple(str(each[name] or "") for name in columns) for each in slides])
