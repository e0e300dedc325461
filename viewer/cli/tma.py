"""`coverslip tma`: the cores of a tissue microarray, found on a slide and counted in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.annotation_options import SlideMppOption, pixel_size, tell_lost
from viewer.cli.cell_options import CellOptions, check_options, tuned
from viewer.cli.output import (
    DeviceOption,
    ImageNumber,
    JsonOption,
    check_writable,
    checked_device,
    fail,
    print_json,
    print_table,
    say,
)
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Change
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.annotations.tma.cores import TmaGrid
    from viewer.annotations.tma.dearraying import DearrayOptions
    from viewer.slides import SlideSource

_TABLE, _SHAPES = (".csv",), (".geojson", ".json")
_SHOWN = ("Core", "Missing", "Case ID", "Objects", "Objects per mm2", "Positive %", "H-score")


def find_cores(
    slide: Annotated[Path, typer.Argument(metavar="SLIDE", help="A slide with a microarray.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="A table .csv with a row a core, or the cores as QuPath has them .geojson.",
        ),
    ] = None,
    diameter: Annotated[
        float | None,
        typer.Option(help="Of a core, in um; by default as most round pieces have.", min=1.0),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Rows of the grid; as found by default.", min=1, max=200)
    ] = None,
    columns: Annotated[
        int | None, typer.Option(help="Columns of the grid; as found by default.", min=1, max=200)
    ] = None,
    row_labels: Annotated[
        str, typer.Option(help="Labels of the rows, such as A-J, J-A or 1-10.")
    ] = "A",
    column_labels: Annotated[
        str, typer.Option(help="Labels of the columns, such as 1-16, 16-1 or A-P.")
    ] = "1",
    label_order: Annotated[
        str, typer.Option(help="Which label comes first in a name: row or column.")
    ] = "row",
    ids: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ids of the cores: a table with the columns Core and Case ID, or a map of the "
            "array.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A model that finds objects, such as cells or nuclei: it is run in the cores, and "
            "each gets its counts and scores."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Of cell detection, as of `coverslip run`."
        ),
    ] = None,
    stains: Annotated[
        str | None, typer.Option(help="Of cell detection, as of `coverslip run`.")
    ] = None,
    find: Annotated[
        bool, typer.Option("--find", help="Find the cores anew, also where some are kept.")
    ] = False,
    reader: Annotated[
        str | None,
        typer.Option(help="Whose cores are used; by default of the reader of the settings."),
    ] = None,
    device: DeviceOption = "auto",
    slide_mpp: SlideMppOption = None,
    image: ImageNumber = None,
    json: JsonOption = False,
) -> None:
    """Find the cores of a tissue microarray, name them by row and column, and count in each.

    Cores that the window keeps with the slide, as they were moved and marked there, are used as
    they are. Exit code 1 where the slide has no cores.
    """
    from contextlib import closing

    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.annotations.tma.core_ids import read_core_ids
    from viewer.annotations.tma.dearraying import DearrayOptions
    from viewer.annotations.tma.labels import TmaError, label_scheme
    from viewer.cli.opening import opened_slide
    from viewer.slides.calibration import no_pixel_size, remembered_mpp_um

    checked_device(device)
    if out is not None:
        check_writable(out)
        if out.suffix.lower() not in (*_TABLE, *_SHAPES):
            fail(f"{out.name} can be no table of cores: give a name that ends in .csv or .geojson.")
    cells = CellOptions(tuple(settings or ()), stains)
    check_options(cells)
    if model is None and (settings or stains):
        fail("--set and --stains are of a model: give --model, such as cells, too.")
    try:
        labels = label_scheme(row_labels, column_labels, label_order)
    except TmaError as error:
        fail(str(error))
    options = DearrayOptions(diameter, rows, columns, labels)
    is_asked = find or options != DearrayOptions()
    with closing(opened_slide(slide, image)) as source:
        place = SlidePlace.of(source, pixel_size("--slide-mpp", slide_mpp))
        mpp_um = place.mpp_um or remembered_mpp_um(place.identity)
        if model is not None and mpp_um is None:
            fail(no_pixel_size(slide.name, "--slide-mpp"))
        held = _held(slide, place, reader)
        grid = _grid(source, held, options, mpp_um, is_asked=is_asked)
    try:
        if ids is not None:
            read = read_core_ids(ids, grid)
            for problem in read.problems:
                say(f"{ids.name}: {problem}")
            grid = _after(grid, read.edit(grid).changes)
    except TmaError as error:
        fail(str(error))
    if model is not None:
        grid = _measured(slide, model, grid, held, mpp_um, device, image, cells)
    if out is not None:
        _write(out, grid, place, mpp_um)
    _tell(grid, mpp_um, out, json=json)


def _held(slide: Path, place: SlidePlace, reader: str | None) -> list[Annotation]:
    """Return what the window keeps with the slide."""
    from viewer.annotations.sets.together import together
    from viewer.annotations.storage.store import AnnotationStoreError
    from viewer.cli.annotation_sets import slide_sets
    from viewer.folders import config_folder
    from viewer.settings import load_settings

    asks = reader if reader is not None else load_settings(config_folder()).reader
    try:
        found = slide_sets(slide, place, asks)
    except AnnotationStoreError as error:
        fail(str(error))
    return together([(each.which.key, each.annotations) for each in found])


def _grid(
    source: SlideSource,
    held: list[Annotation],
    options: DearrayOptions,
    mpp_um: tuple[float, float] | None,
    *,
    is_asked: bool,
) -> TmaGrid:
    """Return the cores that are kept, or else are found; ends the command where there are none."""
    from viewer.annotations.tma.cores import cores_of, grid_of
    from viewer.annotations.tma.dearraying import dearray
    from viewer.annotations.tma.labels import NoCoresError, TmaError
    from viewer.cli.output import EXIT_INCOMPLETE
    from viewer.slides import TileError

    kept = grid_of(held)
    if len(kept) and not is_asked:
        name = source.path.name
        say(f"{len(kept):,} cores are kept with {name} and used: --find finds them anew.")
        return kept
    mean_um = None if mpp_um is None else (mpp_um[0] * mpp_um[1]) ** 0.5
    try:
        found = dearray(source, options, mean_um)
        cores = cores_of(found, options.labels)
    except NoCoresError as error:
        say(str(error))
        raise typer.Exit(EXIT_INCOMPLETE) from error
    except (TmaError, TileError) as error:
        fail(str(error))
    for note in found.notes:
        say(note)
    return grid_of(cores)


def _after(grid: TmaGrid, changes: Iterable[Change]) -> TmaGrid:
    """Return a grid after an edit that changes cores where they are."""
    from viewer.annotations.tma.cores import TmaGrid

    now = {change.id: change.after for change in changes if change.after is not None}
    return TmaGrid({at: now.get(core.id, core) for at, core in grid.cores.items()})


def _measured(
    slide: Path, model: str, grid: TmaGrid, held: list[Annotation],
    mpp_um: tuple[float, float] | None, device: str, image: int | None, cells: CellOptions,
) -> TmaGrid:  # fmt: skip
    """Run a model in the cores that are there, and return the grid with what it counts."""
    import shapely

    from viewer.annotations.tma.cores import is_missing
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.runs import running
    from viewer.inference.runs.results import finds_objects
    from viewer.overlays.core_scores import measured_cores
    from viewer.overlays.object_style import ObjectStyle
    from viewer.slides import SlideError

    shapes = [core.geometry for *_, core in grid if not is_missing(core)]
    if not shapes:
        fail("All cores are marked as missing: there is nothing to count in.")
    mean_um = None if mpp_um is None else (mpp_um[0] * mpp_um[1]) ** 0.5
    try:
        with opened_model(model) as bundle:
            if not finds_objects(bundle.task):
                fail(f"{bundle.name} finds no objects to count: choose cells or nuclei.")
            area = shapely.union_all(shapes)
            bundle = tuned(bundle, slide, image, area, cells)
            run = running.run_model(slide, bundle, area, mean_um, device, None, image)
    except (SlideError, BundleError, running.RunError) as error:
        fail(str(error))
    for sentence in run.all_troubles():
        say(sentence)
    found = run.found.as_objects
    assert found is not None
    settings = bundle.description.cells
    name = f"{bundle.name} {bundle.version} at {run.mpp_um:.4g} µm/px"
    names = [each for each, _ in bundle.colors]
    edit, _ = measured_cores(
        grid, found, ObjectStyle(), names, name, held,
        is_scored=settings is not None and settings.is_scored,
    )  # fmt: skip
    return _after(grid, edit.changes)


def _write(out: Path, grid: TmaGrid, place: SlidePlace, mpp_um: tuple[float, float] | None) -> None:
    from viewer.annotations.formats.exchange import FORMATS, write_as
    from viewer.annotations.tma.table import exported_cores, write_core_table
    from viewer.files.atomic_write import unwritable

    try:
        if out.suffix.lower() in _TABLE:
            write_core_table(out, grid, mpp_um)
        else:
            lost = write_as(out, FORMATS["qupath"], exported_cores(grid, mpp_um), place)
            tell_lost(out.name, lost)
    except OSError as error:
        fail(unwritable(Path(error.filename or out), error))


def _tell(
    grid: TmaGrid, mpp_um: tuple[float, float] | None, out: Path | None, *, json: bool
) -> None:
    from viewer.annotations.tma.table import core_rows

    header, *rows = core_rows(grid, mpp_um)
    names = [str(name) for name in header]
    if json:
        cores = [
            {name: (cell if cell != "" else None) for name, cell in zip(names, row, strict=True)}
            for row in rows
        ]
        for core in cores:
            core["Missing"] = core["Missing"] == "true"
        print_json(
            {
                "rows": grid.rows,
                "columns": grid.columns,
                "cores": len(grid),
                "missing": len(grid) - grid.present,
                "out": None if out is None else str(out),
                "table": cores,
            }
        )
        return
    if out is None:
        shown = [index for index, name in enumerate(names) if name in _SHOWN]
        print_table(
            tuple(names[index] for index in shown),
            [tuple(str(row[index]) for index in shown) for row in rows],
        )
    say(
        f"{plural(len(grid), 'core')} in {grid.rows} rows and {grid.columns} columns, "
        f"{len(grid) - grid.present:,} of them missing."
    )
