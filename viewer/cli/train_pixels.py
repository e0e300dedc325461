"""`coverslip train pixels`: a pixel classifier by strokes and areas, without a window."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from viewer.cli.output import FileMppOption, JsonOption, OriginName, fail, print_record, say
from viewer.cli.teaching_options import (
    MarksFiles,
    ModelName,
    OutFolder,
    ReaderName,
    Refusals,
    Slides,
    name_of,
    reader_named,
    slides_with_marks,
    taught_record,
)
from viewer.prepared_types import prepared


def train_pixels(
    slides: Slides,
    marks: MarksFiles,
    out: OutFolder,
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
    name: ModelName = None,
    reader: ReaderName = None,
    origin: OriginName = None,
    mpp: FileMppOption = None,
    json: JsonOption = False,
) -> None:
    """Teach a pixel classifier by marks on slides; it is an ordinary model afterwards.

    An area means the pixels in it, a line what lies within 2 µm and a point what lies within 4 µm.
    The model runs like any other: coverslip run OUT SLIDE. Its card says by how many marks it was
    taught, and how wrong it is on regions that were held out.
    """
    from viewer.inference.teaching.pixel_settings import PixelSettings
    from viewer.inference.teaching.pixel_training import train_pixels, write_pixel_classifier
    from viewer.inference.teaching.taught_bundles import check_folder

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
            prepared(PixelSettings),
        )
    except msgspec.ValidationError as error:
        fail(f"--resolution is 0.1 to 64 um per pixel and --scales 1 to 4 ({error}).")
    with Refusals():
        check_folder(out, "pixels")
        marked = slides_with_marks(slides, marks, origin)
        taught = train_pixels(marked, settings, mpp, reader_named(reader))
        bundle = write_pixel_classifier(out, taught, name_of(name, out))
    for note in taught.notes:
        say(note)
    print_record(taught_record(bundle) | {"resolution_um": settings.mpp_um}, json=json)
