"""`coverslip annotations`: convert, check and count annotations of other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli_output import fail, print_json, print_record, print_table

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.reading import Problem

_EXIT_NOT_SOUND = 1
_MOST_TOLD = 20

annotations_app = typer.Typer(help="Annotations and the files they are in.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_File = Annotated[Path, typer.Argument(help="GeoJSON of QuPath, XML of ASAP or ImageScope.")]


@annotations_app.command()
def convert(
    file: _File,
    out: Annotated[Path, typer.Argument(help="Where to write.")],
    to: Annotated[
        str | None, typer.Option(help="qupath, asap or imagescope; by the name of OUT by default.")
    ] = None,
    json: _Json = False,
) -> None:
    """Write annotations in another tool's format; what it cannot hold is told."""
    from viewer.annotations.exchange import FORMATS, read_annotations
    from viewer.annotations.reading import AnnotationFileError

    wanted = to or ("qupath" if out.suffix.lower() in (".geojson", ".json") else "")
    if wanted not in FORMATS:
        fail(f"Say with --to which format {out.name} is to have: {', '.join(FORMATS)}.")
    problems: list[Problem] = []
    count = 0

    def counted():
        nonlocal count
        for annotation in read_annotations(file, problems):
            count += 1
            yield annotation

    try:
        lost = FORMATS[wanted].write(out, counted())
    except AnnotationFileError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{out} cannot be written ({error.strerror or error}): choose another place.")
    _tell(problems)
    _tell(lost, "not written of")
    record: dict[str, object] = {
        "annotations": count, "format": FORMATS[wanted].name, "out": str(out),
        "problems": len(problems), "lost": len(lost),
    }  # fmt: skip
    print_record(record, json=json)


@annotations_app.command()
def validate(file: _File, json: _Json = False) -> None:
    """Tell what of a file cannot be read, or had to be repaired; exit code 1 if anything."""
    from viewer.annotations.exchange import format_of

    problems: list[Problem] = []
    annotations = _read(file, problems)
    if json:
        told = [
            {"number": each.number, "reason": each.reason, "repaired": each.is_repaired}
            for each in problems
        ]
        print_json({"annotations": len(annotations), "problems": told})
    else:
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(f"{len(annotations)} annotations of {format_of(file).name} can be used.")
    if problems:
        sys.exit(_EXIT_NOT_SOUND)


@annotations_app.command()
def stats(
    file: _File,
    mpp: Annotated[
        float, typer.Option(help="um per level-0 pixel; without it, pixels.", min=0.001)
    ] = 1.0,
    json: _Json = False,
) -> None:
    """Count annotations and add up their areas and lengths, class by class."""
    problems: list[Problem] = []
    annotations = _read(file, problems)
    _tell(problems)
    unit = "px" if mpp == 1.0 else "um"
    rows: dict[str, list[float]] = {}
    for annotation in annotations:
        name = annotation.shown_as.name if annotation.shown_as else "No class"
        row = rows.setdefault(name, [0, 0.0, 0.0])
        row[0] += 1
        row[1] += annotation.area_um2(mpp)
        row[2] += annotation.length_um(mpp)
    columns = ("class", "count", f"area {unit}2", f"length {unit}")
    if json:
        print_json([dict(zip(columns, (name, *row), strict=True)) for name, row in rows.items()])
        return
    lines = [
        (name, f"{row[0]:,}", f"{row[1]:,.1f}", f"{row[2]:,.1f}") for name, row in rows.items()
    ]
    print_table(columns, lines)


def _read(file: Path, problems: list[Problem]) -> list[Annotation]:
    from viewer.annotations.exchange import read_annotations
    from viewer.annotations.reading import AnnotationFileError

    try:
        return list(read_annotations(file, problems))
    except AnnotationFileError as error:
        fail(str(error))


def _tell(problems: list[Problem], what: str = "") -> None:
    for problem in problems[:_MOST_TOLD]:
        text = f"{what} number {problem.number}: {problem.reason}" if what else str(problem)
        typer.echo(text, err=True)
    if len(problems) > _MOST_TOLD:
        typer.echo(f"and {len(problems) - _MOST_TOLD} more", err=True)
