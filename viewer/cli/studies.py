"""`coverslip projects`, of studies: sets of annotations, stages, and the key of the owner."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from viewer.cli.output import (
    EXIT_INCOMPLETE,
    JsonOption,
    fail,
    print_json,
    print_record,
    print_table,
    say,
)
from viewer.errors import reason_of
from viewer.plurals import plural

if TYPE_CHECKING:
    from viewer.studies.project import Project
    from viewer.studies.study_reader import StudyReader

ProjectFolder = Annotated[Path, typer.Argument(help="The project's folder, or its project.json.")]
ReaderOption = Annotated[
    str | None,
    typer.Option(help="Who asks, by pseudonym; by default the reader of the settings."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `coverslip projects`."""
    for command in (sets, stages, unseal):
        app.command()(command)


def read_for_command(path: Path) -> tuple[Path, Project]:
    """Return the project of a folder; ends the command where there is none."""
    from viewer.studies.project_file import ProjectError, project_folder, read_project

    folder = project_folder(path).absolute()
    try:
        return folder, read_project(folder)
    except ProjectError as error:
        fail(str(error))


def asking_reader(folder: Path, project: Project, reader: str | None) -> StudyReader:
    """Return the reader who asks: the one that is named, else that of the settings."""
    from viewer.folders import config_folder
    from viewer.settings import load_settings
    from viewer.studies.study_reader import study_reader

    name = reader if reader is not None else load_settings(config_folder()).reader
    try:
        return study_reader(folder, project, name)
    except OSError as error:
        _fail_of(error, folder)


def sets(project: ProjectFolder, reader: ReaderOption = None, json: JsonOption = False) -> None:
    """List the sets of annotations that the reader may see, and how much is in each."""
    from viewer.annotations.sets.set_store import SetStore
    from viewer.annotations.storage.store import AnnotationStoreError

    folder, held = read_for_command(project)
    asks = asking_reader(folder, held, reader)
    records: list[dict[str, object]] = []
    try:
        for which in asks.all_sets():
            store = SetStore(which, asks.sealer(asks.view(which.identity)), read_only=True)
            slide = held.slide(which.identity)
            records.append({
                "slide": slide.shown_name if slide is not None else which.identity,
                "identity": which.identity, "reader": which.key.reader, "stage": which.key.stage,
                "set": which.key.name, "kind": which.kind, "source": which.source,
                "annotations": len(store), "sealed": store.sealed_count,
            })  # fmt: skip
    except AnnotationStoreError as error:
        fail(str(error))
    except OSError as error:
        _fail_of(error, folder)
    if json:
        print_json(records)
        return
    columns = ("slide", "reader", "stage", "set", "kind", "annotations", "sealed")
    rows = [tuple(str(each[name]) for name in columns) for each in records]
    print_table(columns, rows)
    typer.echo(f"{plural(len(records), 'set')}.")


