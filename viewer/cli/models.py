"""`coverslip models` and `coverslip run`: the models at hand, and one at work on a slide."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import (
    ImageNumber,
    OriginName,
    check_writable,
    checked_device,
    fail,
    numbers,
    origin_named,
    print_json,
    print_record,
    print_table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from viewer.annotations.formats.origins import Origin
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.models.zoo_download import Zoo
    from viewer.inference.runs.engine import Progress
    from viewer.inference.runs.running import ModelRun
    from viewer.overlays.area import Area
    from viewer.overlays.earlier_results import EarlierResults
    from viewer.slides import SlideSource

_LEAST_CHANCE = 0.5
"""A label is there with at least this."""

models_app = typer.Typer(help="Models that find things on slides.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Unconfined = Annotated[
    bool,
    typer.Option(
        "--unconfined",
        help="Run a TorchScript even where this system cannot confine it; it could read and write "
        "your files.",
    ),
]
_Model = Annotated[
    Path, typer.Argument(help="A model of any known layout (docs/models.md): folder, file or zip.")
]


@models_app.command("list")
def list_models(json: _Json = False) -> None:
    """List the models at hand."""
    from viewer.inference.models.model_library import all_models

    records = [_record(bundle) for bundle in all_models()]
    if json:
        print_json(records)
        return
    columns = ("name", "version", "task", "mpp_um", "licence")
    print_table(columns, [tuple(str(record[name]) for name in columns) for record in records])


@models_app.command()
def check(model: _Model, unconfined: _Unconfined = False, json: _Json = False) -> None:
    """Load a model and let it work once, without adding it."""
    from viewer.inference.layouts.known import checked_model
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import unpacked
    from viewer.inference.process.confinement_policy import allow_unconfined

    if unconfined:
        allow_unconfined()
    try:
        with unpacked(model) as folder:
            bundle = checked_model(folder)
    except BundleError as error:
        fail(str(error))
    print_record(_record(bundle) | {"folder": str(model)}, json=json)


@models_app.command()
def add(
    model: _Model,
    json: _Json = False,
) -> None:
    """Check a model and copy it to the models at hand."""
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import add_model

    try:
        bundle = add_model(model)
    except BundleError as error:
        fail(str(error))
    print_record(_record(bundle), json=json)


@models_app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The model's name, or that of its folder.")],
    version: Annotated[
        str | None, typer.Option(help="Its version, where there are several.")
    ] = None,
) -> None:
    """Remove a model that was added; those that came with Coverslip stay."""
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import remove_model

    try:
        bundle = remove_model(name, version)
    except BundleError as error:
        fail(str(error))
    typer.echo(f"{bundle.name} {bundle.version} was removed.")


@models_app.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="An encoder, such as phikon-v2 (see --list), wsinfer:NAME or instanseg:NAME."
        ),
    ] = "",
    token: Annotated[
        str | None,
        typer.Option(
            help="Your token of the hub, for encoders that ask for one.", envvar="HF_TOKEN"
        ),
    ] = None,
    merge: Annotated[
        int,
        typer.Option(help="Patches to merge in each block: quicker, a little less exact.", min=0),
    ] = 0,
    registry: Annotated[
        str, typer.Option(help="Address of a zoo's list of models, such as a mirror's.")
    ] = "",
    show: Annotated[bool, typer.Option("--list", help="List the encoders that are known.")] = False,
    json: _Json = False,
) -> None:
    """Download a model of another laboratory once; it works offline afterwards."""
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.encoders import KNOWN_ENCODERS, fetch_encoder
    from viewer.inference.models.zoos import zoo_of

    if show or not name:
        columns = ("name", "repository", "token", "licence")
        rows = [
            (key, known.repository, "needed" if known.is_gated else "", known.license)
            for key, known in KNOWN_ENCODERS.items()
        ]
        print_table(columns, rows)
        return
    try:
        if zoo := zoo_of(name):
            _fetch_from_zoo(*zoo, registry, json=json)
            return
        known = KNOWN_ENCODERS.get(name.casefold())
        if known is None:
            fail(
                f'There is no encoder "{name}"; known are {", ".join(KNOWN_ENCODERS)}, and models '
                "of zoos as wsinfer:NAME and instanseg:NAME."
            )
        bundle = fetch_encoder(known, token, merge)
    except BundleError as error:
        fail(str(error))
    print_record(_record(bundle), json=json)


def _fetch_from_zoo(zoo: Zoo, name: str, registry: str, *, json: bool) -> None:
    """Show checksum, license and card of a model of a zoo, and add it after that."""
    from viewer.inference.models.model_library import add_model
    from viewer.inference.models.zoos import fetched_model
    from viewer.plain_text import shown_text

    with fetched_model(zoo, name, registry) as fetched:
        about = fetched.bundle.description
        record = {
            **_record(fetched.bundle),
            "sha256": about.sha256,
            "source": fetched.source,
        }
        del record["folder"]
        card = shown_text(fetched.card)
        if not json:
            print_record(record, json=False)
            typer.echo(f"\n{card}\n" if card else "It came without a card.")
        bundle = add_model(fetched.path)
    if json:
        print_json(record | {"card": card, "folder": str(bundle.folder)})
    else:
        typer.echo(f'Added: run it with coverslip run "{bundle.name}" SLIDE.')


@models_app.command("results")
def list_results(
    slide: Annotated[Path, typer.Argument(help="The slide.")], json: _Json = False
) -> None:
    """List what earlier versions of Coverslip found on a slide; it is not used any more."""
    from viewer.cli.opening import opened_slide
    from viewer.slides import SlideError

    try:
        with closing(opened_slide(slide)) as source:
            found = _earlier(source)
    except SlideError as error:
        fail(str(error))
    if json:
        print_json(
            [
                {
                    "model": each.model,
                    "mpp_um": each.mpp_um,
                    "tiles": each.tiles,
                    "objects": each.objects,
                    "made_by": "an earlier version",
                    "file": str(each.path),
                }
                for each in found
            ]
        )
        return
    for each in found:
        typer.echo(f"{each.sentence}: run the model again.")
    if not found:
        typer.echo("Earlier versions kept no results of this slide.")


def _earlier(source: SlideSource) -> list[EarlierResults]:
    from viewer.inference.models.bundle import STEPS_VERSION
    from viewer.overlays.earlier_results import earlier_results

    naming = source.info.naming
    names = () if naming is None else naming.former_names
    return earlier_results(source.info.identity, names, STEPS_VERSION)


def run_model(
    model: Annotated[
        str,
        typer.Argument(help="Name of a model, such as nuclei, or its folder, file or zip file."),
    ],
    slide: Annotated[Path, typer.Argument(help="The slide, or a picture of a field.")],
    region: Annotated[
        str | None, typer.Option(help="X,Y,W,H in level-0 pixels; the whole slide by default.")
    ] = None,
    within: Annotated[
        Path | None,
        typer.Option(help="Annotations whose areas are worked through: GeoJSON, ASAP, ImageScope."),
    ] = None,
    origin: OriginName = None,
    mpp: Annotated[
        float | None, typer.Option(help="um per pixel of a file that tells none.", min=0.001)
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Objects: .geojson, .csv, mask .png or .tif. Cells: .csv, .parquet, .tif.",
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Of slide models: the features of the slide's tiles, as TRIDENT writes them (.h5)."
        ),
    ] = None,
    unconfined: _Unconfined = False,
    json: _Json = False,
    image: ImageNumber = None,
) -> None:
    """Run a model over a slide as the window does, and keep what it finds for the window."""
    from viewer.audit_log import trail
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.process.confinement_policy import allow_unconfined
    from viewer.inference.runs import running
    from viewer.inference.runs.results import finds_objects
    from viewer.overlays.files.export import FORMATS, check_name
    from viewer.overlays.files.patch_files import CELL_FORMATS
    from viewer.slides import SlideError

    checked_device(device)
    if out is not None:
        check_writable(out)
    if unconfined:
        allow_unconfined()
    counts_from = origin_named(origin)
    if counts_from is not None and within is None:
        fail("--origin says from where the file of --within counts: give that file, too.")
    area = _asked_area(region, within, slide, image, counts_from)
    try:
        with opened_model(model) as bundle:
            formats = FORMATS if finds_objects(bundle.task) else CELL_FORMATS
            if out is not None and (complaint := check_name(out, formats)):
                fail(complaint)
            with _progress() as show:
                trail.note("opened", slide.absolute(), f"run {bundle.description.name}")
                run = running.run_model(slide, bundle, area, mpp, device, show, image, features)
    except (SlideError, BundleError, running.RunError) as error:
        fail(str(error))
    for sentence in run.all_troubles():
        typer.echo(sentence, err=True)
    _tell(run, bundle, out, json=json)


def _asked_area(
    region: str | None,
    within: Path | None,
    slide: Path,
    image: int | None,
    origin: Origin | None,
) -> Area | None:
    """Return a box or the areas of a file; None for the whole slide."""
    from viewer.geometry import Box

    if region is not None and within is not None:
        fail("--region and --within both say where: give one of them.")
    if within is not None:
        return _areas_of(within, slide, image, origin)
    if region is None:
        return None
    advice = "--region takes X,Y,W,H in level-0 pixels, such as 1000,800,512,512."
    x, y, width, height = numbers(region, 4, advice)
    return Box(x, y, x + width, y + height)


def _areas_of(file: Path, slide: Path, image: int | None, origin: Origin | None) -> Area:
    import shapely

    from viewer.annotations.formats.exchange import read_annotations
    from viewer.annotations.formats.problems import AnnotationFileError, Problem
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.slides import SlideError, open_slide

    problems: list[Problem] = []
    try:
        with closing(open_slide(slide, image)) as source:
            place = SlidePlace.of(source)
        read = read_annotations(file, problems, slide=place, origin=origin)
        shapes = [annotation.geometry for annotation in read]
    except (AnnotationFileError, SlideError) as error:
        fail(str(error))
    for problem in problems:
        typer.echo(str(problem), err=True)
    areas = [shape for shape in shapes if shape.area > 0]
    if not areas:
        fail(f"{file.name} holds no area: draw a polygon, a rectangle or an ellipse.")
    return shapely.union_all(areas)


def _tell(run: ModelRun, bundle: ModelBundle, out: Path | None, *, json: bool) -> None:
    from viewer.overlays.files.masks import MaskError

    if out is not None:
        try:
            _write(run, bundle, out)
        except MaskError as error:
            fail(str(error))
        except OSError as error:
            fail(f"{out} cannot be written ({error.strerror or error}): choose another place.")
    record: dict[str, object] = {
        "model": bundle.description.name,
        "version": bundle.description.version,
        "device": run.device or "kept results",
        "region": [run.box.x0, run.box.y0, run.box.width, run.box.height],
        "mpp_um": run.mpp_um,
        "unanswered": run.unanswered.count,
        "unlike_training": run.unlike.count,
        **_counts(run, bundle),
        "elapsed_s": round(run.elapsed_s, 2),
        "out": str(out) if out else None,
    }
    print_record(record, json=json)


def _write(run: ModelRun, bundle: ModelBundle, out: Path) -> None:
    from viewer.annotations.formats.origins import origin_sentence
    from viewer.overlays.counting import analyzed_share
    from viewer.overlays.files.export import FORMATS, write_objects
    from viewer.overlays.files.patch_files import write_cells
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.result_card import ResultCard

    card = ResultCard(
        model=bundle.name,
        version=bundle.version,
        slide=run.identity,
        mpp_um=run.mpp_um,
        region_px=(run.box.x0, run.box.y0, run.box.width, run.box.height),
        share=round(analyzed_share(run.found, run.area), 6),
        device=run.device,
    ).with_holes(run.unanswered)
    if isinstance(run.found, ObjectMap):
        write_objects(out, run.objects(), bundle.colors, run.box, run.mpp_um, card, run.bounds_px)
        if any(run.bounds_px) and out.suffix.lower() in FORMATS["GeoJSON, for QuPath"]:
            sentence = origin_sentence("bounds", run.bounds_px, is_stated=True)
            typer.echo(f"{out.name}: {sentence}.", err=True)
    else:
        values, names = run.cell_values(bundle)
        write_cells(out, run.found, values, names, run.area, card)


def _counts(run: ModelRun, bundle: ModelBundle) -> dict[str, object]:
    from viewer.inference.tasks.known import has_classes
    from viewer.overlays.object_map import ObjectMap

    names = [name for name, _ in bundle.colors]
    if isinstance(run.found, ObjectMap):
        objects = run.objects()
        counts = {name: int((objects.classes == i).sum()) for i, name in enumerate(names)}
        return {"objects": len(objects), "classes": counts}
    inside = run.found.cells_in(run.area)
    result: dict[str, object] = {"cells": int(inside.sum())}
    if has_classes(bundle.description.task) and inside.any():
        values = run.cell_values(bundle)[0][inside]
        if bundle.description.head == "regression":
            means = values[(values == values).all(1)].mean(0).tolist()
            return result | {"means": dict(zip(names, means, strict=True))}
        likeliest = values.argmax(-1)
        if bundle.description.head in ("sigmoid", "logit") or len(names) == 1:
            # Labels that do not exclude each other are each there or not.
            above = (values >= _LEAST_CHANCE).sum(0).tolist()
            return result | {"classes": dict(zip(names, above, strict=True))}
        counts = {name: int((likeliest == i).sum()) for i, name in enumerate(names)}
        result["classes"] = counts
        if bundle.description.task == "segmentation":
            cell_mm2 = (run.found.cell * run.mpp_um / 1000) ** 2
            areas = {name: round(count * cell_mm2, 6) for name, count in counts.items()}
            result["areas_mm2"] = areas
    if run.judged is not None:
        chances = zip(names, run.judged.chances.tolist(), strict=True)
        result["chances"] = {name: round(chance, 4) for name, chance in chances}
    return result


@contextmanager
def _progress() -> Generator[Callable[[Progress], None]]:
    """A bar on stderr, where it can be seen."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", rate="", total=None)

        def show(progress: Progress) -> None:
            rate = f"{progress.done}/{progress.total}, {progress.blocks_per_s:.1f} fields/s"
            bar.update(task, total=progress.total or None, completed=progress.done, rate=rate)

        yield show


def _record(bundle: ModelBundle) -> dict[str, object]:
    about = bundle.description
    return {
        "name": about.name,
        "version": about.version,
        "task": about.task,
        "mpp_um": about.mpp_um,
        "classes": [name for name, _ in bundle.colors],
        "licence": about.license,
        "citation": about.citation,
        "folder": str(bundle.folder),
    }
