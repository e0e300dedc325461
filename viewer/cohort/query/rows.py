"""The rows of each table but objects, read from what is kept."""

from __future__ import annotations

import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.operations import is_region
from viewer.annotations.sets.annotation_set import MY_ANNOTATIONS
from viewer.annotations.sets.listing import all_sets
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import AnnotationStore, AnnotationStoreError
from viewer.cohort.batch import Batch, kept_batches
from viewer.cohort.table import frozen_text
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.recording.export.options import ExportOptions
from viewer.recording.export.reading import load_reading
from viewer.recording.export.records import action_records
from viewer.recording.library import Library
from viewer.recording.session import SessionError
from viewer.studies.answers import all_answers, shown_answer
from viewer.studies.study_reader import study_reader
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.cohort.query.result_columns import KeptResult
    from viewer.cohort.query.store import Store
    from viewer.recording.session import SessionHeader

_log = logging.getLogger(__name__)
_ANNOTATIONS_FILE = re.compile(r"(?P<slide>s\d+-[0-9a-f]{40}[^~]*)(~(?P<reader>.*)~[^~]*)?")

Row = dict[str, object]


class _Known(msgspec.Struct):
    """A line of where slides lay."""

    identity: str
    path: str


def slide_rows(store: Store, results: Sequence[KeptResult]) -> list[Row]:
    """Return a row for each slide that was opened or run on."""
    rows: dict[str, Row] = {}
    for _, project in store.projects:
        for each in project.slides:
            rows[each.identity] = {"slide": each.identity, "name": each.shown_name}
    for result in results:
        about = result.about
        rows[about.identity] = {
            "slide": about.identity, "name": Path(about.slide).name, "path": about.slide,
            "width_px": int(about.grid.slide.width), "height_px": int(about.grid.slide.height),
            "mpp_um": about.mpp_um,
        }  # fmt: skip
    for file in sorted((store.data / "known-slides").glob("*.json")):
        try:
            known = msgspec.json.decode(read_kept(file), type=prepared(_Known))
        except (OSError, *DECODE_ERRORS):
            continue
        row = rows.setdefault(known.identity, {"slide": known.identity})
        row |= {"name": Path(known.path).name, "path": known.path}
    return [row for row in rows.values() if store.holds(str(row["slide"]))]


def result_rows(
    store: Store,
    results: Sequence[KeptResult],
    counts_of: Callable[[KeptResult], Mapping[str, int] | None],
) -> list[Row]:
    """Return a row for each result; `counts_of` gives objects by class, None without objects."""
    ran = _ran(store)
    nothing: tuple[Batch | None, dict[str, object]] = (None, {})
    rows: list[Row] = []
    for result in results:
        about, (model, version) = result.about, result.model
        tiles = result.tiles()
        counts = counts_of(result)
        total = sum(counts.values()) if counts is not None else None
        batch, told = ran.get(result.name, nothing)
        tissue = told.get("tissue_mm2")
        tissue_mm2 = tissue if isinstance(tissue, int | float) else None
        rows.append({
            "slide": about.identity, "result": result.name, "model": model, "version": version,
            "model_key": about.model, "mpp_um": about.mpp_um, "tiles": len(tiles),
            "analyzed_mm2": _analyzed_mm2(result, tiles), "objects": total,
            "objects_per_mm2": total / tissue_mm2 if total is not None and tissue_mm2 else None,
            "tissue_mm2": tissue_mm2, "class_counts": dict(counts) if counts else None,
            "class_areas_mm2": told.get("areas_mm2"),
            "batch": batch.title if batch is not None else None,
            "settings": frozen_text(batch) if batch is not None else None,
            "stains": told.get("stains"),
            "scores": _scores(told),
            "changed_utc": result.changed_utc,
        })  # fmt: skip
    return rows


def annotation_rows(store: Store, slides: Sequence[Row]) -> Iterator[Row]:
    """Yield a row for each annotation that the reader may see."""
    mpp_um = {str(row["slide"]): row.get("mpp_um") for row in slides}

    def row(slide: str, each: Annotation, **where: str) -> Row:
        shape = each.geometry
        middle = shape.centroid
        has_area = is_region(each)
        area_px2 = shape.area if has_area else 0.0
        scale = mpp_um.get(slide)
        return {
            "slide": slide, **where, "id": str(each.id), "kind": each.kind,
            "class": each.class_name, "name": each.name, "description": each.description,
            "author": each.author, "modified_utc": each.modified_utc,
            "x_px": middle.x, "y_px": middle.y, "area_px2": area_px2, "length_px": shape.length,
            "area_um2": area_px2 * scale**2 if has_area and isinstance(scale, float) else None,
            "measurements": dict(each.measurements),
        }  # fmt: skip

    for slide, reader, path in _annotation_files(store, slides):
        try:
            with closing(AnnotationStore(path, read_only=True)) as held:
                for each in held.annotations()[0]:
                    yield row(slide, each, reader=reader, set=MY_ANNOTATIONS)
        except (AnnotationStoreError, sqlite3.Error) as error:
            _log.warning("%s is passed over (%s)", path, error)
    for which in all_sets(store.data) if store.slides is None else ():
        if which.kind in ("agent", "model") and not store.shows_ai(which.identity):
            continue
        for each in _of_set(SetStore(which, read_only=True)):
            yield row(which.identity, each, reader=which.key.reader, set=which.key.name)
    for folder, project in store.projects:
        asks = study_reader(folder, project, store.reader)
        for which in asks.all_sets():
            held = SetStore(which, asks.sealer(asks.view(which.identity)), read_only=True)
            for each in _of_set(held):
                yield row(
                    which.identity, each, project=str(folder), reader=which.key.reader,
                    set=which.key.name, stage=which.key.stage,
                )  # fmt: skip


