"""`coverslip convert` and `coverslip deidentify`: slides that go out again."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import (
    EXIT_INCOMPLETE,
    FileMppOption,
    ImageNumber,
    check_writable,
    fail,
    numbers,
    print_json,
    say,
)
from viewer.files.atomic_write import atomic_write_bytes, unwritable

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.slides.writing.plan import Region
    from viewer.slides.writing.watch import Watch

SlideArgument = Annotated[Path, typer.Argument(metavar="SLIDE", help="A slide.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there; the slide itself never is.")
]
PrintJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write the report as JSON too.")
]


def convert_slide(
    slide: SlideArgument,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="A file in .ome.tif, or a folder: .ome.zarr, or for --to dicom any."
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(help="ome-tiff, ome-zarr or dicom; by default what OUT ends in."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(help="X,Y,WIDTH,HEIGHT in level-0 pixels; the whole slide by default."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(help="Names or numbers from 0 of channels, with commas; all by default."),
    ] = None,
    z: Annotated[
        str | None, typer.Option(help="Focal planes from 0, such as 0,2; all by default.")
    ] = None,
    quality: Annotated[
        int, typer.Option(help="Of JPEG, for tiles that cannot be copied.", min=1, max=100)
    ] = 90,
    mpp: FileMppOption = None,
    image: ImageNumber = None,
    overwrite: Overwrite = False,
    report: ReportFile = None,
    json: PrintJson = False,
) -> None:
    """Write a slide as a pyramidal OME-TIFF, as OME-Zarr or as a folder of DICOM files.

    JPEG tiles are copied as they are where the target takes them. What is lost or left out is said.
    A run that was stopped goes on when the same command is given again. Exit code 1 where tiles of
    the slide cannot be read; they are hatched.
    """
    from viewer.slides import SlideError
    from viewer.slides.writing.convert import convert
    from viewer.slides.writing.errors import WritingError
    from viewer.slides.writing.plan import ConvertOptions

    _check_report(report, slide)
    options = ConvertOptions(
        region=_region(region), channels=_channels(channels), z=_planes(z), quality=quality,
        image=image, mpp_um=mpp,
    )  # fmt: skip
    try:
        with _progress("Converting") as watch:
            done = convert(slide, out, options, kind=to, overwrite=overwrite, watch=watch)
    except (SlideError, WritingError) as error:
        fail(str(error))
    except OSError as error:
        fail(unwritable(Path(error.filename or out), error))
    except KeyboardInterrupt:
        say(f"Stopped: {out.name} is not written; the same command goes on from here.")
        raise
    _save(report, done.as_data())
    if json:
        print_json(done.as_data())
    else:
        typer.echo(str(done.path))
    for sentence in (*done.lossy, *(f"Left out: {each}" for each in done.dropped)):
        say(sentence)
    for sentence in done.counts.sentences:
        say(sentence)
    if done.counts.unreadable:
        raise typer.Exit(EXIT_INCOMPLETE)


def _region(text: str | None) -> Region | None:
    from viewer.slides.writing.plan import Region

    if text is None:
        return None
    advice = "--region takes X,Y,WIDTH,HEIGHT in level-0 pixels, such as 1000,2000,4096,4096."
    x, y, width, height = (round(each) for each in numbers(text, 4, advice))
    if width < 1 or height < 1:
        fail(advice)
    return Region(x, y, width, height)


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in (text or "").split(",") if each.strip())


def _channels(text: str | None) -> tuple[str, ...]:
    words = _words(text)
    if text is not None and not words:
        fail("--channels takes names or numbers of channels, such as DAPI,2.")
    return words


def _planes(text: str | None) -> tuple[int, ...]:
    words = _words(text)
    if text is not None and not (words and all(each.isdecimal() for each in words)):
        fail("--z takes numbers of focal planes from 0, such as 0,2.")
    return tuple(map(int, words))


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

    _check_report(report, slide)
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


def _check_report(report: Path | None, slide: Path) -> None:
    """End the command where the report cannot be written, or would take the slide's place."""
    if report is None:
        return
    check_writable(report)
    if report.exists() and slide.exists() and report.samefile(slide):
        fail(f"{report} is the slide itself: choose another place for the report.")


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
    from viewer.cli.progress_bar import bars
    from viewer.slides.writing.watch import Watch

    with bars() as bar:
        task = bar.add_task(what, total=1.0)
        yield Watch(lambda share: bar.update(task, completed=share))
