"""`coverslip annotations export`: the sets of a slide or a project, in files of any format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from viewer.cli.annotation_options import (
    FormatOption,
    MppOption,
    SlideMppOption,
    pixel_size,
    slide_place,
    tell_lost,
)
from viewer.cli.output import JsonOption, fail, print_record, say
from viewer.files.atomic_write import unwritable
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.exchange import Format
    from viewer.annotations.formats.problems import Problem
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.annotations.sets.annotation_set import AnnotationSet

_LONGEST_NAME = 120


class _Exported(msgspec.Struct):
    """One set and what it holds; `slide_name` without an ending."""

    which: AnnotationSet
    slide_name: str
    annotations: Sequence[Annotation]


def export(
    slide: Annotated[
        Path, typer.Argument(metavar="SLIDE|PROJECT", help="A slide, or a project's folder.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE|FOLDER",
            help="A file, whose ending tells the format, or a folder for a file a set.",
        ),
    ],
    set_name: Annotated[
        str | None, typer.Option("--set", help="Only the set of this name, such as a file's.")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(
            help="Who asks, by pseudonym: the sets that this reader may see; by default the "
            "reader of the settings."
        ),
    ] = None,
    to: FormatOption = None,
    mpp: MppOption = None,
    slide_mpp: SlideMppOption = None,
    json: JsonOption = False,
) -> None:
    """Write the sets of annotations that are kept of a slide or a project.

    A file of one slide holds all its sets; it is empty where there are none.
    """
    from viewer.annotations.formats.exchange import FORMATS, format_for
    from viewer.annotations.formats.problems import AnnotationFileError
    from viewer.annotations.storage.store import AnnotationStoreError
    from viewer.folders import config_folder
    from viewer.settings import load_settings
    from viewer.studies.project_file import is_project

    own_mpp = pixel_size("--slide-mpp", slide_mpp)
    asks = reader if reader is not None else load_settings(config_folder()).reader
    is_of_project = is_project(slide)
    is_folder = out.is_dir() or (not out.suffix and (is_of_project or to is None))
    wanted = FORMATS.get(to or "") if to else FORMATS["qupath"] if is_folder else format_for(out)
    if wanted is None:
        fail(f"Say with --to which format {out.name} is to have: {', '.join(FORMATS)}.")
    try:
        if is_of_project:
            found, places = _of_project(slide, asks, own_mpp)
        else:
            place = slide_place(slide, own_mpp)
            places = {place.identity: place}
            found = slide_sets(slide, place, asks)
        found = named_sets(found, set_name, asks)
        if not is_folder and len({each.which.identity for each in found}) > 1:
            fail(f"The project has several slides: give a folder for their files, not {out.name}.")
        if is_folder:
            out.mkdir(exist_ok=True)
            names = _unlike([(_file_name(each, wanted), each) for each in found])
            paths = {out / name: [each] for name, each in names.items()}
        else:
            paths = {out: found}
        lost = 0
        for path, sets in paths.items():
            lost += _write(path, wanted, sets, places, mpp)
    except (AnnotationStoreError, AnnotationFileError) as error:
        fail(str(error))
    except OSError as error:
        fail(unwritable(Path(error.filename or out), error))
    record: dict[str, object] = {
        "annotations": sum(len(each.annotations) for each in found), "format": wanted.name,
        "out": str(out), "lost": lost, "sets": len(found),
    }  # fmt: skip
    print_record(record, json=json)


# ---------------------------------------------------------------------------------------------


def slide_sets(slide: Path, place: SlidePlace, reader: str) -> list[_Exported]:
    """Return the sets that belong to a slide alone; other readers of this account have theirs."""
    from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
    from viewer.annotations.sets.listing import sets_of_slide
    from viewer.annotations.sets.set_store import SetStore
    from viewer.annotations.storage.slide_file import kept_annotations
    from viewer.folders import data_folder

    folder, identity = data_folder(), place.identity
    mine = kept_annotations(identity, slide, reader=reader)
    which = AnnotationSet(folder, identity, SetKey(reader))
    found = [_Exported(which, slide.stem, mine)] if mine else []
    for each in sets_of_slide(folder, identity):
        if each.key.reader == reader:
            kept = SetStore(each, read_only=True).annotations()[0]
            found.append(_Exported(each, slide.stem, kept))
    return found


def _of_project(
    path: Path, reader: str, mpp_um: tuple[float, float] | None
) -> tuple[list[_Exported], dict[str, SlidePlace]]:
    """Return the sets of a project that a reader may see, and where its slides lie."""
    from viewer.annotations.sets.set_store import SetStore
    from viewer.studies.project import slide_path
    from viewer.studies.project_file import ProjectError, project_folder, read_project
    from viewer.studies.study_reader import study_reader

    folder = project_folder(path).absolute()
    try:
        project = read_project(folder)
    except ProjectError as error:
        fail(str(error))
    asks = study_reader(folder, project, reader)
    found: list[_Exported] = []
    places: dict[str, SlidePlace] = {}
    sealed = 0
    for which in asks.all_sets():
        slide = project.slide(which.identity)
        lies_at = slide_path(slide, folder) if slide is not None else None
        if lies_at is not None and which.identity not in places and lies_at.exists():
            places[which.identity] = slide_place(lies_at, mpp_um)
        store = SetStore(which, asks.sealer(asks.view(which.identity)), read_only=True)
        sealed += bool(store.sealed_count)
        name = slide.shown_name if slide is not None else which.identity
        found.append(_Exported(which, Path(name).stem, store.annotations()[0]))
    if not project.keeps_sets and not project.stages:
        for slide in project.slides:
            lies_at = slide_path(slide, folder)
            if lies_at.exists():
                place = places[slide.identity] = slide_place(lies_at, mpp_um)
                found += [
                    replace(each, which=replace(each.which, identity=slide.identity))
                    for each in slide_sets(lies_at, place, reader)
                ]
    if sealed:
        sets = plural(sealed, "set is", "sets are")
        say(f"{sets} sealed, at least in part: only the owner of the study can read all of it.")
    return found, places


def named_sets(found: list[_Exported], name: str | None, reader: str) -> list[_Exported]:
    """Return the sets of a name; the reader's own where there are some, else others'."""
    if name is None:
        return found
    alike = [each for each in found if each.which.key.name.casefold() == name.casefold()]
    if not alike:
        names = sorted({f'"{each.which.key.name}"' for each in found})
        there = f"there are {', '.join(names)}" if names else "there are none"
        fail(f'There is no set "{name}" that {_asker(reader)} may see: {there}.')
    own = [each for each in alike if each.which.key.reader == reader]
    return own or alike


def _asker(reader: str) -> str:
    return f'the reader "{reader}"' if reader else "you"


def _file_name(each: _Exported, wanted: Format) -> str:
    key = each.which.key
    parts = (each.slide_name, key.reader, key.stage, key.name)
    name = " - ".join(_safe(part) for part in parts if part)
    return f"{name[:_LONGEST_NAME]}{wanted.suffixes[0]}"


def _safe(name: str) -> str:
    """Names of readers and sets may hold anything, also what leads out of the folder."""
    return "".join(c if c.isalnum() or c in " -_.()+" else "_" for c in name).strip(" .") or "_"


def _unlike(files: list[tuple[str, _Exported]]) -> dict[str, _Exported]:
    """Return a name of its own for each, also on drives that do not tell case."""
    named: dict[str, _Exported] = {}
    taken: set[str] = set()
    for name, each in files:
        stem, end = name[: -len(Path(name).suffix) or None], Path(name).suffix
        number, own = 1, name
        while own.casefold() in taken:
            number += 1
            own = f"{stem} ({number}){end}"
        taken.add(own.casefold())
        named[own] = each
    return named


def _write(
    path: Path,
    wanted: Format,
    sets: list[_Exported],
    places: dict[str, SlidePlace],
    mpp: float | None,
) -> int:
    """Write sets of one slide to a file; return how many annotations the format cannot hold."""
    from viewer.annotations.counting.tally import with_counts
    from viewer.annotations.formats.exchange import write_as
    from viewer.annotations.measured import up_to_date
    from viewer.annotations.sets.together import together
    from viewer.slides.calibration import remembered_mpp_um

    identities = [each.which.identity for each in sets] or list(places)
    place = places.get(identities[0]) if identities else None
    annotations = together([(each.which.key, each.annotations) for each in sets])
    if place is not None:
        mpp_um = place.mpp_um or remembered_mpp_um(place.identity)
        annotations = [up_to_date(each, mpp_um) for each in with_counts(annotations)]
    lost: list[Problem] = []
    if place is not None:
        lost = write_as(path, wanted, annotations, place, mpp)
    elif wanted.needs_slide:
        fail(f"{sets[0].slide_name} is missing, which {wanted.name} needs: find the slide first.")
    else:
        lost = wanted.write(path, annotations)
    tell_lost(place.name if place is not None else path.name, lost)
    return sum(each.number > 0 for each in lost)
