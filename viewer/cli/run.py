"""`coverslip run`: a model at work on a slide, or on many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.cell_options import CellOptions, check_options, tuned
from viewer.cli.output import (
    DeviceOption,
    FileMppOption,
    ImageNumber,
    OriginName,
    Unconfined,
    check_writable,
    checked_device,
    fail,
    origin_named,
    print_record,
)
from viewer.cli.progress_bar import progress_bar
from viewer.cli.run_area import asked_area, box_of
from viewer.cli.run_record import run_record

if TYPE_CHECKING:
    from viewer.cohort.batch import BatchWhere
    from viewer.inference.cells.stain_vectors import StainVectors
    from viewer.inference.runs.bands import Band
    from viewer.overlays.area import Area
    from viewer.overlays.segments.places import StorePlace

_Slides = Annotated[
    list[Path],
    typer.Argument(
        metavar="SLIDE... | PROJECT",
        help="Slides, or pictures of fields; folders and lists (.txt, .csv) of them, also folders "
        "in buckets (s3://bucket/folder); projects.",
    ),
]

_Frozen = Annotated[Path | None, typer.Option(hidden=True, help="The batch whose stains hold.")]


def run_model(
    model: Annotated[
        str,
        typer.Argument(help="Name of a model, such as nuclei, or its folder, file or zip file."),
    ],
    slides: _Slides,
    region: Annotated[
        str | None, typer.Option(help="X,Y,W,H in level-0 pixels; the whole slide by default.")
    ] = None,
    within: Annotated[
        Path | None,
        typer.Option(help="Annotations whose areas are worked through: GeoJSON, ASAP, ImageScope."),
    ] = None,
    origin: OriginName = None,
    mpp: FileMppOption = None,
    device: DeviceOption = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Objects: .geojson, .csv, mask .png or .tif. Cells: .csv, .parquet, .tif, and "
            ".geojson for the areas of classes. With several slides a folder: a file each, and "
            "slides.csv, the table over all.",
        ),
    ] = None,
    least_area: Annotated[
        float | None,
        typer.Option(help="Of areas in GeoJSON: smaller ones are left out, um2.", min=0),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of the files in the folder -o, such as csv; by default geojson for objects, csv "
            "for cells.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Of cell detection: a setting, such as threshold=0.15 or sigma_um=1; repeatable. "
            "Without any, those kept for the slide hold.",
        ),
    ] = None,
    stains: Annotated[
        str | None,
        typer.Option(
            help="Of cell detection: h-dab or h-e for QuPath's default vectors; macenko-h-dab or "
            "macenko-h-e estimates them from the region, and white from the slide."
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Of slide models: the features of the slide's tiles, as TRIDENT writes them (.h5)."
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(
            help="Of models that take words: a phrase, whose similarity with each tile is told; of "
            "several (repeat the option, or ; between them), which one fits best."
        ),
    ] = None,
    unconfined: Unconfined = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON; of several slides a list.")
    ] = False,
    image: ImageNumber = None,
    on: Annotated[
        str,
        typer.Option(
            metavar="local|ray://HOST:PORT",
            help="This machine, or a Ray cluster, which runs many slides at once (docs/cohort.md).",
        ),
    ] = "local",
    gpus_per_task: Annotated[
        float, typer.Option(help="GPUs that a slide takes on the cluster, such as 0.25.", min=0)
    ] = 0.0,
    store: Annotated[
        str | None,
        typer.Option(
            help="Folder or bucket (s3://, gs://, az://) that results are kept in, for many "
            "machines; by default this machine keeps them."
        ),
    ] = None,
    band: Annotated[str | None, typer.Option(hidden=True, help="NUMBER/COUNT of rows.")] = None,
    most_blocks: Annotated[
        int | None, typer.Option(hidden=True, help="More blocks are run in bands.", min=1)
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", hidden=True, help="Print progress and record as JSON lines.")
    ] = False,
    expect: Annotated[
        str | None, typer.Option(hidden=True, help="The key that the model must have.")
    ] = None,
    frozen: _Frozen = None,
) -> None:
    """Run a model over slides as the window does, and keep what it finds for the window.

    What is computed already is not computed again: the same command goes on where it was ended.
    Exit code 1 if any of several slides failed, the others being run, or if parts of the one slide
    could not be read.
    """
    from viewer.cli.run_lines import watch_parent
    from viewer.cohort.batch import LOCAL
    from viewer.cohort.slides import named_slides
    from viewer.inference.process.confinement_policy import allow_unconfined

    checked_device(device)
    where = where_named(on, gpus_per_task)
    counts_from = origin_named(origin)
    if counts_from is not None and within is None:
        fail("--origin says from where the file of --within counts: give that file, too.")
    if region is not None and within is not None:
        fail("--region and --within both say where: give one of them.")
    if unconfined:
        allow_unconfined()
    cells = CellOptions(tuple(settings or ()), stains, _frozen_stains(frozen))
    check_options(cells)
    # With ; between them, as in the window: an option of a batch is given once.
    phrases = [part for each in words or [] for part in each.split(";")]
    named = named_slides(slides)
    is_many = named.is_list or where.on != LOCAL
    # That of many slides is looked at once the cluster is joined, and their runs need not again.
    place = None if store is None else _store_place(store, checks=not (lines or is_many))
    if is_many:
        from viewer.cli.batches import run_many

        for name, value in (("--within", within), ("--features", features)):
            if value is not None:
                fail(f"{name} takes a file of one slide: give one slide.")
        if region is not None:
            box_of(region)
        options = {
            name: str(value)
            for name, value in (
                ("region", region), ("mpp", mpp), ("least-area", least_area), ("image", image),
                ("device", device if device != "auto" else None),
                ("set", ";".join(settings or []) or None), ("stains", stains),
                ("words", ";".join(phrases) if words else None),
            )
            if value is not None
        }  # fmt: skip
        options |= {"unconfined": ""} if unconfined else {}
        kept_in = "" if place is None else place.text
        run_many(model, named, options, out, form, kept_in, where, json=json)
        return
    if form is not None:
        fail("--format is of the files of several slides: of one slide, the name of -o says it.")
    if not named.slides:
        fail(named.problems[0])
    (path, _), *_ = named.slides
    if out is not None:
        check_writable(out)
    area = asked_area(region, within, path, image, counts_from)
    if lines:
        watch_parent(path)
    part = None if band is None else _band(band)
    _run_one(
        model, path, area, mpp, device, out, features, image, expect, cells, place, part,
        most_blocks, least_area or 0.0, phrases, json=json, lines=lines,
    )  # fmt: skip


def _run_one(
    model: str, path: Path, area: Area | None, mpp: float | None, device: str, out: Path | None,
    features: Path | None, image: int | None, expect: str | None, cells: CellOptions,
    store: StorePlace | None, band: Band | None, most_blocks: int | None, least_um2: float,
    words: list[str], *, json: bool, lines: bool,
) -> None:  # fmt: skip
    from viewer.audit_log import trail
    from viewer.cli.run_lines import print_bands, print_line, print_progress
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.runs import running
    from viewer.inference.runs.bands import TooManyBlocksError
    from viewer.inference.runs.results import finds_objects
    from viewer.inference.runs.word_classes import run_by_words, told_by_words, word_vectors
    from viewer.inference.tasks.known import TASKS
    from viewer.overlays.files.area_files import AREA_FORMATS
    from viewer.overlays.files.export import FORMATS, check_name
    from viewer.overlays.files.patch_files import CELL_FORMATS
    from viewer.slides import SlideError

    try:
        with opened_model(model) as bundle:
            if expect is not None and bundle.key != expect:
                fail(f"{bundle.name} has changed since the batch began: begin a new one.")
            told = told_by_words(bundle, words) if words else bundle
            formats = FORMATS if finds_objects(told.task) else CELL_FORMATS
            if TASKS[told.task].tells_areas(told.description.head):
                formats = formats | AREA_FORMATS
            if out is not None and (complaint := check_name(out, formats)):
                fail(complaint)
            vectors = word_vectors(bundle, words) if words else None
            bundle = tuned(bundle, path, image, area, cells)
            with print_progress() if lines else progress_bar() as show:
                trail.note("opened", path.absolute(), f"run {bundle.description.name}")
                run = running.run_model(
                    path, bundle, area, mpp, device, show, image, features,
                    measures_tissue=lines and band is None, store=store, band=band,
                    most_blocks=most_blocks,
                )  # fmt: skip
            if vectors is not None:
                run, bundle = run_by_words(run, vectors), told
    except TooManyBlocksError as error:
        print_bands(error.bands)
        return
    except (SlideError, BundleError, running.RunError) as error:
        fail(str(error))
    record = run_record(run, bundle, out if band is None else None, path, least_um2)
    if lines:
        print_line(run, record, keeps_columns=store is None)
        return
    for sentence in run.all_troubles():
        typer.echo(sentence, err=True)
    print_record(record, json=json)
    if run.unreadable:
        raise typer.Exit(1)


def where_named(on: str, gpus_per_task: float) -> BatchWhere:
    """Return what runs slides; what can be none ends the command."""
    from viewer.cohort.batch import LOCAL, BatchWhere
    from viewer.cohort.choosing import check_where
    from viewer.cohort.errors import BatchError

    where = BatchWhere(on=on, gpus_per_task=gpus_per_task)
    try:
        check_where(where)
    except BatchError as error:
        fail(str(error))
    if gpus_per_task and on == LOCAL:
        fail("--gpus-per-task is of clusters: on this machine, --device says what computes.")
    return where


def _store_place(text: str, *, checks: bool) -> StorePlace:
    """Return the place of a store; one that cannot be written ends the command."""
    from viewer.overlays.segments.errors import StorePlaceError
    from viewer.overlays.segments.places import check_writable, place_of

    try:
        place = place_of(text)
        if checks:
            check_writable(place)
    except StorePlaceError as error:
        fail(str(error))
    return place


def _band(text: str) -> Band:
    from viewer.inference.runs.bands import Band

    try:
        return Band.named(text)
    except ValueError:
        fail("--band takes NUMBER/COUNT, such as 0/4.")


def _frozen_stains(manifest: Path | None) -> dict[str, StainVectors] | None:
    """Return the stains that a batch froze; None outside of batches."""
    from viewer.cohort.batch import frozen_stains
    from viewer.cohort.errors import BatchError

    if manifest is None:
        return None
    try:
        return frozen_stains(manifest)
    except BatchError as error:
        fail(str(error))
