"""`coverslip explain`: why a model calls a tile what it calls it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import Unconfined, check_writable, fail, numbers, print_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle

_PICTURE_PX = 1600
"""The longer side of the picture of a slide, at most."""
_AT = "--at takes X,Y in level-0 pixels, such as 1000,800."


def explain(
    model: Annotated[
        str, typer.Argument(help="A classifier of tiles, or a slide model: its name or folder.")
    ],
    slide: Annotated[Path, typer.Argument(help="The slide.")],
    at: Annotated[
        str | None,
        typer.Option(
            help="X,Y of the middle of the tile, level-0 pixels; of classifiers of tiles."
        ),
    ] = None,
    name: Annotated[
        str,
        typer.Option("--class", help="The class that is asked about; by default the likeliest."),
    ] = "",
    mpp: Annotated[
        float | None, typer.Option(help="um per pixel of a file that tells none.", min=0.001)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="A picture of the tile (.png), what speaks for it warm."),
    ] = None,
    unconfined: Unconfined = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which parts of a tile, or patches of a slide, speak for a class, and whether that holds.

    A slide model is asked about the whole slide: which patches speak for the class, and which its
    attention looks at. Parts are taken away, the weightiest first: where the model changes its mind
    no sooner than in random orders, the explanation is not faithful, and it says so.
    """
    from PIL import Image

    from viewer.audit_log import trail
    from viewer.geometry import Point
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.process.confinement_policy import allow_unconfined
    from viewer.inference.runs.explaining import explain_tile
    from viewer.inference.runs.running import RunError
    from viewer.inference.tasks.known import TASKS
    from viewer.slides import SlideError

    if out is not None:
        if out.suffix.lower() != ".png":
            fail(f"{out.name} does not tell its format: let it end in .png.")
        check_writable(out)
    if unconfined:
        allow_unconfined()
    try:
        with opened_model(model) as bundle:
            if TASKS[bundle.task].explains == "slide":
                if at is not None:
                    fail(f"{bundle.name} judges whole slides: leave --at out.")
                _explain_slide(bundle, slide, name, mpp, out, json=json)
                return
            if not TASKS[bundle.task].explains:
                fail(
                    f"{bundle.name} is no classifier of tiles and no slide model: only those are "
                    "explained."
                )
            if at is None:
                fail(f"{bundle.name} judges tiles: say which one. {_AT}")
            x, y = numbers(at, 2, _AT)
            trail.note("opened", slide.absolute(), f"explain {bundle.name}")
            found = explain_tile(slide, bundle, Point(x, y), name, mpp)
    except (SlideError, BundleError, RunError) as error:
        fail(str(error))
    if out is not None:
        try:
            Image.fromarray(found.picture()).save(out)
        except OSError as error:
            fail(f"{out} cannot be written ({error.strerror or error}): choose another place.")
    record = {
        "model": bundle.name,
        "class": found.name,
        "chance": round(found.chance, 4),
        "method": found.method,
        "tile": [found.box.x0, found.box.y0, found.box.width, found.box.height],
        "deletion": round(found.deletion, 4),
        "deletion_random": round(found.random, 4),
        "faithful": found.is_faithful,
        "values": [[round(value, 5) for value in row] for row in found.values.tolist()],
        "out": str(out) if out else None,
    }
    if not json:
        del record["values"]
    print_record(record, json=json)


def _explain_slide(
    bundle: ModelBundle, slide: Path, name: str, mpp: float | None, out: Path | None, *, json: bool
) -> None:
    """Explain a slide model: its encoder runs over the slide where that is not known yet."""
    from viewer.audit_log import trail
    from viewer.cli.run import progress_bar
    from viewer.inference.runs.explaining_slides import explain_slide
    from viewer.inference.runs.running import run_model
    from viewer.overlays.patch_feature_map import PatchFeatureMap

    trail.note("opened", slide.absolute(), f"explain {bundle.name}")
    with progress_bar() as show:
        run = run_model(slide, bundle, None, mpp, "auto", show)
    assert isinstance(run.found, PatchFeatureMap)
    found = explain_slide(bundle, run.found, name)
    if out is not None:
        _save_slide_picture(slide, found.by_class.values, run.found.raster_px, out)
    ways = (found.by_class, *found.heads)
    record = {
        "model": bundle.name,
        "class": found.name,
        "chance": round(found.chance, 4),
        "method": found.method,
        "patches": int(run.found.count),
        "deletion": round(found.by_class.deletion, 4),
        "deletion_random": round(found.by_class.random, 4),
        "faithful": found.by_class.is_faithful,
        "attention": {
            each.name: {
                "deletion": round(each.deletion, 4),
                "deletion_random": round(each.random, 4),
                "faithful": each.is_faithful,
            }
            for each in found.heads
        },
        "out": str(out) if out else None,
    }
    if json:
        record["values"] = {each.name: _rows(each.values) for each in ways}
    print_record(record, json=json)


def _rows(values: NDArray[np.float32]) -> list[list[float | None]]:
    """Return the rows of a map, None where there is no patch."""
    return [
        [None if value != value else round(value, 6) for value in row] for row in values.tolist()
    ]


def _save_slide_picture(
    path: Path, values: NDArray[np.float32], patch_px: float, out: Path
) -> None:
    """Write the slide with the patches that speak for the class in warm colors."""
    from contextlib import closing

    import numpy as np
    from PIL import Image

    from viewer.geometry import Box
    from viewer.slides import open_slide
    from viewer.slides.region import read_region

    with closing(open_slide(path)) as source:
        base = source.levels[0]
        times = max(1.0, max(base.width_px, base.height_px) / _PICTURE_PX)
        width, height = (max(1, round(px / times)) for px in (base.width_px, base.height_px))
        picture = read_region(source, Box(0, 0, base.width_px, base.height_px), width, height)
    share = np.nan_to_num(values / max(float(np.nanmax(values)), 1e-12)).clip(0, 1)
    rows, columns = (
        np.minimum((np.arange(px) * times / patch_px).astype(int), count - 1)
        for px, count in zip((height, width), share.shape, strict=True)
    )
    weight = 0.7 * share[rows[:, np.newaxis], columns][..., np.newaxis]
    mixed = picture * (1 - weight) + np.array([230, 80, 0]) * weight
    try:
        Image.fromarray(mixed.clip(0, 255).astype(np.uint8)).save(out)
    except OSError as error:
        fail(f"{out} cannot be written ({error.strerror or error}): choose another place.")
