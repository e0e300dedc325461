"""`coverslip deidentify`: slides that go out again."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.atomic_write import atomic_write_bytes, unwritable
from viewer.cli.output import check_writable, fail, print_json, say

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.slides.writing.watch import Watch

SlideArgument = Annotated[Path, typer.Argument(metavar="SLIDE", help="A slide.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there; the slide itself never is.")
]
PrintJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write the report as JSON too.")
]


def deidentify_slide(
    slide: SlideArgument,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The copy; in an existing folder it gets a name that tells nothing of the slide.",
        ),
    ],
    overwrite: Overwrite = False,
    report: ReportFile = None,
    json: PrintJson = False,
) -> None:
    """Copy an SVS, NDPI, Philips TIFF, OME-TIFF or DICOM slide without label, macro and texts.

    The pyramid is untouched. The report tells what was removed and what text remains.
    """
    from viewer.slides import SlideError
    from viewer.slides.writing.deidentify import deidentify
    from viewer.slides.writing.errors import WritingError

    if report is not None:
        check_writable(report)
    try:
        with _progress("Copying") as watch:
            target, found = deidentify(slide, out, overwrite=overwrite, watch=watch)
    except (SlideError, WritingError) as error:
        fail(str(error))
    except OSError as error:
        fail(unwritable(Path(error.filename or out), error))
    data = {"copy": str(target), **found.as_data()}
    _save(report, data)
    if json:
        print_json(data)
        return
    typer.echo(str(target))
    for line in found.lines():
        say(line)


def _save(report: Path | None, data: dict[str, object]) -> None:
    import msgspec

    if report is None:
        return
    try:
        atomic_write_bytes(report, msgspec.json.format(msgspec.json.encode(data), indent=2))
    except OSError as error:
        fail(unwritable(report, error))


@contextmanager
def _progress(what: str) -> Generator[Watch]:
    """Show a bar on stderr where that is a terminal."""
    import sys

    from rich.console import Console
    from rich.progress import Progress

    from viewer.slides.writing.watch import Watch

    if not sys.stderr.isatty():
        yield Watch()
        return
    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=1.0)
        yield Watch(lambda share: bars.update(bar, completed=share))
