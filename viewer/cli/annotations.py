"""`coverslip annotations`: convert, check and count annotations; masks and tiles of them."""

from __future__ import annotations

import gc
import sys
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from viewer.annotations.annotation import NO_CLASS
from viewer.cli.annotation_options import (
    FormatOption,
    MppOption,
    SlideMppOption,
    pixel_size,
    slide_place,
    tell_lost,
    tell_problems,
)
from viewer.cli.annotation_sets import export
from viewer.cli.counts import counts
from viewer.cli.opening import opened_slide
from viewer.cli.output import (
    JsonOption,
    OriginName,
    check_writable,
    fail,
    numbers,
    origin_named,
    print_json,
    print_record,
    print_table,
    say,
)
from viewer.files.atomic_write import unwritable
from viewer.plain_text import shown_line
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.problems import Problem
    from viewer.annotations.formats.slide_place import SlidePlace

_EXIT_NOT_SOUND = 1
_MOST_SIDE_PX = 4_000_000
_MOST_CLASSES = 1000
"""Shown as a table, whose layout takes 0.3 ms a row; JSON has all."""

annotations_app = typer.Typer(help="Annotations and the files they are in.", no_args_is_help=True)


@annotations_app.callback()
def _annotations(context: typer.Context) -> None:
    """Annotations and the files they are in."""
    # Annotations hold no cycles; to look for some among a million takes a quarter of the time.
    gc.disable()
    context.call_on_close(gc.enable)


annotations_app.command()(export)
annotations_app.command()(counts)

_File = Annotated[
    Path,
    typer.Argument(help="GeoJSON, COCO JSON, XML of ASAP or ImageScope, CSV, DICOM, or a mask."),
]
_Image = Annotated[
    str | None, typer.Option(help="Of a COCO file of several pictures, the one that is meant.")
]
_Instances = Annotated[
    bool, typer.Option("--instances", help="A value for each annotation, not for each class.")
]


@annotations_app.command()
def convert(
    file: _File,
    out: Annotated[Path, typer.Argument(help="Where to write.")],
    to: FormatOption = None,
    image: _Image = None,
    slide: Annotated[
        Path | None, typer.Option(help="The slide that they lie on; DICOM needs it.")
    ] = None,
    mpp: MppOption = None,
    slide_mpp: SlideMppOption = None,
    origin: OriginName = None,
    json: JsonOption = False,
) -> None:
    """Write annotations in another tool's format; what it cannot hold is reported."""
    from viewer.annotations.formats.exchange import (
        FORMATS,
        MASK,
        format_for,
        format_of,
        read_annotations,
        write_as,
    )
    from viewer.annotations.formats.problems import AnnotationFileError, Problems, count_of
    from viewer.annotations.formats.qupath import read_qupath
    from viewer.annotations.formats.qupath_writing import write_qupath

    wanted = FORMATS.get(to or "") if to else format_for(out)
    if wanted is None and not to and out.suffix.lower() in MASK.suffixes:
        fail(f"{out.name} is to be a mask: use coverslip annotations mask, which takes the slide.")
    if wanted is None:
        fail(f"Say with --to which format {out.name} is to have: {', '.join(FORMATS)}.")
    if wanted.needs_slide and slide is None:
        fail(f"To write {wanted.name}, give the slide that they lie on with --slide.")
    place = slide_place(slide, pixel_size("--slide-mpp", slide_mpp)) if slide else None
    problems = Problems()
    count, is_read = 0, False

    def counted(annotations: Iterable[Annotation]) -> Iterator[Annotation]:
        nonlocal count, is_read
        for annotation in annotations:
            count += 1
            yield annotation
        is_read = True

    try:
        counts_from = origin_named(origin)
        is_same = wanted is FORMATS["qupath"] and format_of(file) is wanted
        if is_same and (place is None or not any(place.bounds_px)):
            beside: dict[str, object] = {}
            lost = write_qupath(out, counted(read_qupath(file, problems, beside)), beside)
        else:
            read = read_annotations(
                file, problems, image, takes_namesakes=True, slide=place, origin=counts_from
            )
            if place is not None:
                lost = write_as(out, wanted, counted(read), place, mpp)
            else:
                lost = wanted.write(out, counted(read))
    except AnnotationFileError as error:
        if is_read and not count:
            tell_problems(problems)
            nothing_found(file)
        fail(str(error))
    except OSError as error:
        fail(unwritable(out, error))
    tell_problems(problems)
    tell_lost(file.name, lost)
    record: dict[str, object] = {
        "annotations": count, "format": wanted.name, "out": str(out),
        "problems": count_of(problems), "lost": sum(each.number > 0 for each in lost),
    }  # fmt: skip
    print_record(record, json=json)
    if not count:
        nothing_found(file)


