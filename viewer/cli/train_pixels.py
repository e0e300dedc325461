"""`coverslip train pixels`: a pixel classifier by strokes and areas, without a window."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read by typer
from typing import Annotated

import msgspec
import typer

from viewer.cli.output import OriginName, fail, origin_named, print_record


def train_pixels(
    slides: Annotated[list[Path], typer.Argument(help="The slides that were marked.")],
    marks: Annotated[
        list[Path],
        typer.Option(
            help="Strokes, areas or points with classes: GeoJSON or another file of annotations. "
            "One for each slide, in their order, a folder of such files, or one for all, whose "
            "features say the name of their slide."
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder of the model; for `coverslip run`.")
    ],
    resolution: Annotated[
        float, typer.Option(help="um per pixel that is told apart, whatever the scanner's.")
    ] = 1.0,
    scales: Annotated[
        int, typer.Option(help="Of features: smoothed by about 1, 2, 4 and 8 pixels.")
    ] = 4,
    features: Annotated[
        str, typer.Option(help="color (and stain), or texture (with color).")
    ] = "texture",
    stains: Annotated[str, typer.Option(help="h-e or h-dab: QuPath's default vectors.")] = "h-e",
    name: Annotated[str, typer.Option(help="Of the model; that of its folder by default.")] = "",
    who: Annotated[str, typer.Option("--by", help="Your pseudonym, for the model's card.")] = "",
    origin: OriginName = None,
    mpp: Annotated[
        float | None, typer.Option(help="um per pixel of a slide that tells none.", min=0.001)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Teach a pixel classifier by marks on slides; it is an ordinary model afterwards.

    Run it with `coverslip run FOLDER SLIDE`, or add it with `coverslip models add FOLDER`. Its
    card says by how many marks it was taught, and how wrong it is on regions that were held out.
    """
    from viewer.annotations.formats.problems import AnnotationFileError
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.teaching.errors import TeachingError
    from viewer.inference.teaching.marked_slides import marked_slides
    from viewer.inference.teaching.pixel_settings import PixelSettings
    from viewer.inference.teaching.pixel_training import (
        check_folder,
        train_pixels,
        write_pixel_classifier,
    )
    from viewer.slides import SlideError

    if features not in ("color", "texture"):
        fail('--features is "color" or "texture".')
    if stains not in ("h-e", "h-dab"):
        fail('--stains is "h-e" or "h-dab".')
    try:
        settings = msgspec.convert(
            {
                "mpp_um": resolution,
                "scales": scales,
                "texture": features == "texture",
                "stains": {"h-e": "H&E", "h-dab": "H-DAB"}[stains],
            },
            PixelSettings,
        )
    except msgspec.ValidationError as error:
        fail(f"--resolution is 0.1 to 64 um per pixel and --scales 1 to 4 ({error}).")
    counts_from = origin_named(origin)
    try:
        check_folder(out)
        marked = marked_slides(slides, marks, counts_from)
        taught = train_pixels(marked, settings, mpp, who)
        bundle = write_pixel_classifier(out, taught, name or out.name)
    except (SlideError, AnnotationFileError, TeachingError, BundleError) as error:
        fail(str(error))
    for note in taught.notes:
        typer.echo(note, err=True)
    card = taught.card
    record = {
        "model": bundle.name,
        "classes": list(taught.colors),
        "marks": dict(card.marks),
        "resolution_um": settings.mpp_um,
        "held_out_error": card.held_out.error,
        "calibration_error": card.held_out.calibration_error,
        "estimate": card.held_out.sentence,
        "out": str(out),
    }
    print_record(record, json=json)
