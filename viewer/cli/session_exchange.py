"""`coverslip sessions export` and `import`: datasets of sessions, and logs of other viewers."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin

import typer

from viewer.cli.output import (
    JsonOption,
    OriginName,
    checked_places,
    fail,
    origin_named,
    print_json,
    say,
)
from viewer.cli.sessions import EXIT_NOT_SOUND, Mode, session_folder
from viewer.errors import reason_of
from viewer.plurals import plural

if TYPE_CHECKING:
    from viewer.recording.export import ExportOptions, Manifest
    from viewer.recording.session import SlideRef


def export(
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder for the dataset.")],
    sessions: Annotated[list[str] | None, typer.Argument(help="Sessions; all by default.")] = None,
    format: Annotated[
        str,
        typer.Option(
            help="parquet, csv, webdataset, pathology-cot, chat-jsonl or trajectories; or a "
            "fine-tuning set: "
            "openai, llava, qwen-vl, qwen2-vl, qwen2.5-vl, qwen3-vl or trl."
        ),
    ] = "parquet",
    mode: Mode = "coverslip",
    slides: Annotated[
        list[Path] | None, typer.Option(help="Where the slides lie: files or folders.")
    ] = None,
    images: Annotated[
        str, typer.Option(help="chat-jsonl and openai: data-url or file.")
    ] = "data-url",
    validation: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Fine-tuning sets: share of the slides held back."),
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Fine-tuning sets: draws these slides.")] = 0,
    crop_px: Annotated[int, typer.Option(min=32, max=8192, help="Longest side of crops.")] = 1024,
    detail_px: Annotated[int, typer.Option(min=32, max=4096, help="Side of details.")] = 512,
    reviewer: Annotated[
        str, typer.Option(help="Only rationales that this reviewer accepted.")
    ] = "",
    observations: Annotated[
        str, typer.Option(help="trajectories: reference (slide and field) or jpeg.")
    ] = "reference",
    observation_px: Annotated[
        str, typer.Option(help="trajectories: size of what is observed, such as 512 or 640x400.")
    ] = "512",
    least_dwell_s: Annotated[
        float, typer.Option(min=0, help="trajectories: pass over views of less.")
    ] = 0.0,
    patients: Annotated[
        Path | None,
        typer.Option(help="trajectories: CSV table with the columns slide and patient."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Sessions at once.")] = 2,
    json: JsonOption = False,
) -> None:
    """Make a dataset of sessions; interrupted, the same command goes on where it was."""
    import msgspec

    from viewer.prepared_types import prepared
    from viewer.recording.export import ExportOptions
    from viewer.recording.library import Library

    asked = {
        "format": format, "mode": mode, "images": images, "crop_px": crop_px,
        "detail_px": detail_px, "jobs": jobs, "reviewer": reviewer, "places": slides or [],
        "validation": validation, "seed": seed,
        "observations": observations, "observation_px": _size_px(observation_px),
        "least_dwell_s": least_dwell_s, "patients": _patients(patients),
    }  # fmt: skip
    for field in msgspec.structs.fields(ExportOptions):
        choices = get_args(field.type) if get_origin(field.type) is Literal else ()
        if choices and asked[field.name] not in choices:
            fail(
                f"--{field.name} takes {', '.join(choices[:-1])} or {choices[-1]}, not "
                f'"{asked[field.name]}".'
            )
    if out.exists() and not out.is_dir():
        fail(f"{out} is no folder: -o takes a new one.")
    try:
        options = msgspec.convert(asked, prepared(ExportOptions))
    except msgspec.ValidationError as error:
        fail(f"These options do not fit: {error}.")
    checked_places(options.places)
    if sessions:
        folders = list(dict.fromkeys(session_folder(name) for name in sessions))
    else:
        folders = [summary.folder for summary in reversed(Library().summaries())]
    manifest = _export(folders, out, options)
    left_out = [session for session in manifest.sessions if session.problem]
    actions = sum(session.actions for session in manifest.sessions)
    if json:
        print_json({"out": str(out), "manifest": msgspec.to_builtins(manifest)})
    else:
        typer.echo(
            f"{plural(len(manifest.sessions) - len(left_out), 'session')}, "
            f"{plural(actions, 'action')}, "
            f"{plural(len(manifest.files), 'file')} in {out}."
        )
    if manifest.note:
        say(manifest.note)
    for session in left_out:
        typer.echo(f"{session.id} was left out: {session.problem}", err=True)
    if left_out:
        sys.exit(EXIT_NOT_SOUND)


def import_sessions(
    log: Annotated[Path, typer.Argument(help="Log of another viewer, or a table of views.")],
    reader: Annotated[str, typer.Option(help="Pseudonym of who read.")] = "imported",
    slide: Annotated[Path | None, typer.Option(help="The slide that was read.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="OURS=THEIRS, a column of a table; repeat it.")
    ] = None,
    time_unit: Annotated[str, typer.Option(help="Of a table: s, ms, us, ns or iso.")] = "s",
    keep_names: Annotated[bool, typer.Option(help="Keep names of slides and of the log.")] = False,
    origin: OriginName = None,
    json: JsonOption = False,
) -> None:
    """Make sessions of a log: the reference recorder's, QuPath's view tracking, CSV or JSONL."""
    from viewer.cli.progress_bar import share_bar
    from viewer.progress import progress_to
    from viewer.recording.importers import ImportOptions, import_log
    from viewer.recording.library import sessions_folder
    from viewer.recording.session import SessionError

    columns: dict[str, str] = {}
    for pair in column or []:
        ours, equals, theirs = pair.partition("=")
        if not equals:
            fail(f'"{pair}" names no column: --column takes OURS=THEIRS, such as x=left.')
        columns[ours] = theirs
    counts_from = origin_named(origin)
    if counts_from is not None and slide is None:
        fail("--origin says from where the log counts on a slide: give it with --slide.")
    read, bounds = (None, (0.0, 0.0)) if slide is None else _slide_ref(slide, keep_names=keep_names)
    options = ImportOptions(
        reader=reader,
        slide=read,
        bounds_px=bounds,
        origin=counts_from,
        columns=columns,
        time_unit=time_unit,
        keep_names=keep_names,
    )
    notes: list[str] = []
    try:
        skipped: list[str] = []
        with share_bar(log.name) as show, progress_to(show):
            ids = import_log(log, sessions_folder(), options, skipped, notes)
    except SessionError as error:
        fail(str(error))
    if skipped:
        rows = plural(len(skipped), "row was", "rows were")
        say(f"{rows} left out, the first: {skipped[0]}.")
    for note in notes:
        say(note)
    if json:
        print_json({"id": ids[0], "ids": ids, "notes": notes})
    else:
        for session_id in ids:
            typer.echo(session_id)


def _slide_ref(path: Path, *, keep_names: bool) -> tuple[SlideRef, tuple[float, float]]:
    """Return what a session keeps of a slide, and from where QuPath counts on it."""
    from viewer.cli.opening import opened_slide
    from viewer.recording.session import slide_ref
    from viewer.slides.bounds import bounds_px
    from viewer.slides.known_slides import remember

    source = opened_slide(path)
    try:
        remember(source.info.identity, path)
        name = path.name if keep_names else None
        return slide_ref(source, source.info.optics, name), bounds_px(source.info)
    finally:
        source.close()


def _size_px(text: str) -> tuple[int, int]:
    """Return width and height of "512" or "640x400"."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 1 <= int(side) <= 4096 for side in sides):
        fail(f"--observation-px {text} is no size: give a side or WIDTHxHEIGHT, 1 to 4096.")
    return int(sides[0]), int(sides[-1])


def _patients(table: Path | None) -> dict[str, str]:
    """Return the patient of each slide in a table."""
    import csv
    import io

    from viewer.limits import JSON_BYTES, read_regular

    if table is None:
        return {}
    try:
        text = read_regular(table, JSON_BYTES).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        fail(f"{table} cannot be read as a table: {reason_of(error)}.")
    found = {
        str(row["slide"]).strip(): str(row["patient"]).strip()
        for row in rows
        if row.get("slide") and row.get("patient")
    }
    if not found:
        fail(f"{table} names no patient: it needs the columns slide and patient.")
    return found


def _export(folders: list[Path], out: Path, options: ExportOptions) -> Manifest:
    from viewer.cli.progress_bar import bars
    from viewer.recording.export import ExportError, export_sessions

    with bars() as bar:
        task = bar.add_task("Exporting sessions")
        try:
            return export_sessions(
                folders,
                out,
                options,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        except ExportError as error:
            bar.stop()
            fail(str(error))