def session_rows(store: Store) -> Iterator[Row]:
    """Yield a row for each session that can be read."""
    for each in Library(store.data / "sessions").summaries():
        header = each.header
        if header is None or not _shows_session(store, header):
            continue
        yield {
            "slide": header.slide.identity, "session": header.id, "title": header.title,
            "reader": header.reader, "origin": header.origin, "study": header.study,
            "started_utc": header.started_utc, "duration_s": each.duration_s,
            "is_open": each.is_open, "ended_well": each.ended_well,
        }  # fmt: skip


def action_rows(store: Store) -> Iterator[Mapping[str, object]]:
    """Yield a row for each action of each session."""
    for folder in Library(store.data / "sessions").folders():
        try:
            reading = load_reading(folder, ExportOptions())
        except (SessionError, OSError) as error:
            _log.warning("%s is passed over (%s)", folder, error)
            continue
        if _shows_session(store, reading.header):
            yield from action_records(reading)


def answer_rows(store: Store) -> Iterator[Row]:
    """Yield a row for each answer that holds and that the reader may see."""
    given = [("", each) for each in all_answers(store.data)] if store.slides is None else []
    for folder, project in store.projects:
        asks = study_reader(folder, project, store.reader)
        found = all_answers(folder, asks.sealer_of_answers, asks.shows_answer)
        given += [(str(folder), each) for each in found]
    for project_name, each in given:
        answer = tuple(each.answer) if isinstance(each.answer, list) else each.answer
        yield {
            "slide": each.identity, "project": project_name, "reader": each.reader,
            "stage": each.stage, "form": each.form, "question": each.question,
            "answer": shown_answer(answer),
            "value": answer if isinstance(answer, int | float) else None, "at_utc": each.at_utc,
        }  # fmt: skip


# ----------------------------------------------------------------------------------------------


def _annotation_files(store: Store, slides: Sequence[Row]) -> Iterator[tuple[str, str, Path]]:
    """Yield slide, reader and file of annotations of slides alone, kept here or beside slides."""
    owner = _home_reader(store)
    for path in sorted((store.data / "annotations").glob("*.sqlite")):
        found = _ANNOTATIONS_FILE.fullmatch(path.stem)
        if found is not None and store.holds(found["slide"]):
            yield found["slide"], found["reader"] or owner, path
    for row in slides:
        if isinstance(place := row.get("path"), str):
            slide = Path(place)
            beside = slide.with_name(f"{slide.name}.annotations.sqlite")
            if beside.is_file():
                yield str(row["slide"]), owner, beside


def _shows_session(store: Store, header: SessionHeader) -> bool:
    """Return whether a session is read: agents' only where no study hides them."""
    slide = header.slide.identity
    return store.shows_ai(slide) if header.origin == "agent" else store.holds(slide)


def _home_reader(store: Store) -> str:
    try:
        return read_kept(store.data / "annotations-reader").decode()
    except (OSError, UnicodeDecodeError):
        return store.reader


def _of_set(held: SetStore) -> Sequence[Annotation]:
    with closing(held):
        return held.annotations()[0]


def _ran(store: Store) -> dict[str, tuple[Batch, dict[str, object]]]:
    """Return the newest batch that ran each result, and what it said of it."""
    found: dict[str, tuple[Batch, dict[str, object]]] = {}
    for batch in reversed(kept_batches(store.data / "batches")):
        for record in batch.records():
            name = record.record.get("results")
            if isinstance(name, str):
                found[name] = (batch, record.record)
    return found


def _scores(told: Mapping[str, object]) -> dict[str, float] | None:
    """Return the scores of cells that a run told, those that are numbers."""
    scores = told.get("scores")
    if not is_mapping(scores):
        return None
    return {name: each for name, each in scores.items() if isinstance(each, int | float)}


def _analyzed_mm2(result: KeptResult, tiles: set[tuple[int, int]]) -> float:
    grid, area_px2 = result.about.grid, 0.0
    for column, row in tiles:
        x, y = grid.origin.x + column * grid.side, grid.origin.y + row * grid.side
        width = min(x + grid.side, grid.slide.width) - max(0.0, x)
        height = min(y + grid.side, grid.slide.height) - max(0.0, y)
        area_px2 += max(0.0, width) * max(0.0, height)
    return area_px2 * result.about.mpp_um**2 / 1e6
