"""Where on a slide a model is to run, as the command line says it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import typer

from viewer.cli.output import fail, numbers

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin
    from viewer.geometry import Box
    from viewer.overlays.area import Area


def asked_area(
    region: str | None,
    within: Path | None,
    slide: Path,
    image: int | None,
    origin: Origin | None,
) -> Area | None:
    """Return a box or the areas of a file; None for the whole slide."""
    if within is not None:
        return _areas_of(within, slide, image, origin)
    return None if region is None else box_of(region)


def box_of(region: str) -> Box:
    """Return a box of level-0 pixels; the command ends where it is none."""
    from viewer.geometry import Box

    advice = "--region takes X,Y,W,H in level-0 pixels, such as 1000,800,512,512."
    x, y, width, height = numbers(region, 4, advice)
    if width <= 0 or height <= 0:
        fail(advice)
    return Box(x, y, x + width, y + height)


def _areas_of(file: Path, slide: Path, image: int | None, origin: Origin | None) -> Area:
    import shapely

    from viewer.annotations.formats.exchange import read_annotations
    from viewer.annotations.formats.problems import AnnotationFileError, Problems
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.slides import SlideError, open_slide

    problems = Problems()
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
