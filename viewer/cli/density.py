"""`coverslip density`: how dense the objects of a model lie on a slide, and where most of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.cell_options import CellOptions, check_options, tuned
from viewer.cli.output import (
    EXIT_INCOMPLETE,
    DeviceOption,
    FileMppOption,
    ImageNumber,
    JsonOption,
    check_writable,
    checked_device,
    fail,
    print_record,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.runs.running import ModelRun
    from viewer.overlays.density_map import DensityOptions


def density(
    slide: Annotated[Path, typer.Argument(metavar="SLIDE", help="A slide.")],
    model: Annotated[
        str, typer.Option(help="A model that finds objects: what it found is used, the rest run.")
    ] = "cells",
    class_name: Annotated[
        str | None,
        typer.Option("--class", metavar="CLASS", help="Of this class alone; by default all."),
    ] = None,
    radius: Annotated[float, typer.Option(help="Of the disc objects are counted in, um.")] = 250.0,
    kernel: Annotated[
        str, typer.Option(help="disc, or gaussian: its standard deviation is half the radius.")
    ] = "disc",
    area: Annotated[
        float, typer.Option(help="Of the hot spot, mm2: the disc with the most objects.", min=1e-4)
    ] = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="The map: .tif (OME-TIFF, float32 per mm2), .csv, .parquet or .zarr.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Of cells, as of `coverslip run`."),
    ] = None,
    stains: Annotated[str | None, typer.Option(help="Of cells, as of `coverslip run`.")] = None,
    mpp: FileMppOption = None,
    device: DeviceOption = "auto",
    image: ImageNumber = None,
    json: JsonOption = False,
) -> None:
    """Map objects per mm2 over a slide, and find the place where they are densest.

    Exit code 1 where the model finds nothing.
    """
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.runs import running
    from viewer.inference.runs.results import finds_objects
    from viewer.overlays.density_map import DensityError, DensityOptions
    from viewer.overlays.files.export import check_name
    from viewer.overlays.files.patch_files import CELL_FORMATS
    from viewer.slides import SlideError

    checked_device(device)
    if out is not None:
        check_writable(out)
        if complaint := check_name(out, CELL_FORMATS):
            fail(complaint)
    cells = CellOptions(tuple(settings or ()), stains)
    check_options(cells)
    try:
        options = DensityOptions(radius, "gaussian" if kernel == "gaussian" else "disc")
        if kernel not in ("disc", "gaussian"):
            fail(f'--kernel takes disc or gaussian, not "{kernel}".')
        with opened_model(model) as bundle:
            if not finds_objects(bundle.task):
                fail(f"{bundle.name} finds no objects to count: choose cells or nuclei.")
            names = [name for name, _ in bundle.colors]
            if class_name is not None and class_name not in names:
                fail(f'{bundle.name} has no class "{class_name}": {", ".join(names)}.')
            bundle = tuned(bundle, slide, image, None, cells)
            run = running.run_model(slide, bundle, None, mpp, device, None, image)
    except (SlideError, BundleError, DensityError, running.RunError) as error:
        fail(str(error))
    for sentence in run.all_troubles():
        say(sentence)
    _tell(run, names, class_name, options, area, out, json=json)


def _tell(
    run: ModelRun, names: Sequence[str], class_name: str | None, options: DensityOptions,
    area_mm2: float, out: Path | None, *, json: bool,
) -> None:  # fmt: skip
    import numpy as np

    from viewer.files.atomic_write import unwritable
    from viewer.overlays.density_map import ALL, DensityError, density_map, hot_spot
    from viewer.overlays.files.patch_files import write_cells

    found = run.found.as_objects
    assert found is not None
    classes = None if class_name is None else [list(names).index(class_name)]
    try:
        spot = hot_spot(found, area_mm2, classes)
    except DensityError as error:
        fail(str(error))
    made, value_names = density_map(found, names, options)
    if not made.count:
        fail(
            f"A radius of {options.radius_um:g} µm is too large for what the model analyzed "
            "of this slide: give a smaller one."
        )
    if class_name is not None and len(names) > 1:
        index = value_names.index(class_name)
        values, value_names = made.values[..., index : index + 1], [class_name]
    else:
        values = made.values
    columns = [f"{name} per mm2" for name in value_names]
    if out is not None:
        try:
            write_cells(out, made, np.asarray(values, np.float32), columns, run.area)
        except OSError as error:
            fail(unwritable(Path(error.filename or out), error))
    known = values[..., 0][~np.isnan(values[..., 0])]
    record: dict[str, object] = {
        "of": class_name or ALL, "made": options.text, "cell_um": made.cell * found.mpp_um,
        "highest_per_mm2": round(float(known.max()), 3) if len(known) else None,
        "median_per_mm2": round(float(np.median(known)), 3) if len(known) else None,
        "hot_spot": None if spot is None else {
            "x_px": round(spot.center.x, 1), "y_px": round(spot.center.y, 1),
            "area_mm2": spot.area_mm2, "radius_um": round(spot.radius_px * found.mpp_um, 2),
            "objects": spot.objects, "per_mm2": round(spot.per_mm2, 3),
            "analyzed": round(spot.analyzed, 3),
        },
        "out": None if out is None else str(out),
    }  # fmt: skip
    print_record(record, json=json)
    if spot is not None and spot.caveat:
        say(spot.caveat)
    if spot is None:
        what = "objects" if class_name is None else f"objects of the class {class_name}"
        say(f"The model found no {what}: there is no hot spot.")
        raise typer.Exit(EXIT_INCOMPLETE)
