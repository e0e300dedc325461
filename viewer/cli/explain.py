"""`coverslip explain`: why a model calls a tile what it calls it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import (
    FileMppOption,
    JsonOption,
    Unconfined,
    check_writable,
    fail,
    numbers,
    print_record,
)
from viewer.files.atomic_write import unwritable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.part_weights import PartWeights

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
    mpp: FileMppOption = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="A picture of the tile (.png), what speaks for it warm."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="What the picture shows: by default what speaks for the class; attention roll-out "
            'and its heads are "attention roll-out", "head 1" and so on.'
        ),
    ] = "",
    unconfined: Unconfined = False,
    json: JsonOption = False,
) -> None:
    """Show which parts of a tile, or patches of a slide, speak for a class, and whether that holds.

    A slide model is asked about the whole slide: which patches speak for the class, and which its
    attention looks at. Of a vision transformer, attention roll-out and its heads are shown beside
    that. Parts are taken away, the weightiest first: where the model changes its mind no sooner
    than in random orders, the explanation is not faithful, and it says so.
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
                _explain_slide(bundle, slide, name, mpp, out, by, json=json)
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
    chosen = _way(found.ways, by, found.note)
    if out is not None:
        try:
            Image.fromarray(found.picture(chosen)).save(out)
        except OSError as error:
            fail(unwritable(out, error))
    record = {
        "model": bundle.name,
        "class": found.name,
        "chance": round(found.chance, 4),
        "method": found.method,
        "tile": [found.box.x0, found.box.y0, found.box.width, found.box.height],
        **_tested(found.by_class),
        "attention": {each.name: _tested(each) for each in found.attention},
        "note": found.note,
        "out": str(out) if out else None,
    }
    if json:
        record["values"] = _rows(found.by_class.values)
        record["attention_values"] = {each.name: _rows(each.values) for each in found.attention}
    print_record(record, json=json)


def _tested(weights: PartWeights) -> dict[str, object]:
    """Return what the deletion test says of a map."""
    return {
        "deletion": round(weights.deletion, 4),
        "deletion_random": round(weights.random, 4),
        "faithful": weights.is_faithful,
    }


def _way(ways: Sequence[PartWeights], by: str, note: str = "") -> PartWeights:
    """Return the map of a name, by default the first; one that is not there ends the command."""
    found = next((each for each in ways if by.casefold() in ("", each.name.casefold())), None)
    if found is None:
        known = ", ".join(each.name for each in ways)
        fail(f'There is no "{by}"; there is {known}. {note}'.strip())
    return found


def _explain_slide(
    bundle: ModelBundle, slide: Path, name: str, mpp: float | None, out: Path | None, by: str,
    *, json: bool,
) -> None:  # fmt: skip
    """Explain a slide model: its encoder runs over the slide where that is not known yet."""
    from viewer.audit_log import trail
    from viewer.cli.progress_bar import progress_bar
    from viewer.inference.runs.explaining_slides import explain_slide
    from viewer.inference.runs.running import run_model

    trail.note("opened", slide.absolute(), f"explain {bundle.name}")
    with progress_bar() as show:
        run = run_model(slide, bundle, None, mpp, "auto", show)
    patches = run.found.as_patches
    assert patches is not None
    found = explain_slide(bundle, patches, name)
    chosen = _way(found.ways, by, found.note)
    if out is not None:
        _save_slide_picture(slide, chosen.values, patches.raster_px, out)
    record = {
        "model": bundle.name,
        "class": found.name,
        "chance": round(found.chance, 4),
        "method": found.method,
        "patches": int(patches.count),
        **_tested(found.by_class),
        "attention": {each.name: _tested(each) for each in found.heads},
        "note": found.note,
        "out": str(out) if out else None,
    }
    if json:
        record["values"] = {each.name: _rows(each.values) for each in found.ways}
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
    from viewer.slides.displayed import shown_region

    with closing(open_slide(path)) as source:
        base = source.levels[0]
        times = max(1.0, max(base.width_px, base.height_px) / _PICTURE_PX)
        width, height = (max(1, round(px / times)) for px in (base.width_px, base.height_px))
        picture = shown_region(source, Box(0, 0, base.width_px, base.height_px), width, height)
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
        fail(unwritable(out, error))
