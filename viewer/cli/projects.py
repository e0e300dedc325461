"""`coverslip projects`: make projects, list and check their slides, export answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli import reviews
from viewer.cli.output import (
    JsonOption,
    fail,
    print_json,
    print_record,
    print_table,
    say,
    say_first,
)
from viewer.cli.studies import (
    ProjectFolder,
    ReaderOption,
    asking_reader,
    read_for_command,
    register,
)
from viewer.errors import reason_of

if TYPE_CHECKING:
    from viewer.annotations.palette import Palette
    from viewer.studies.forms import Form
    from viewer.studies.project import Project, ProjectSlide

_EXIT_NOT_SOUND = 1
_USUAL = "usual"

projects_app = typer.Typer(help="Projects: slides that are read together.", no_args_is_help=True)

register(projects_app)
reviews.register(projects_app)

_Slides = Annotated[list[Path] | None, typer.Argument(help="Slides, or folders of slides.")]
_Forms = Annotated[Path | None, typer.Option(help="A JSON file with questions for each slide.")]
_Palette = Annotated[
    Path | None, typer.Option(help="A JSON file with classes, ours or QuPath's classes.json.")
]


@projects_app.command()
def create(
    folder: ProjectFolder,
    slides: _Slides = None,
    title: Annotated[str, typer.Option(help="The project's name.")] = "",
    forms: _Forms = None,
    palette: _Palette = None,
    qupath: Annotated[
        Path | None, typer.Option("--from", help="A project of QuPath (.qpproj) to take over.")
    ] = None,
    look_in: Annotated[
        list[Path] | None, typer.Option(help="Folders in which its moved slides are looked for.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a project, with slides, questions and classes."""
    from viewer.studies.project import Project
    from viewer.studies.project_file import ProjectError, create_project, project_folder

    given_forms, given_palette = _read_forms(forms), _read_palette(palette)
    place = project_folder(folder).absolute()
    if qupath is not None:
        _take_over(qupath, look_in or [], place, title, given_forms, given_palette, json=json)
        return
    project = Project(
        title=title or place.name, palette=given_palette, forms=given_forms, keeps_sets=True
    )
    try:
        project = create_project(place, project)
    except ProjectError as error:
        fail(str(error))
    _add(place, slides or [], (), (), json=json)


@projects_app.command()
def add(
    project: ProjectFolder,
    slides: _Slides = None,
    forms: _Forms = None,
    palette: _Palette = None,
    json: JsonOption = False,
) -> None:
    """Add slides, questions or classes; exit code 1 where a slide does not open."""
    from viewer.studies.project_file import project_folder

    given_forms, given_palette = _read_forms(forms), _read_palette(palette)
    place = project_folder(project).absolute()
    _add(place, slides or [], given_forms, given_palette, json=json)


@projects_app.command("list")
def list_slides(
    project: ProjectFolder,
    state: Annotated[
        str | None, typer.Option(help='Only slides that are "to do", "in work" or "done".')
    ] = None,
    reader: ReaderOption = None,
    json: JsonOption = False,
) -> None:
    """List the slides of a project; with stages, as far as all readers are, or the one named."""
    from viewer.studies.progress import read_progress, seen_by
    from viewer.studies.project import STATES
    from viewer.studies.study_reader import StudyReader
    from viewer.studies.worklist import project_entries

    if state is not None and state not in STATES:
        fail(f'"{state}" is no state of a slide: use one of {", ".join(STATES)}.')
    place, held = read_for_command(project)
    if held.stages:
        all_of_them = StudyReader(place, held, "", is_owner=True)
        asks = all_of_them if reader is None else asking_reader(place, held, reader)
        try:
            held = seen_by(held, asks, read_progress(place))
        except OSError as error:
            fail(f"{error.filename or place} cannot be read ({reason_of(error)}).")
    entries = [each for each in project_entries(held) if state in (None, each.slide.state)]
    if json:
        records = [
            _record(each.slide)
            | {"case": each.place.case, "block": each.place.block, "stain": each.place.stain}
            for each in entries
        ]
        print_json({"title": held.title, "slides": records})
        return
    rows = [
        (s.shown_name, s.state, s.assignee, s.note, each.place.text, s.path)
        for each in entries
        for s in (each.slide,)
    ]
    print_table(("slide", "state", "assignee", "note", "case", "path"), rows)
    typer.echo(f"{held.count('done')} of {len(held.slides)} slides are done.")


