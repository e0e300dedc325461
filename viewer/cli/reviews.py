"""`coverslip projects`: reviews of annotations, the consensus of readers, classes renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import JsonOption, fail, print_json, print_record, print_table, say
from viewer.cli.studies import ProjectFolder, ReaderOption, asking_reader, read_for_command
from viewer.errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.studies.set_review import SetReview
    from viewer.studies.study_reader import StudyReader


def register(app: typer.Typer) -> None:
    """Add the commands to `coverslip projects`."""
    app.command()(reviews)
    app.command()(consensus)
    app.command("rename-class")(rename_class)


def reviews(
    project: ProjectFolder,
    objects: Annotated[
        bool, typer.Option("--objects", help="List single objects, with who spent how long.")
    ] = False,
    reader: ReaderOption = None,
    json: JsonOption = False,
) -> None:
    """List how far the review of each set of annotations is, as the reader may see it."""
    from viewer.annotations.storage.store import AnnotationStoreError

    folder, held = read_for_command(project)
    asks = asking_reader(folder, held, reader)
    records: list[dict[str, object]] = []
    try:
        for which in asks.all_sets():
            drawn, review = _reviewed(asks, which)
            slide = held.slide(which.identity)
            about: dict[str, object] = {
                "slide": slide.shown_name if slide is not None else which.identity,
                "reader": which.key.reader, "stage": which.key.stage, "set": which.key.name,
            }  # fmt: skip
            if objects:
                records += [about | _object_record(each, review) for each in drawn]
            else:
                records.append(about | _set_record(drawn, review))
    except AnnotationStoreError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or folder} cannot be read ({reason_of(error)}).")
    if json:
        print_json(records)
        return
    if objects:
        columns = ("slide", "reader", "set", "class", "verdict", "by", "comment", "seconds")
    else:
        columns = ("slide", "reader", "set", "status", "by", "comment", "open", "seconds")
    print_table(columns, [tuple(str(each[name]) for name in columns) for each in records])


def consensus(
    project: ProjectFolder,
    set_name: Annotated[
        str, typer.Option("--set", help="Which set of each reader counts.")
    ] = "My annotations",
    needed: Annotated[
        int, typer.Option(help="Votes that an object needs; 0 for more than half.", min=0)
    ] = 0,
    reader: ReaderOption = None,
    json: JsonOption = False,
) -> None:
    """Make the set "Consensus" of each slide: what most of its readers drew, of the same class."""
    from viewer.annotations.storage.store import AnnotationStoreError
    from viewer.limits import LimitError
    from viewer.studies.consensus_set import make_consensus

    folder, held = read_for_command(project)
    asks = asking_reader(folder, held, reader)
    made = 0
    objects = 0
    alone: list[str] = []
    try:
        for slide in held.slides:
            found = make_consensus(asks, slide.identity, set_name, needed)
            if found is None:
                alone.append(slide.shown_name)
                continue
            made += 1
            objects += len(found.annotations)
            if found.sealed:
                say(f"{slide.shown_name}: {found.sealed:,} edits are sealed and do not count.")
    except (AnnotationStoreError, LimitError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or folder} cannot be used ({reason_of(error)}).")
    if not made:
        fail(f'No slide has a set "{set_name}" of two readers or more that you may see.')
    record: dict[str, object] = {"slides": made, "objects": objects, "left out": len(alone)}
    print_record(record, json=json)


def rename_class(
    project: ProjectFolder,
    former: Annotated[str, typer.Argument(metavar="FORMER", help="The class as it is called.")],
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    json: JsonOption = False,
) -> None:
    """Rename a class everywhere in a project: in its palette and in the sets of all readers."""
    from viewer.studies.project import renaming_class
    from viewer.studies.project_file import ProjectError, change_project

    former, name = former.strip(), name.strip()
    folder, held = read_for_command(project)
    if not former or not name or former == name:
        fail("Give a class, and another name for it.")
    known = {each.name for each in held.palette} or _classes_drawn(
        asking_reader(folder, held, None)
    )
    if former not in known:
        names = ", ".join(f'"{each}"' for each in sorted(known)) or "none"
        fail(f'The project has no class "{former}": there are {names}.')
    try:
        held = change_project(folder, renaming_class(former, name))
    except ProjectError as error:
        fail(str(error))
    classes = [each.name for each in held.palette]
    print_record({"renamed": former, "name": name, "classes": ", ".join(classes)}, json=json)


# ---------------------------------------------------------------------------------------------


def _classes_drawn(asks: StudyReader) -> set[str]:
    """Return the classes of what is drawn in sets, of a project without a palette of its own."""
    from viewer.annotations.storage.store import AnnotationStoreError

    try:
        drawn = [_reviewed(asks, which)[0] for which in asks.all_sets()]
    except (AnnotationStoreError, OSError) as error:
        fail(f"The sets cannot be read ({error}).")
    return {each.class_name for of_set in drawn for each in of_set} - {""}


def _reviewed(asks: StudyReader, which: AnnotationSet) -> tuple[Sequence[Annotation], SetReview]:
    from viewer.annotations.sets.set_store import SetStore
    from viewer.studies.review_store import ReviewStore

    sealer = asks.sealer(asks.view(which.identity))
    drawn, _ = SetStore(which, sealer, read_only=True).annotations()
    return drawn, ReviewStore(which, asks.reader, sealer).read()


def _set_record(drawn: Sequence[Annotation], review: SetReview) -> dict[str, object]:
    from viewer.studies.set_review import counts

    found = counts(drawn, review)
    return {
        "status": review.status, "by": review.by, "comment": review.comment,
        "annotations": len(drawn), "open": found.pop("open", 0), "verdicts": found,
        "seconds": round(sum(review.spent_s.values()), 1),
    }  # fmt: skip


def _object_record(annotation: Annotation, review: SetReview) -> dict[str, object]:
    said = review.of(annotation)
    spent = {by: round(s, 1) for (by, id_), s in review.spent_s.items() if id_ == annotation.id.hex}
    return {
        "id": str(annotation.id), "class": annotation.class_name,
        "verdict": said.verdict if said is not None else "", "by": said.by if said else "",
        "comment": said.comment if said is not None else "",
        "seconds": round(review.seconds(annotation.id), 1), "seconds by person": spent,
    }  # fmt: skip
