"""`coverslip sessions`: list, check, analyze, export, import and delete recorded sessions."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin

import typer

from viewer.cli.output import (
    OriginName,
    fail,
    origin_named,
    print_json,
    print_record,
    print_table,
    say,
)

if TYPE_CHECKING:
    from viewer.recording.export import ExportOptions, Manifest
    from viewer.recording.library import SessionSummary
    from viewer.recording.review.report import ReviewReport
    from viewer.recording.session import SessionHeader, SlideRef
    from viewer.recording.trace import Action

_EXIT_NOT_SOUND = 1

sessions_app = typer.Typer(help="Recorded readings of slides.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(help="Id of a session, a beginning of it, or its folder.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Mode = Annotated[
    str, typer.Option(help="coverslip, or reference: the rules of the reference recorder.")
]


@sessions_app.command("list")
def list_sessions(json: _Json = False) -> None:
    """List all sessions, the newest first."""
    from viewer.recording.library import Library

    summaries = Library().summaries()
    if json:
        print_json([_summary_record(summary) for summary in summaries])
        return
    rows = [
        (
            summary.id,
            f"{summary.duration_s:.0f} s",
            summary.header.reader if summary.header else "",
            summary.header.origin if summary.header else "",
            summary.problem or (summary.header.title if summary.header else ""),
        )
        for summary in summaries
    ]
    print_table(("session", "duration", "reader", "origin", "title"), rows)


@sessions_app.command()
def show(session: _Id, json: _Json = False) -> None:
    """Tell what is known of a session."""
    from viewer.recording.library import summary_of

    record = _summary_record(summary_of(_folder(session)))
    print_record(record, json=json)


@sessions_app.command()
def verify(
    session: _Id,
    study: Annotated[
        Path | None,
        typer.Option(help="Folder of the project whose list of keys is taken; found by default."),
    ] = None,
    json: _Json = False,
) -> None:
    """Check a session's lines, chain and signature: signed, unsigned, or broken (exit code 1).

    The signature is held against the keys that the study lists: the project's, or those of this
    account. An unsigned session (older, imported, simulated) proves nothing of who made it.
    """
    from viewer.recording import log_reader
    from viewer.recording.log_reader import is_being_recorded
    from viewer.recording.session import SessionError, read_header
    from viewer.recording.signing import check_signatures
    from viewer.studies.project_file import ProjectError

    folder = _folder(session)
    try:
        verdict = log_reader.verify(folder)
        keys = _listed_keys(read_header(folder), study)
        signed = check_signatures(folder, keys, is_recording=is_being_recorded(folder))
    except (SessionError, ProjectError) as error:
        fail(str(error))
    state = "broken" if verdict.bad_line is not None else signed.state
    if json:
        print_json(asdict(verdict) | {"signature": state, "signature_reason": signed.reason})
    elif verdict.bad_line is None:
        torn = f"; {verdict.torn_bytes} bytes of a torn last line" if verdict.torn_bytes else ""
        typer.echo(f"{verdict.lines} lines, all sound{torn}.")
    if verdict.bad_line is not None:
        typer.echo(f"Line {verdict.bad_line} is bad: {verdict.reason}", err=True)
    if state == "broken":
        if verdict.bad_line is None:
            typer.echo(f"Broken: {signed.reason}.", err=True)
        sys.exit(_EXIT_NOT_SOUND)
    if not json:
        typer.echo(f"{state.capitalize()}: {signed.reason}.")


@sessions_app.command()
def behaviors(session: _Id, mode: _Mode = "coverslip", json: _Json = False) -> None:
    """List what the reader did: commands, times and boxes in level-0 pixels."""
    actions = _actions(_folder(session), mode)
    if json:
        print_json([_action_record(action) for action in actions])
        return
    rows = [
        (
            action.command,
            f"{action.start_s:.1f}",
            f"{action.end_s:.1f}",
            ", ".join(f"{side:.0f}" for side in action.box),
        )
        for action in actions
    ]
    print_table(("command", "start s", "end s", "box px"), rows)


@sessions_app.command()
def stats(session: _Id, json: _Json = False) -> None:
    """Tell time per magnification, zooms, path length, scanning against drilling."""
    from viewer.recording.behaviors import actions_of
    from viewer.recording.session import SessionError, read_header
    from viewer.recording.statistics import statistics_of
    from viewer.recording.trace_loading import load_trace

    folder = _folder(session)
    try:
        slide = read_header(folder).slide
        trace = load_trace(folder)
    except SessionError as error:
        fail(str(error))
    actions = actions_of(trace, slide=slide.size)
    figures = statistics_of(trace, actions, slide.optics.mpp_um)
    record = asdict(figures)
    record["band_s"] = {f"{band:g}x": seconds for band, seconds in figures.band_s.items()}
    print_record(record, json=json)


@sessions_app.command()
def review(
    session: _Id,
    stats: Annotated[
        bool, typer.Option("--stats", help="Figures and agreement instead of verdicts.")
    ] = False,
    json: _Json = False,
) -> None:
    """Tell what reviewers decided on a session, how long it took, and how far they agree."""
    from viewer.recording.review.report import report_of
    from viewer.recording.session import SessionError

    try:
        report = report_of(_folder(session))
    except SessionError as error:
        fail(str(error))
    if stats:
        figures = {name: asdict(figures) for name, figures in report.figures.items()}
        agreements = [asdict(agreement) for agreement in report.agreements]
        if json:
            print_json({"reviewers": figures, "agreement": agreements})
            return
        print_record(figures, json=False)
        for agreement in agreements:
            pair = f"{agreement.pop('first')}, {agreement.pop('second')}"
            print_record({pair: agreement}, json=False)
        return
    if json:
        print_json(_review_records(report))
        return
    rows = [
        (str(item.number), item.action.command, review.reviewer, verdict.verdict, verdict.text)
        for item in report.items
        for review in report.reviews
        if (verdict := review.verdicts.get(item.key)) is not None
    ]
    print_table(("action", "command", "reviewer", "verdict", "text"), rows)


@sessions_app.command()
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
    mode: _Mode = "coverslip",
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
    json: _Json = False,
) -> None:
    """Make a dataset of sessions; interrupted, the same command goes on where it was."""
    import msgspec

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
        options = msgspec.convert(asked, ExportOptions)
    except msgspec.ValidationError as error:
        fail(f"These options do not fit: {error}.")
    for place in options.places:
        if not place.exists():
            fail(f"{place} does not exist: --slides takes slides or folders of slides.")
    if sessions:
        folders = list(dict.fromkeys(_folder(name) for name in sessions))
    else:
        folders = [summary.folder for summary in reversed(Library().summaries())]
    manifest = _export(folders, out, options)
    left_out = [session for session in manifest.sessions if session.problem]
    if json:
        print_json({"out": str(out), "manifest": msgspec.to_builtins(manifest)})
    else:
        typer.echo(
            f"{len(manifest.sessions) - len(left_out)} sessions, "
            f"{sum(session.actions for session in manifest.sessions)} actions, "
            f"{len(manifest.files)} files in {out}."
        )
    if manifest.note:
        say(manifest.note)
    for session in left_out:
        typer.echo(f"{session.id} was left out: {session.problem}", err=True)
    if left_out:
        sys.exit(_EXIT_NOT_SOUND)


@sessions_app.command("import")
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
    json: _Json = False,
) -> None:
    """Make sessions of a log: the reference recorder's, QuPath's view tracking, CSV or JSONL."""
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
        ids = import_log(log, sessions_folder(), options, skipped, notes)
    except SessionError as error:
        fail(str(error))
    if skipped:
        rows = "1 row was" if len(skipped) == 1 else f"{len(skipped):,} rows were"
        say(f"{rows} left out, the first: {skipped[0]}.")
    for note in notes:
        say(note)
    if json:
        print_json({"id": ids[0], "ids": ids, "notes": notes})
    else:
        for session_id in ids:
            typer.echo(session_id)


@sessions_app.command()
def delete(
    sessions: Annotated[list[str], typer.Argument(help="Sessions to delete for good.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: _Json = False,
) -> None:
    """Delete sessions for good."""
    from viewer.recording.library import Library
    from viewer.recording.session import SessionError

    folders = [_folder(name) for name in sessions]
    if not yes:
        if not sys.stdin.isatty():
            fail("Deleting is for good: add --yes where nobody can be asked.")
        typer.confirm(f"Delete {len(folders)} sessions for good?", abort=True)
    try:
        for folder in folders:
            Library(folder.parent).delete(folder.name)
    except SessionError as error:
        fail(str(error))
    if json:
        print_json({"deleted": [folder.name for folder in folders]})


# ---------------------------------------------------------------------------------------------


def _folder(name: str) -> Path:
    from viewer.recording.library import Library
    from viewer.recording.session import SessionError

    try:
        return Library().find(name)
    except SessionError as error:
        fail(str(error))


def _actions(folder: Path, mode: str) -> list[Action]:
    from viewer.recording.behaviors import actions_of
    from viewer.recording.reference_rules import reference_actions
    from viewer.recording.session import SessionError, read_header
    from viewer.recording.trace_loading import load_trace

    if mode not in ("coverslip", "reference"):
        fail(f'"{mode}" is no mode: use coverslip or reference.')
    try:
        trace = load_trace(folder)
        if mode == "reference":
            return reference_actions(trace)
        slide = read_header(folder).slide
    except SessionError as error:
        fail(str(error))
    return actions_of(trace, slide=slide.size)


def _action_record(action: Action) -> dict[str, object]:
    return {
        "command": action.command,
        "kind": action.kind,
        "start": action.start_s,
        "end": action.end_s,
        "box": list(action.box),
        "dwell_s": action.dwell_s,
        "magnification": action.magnification,
        "dwell_point": list(action.dwell_point),
    }


def _review_records(report: ReviewReport) -> list[dict[str, object]]:
    import msgspec

    return [
        {
            "number": item.number,
            "draft": msgspec.to_builtins(item.draft),
            "verdicts": {
                review.reviewer: msgspec.to_builtins(review.verdicts[item.key])
                | {"total_seconds": review.seconds.get(item.key, 0.0)}
                for review in report.reviews
                if item.key in review.verdicts
            },
        }
        | _action_record(item.action)
        for item in report.items
    ]


def _summary_record(summary: SessionSummary) -> dict[str, object]:
    import msgspec

    record: dict[str, object] = msgspec.to_builtins(summary.header) if summary.header else {}
    return record | {
        "id": summary.id,
        "folder": str(summary.folder),
        "duration_s": summary.duration_s,
        "bytes": summary.bytes,
        "being_recorded": summary.is_open,
        "ended_well": summary.ended_well,
        "problem": summary.problem,
    }


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
        reason = (error.strerror or error) if isinstance(error, OSError) else error
        fail(f"{table} cannot be read as a table: {reason}.")
    found = {
        str(row["slide"]).strip(): str(row["patient"]).strip()
        for row in rows
        if row.get("slide") and row.get("patient")
    }
    if not found:
        fail(f"{table} names no patient: it needs the columns slide and patient.")
    return found


def _export(folders: list[Path], out: Path, options: ExportOptions) -> Manifest:
    from rich.console import Console
    from rich.progress import Progress

    from viewer.recording.export import ExportError, export_sessions

    with Progress(console=Console(stderr=True), transient=True) as bar:
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


def _listed_keys(header: SessionHeader, place: Path | None) -> frozenset[str]:
    """Return the public keys that a session's study lists. Raises ProjectError."""
    from viewer.folders import config_folder
    from viewer.settings import load_settings
    from viewer.signing.keys import KeyRing
    from viewer.studies.project_file import ProjectError, project_folder, read_project

    if place is not None:
        return read_project(project_folder(place)).keys_of(header.reader)
    for known in load_settings(config_folder()).recent_projects:
        try:
            project = read_project(project_folder(Path(known)))
        except ProjectError:
            continue
        if project.study and project.study == header.study:
            return project.keys_of(header.reader)
    return KeyRing().listed(header.study)
