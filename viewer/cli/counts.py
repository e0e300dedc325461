"""`coverslip annotations counts`: what was counted per mm² on a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viewer.cli.annotation_options import SlideMppOption, pixel_size, slide_place
from viewer.cli.annotation_sets import named_sets, slide_sets
from viewer.cli.output import (
    EXIT_INCOMPLETE,
    JsonOption,
    check_writable,
    fail,
    print_json,
    print_table,
    say,
)
from viewer.files.atomic_write import unwritable


def counts(
    slide: Annotated[Path, typer.Argument(metavar="SLIDE", help="A slide that was counted on.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="A CSV table, or a .geojson of fields and points."
        ),
    ] = None,
    set_name: Annotated[
        str | None, typer.Option("--set", help="Only the set of this name, such as a file's.")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(
            help="Whose sets, by pseudonym; by default those of the reader of the settings."
        ),
    ] = None,
    slide_mpp: SlideMppOption = None,
    json: JsonOption = False,
) -> None:
    """Print mitoses and whatever else was counted per mm², field by field and in all.

    Where fields overlap, area and points count once. Exit code 1 where nothing was counted.
    """
    from viewer.annotations.counting.table import count_rows, write_count_file
    from viewer.annotations.counting.tally import summary_of
    from viewer.annotations.sets.together import together
    from viewer.annotations.storage.store import AnnotationStoreError
    from viewer.folders import config_folder
    from viewer.settings import load_settings

    if out is not None:
        check_writable(out)
    asks = reader if reader is not None else load_settings(config_folder()).reader
    place = slide_place(slide, pixel_size("--slide-mpp", slide_mpp))
    try:
        found = named_sets(slide_sets(slide, place, asks), set_name, asks)
        held = together([(each.which.key, each.annotations) for each in found])
    except AnnotationStoreError as error:
        fail(str(error))
    summary = summary_of(held)
    if not summary.fields:
        say(f"Nothing was counted on {slide.name}: start a mitosis count in the window (T).")
        raise typer.Exit(EXIT_INCOMPLETE)
    rows = count_rows(summary)
    if out is not None:
        try:
            write_count_file(out, held)
        except OSError as error:
            fail(unwritable(Path(error.filename or out), error))
    if json:
        header = [str(each) for each in rows[0]]
        print_json([dict(zip(header, row, strict=True)) for row in rows[1:]])
    elif out is None:
        print_table(
            tuple(map(str, rows[0])), [tuple(str(cell) for cell in row) for row in rows[1:]]
        )
