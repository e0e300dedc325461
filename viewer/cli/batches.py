"""`coverslip run` over several slides: one queue, the progress of each and of all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from viewer.cli.output import (
    EXIT_INCOMPLETE,
    check_named,
    code_where_failed,
    fail,
    print_json,
    print_table,
    say,
)
from viewer.errors import reason_of
from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.cohort.batch import Batch, BatchProgress, BatchSlide, BatchWhere, SlideRecord
    from viewer.cohort.choosing import BatchPlace
    from viewer.cohort.slides import NamedSlides


def run_many(
    model: str,
    named: NamedSlides,
    options: dict[str, str],
    out: Path | None,
    form: str | None,
    store: str,
    where: BatchWhere,
    *,
    json: bool,
) -> None:
    """Run a model over several slides, print what came of each, and end with the exit code.

    Parameters
    ----------
    options
        Of `coverslip run` for each slide.
    out, form
        The folder for a file a slide and the table over all, and the format of those files.
    store, where
        The folder or bucket of results, "" for this machine's own; and what runs the slides.
    """
    from viewer.cohort.choosing import check_store, executor_for
    from viewer.cohort.errors import BatchError
    from viewer.cohort.starting import begin_batch
    from viewer.inference.models.bundle import BundleError

    check_named(named, "run on")
    try:
        with executor_for(where) as place:
            check_store(store, where)
            batch = begin_batch(model, named.slides, options, out, form, store=store, where=where)
            ended = run_batch(batch, place)
    except (BatchError, BundleError) as error:
        fail(str(error))
    end_batch(batch, named, ended=ended, json=json)


def end_batch(batch: Batch, named: NamedSlides, *, ended: bool, json: bool) -> None:
    """Print what came of each slide that was named, and end with the exit code."""
    print_batch(batch, named.missing, json=json)
    if named.problems or not ended:
        # A cluster that is lost leaves slides waiting, also the only one.
        has_failed = any(record.state == "failed" for record in batch.records())
        sys.exit(code_where_failed(named) if has_failed else EXIT_INCOMPLETE)


def run_batch(batch: Batch, place: BatchPlace, *, only_failed: bool = False) -> bool:
    """Run what is left of a batch, with bars; return whether no slide failed or was left.

    Raises
    ------
    BatchError
        The batch cannot begin.
    """
    from viewer.cohort.errors import PlaceLostError
    from viewer.cohort.runner import BatchRunner

    find_done = None
    if batch.settings.command == "embed":
        from viewer.cohort.features.batches import embedded_slides as find_done
    with _Bars(batch) as bars:
        runner = BatchRunner(batch, place.executor, bars, place.width, place.tries, find_done)
        try:
            runner.run(only_failed=only_failed)
        except PlaceLostError as error:
            say(str(error))
            return False
    return all(record.state == "done" for record in batch.records())


def print_batch(batch: Batch, missing: Sequence[tuple[str, str]] = (), *, json: bool) -> None:
    """Print what came of each slide, and of those that are missing."""
    from viewer.cohort.table import batch_table

    if not json:
        columns, rows = batch_table(batch)
        shown = [name for name in columns if name not in ("settings", "path", "key", "notes")]
        cells = [dict(zip(columns, row, strict=True)) for row in rows]
        print_table(
            tuple(shown),
            [tuple(_shown(row[name]) for name in shown) for row in cells],
        )
        return
    print_json(
        [_json_record(batch, slide, batch.record(slide)) for slide in batch.slides]
        + [
            {"model": batch.settings.name, "version": batch.settings.version, "slide": name,
             "name": name, "state": "failed", "error": sentence}
            for name, sentence in missing
        ]
    )  # fmt: skip


def _json_record(batch: Batch, slide: BatchSlide, record: SlideRecord) -> dict[str, object]:
    told = {name: value for name, value in record.record.items() if name != "slide"}
    return {
        "model": batch.settings.name, "version": batch.settings.version, **told,
        "slide": slide.path, "name": slide.name, "key": record.record.get("slide"),
        "state": record.state, "error": record.error or None, "notes": record.notes,
        "frozen": {"model": batch.settings.key, **batch.settings.options},
    }  # fmt: skip


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


class _Bars:
    """A bar for the slide that runs and one for all, on stderr; in a pipe a line a slide."""

    def __init__(self, batch: Batch) -> None:
        from rich.progress import BarColumn, TextColumn

        from viewer.cli.progress_bar import bars

        self._batch = batch
        self._bars = bars(
            TextColumn("{task.fields[title]}"), BarColumn(), TextColumn("{task.fields[at]}")
        )
        total = len(batch.slides)
        self._all = self._bars.add_task("", total=total, title="All slides", at=f"0/{total}")
        self._one = self._bars.add_task("", total=1.0, title="", at="")
        self._begun: set[str] = set()

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def on_slide(self, slide: BatchSlide, record: SlideRecord) -> None:
        if record.state == "running":
            self._begun.add(slide.path)
            self._bars.update(self._one, title=slide.name, completed=0.0, at="")
            return
        if record.state in ("done", "failed"):
            self._write_table()
            number = 1 + self._batch.slides.index(slide)
            place = f"{number}/{len(self._batch.slides)} {slide.name}"
            if record.error:
                say(f"{place}: {record.error}")
            elif slide.path not in self._begun:
                say(f"{place}: computed before")
            else:
                found = record.record
                what = next((each for each in ("objects", "patches") if each in found), "cells")
                say(f"{place}: {found.get(what, 0):,} {what}")
            for note in record.notes:
                say(f"{place}: {note}")

    def on_progress(self, progress: BatchProgress) -> None:
        from viewer.cohort.runner import duration_text

        left = "" if progress.left_s is None else f", {duration_text(progress.left_s)} left"
        finished = progress.done + progress.failed
        self._bars.update(
            self._all, completed=finished + progress.share, at=f"{finished}/{progress.total}{left}"
        )
        if progress.running > 1:
            share, title = progress.share / progress.running, f"{progress.running} slides"
            self._bars.update(self._one, title=title, completed=share, at=percent(share))
        else:
            share = progress.slide_share
            self._bars.update(self._one, completed=share, at=percent(share))

    def _write_table(self) -> None:
        """Write the table over all slides after each, so that a run that ends leaves one."""
        from pathlib import Path

        from viewer.cohort.table import TABLE_FILE, write_batch_table

        if not self._batch.settings.out:
            return
        try:
            write_batch_table(self._batch, Path(self._batch.settings.out) / TABLE_FILE)
        except OSError as error:
            say(f"{TABLE_FILE} cannot be written ({reason_of(error)}).")
