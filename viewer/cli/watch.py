"""`coverslip watch`: the quality of slides as they arrive in a folder."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import EXIT_BAD_INPUT, EXIT_INCOMPLETE, FileMppOption, fail, say

if TYPE_CHECKING:
    from viewer.cohort.arrival.checking import SlideCheck


def watch(
    folder: Annotated[Path, typer.Argument(help="Where slides arrive.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Where table and contact sheet go; by default beside the results."
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Check what is there, and end; exit code 1 if any slide cannot be read."
        ),
    ] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between two looks at the folder.", min=0.1, max=86_400)
    ] = 10.0,
    mpp: FileMppOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a slide.")] = False,
) -> None:
    """Check slides as they arrive: tissue, focus, pen, folds and stain; the worst come first.

    A slide is checked once its file has stopped growing. The folder itself is only read.
    """
    from viewer.cohort.arrival.contact_sheet import SHEET_FILE, TABLE_FILE
    from viewer.cohort.arrival.watching import FolderWatch, watched_folder
    from viewer.cohort.errors import BatchError
    from viewer.inference.ai_extra import missing_ai

    if folder.is_file():
        fail(f"{folder} is a file: give the folder that slides arrive in.")
    if not folder.is_dir():
        fail(f"There is no folder {folder}.")
    if sentence := missing_ai():
        fail(sentence)
    place = out if out is not None else watched_folder(folder)
    try:
        watched = FolderWatch(folder, place, _Printer(json=json), mpp)
        say(f"Table: {place / TABLE_FILE}; contact sheet: {place / SHEET_FILE}")
        if not once:
            watched.watch(every)
        watched.look(waits_for_growth=False)
        if watched.problem:
            sys.exit(EXIT_BAD_INPUT)
        watched.write_sheet()
        if not watched.checks:
            say(f"There are no slides in {folder} yet.")
    except BatchError as error:
        fail(str(error))
    except KeyboardInterrupt:
        return
    if any(check.error for check in watched.checks):
        sys.exit(EXIT_INCOMPLETE)


class _Printer:
    """Prints what is found as it is found."""

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def on_check(self, check: SlideCheck) -> None:
        from viewer.cohort.arrival.trouble import troubles

        (trouble,) = troubles([check])
        if self._json:
            import msgspec

            record = msgspec.to_builtins(check) | {"reasons": list(trouble.reasons)}
            typer.echo(msgspec.json.encode(record).decode())
            return
        area = "" if check.tissue_mm2 is None else f"{check.tissue_mm2:.1f} mm² of tissue; "
        typer.echo(f"{check.name}: {area}{'; '.join(trouble.reasons) or 'good'}")

    def on_problem(self, sentence: str) -> None:
        say(sentence)
