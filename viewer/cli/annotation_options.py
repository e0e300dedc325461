"""What the commands of `coverslip annotations` share: options, the slide, problems told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.opening import opened_slide
from viewer.cli.output import fail, numbers, say

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.formats.problems import Problem
    from viewer.annotations.formats.slide_place import SlidePlace

_MAX_SHOWN = 20
_LEAST_MPP_UM = 0.001

FormatOption = Annotated[
    str | None,
    typer.Option(
        help="qupath, asap, imagescope, csv, coco, dicom-ann or dicom-seg; by the name of OUT by "
        "default."
    ),
]
MppOption = Annotated[
    float | None,
    typer.Option(help="um per pixel of what is written; the slide's own by default.", min=0.001),
]
SlideMppOption = Annotated[
    str | None,
    typer.Option(help="um per level-0 pixel, where the slide does not tell; X,Y if not square."),
]


def pixel_size(option: str, text: str | None) -> tuple[float, float] | None:
    """Return um per pixel in x and y from "0.25" or "0.25,0.5"."""
    if text is None:
        return None
    advice = f"{option} takes um per pixel, such as 0.25, or 0.25,0.5 where pixels are not square."
    x, y = numbers(text if "," in text else f"{text},{text}", 2, advice)
    if not (_LEAST_MPP_UM <= x < math.inf and _LEAST_MPP_UM <= y < math.inf):
        fail(advice)
    return x, y


def slide_place(slide: Path, mpp_um: tuple[float, float] | None) -> SlidePlace:
    """Return where annotations of a slide lie, with another pixel size where one is given."""
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.slides import SlideError

    source = opened_slide(slide)
    try:
        return SlidePlace.of(source, mpp_um)
    except SlideError as error:
        fail(str(error))
    finally:
        source.close()


def tell_lost(name: str, lost: list[Problem]) -> None:
    """Say what a format could not hold: how much and why in one line, then each."""
    from viewer.annotations.formats.problems import left_out

    if gone := left_out(lost):
        say(f"{name}: {gone}.")
    tell_problems(lost, "not written of")


def tell_problems(problems: list[Problem], what: str = "") -> None:
    """Say what is wrong in a file, or could not be written, a line each."""
    from viewer.annotations.formats.problems import count_of

    for problem in problems[:_MAX_SHOWN]:
        is_of_one = what and problem.number
        text = f"{what} number {problem.number}: {problem.reason}" if is_of_one else str(problem)
        say(text)
    if len(problems) > _MAX_SHOWN:
        typer.echo(f"and {count_of(problems) - _MAX_SHOWN:,} more", err=True)
