"""`coverslip embed`: patch features of many slides, here or on a cluster."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import (
    DeviceOption,
    FileMppOption,
    JsonOption,
    Unconfined,
    check_named,
    checked_device,
    code_where_failed,
    fail,
    print_json,
    say,
)
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.cohort.batch import BatchWhere
    from viewer.cohort.features.embedding import EmbedOptions, SlideOutcome
    from viewer.cohort.slides import NamedSlides
    from viewer.inference.runs.run_clock import Progress


def embed(
    encoder: Annotated[
        str,
        typer.Argument(help="Name of an encoder, such as tissue-likeness, or its folder."),
    ],
    slides: Annotated[
        list[Path],
        typer.Argument(
            metavar="SLIDE... | PROJECT", help="Slides, folders of them, lists and projects."
        ),
    ],
    store: Annotated[
        str,
        typer.Option(metavar="STORE", help="A folder, or an s3:// address; made when absent."),
    ],
    features: Annotated[
        Path | None,
        typer.Option(
            help="A folder of features that this encoder made elsewhere, SLIDE.h5 of each slide "
            "(TRIDENT, CLAM); they are taken in and nothing is computed."
        ),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(
            help="CSV with a column slide, names or paths, and others that `similar --where` and "
            "the gallery can ask for, such as stain."
        ),
    ] = None,
    mpp: FileMppOption = None,
    device: DeviceOption = "auto",
    quality: Annotated[
        bool, typer.Option(help="Have Tissue quality look at each slide, too.")
    ] = True,
    unconfined: Unconfined = False,
    json: JsonOption = False,
    on: Annotated[
        str,
        typer.Option(
            metavar="local|ray://HOST:PORT",
            help="This machine, or a Ray cluster, which embeds many slides at once "
            "(docs/cohort.md).",
        ),
    ] = "local",
    gpus_per_task: Annotated[
        float, typer.Option(help="GPUs that a slide takes on the cluster, such as 0.25.", min=0)
    ] = 0.0,
    name: Annotated[str | None, typer.Option(hidden=True, help="What the slide is called.")] = None,
    lines: Annotated[
        bool, typer.Option("--lines", hidden=True, help="Print progress and record as JSON lines.")
    ] = False,
    expect: Annotated[
        str | None, typer.Option(hidden=True, help="The key that the encoder must have.")
    ] = None,
) -> None:
    """Embed the patches of slides by an encoder, and keep their features; each slide once.

    What is kept already is not computed again: the same command goes on where it was ended. Exit
    code 1 where a slide failed; the others are embedded.
    """
    from viewer.cli.run import where_named
    from viewer.cohort.batch import LOCAL
    from viewer.cohort.features.embedding import EmbedOptions
    from viewer.cohort.slides import named_slides
    from viewer.inference.process.confinement_policy import allow_unconfined

    checked_device(device)
    where = where_named(on, gpus_per_task)
    if features is not None and not features.is_dir():
        fail(f"{features} is no folder: --features takes the folder of SLIDE.h5 files.")
    told = _read_attributes(attributes) if attributes is not None else {}
    if unconfined:
        allow_unconfined()
    named = named_slides(slides)
    check_named(named, "embed")
    options = EmbedOptions(mpp, device, features, quality, told)
    if lines:
        _embed_one(encoder, named.slides[0][0], name, store, options, expect)
        return
    names = {name for _, name in named.slides} | {str(path) for path, _ in named.slides}
    for each in told.keys() - names:
        say(f"{attributes}: there is no slide {each} among those to embed.")
    if where.on == LOCAL:
        _embed_here(encoder, named, store, options, json=json)
        return
    given = {
        name: value
        for name, value in (
            ("mpp", None if mpp is None else str(mpp)),
            ("device", None if device == "auto" else device),
            ("features", None if features is None else str(features.absolute())),
            ("attributes", None if attributes is None else str(attributes.absolute())),
            ("no-quality", None if quality else ""),
            ("unconfined", "" if unconfined else None),
        )
        if value is not None
    }
    _embed_on_cluster(encoder, named, store, given, where, json=json)


def _embed_here(
    encoder: str, named: NamedSlides, store: str, options: EmbedOptions, *, json: bool
) -> None:
    from viewer.cohort.batch import BatchWhere
    from viewer.cohort.choosing import check_store
    from viewer.cohort.errors import BatchError
    from viewer.cohort.features.embedding import embed_slides, encoder_of
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.searching import keep_index
    from viewer.cohort.features.store import FeatureStore
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model

    try:
        with opened_model(encoder) as bundle, _Bar(len(named.slides)) as bar:
            encoder_of(bundle, 0)
            kept = FeatureStore(store, writes=True)
            check_store(store, BatchWhere())
            outcomes = embed_slides(bundle, named.slides, kept, options, bar)
            if any(outcome.state == "done" for outcome in outcomes):
                keep_index(kept, kept.encoder(bundle.key))
    except (BundleError, BatchError, FeatureStoreError) as error:
        fail(str(error))
    if json:
        print_json([_outcome_record(outcome) for outcome in outcomes])
    if named.problems or any(outcome.state == "failed" for outcome in outcomes):
        sys.exit(code_where_failed(named))


def _embed_on_cluster(
    encoder: str, named: NamedSlides, store: str, options: dict[str, str], where: BatchWhere,
    *, json: bool,
) -> None:  # fmt: skip
    """Have the nodes of a cluster embed the slides, each by the same command."""
    from viewer.cli.batches import end_batch, run_batch
    from viewer.cohort.choosing import check_store, executor_for
    from viewer.cohort.errors import BatchError
    from viewer.cohort.features.batches import begin_embedding, finish_embedding
    from viewer.cohort.features.embedding import encoder_of
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.store import FeatureStore
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model

    try:
        with opened_model(encoder) as bundle:
            encoder_of(bundle, 0)
            FeatureStore(store, writes=True)
            with executor_for(where, "embed") as place:
                check_store(store, where)
                batch = begin_embedding(encoder, bundle, named.slides, options, store, where)
                ended = run_batch(batch, place)
        finish_embedding(batch)
    except (BatchError, BundleError, FeatureStoreError) as error:
        fail(str(error))
    end_batch(batch, named, ended=ended, json=json)


def _embed_one(
    encoder: str, slide: Path, name: str | None, store: str, options: EmbedOptions,
    expect: str | None,
) -> None:  # fmt: skip
    """Embed a slide for the process that started this one, which reads what is printed."""
    from viewer.cli.run_lines import print_progress, print_record_line, watch_parent
    from viewer.cohort.features.embedding import embed_slides, encoder_of
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.store import FeatureStore
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model

    watch_parent(slide)
    began_s = time.monotonic()
    try:
        with opened_model(encoder) as bundle, print_progress() as show:
            if expect is not None and bundle.key != expect:
                fail(f"{bundle.name} has changed since the batch began: begin a new one.")
            encoder_of(bundle, 0)
            kept = FeatureStore(store, writes=True, waits=True)
            (outcome,) = embed_slides(
                bundle, [(slide, name or slide.name)], kept, options, _Silent(show)
            )
    except (BundleError, FeatureStoreError) as error:
        fail(str(error))
    if outcome.state == "failed":
        fail(outcome.error)
    record = {
        "slide": outcome.slide, "patches": outcome.patches,
        "elapsed_s": round(time.monotonic() - began_s, 3),
    }  # fmt: skip
    print_record_line(record, outcome.notes)


class _Silent:
    """Passes progress on, and says nothing else."""

    def __init__(self, show: Callable[[Progress], None]) -> None:
        self._show = show

    def on_begin(self, name: str) -> None: ...

    def on_progress(self, progress: Progress) -> None:
        self._show(progress)

    def on_slide(self, outcome: SlideOutcome) -> None: ...


class _Bar:
    """How far an embedding is, on stderr: a line for each slide, and a bar where it is seen."""

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        from viewer.cli.progress_bar import bars

        self._bars = bars(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._total, self._done = total, 0
        self._task = self._bars.add_task("", total=total)

    def __enter__(self) -> _Bar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def on_begin(self, name: str) -> None:
        self._bars.update(self._task, description=name)

    def on_progress(self, progress: Progress) -> None:
        share = progress.done / progress.total if progress.total else 0.0
        self._bars.update(self._task, completed=self._done + share)

    def on_slide(self, outcome: SlideOutcome) -> None:
        self._done += 1
        self._bars.update(self._task, completed=self._done)
        place = f"{self._done}/{self._total} {outcome.name}"
        what = {"before": "embedded before", "failed": outcome.error}
        say(f"{place}: {what.get(outcome.state) or plural(outcome.patches, 'patch', 'patches')}")
        for note in outcome.notes:
            say(f"{place}: {note}")


def _read_attributes(path: Path) -> dict[str, dict[str, str]]:
    """Return the attributes of slides, by name or path; ends the command where it cannot."""
    from viewer.limits import JSON_BYTES, read_regular

    try:
        text = read_regular(path, JSON_BYTES).decode("utf-8-sig")
        head = text.partition("\n")[0]
        table = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
        rows = [[cell.strip() for cell in row] for row in table if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV in UTF-8"
        fail(f"{path} cannot be read ({reason}).")
    names = rows[0] if rows else []
    at = next((index for index, name in enumerate(names) if name.casefold() == "slide"), None)
    if at is None:
        fail(f'{path} has no column "slide": give names or paths of slides there.')
    others = [(index, name) for index, name in enumerate(names) if name and index != at]
    return {
        row[at]: {name: row[index] if index < len(row) else "" for index, name in others}
        for row in rows[1:]
        if len(row) > at and row[at]
    }


def _outcome_record(outcome: SlideOutcome) -> dict[str, object]:
    return {
        "slide": str(outcome.path), "name": outcome.name, "key": outcome.slide or None,
        "state": outcome.state, "patches": outcome.patches, "error": outcome.error or None,
        "notes": outcome.notes,
    }  # fmt: skip
