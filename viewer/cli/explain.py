"""`coverslip explain`: why a model calls a tile what it calls it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from viewer.cli.output import Unconfined, check_writable, fail, numbers, print_record

_AT = "--at takes X,Y in level-0 pixels, such as 1000,800."


def explain(
    model: Annotated[str, typer.Argument(help="A classifier of tiles: its name or folder.")],
    slide: Annotated[Path, typer.Argument(help="The slide.")],
    at: Annotated[str, typer.Option(help="X,Y of the middle of the tile, level-0 pixels.")],
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
    """Show which parts of a tile speak for its class, and whether that holds.

    Parts are taken away, the weightiest first: where the model changes its mind no sooner than in
    random orders, the explanation is not faithful, and it says so.
    """
    from PIL import Image

    from viewer.audit_log import trail
    from viewer.geometry import Point
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.process.confinement_policy import allow_unconfined
    from viewer.inference.runs.explaining import explain_tile
    from viewer.inference.runs.running import RunError
    from viewer.slides import SlideError

    if out is not None:
        if out.suffix.lower() != ".png":
            fail(f"{out.name} does not tell its format: let it end in .png.")
        check_writable(out)
    x, y = numbers(at, 2, _AT)
    if unconfined:
        allow_unconfined()
    try:
        with opened_model(model) as bundle:
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