@projects_app.command()
def settings(
    project: ProjectFolder,
    cases: Annotated[
        str | None,
        typer.Option(
            help="How names tell cases: a pattern such as '{case} {block} {stain}' or a regular "
            "expression with these groups; usual; none."
        ),
    ] = None,
    check_tissue_at: Annotated[
        float | None,
        typer.Option(
            help="Magnification: tissue that was not seen at it is shown before a slide is done; "
            "0 for no such check.",
            min=0.0,
            max=400.0,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what a project asks for, or change it."""
    import msgspec

    from viewer.studies.cases import CaseRuleError, check_rule
    from viewer.studies.project_file import ProjectError, change_project

    changes: dict[str, object] = {}
    if cases is not None:
        changes["case_rule"] = "" if cases.strip() == _USUAL else cases.strip()
    if check_tissue_at is not None:
        changes["check_tissue_at"] = check_tissue_at
    place, held = read_for_command(project)
    try:
        check_rule(str(changes.get("case_rule", "")))
        if changes:
            held = change_project(place, lambda now: msgspec.structs.replace(now, **changes))
    except (CaseRuleError, ProjectError) as error:
        fail(str(error))
    record: dict[str, object] = {
        "project": str(place), "cases": held.case_rule or _USUAL,
        "check_tissue_at": held.check_tissue_at,
    }  # fmt: skip
    print_record(record, json=json)


@projects_app.command()
def check(
    project: ProjectFolder,
    look_in: Annotated[
        list[Path] | None, typer.Option(help="Folders in which moved slides are looked for.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Note in the project where slides were found.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Tell which slides are missing and where they lie now; exit code 1 if any stays missing."""
    from viewer.studies.finding import (
        find_slides,
        missing_slides,
        neighborhood,
        taking_places,
    )
    from viewer.studies.project_file import ProjectError, change_project

    place, held = read_for_command(project)
    missing = missing_slides(held, place)
    found = find_slides(missing, (*(look_in or ()), *neighborhood(place))) if missing else {}
    if repair and found:
        try:
            change_project(place, taking_places(found, place))
        except ProjectError as error:
            fail(str(error))
    lost = [slide for slide in missing if slide.identity not in found]
    if json:
        counts = {
            slide.identity: str(found[slide.identity]) for slide in missing if slide not in lost
        }
        print_json(
            {
                "slides": len(held.slides),
                "found": counts,
                "missing": [_record(slide) for slide in lost],
                "repaired": repair,
            }
        )
    else:
        for slide in missing:
            where = found.get(slide.identity)
            typer.echo(f"{slide.shown_name}: {f'lies at {where}' if where else 'is missing'}")
        typer.echo(f"{len(held.slides) - len(missing)} of {len(held.slides)} slides lie in place.")
    if lost or (found and not repair):
        sys.exit(_EXIT_NOT_SOUND)


@projects_app.command()
def answers(
    project: ProjectFolder,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The CSV file.")] = None,
    reader: ReaderOption = None,
    json: JsonOption = False,
) -> None:
    """Export the answers that the reader may see, of all readers, a line an answer."""
    from viewer.studies.answers import (
        all_answers,
        answer_columns,
        answer_rows,
        write_answers,
    )

    place, held = read_for_command(project)
    try:
        asks = asking_reader(place, held, reader)
        given = all_answers(place, asks.sealer_of_answers, asks.shows_answer)
        if out is not None:
            write_answers(out, held, given)
    except OSError as error:
        fail(f"{error.filename or place} cannot be used ({reason_of(error)}).")
    if asks.sealed_sentence:
        say(asks.sealed_sentence)
    if out is not None:
        print_record({"answers": len(given), "out": str(out)}, json=json)
        return
    rows = list(answer_rows(held, given))
    if json:
        print_json([dict(zip(answer_columns(held), row, strict=True)) for row in rows])
        return
    shown = [(row[0], row[2], row[3], row[4], row[6]) for row in rows]
    print_table(("slide", "reader", "form", "question", "answer"), shown)


# ---------------------------------------------------------------------------------------------


def _take_over(
    qupath: Path,
    look_in: list[Path],
    folder: Path,
    title: str,
    forms: tuple[Form, ...],
    palette: Palette,
    *,
    json: bool,
) -> None:
    """Make a project of QuPath's; say what was left out, with exit code 1 where all was."""
    from viewer.studies.project import Project
    from viewer.studies.project_file import ProjectError, create_project
    from viewer.studies.qupath_project import QuPathProjectError, read_qupath_project
    from viewer.studies.qupath_takeover import taken_over, unread_sentence

    try:
        read = read_qupath_project(qupath, look_in)
        taken = taken_over(read, folder)
        if taken.slides:
            project = Project(
                title=title or read.title,
                slides=taken.slides,
                palette=palette or read.palette,
                forms=forms,
            )
            create_project(folder, project)
    except (QuPathProjectError, ProjectError) as error:
        fail(str(error))
    say_first(taken.left_out, "{count} more images or annotations were left out.")
    if sentence := unread_sentence(read):
        say(sentence)
    record: dict[str, object] = {
        "project": str(folder), "slides": len(taken.slides), "added": len(taken.slides),
        "refused": len(read.images) - len(taken.slides), "annotations": taken.annotations,
        "classes": len(palette or read.palette), "forms": len(forms),
    }  # fmt: skip
    print_record(record, json=json)
    if not taken.slides:
        sys.exit(_EXIT_NOT_SOUND)


def _add(
    folder: Path, paths: list[Path], forms: tuple[Form, ...], palette: Palette, *, json: bool
) -> None:
    import msgspec

    from viewer.studies.finding import project_slides
    from viewer.studies.project import adding_forms, adding_slides
    from viewer.studies.project_file import ProjectError, change_project, read_project

    refused: list[str] = []
    try:
        before = read_project(folder)
        new = list(project_slides(paths, folder, refused))

        def change(project: Project) -> Project:
            project = adding_forms(forms)(adding_slides(new)(project))
            return msgspec.structs.replace(project, palette=palette) if palette else project

        after = change_project(folder, change)
    except ProjectError as error:
        fail(str(error))
    for sentence in refused:
        typer.echo(sentence, err=True)
    copies = [
        f"{each.path} is the same slide as {listed.path}, which the project lists."
        for each in new
        if (listed := after.slide(each.identity)) is not None and listed.path != each.path
    ]
    say_first(copies, "{count} more are listed under another name, too.")
    record: dict[str, object] = {
        "project": str(folder), "slides": len(after.slides),
        "added": len(after.slides) - len(before.slides), "refused": len(refused),
        "classes": len(after.palette), "forms": len(after.forms),
    }  # fmt: skip
    print_record(record, json=json)
    if refused:
        sys.exit(_EXIT_NOT_SOUND)


def _read_forms(path: Path | None) -> tuple[Form, ...]:
    from viewer.studies.forms import FormError, read_forms

    try:
        return read_forms(path) if path is not None else ()
    except FormError as error:
        fail(str(error))


def _read_palette(path: Path | None) -> Palette:
    from viewer.annotations.palette import PaletteError, read_palette

    try:
        return read_palette(path) if path is not None else ()
    except PaletteError as error:
        fail(str(error))


def _record(slide: ProjectSlide) -> dict[str, object]:
    import msgspec

    return msgspec.to_builtins(slide)
