"""How the command line speaks: JSON, tables, one sentence when something is wrong."""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from viewer.plain_text import shown_line, shown_text
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from viewer.annotations.formats.origins import Origin
    from viewer.cohort.slides import NamedSlides

EXIT_INCOMPLETE = 1
EXIT_BAD_INPUT = 2
_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that JSON may hold as they are and a terminal would obey."""

_WIDEST = 100_000
_MOST_LAID_OUT = 2000
"""Rows of a table whose columns are fitted to the terminal, which takes 0.3 ms a row."""
_WIDEST_CELL = 200
"""Columns of a long table are not made wider for what is longer."""
_MOST_SAID = 20

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
EncoderOption = Annotated[
    str, typer.Option(help="Whose features, where the store holds those of several encoders.")
]
FileMppOption = Annotated[
    float | None, typer.Option(help="um per pixel of a file that tells none.", min=0.001)
]
SessionsFolder = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="Folder for the sessions; the library by default."),
]
ImageNumber = Annotated[
    int | None,
    typer.Option(
        "--image",
        help="Which image of a file with several, from 0 as `info` lists them; else the largest.",
    ),
]


AsChannels = Annotated[
    bool,
    typer.Option(
        "--as-channels", help="Slides of the same field, one a dye, are channels of one slide."
    ),
]

OriginName = Annotated[
    str | None,
    typer.Option(
        "--origin",
        help="From where the file counts on a slide with bounds (MIRAX, SCN): bounds, as QuPath "
        "does, or slide; by default what the file says, or else its format does.",
    ),
]

Unconfined = Annotated[
    bool,
    typer.Option(
        "--unconfined",
        help="Run a TorchScript even where this system cannot confine it; it could read and write "
        "your files.",
    ),
]


def origin_named(name: str | None) -> Origin | None:
    """Return the origin that --origin names; ends the command where it names none."""
    if name not in (None, "bounds", "slide"):
        fail(f'--origin takes bounds or slide, not "{name}".')
    return name


def print_json(value: object) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    typer.echo(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_record(record: Mapping[str, object], *, json: bool) -> None:
    """Print a line for each value; JSON when asked for."""
    if json:
        print_json(record)
    else:
        print_table((), list(_flat(record)))


def print_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if len(rows) > _MOST_LAID_OUT:
        _print_long_table(columns, rows)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, show_header=bool(columns), box=None)
    for row in rows:
        table.add_row(*(Text(shown_text(cell), overflow="fold") for cell in row))
    console = Console(width=None if sys.stdout.isatty() else _WIDEST)
    if console.is_terminal:
        console.print(table)
        return
    # In a pipe a line stays a line, whatever stands in it.
    with console.capture() as lines:
        console.print(table)
    for line in lines.get().splitlines():
        typer.echo(line.rstrip())


def _print_long_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a line for each row, whatever the width of the terminal: rich takes minutes for it."""
    from rich.cells import cell_len

    whole = [columns, *rows] if columns else rows
    cells = [tuple(shown_text(cell).replace("\n", " ") for cell in row) for row in whole]
    widths = [min(_WIDEST_CELL, max(map(cell_len, each))) for each in zip(*cells, strict=True)]
    lines = (
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        for row in cells
    )
    typer.echo("\n".join(f" {line}".rstrip() for line in lines))


def say(sentence: str) -> None:
    """Print a sentence to stderr; what it quotes of files steers no terminal."""
    typer.echo(shown_line(sentence), err=True)


def say_first(sentences: list[str], more: str) -> None:
    """Say the first sentences, and of those after them how many there are.

    Parameters
    ----------
    more
        With {count}, such as "{count} more images were left out."
    """
    for sentence in sentences[:_MOST_SAID]:
        say(sentence)
    if len(sentences) > _MOST_SAID:
        say(more.format(count=f"{len(sentences) - _MOST_SAID:,}"))


def fail(sentence: str) -> NoReturn:
    """Say what is wrong and end the command."""
    say(sentence)
    sys.exit(EXIT_BAD_INPUT)


def code_where_failed(named: NamedSlides) -> int:
    """Return the exit code where slides failed or are missing: 1, or 2 for the only one named."""
    has_nothing = not named.slides and len(named.missing) < 2
    return EXIT_BAD_INPUT if has_nothing or not named.is_list else EXIT_INCOMPLETE


def check_named(named: NamedSlides, aim: str) -> None:
    """Say what is wrong with slides that were named; the command ends where none is left."""
    for sentence in named.problems:
        say(sentence)
    if not named.slides:
        if not named.problems:
            fail(f"There are no slides to {aim}: name slides, a folder of them, or a project.")
        sys.exit(code_where_failed(named))


def checked_device(device: str) -> str:
    """Return a device that models can be asked to run on; another ends the command."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,2})?", device):
        fail(f'There is no device "{device}": use auto, cpu, cuda, cuda:1 or mps.')
    return device


def checked_places(places: Sequence[Path] | None) -> list[Path]:
    """Return what --slides names; what is not there ends the command."""
    for place in places or ():
        if not place.exists():
            fail(f"{place} does not exist: --slides takes slides or folders of slides.")
    return list(places or ())


def check_writable(out: Path) -> None:
    """End the command where a file cannot be written, before the work for it is done."""
    from viewer.overlays.files.zarr_marks import is_own_heatmap

    folder = out.parent
    if out.is_dir() and out.suffix.lower() != ".zarr":
        fail(f"{out} is a folder: give the name of a file.")
    if out.is_dir() and not is_own_heatmap(out):
        fail(f"{out} is there and is no heatmap of Coverslip: choose another name.")
    if not folder.is_dir():
        fail(f"There is no folder {folder}: make it, or choose another place.")
    if not os.access(out if out.exists() else folder, os.W_OK):
        fail(f"{out} cannot be written: choose another place.")


def numbers(text: str, count: int, advice: str, between: str = ",") -> tuple[float, ...]:
    """So many numbers from text such as "10,20"; else the advice ends the command."""
    try:
        values = tuple(float(part) for part in text.lower().split(between))
    except ValueError:
        fail(advice)
    if len(values) != count or not all(map(math.isfinite, values)):
        fail(advice)
    return values


def _flat(record: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if is_mapping(value):
            yield from _flat(value, f"{prefix}{name}.")
        elif name == "out" and value is None:
            continue  # no file was asked for
        else:
            yield f"{prefix}{name}", f"{value:.6g}" if isinstance(value, float) else str(value)
