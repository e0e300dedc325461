"""`coverslip shot`: a field of a slide as a picture, painted by the canvas of the window."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from viewer.cli.annotation_options import SlideMppOption, pixel_size
from viewer.cli.opening import combined_slides
from viewer.cli.output import (
    EXIT_INCOMPLETE,
    AsChannels,
    ImageNumber,
    check_writable,
    fail,
    numbers,
    origin_named,
)
from viewer.plurals import plural

_MOST_FAILURES = 10
"""Sentences about unreadable tiles that are printed."""


def shot(
    slides: Annotated[list[Path], typer.Argument(metavar="SLIDE", help="The slide.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture: PNG, JPEG, TIFF or PDF.")],
    center: Annotated[
        str | None, typer.Option(help="X,Y in level-0 pixels; the slide's middle by default.")
    ] = None,
    mag: Annotated[float | None, typer.Option(help="Magnification, such as 20.", min=0.001)] = None,
    mpp: Annotated[
        float | None, typer.Option(help="Micrometers per picture pixel.", min=0.001)
    ] = None,
    downsample: Annotated[
        float | None, typer.Option(help="Slide pixels per picture pixel.", min=0.001)
    ] = None,
    size: Annotated[str, typer.Option(help="WxH of the picture in pixels.")] = "1280x800",
    rotate: Annotated[float, typer.Option(help="Degrees, clockwise.")] = 0.0,
    flip: Annotated[bool, typer.Option("--flip", help="Mirror left to right.")] = False,
    furniture: Annotated[
        bool, typer.Option("--furniture", help="Paint scale bar and overview map too.")
    ] = False,
    display: Annotated[
        str,
        typer.Option(
            help="icc: by the slide's color profile, as the window opens it; raw: as stored."
        ),
    ] = "icc",
    overlay: Annotated[
        str | None,
        typer.Option(help="A model, such as nuclei: what it finds in the field is painted too."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Results made elsewhere, painted too: outlines (GeoJSON, GeoParquet) or scores of "
            "tiles (CSV, Parquet, HDF5)."
        ),
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(help="Which score of --results; by default the first."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            help="From where --results counts on a slide with bounds (MIRAX, SCN): bounds, as "
            "QuPath does, or slide; by default what the file says, or else its format does."
        ),
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Annotations that are painted too, of any known format.")
    ] = None,
    dpi: Annotated[
        float,
        typer.Option(
            help="Pixels an inch: lines and letters are as large on paper as on a screen.",
            min=10,
            max=2400,
        ),
    ] = 96.0,
    scale_bar: Annotated[bool, typer.Option("--scale-bar", help="Paint a scale bar.")] = False,
    legend: Annotated[
        bool, typer.Option("--legend", help="Paint what the colors of overlays mean.")
    ] = False,
    image: ImageNumber = None,
    channels: Annotated[
        str | None,
        typer.Option(help="NAME[,NAME]: the channels to paint, as `info` lists them."),
    ] = None,
    z: Annotated[int, typer.Option("--z", help="Focal plane, from 0.")] = 0,
    t: Annotated[int, typer.Option("--t", help="Time point, from 0.")] = 0,
    as_channels: AsChannels = False,
    slide_mpp: SlideMppOption = None,
) -> None:
    """Paint a field of a slide to a picture, as the window would show it.

    Exit code 1 where tiles in the field cannot be read; they are hatched.
    """
    if sum(each is not None for each in (mag, mpp, downsample)) > 1:
        fail("--mag, --mpp and --downsample say the same thing: give one of them.")
    check_writable(out)
    if display not in ("icc", "raw"):
        fail(f'--display takes icc or raw, not "{display}".')
    advice = "--center takes X,Y in pixels, such as 1200,800."
    middle = numbers(center, 2, advice) if center else None
    width, height = numbers(size, 2, "--size takes WxH in pixels, such as 1280x800.", "x")
    if not (width >= 1 and height >= 1):
        fail("--size takes a width and a height from 1 pixel on, such as 1280x800.")
    from viewer.ui.figures.writing import too_large

    if problem := too_large(out, (int(width), int(height))):
        fail(f"{problem}: give a smaller --size.")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["QT_SCALE_FACTOR"] = "1"
    from msgspec.structs import replace

    from viewer.annotations.formats.problems import AnnotationFileError
    from viewer.geometry import Point
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import find_model
    from viewer.inference.runs.running import RunError
    from viewer.limits import LimitError
    from viewer.overlays.files.result_file import ResultFileError
    from viewer.slides import SlideError
    from viewer.ui.figures.shot import Shot, take_shot
    from viewer.ui.figures.shot_layers import ShotError
    from viewer.ui.figures.strips import FigureError
    from viewer.ui.figures.view_picture import PictureError

    at = Point(*middle) if middle else None
    try:
        model = find_model(overlay) if overlay else None
        side = (int(width), int(height))
        uses_icc = display == "icc"
        what = Shot(at, mag, downsample, side, rotate, flip, furniture, model, uses_icc)
        what = replace(what, mpp_um=mpp, results=results, score=score, origin=origin_named(origin))
        what = replace(
            what, annotations=annotations, dpi=dpi, has_scale_bar=scale_bar, has_legend=legend
        )
        slide, others = combined_slides(slides, image, as_channels=as_channels)
        own_mpp_um = pixel_size("--slide-mpp", slide_mpp)
        what = replace(what, channels=channels, z=z, t=t, others=others, slide_mpp_um=own_mpp_um)
        failures = take_shot(slide, what, out, image, lambda note: typer.echo(note, err=True))
    except (
        SlideError, ShotError, FigureError, PictureError, BundleError, RunError, ResultFileError,
        AnnotationFileError, LimitError,
    ) as error:  # fmt: skip
        fail(str(error))
    if failures:
        count = len(failures)
        tiles = plural(count, "tile of the field", "tiles of the field")
        typer.echo(f"{tiles} cannot be read and {'is' if count == 1 else 'are'} hatched:", err=True)
        for sentence in failures[:_MOST_FAILURES]:
            typer.echo(sentence, err=True)
        raise typer.Exit(EXIT_INCOMPLETE)