@annotations_app.command()
def validate(file: _File, image: _Image = None, json: JsonOption = False) -> None:
    """Tell what of a file cannot be read, or had to be repaired; exit code 1 if anything."""
    from viewer.annotations.formats.exchange import format_of
    from viewer.annotations.formats.problems import Problems

    problems = Problems()
    annotations = _read(file, problems, image)
    if json:
        records = [
            {"number": each.number, "reason": each.reason, "repaired": each.is_repaired}
            for each in problems
        ]
        print_json({"annotations": len(annotations), "problems": records})
    else:
        for problem in problems:
            typer.echo(shown_line(str(problem)))
        typer.echo(
            f"{plural(len(annotations), 'annotation')} of {format_of(file).name} can be used."
        )
    if problems:
        sys.exit(_EXIT_NOT_SOUND)


@annotations_app.command()
def stats(
    file: _File,
    mpp: Annotated[
        str | None,
        typer.Option(help="um per level-0 pixel, X,Y if not square; without it, pixels."),
    ] = None,
    image: _Image = None,
    json: JsonOption = False,
) -> None:
    """Count annotations and add up areas, perimeters and lengths of lines, class by class."""
    from viewer.annotations.formats.problems import Problems
    from viewer.annotations.pixel_calibration import PixelCalibration
    from viewer.annotations.shape_numbers import dimension

    problems = Problems()
    annotations = _read(file, problems, image)
    tell_problems(problems)
    calibration = PixelCalibration(pixel_size("--mpp", mpp))
    unit = calibration.unit
    rows: dict[str, list[float]] = {}
    for annotation in annotations:
        name = annotation.shown_as.name if annotation.shown_as else NO_CLASS
        row = rows.setdefault(name, [0, 0.0, 0.0, 0.0])
        row[0] += 1
        row[1] += calibration.area_of(annotation.geometry)
        is_region = dimension(annotation.geometry) == 2
        row[2 if is_region else 3] += calibration.length_of(annotation.geometry)
    columns = ("class", "count", f"area {unit}2", f"perimeter {unit}", f"length {unit}")
    if json:
        print_json([dict(zip(columns, (name, *row), strict=True)) for name, row in rows.items()])
        return
    shown, rest = list(rows.items()), []
    if len(shown) > _MOST_CLASSES:
        shown.sort(key=lambda each: each[1][0], reverse=True)
        shown, rest = shown[:_MOST_CLASSES], shown[_MOST_CLASSES:]
    lines = [(name, f"{row[0]:,}", *(f"{value:,.1f}" for value in row[1:])) for name, row in shown]
    print_table(columns, lines)
    if rest:
        count = sum(row[0] for _, row in rest)
        say(
            f"The {len(shown):,} largest classes are shown. {len(rest):,} more, of {count:,}"
            " annotations, are not: use --json for all."
        )


