"""`coverslip sessions`: list, check, analyze and delete recorded sessions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import asdict

from viewer.cli.output import (
    JsonOption,
    fail,
    print_json,
    print_record,
    print_table,
    say,
)
from viewer.plurals import plural

if TYPE_CHECKING:
    from viewer.recording.library import SessionSummary
    from viewer.recording.review.report import ReviewReport
    from viewer.recording.session import SessionHeader
    from viewer.recording.trace import Action

EXIT_NOT_SOUND = 1

sessions_app = typer.Typer(help="Recorded readings of slides.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(help="Id of a session, a beginning of it, or its folder.")]
Mode = Annotated[
    str, typer.Option(help="coverslip, or reference: the rules of the reference recorder.")
]
"""By whose rules actions are found."""


@sessions_app.command("list")
def list_sessions(json: JsonOption = False) -> None:
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
def show(session: _Id, json: JsonOption = False) -> None:
    """Tell what is known of a session."""
    from viewer.recording.library import summary_of

    record = _summary_record(summary_of(session_folder(session)))
    print_record(record, json=json)


@sessions_app.command()
def verify(
    session: _Id,
    study: Annotated[
        Path | None,
        typer.Option(help="Folder of the project whose list of keys is taken; found by default."),
    ] = None,
    json: JsonOption = False,
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

    folder = session_folder(session)
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
        typer.echo(f"{plural(verdict.lines, 'line')}, all sound{torn}.")
    if verdict.bad_line is not None:
        typer.echo(f"Line {verdict.bad_line} is bad: {verdict.reason}", err=True)
    if state == "broken":
        if verdict.bad_line is None:
            typer.echo(f"Broken: {signed.reason}.", err=True)
        sys.exit(EXIT_NOT_SOUND)
    if not json:
        typer.echo(f"{state.capitalize()}: {signed.reason}.")


@sessions_app.command()
def behaviors(session: _Id, mode: Mode = "coverslip", json: JsonOption = False) -> None:
    """List what the reader did: commands, times and boxes in level-0 pixels."""
    actions = _actions(session_folder(session), mode)
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
def stats(session: _Id, json: JsonOption = False) -> None:
    """Tell time per magnification, zooms, path length, scanning against drilling."""
    from viewer.recording.behaviors import actions_of
    from viewer.recording.session import SessionError, read_header
    from viewer.recording.statistics import statistics_of
    from viewer.recording.trace_loading import load_trace

    folder = session_folder(session)
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
    json: JsonOption = False,
) -> None:
    """Tell what reviewers decided on a session, how long it took, and how far they agree."""
    from viewer.recording.review.report import report_of
    from viewer.recording.session import SessionError

    try:
        report = report_of(session_folder(session))
    except SessionError as error:
        fail(str(error))
    if not report.reviews and not json:
        say("Nobody has reviewed this session yet.")
        return
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
def delete(
    sessions: Annotated[list[str], typer.Argument(help="Sessions to delete for good.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete sessions for good."""
    from viewer.recording.library import Library
    from viewer.recording.session import SessionError

    folders = [session_folder(name) for name in sessions]
    if not yes:
        if not sys.stdin.isatty():
            fail("Deleting is for good: add --yes where nobody can be asked.")
        typer.confirm(f"Delete {plural(len(folders), 'session')} for good?", abort=True)
    try:
        for folder in folders:
            Library(folder.parent).delete(folder.name)
    except SessionError as error:
        fail(str(error))
    if json:
        print_json({"deleted": [folder.name for folder in folders]})


# ---------------------------------------------------------------------------------------------


def session_folder(name: str) -> Path:
    """Return the folder of the session that an argument names; fail where there is none."""
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