def stages(
    project: ProjectFolder,
    given: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help='A JSON file, a list of {"name", "hides", "readers"}; hides: others, ai, names, '
            "labels, earlier.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="With --from, where to write the owner's recovery file; its passphrase is asked "
            "for, or read from a pipe."
        ),
    ] = None,
    by_slide: Annotated[
        bool, typer.Option("--by-slide", help="With --from: stages end slide by slide.")
    ] = False,
    reader: ReaderOption = None,
    end: Annotated[
        str | None, typer.Option(help="End this stage, in which the reader is, on all slides.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the stages of a study, what each hides and who is where; or set or end one."""
    from viewer.studies.stages import read_stage_ends

    folder, held = read_for_command(project)
    try:
        if given is not None:
            held = _blind(folder, held, given, key, reader, by_slide=by_slide)
        if end is not None:
            _end(folder, held, reader, end)
        ends = read_stage_ends(folder)
    except OSError as error:
        _fail_of(error, folder)
    known = {each.reader for each in ends} | {
        name for stage in held.stages for name in stage.readers
    }
    readers = [asking_reader(folder, held, name) for name in sorted(known)]
    places = [(each.reader, each.view(""), each.ends) for each in readers]
    if json:
        print_json({
            "stages": [
                {"name": s.name, "hides": list(s.hides), "readers": list(s.readers)}
                for s in held.stages
            ],
            "by slide": held.is_by_slide,
            "owner": held.owner, "sealed": held.is_sealed,
            "readers": [
                {"reader": name, "stage": view.stage, "over": view.is_over, "ended": list(ended)}
                for name, view, ended in places
            ],
        })  # fmt: skip
        return
    rows = [
        (s.name, ", ".join(s.hides) or "nothing", ", ".join(s.readers) or "all")
        for s in held.stages
    ]
    print_table(("stage", "hides", "readers"), rows)
    if places:
        now = [(name, "all ended" if view.is_over else view.stage) for name, view, _ in places]
        print_table(("reader", "is in"), now)
    if not held.stages:
        typer.echo("The project has no stages: nothing is hidden.")
    elif held.is_sealed:
        typer.echo("Annotations and answers are sealed to the study's owner.")


def unseal(
    project: ProjectFolder,
    key: Annotated[Path, typer.Option(help="The owner's recovery file.")],
    publish: Annotated[
        bool,
        typer.Option(
            "--publish",
            help="Write what opens in plain: who can read the folder can read it from then on.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Open what readers of a study sealed to its owner; exit code 1 if some stays sealed.

    From then on this account reads all of it, in the window too. The passphrase of the recovery
    file is asked for, or read from a pipe.
    """
    from viewer.signing.sealing import SealError
    from viewer.studies.project_file import ProjectError
    from viewer.studies.study_keys import OwnerSealer, take_owner_key
    from viewer.studies.unsealing import unseal_study

    folder, held = read_for_command(project)
    if not held.owner_key:
        fail("Nothing is sealed in this project: it has no stages with an owner's key.")
    try:
        reader = asking_reader(folder, held, None).reader
        passphrase = _passphrase(f"Passphrase of {key.name}: ")
        owner = take_owner_key(held, reader, key, passphrase)
        found = unseal_study(folder, OwnerSealer(owner), publish=publish)
    except (SealError, ProjectError) as error:
        fail(str(error))
    except OSError as error:
        _fail_of(error, folder)
    record: dict[str, object] = {
        "sets": found.sets, "edits": found.edits, "answers": found.answers,
        "still sealed": found.closed, "published": publish,
    }  # fmt: skip
    print_record(record, json=json)
    if found.closed:
        say(f"{found.closed:,} lines stay sealed: they are damaged, or sealed to another key.")
        sys.exit(EXIT_INCOMPLETE)


# ---------------------------------------------------------------------------------------------


def _blind(
    folder: Path,
    held: Project,
    given: Path,
    key: Path | None,
    reader: str | None,
    *,
    by_slide: bool,
) -> Project:
    """Give a project stages, and an owner with a recovery file."""
    from viewer.signing.sealing import SealError
    from viewer.studies.blinding import BlindingError, blind_project, read_stages
    from viewer.studies.project_file import ProjectError

    try:
        wanted = read_stages(given)
        if held.owner_key:
            owner_file = None
        elif key is None:
            fail("Say with --key where to write the recovery file of the study's owner.")
        else:
            owner_file = (key, _passphrase("New passphrase of the recovery file: "))
        name = asking_reader(folder, held, reader).reader
        return blind_project(folder, wanted, name, owner_file, is_by_slide=by_slide)
    except (BlindingError, SealError, ProjectError) as error:
        fail(str(error))


def _end(folder: Path, held: Project, reader: str | None, stage: str) -> None:
    from viewer.studies.blinding import end_stage

    asks = asking_reader(folder, held, reader)
    if not held.stages:
        fail(f'The stage "{stage}" cannot be ended: the project has no stages.')
    now = asks.view("")
    if now.is_over or now.stage != stage:
        is_in = "has ended all stages" if now.is_over else f'is in "{now.stage}"'
        fail(f'The stage "{stage}" cannot be ended: {asks.reader or "the reader"} {is_in}.')
    end_stage(asks, "")


def _passphrase(prompt: str) -> str:
    """Ask for a passphrase; from a pipe, its first line."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return sys.stdin.readline().rstrip("\r\n")


def _fail_of(error: OSError, folder: Path) -> NoReturn:
    fail(f"{error.filename or folder} cannot be used ({reason_of(error)}).")