@annotations_app.command()
def mask(
    file: _File,
    slide: Annotated[Path | None, typer.Argument(help="The slide that they lie on.")] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The mask: .png, or .ome.tif with a pyramid.")
    ] = Path("mask.ome.tif"),
    size: Annotated[
        str | None, typer.Option(help="WxH of level 0 in pixels, where the slide is not at hand.")
    ] = None,
    mpp: MppOption = None,
    slide_mpp: SlideMppOption = None,
    instances: _Instances = False,
    image: _Image = None,
    origin: OriginName = None,
    json: JsonOption = False,
) -> None:
    """Paint annotations as a label mask, with a legend beside it."""
    from viewer.annotations.formats.problems import Problems, left_out
    from viewer.annotations.masks.label_masks import MaskError, MaskPlace, write_mask

    if (slide is None) == (size is None):
        fail("Give the slide that the annotations lie on, or its size with --size.")
    check_writable(out)
    own_mpp = pixel_size("--slide-mpp", slide_mpp)
    lies_on: SlidePlace | None = None
    if slide is not None:
        lies_on = slide_place(slide, own_mpp)
        place = MaskPlace(lies_on.size_px, lies_on.mpp_um, mpp, lies_on.name, lies_on.identity)
    else:
        advice = "--size takes WxH in pixels, such as 100000x80000."
        width, height = numbers(size or "", 2, advice, "x")
        if not (1 <= width <= _MOST_SIDE_PX and 1 <= height <= _MOST_SIDE_PX):
            fail(advice)
        place = MaskPlace((int(width), int(height)), own_mpp, mpp)
    problems = Problems()
    annotations = _read(file, problems, image, lies_on, origin)
    tell_problems(problems)
    try:
        legend, lost = write_mask(out, annotations, place, by_instance=instances)
    except MaskError as error:
        fail(str(error))
    except OSError as error:
        fail(unwritable(out, error))
    if gone := left_out(lost):
        say(f"{file.name}: {gone}.")
    tell_problems([each for each in lost if not each.is_repaired], "not painted of")
    tell_problems([each for each in lost if each.is_repaired], "painted in part of")
    record: dict[str, object] = {
        "out": str(out), "size": f"{legend.size_px[0]} x {legend.size_px[1]}", "of": legend.of,
        "values": legend.label_count, "lost": sum(not problem.is_repaired for problem in lost),
    }  # fmt: skip
    print_record(record, json=json)


@annotations_app.command()
def tiles(
    file: _File,
    slide: Annotated[Path, typer.Argument(help="The slide that they lie on.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder, or one to go on with.")],
    mpp: MppOption = None,
    slide_mpp: SlideMppOption = None,
    tile: Annotated[int, typer.Option(help="Side of a tile, pixels.", min=8, max=8192)] = 256,
    stride: Annotated[
        int | None, typer.Option(help="From tile to tile, pixels; the side by default.", min=1)
    ] = None,
    least: Annotated[
        float,
        typer.Option(help="Share of a tile that must be annotated; 0: all tiles.", min=0, max=1),
    ] = 0.05,
    threads: Annotated[int, typer.Option(help="Threads that read.", min=1, max=64)] = 4,
    instances: _Instances = False,
    image: _Image = None,
    origin: OriginName = None,
    json: JsonOption = False,
) -> None:
    """Cut the slide to tiles with masks, for training; goes on where it was stopped."""
    from viewer.annotations.formats.problems import Problems, left_out
    from viewer.annotations.masks.label_masks import MaskError
    from viewer.annotations.masks.training_tiles import (
        AnnotationsOrigin,
        TileOptions,
        TilesError,
        cut_tiles,
    )
    from viewer.slides.errors import SlideError

    problems = Problems()
    own_mpp = pixel_size("--slide-mpp", slide_mpp)
    annotations = _read(file, problems, image, slide_place(slide, own_mpp), origin)
    tell_problems(problems)
    options = TileOptions(mpp, tile, stride, least, instances, own_mpp, threads)
    source = opened_slide(slide)
    try:
        with file.open("rb") as content:
            made_of = AnnotationsOrigin(file.name, file_digest(content, "sha256").hexdigest())
        report = cut_tiles(source, annotations, out, options, made_of)
    except (TilesError, MaskError, SlideError) as error:
        fail(str(error))
    except OSError as error:
        fail(unwritable(out, error))
    finally:
        source.close()
    if gone := left_out(report.problems):
        say(f"{file.name}: {gone}.")
    tell_problems([each for each in report.problems if not each.is_repaired], "not cut of")
    tell_problems([each for each in report.problems if each.is_repaired], "cut in part of")
    record: dict[str, object] = {
        "out": str(out), "tiles": report.tiles, "of them there already": report.kept,
        "lost": sum(not problem.is_repaired for problem in report.problems),
    }  # fmt: skip
    print_record(record, json=json)


def nothing_found(file: Path) -> NoReturn:
    """Say that a file holds no annotations, with exit code 1."""
    say(f"{file.name} holds no annotations that can be used.")
    sys.exit(_EXIT_NOT_SOUND)


def _read(
    file: Path,
    problems: list[Problem],
    image: str | None,
    slide: SlidePlace | None = None,
    origin: str | None = None,
) -> Sequence[Annotation]:
    from viewer.annotations.formats.exchange import read_all
    from viewer.annotations.formats.problems import AnnotationFileError

    try:
        return read_all(
            file, problems, image, takes_namesakes=True, slide=slide, origin=origin_named(origin)
        )
    except AnnotationFileError as error:
        fail(str(error))
