# pyright: basic
# (pyarrow brings no types)
"""The table of trajectories and its datasheet; runs in the helper process: it needs pyarrow."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from viewer.files.atomic_write import atomic_write, atomic_write_bytes
from viewer.plurals import plural
from viewer.prepared_types import prepared
from viewer.recording.export.tables import read_rows
from viewer.recording.export.trajectories import SPLITS, STEP_COLUMNS, STEPS, JoinTrajectories

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from viewer.processes.helper_entry import TaskContext

DATASHEET_FILE = "DATASHEET.md"
_WHOLE = {
    "step", "width_px", "height_px", "slide_width_px", "slide_height_px", "action_kind",
    "turned_views",
}  # fmt: skip
_TEXTS = {"session", "reader", "origin", "patient", "slide", "patient_split", "reader_split"}
_HELD_BACK = 0.15
"""Share of patients, and of readers, that go to validation, and as many to test."""


def join(body: bytes, _context: TaskContext) -> bytes:
    """Answer a `JoinTrajectories`; a task of the helper process."""
    request = msgspec.msgpack.decode(body, type=prepared(JoinTrajectories))
    sessions = [row for part in request.parts for row in _first_rows(Path(part))]
    patients = _patients(request, {str(row["slide"]) for row in sessions})
    by_patient = split_of(patients.values())
    by_reader = split_of(str(row["reader"]) for row in sessions)
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    schema = _schema()
    out = Path(request.out)
    with (
        atomic_write(out / f"{STEPS}.parquet") as file,
        pa_parquet.ParquetWriter(file, schema) as writer,
    ):
        for row in _rows(request.parts):
            for each in row:
                patient = patients[str(each["slide"])]
                each["patient"] = patient
                each["patient_split"] = by_patient[patient]
                each["reader_split"] = by_reader[str(each["reader"])]
                counted["steps"][by_patient[patient]] += 1
                counted["origin"][str(each["origin"])] += 1
            writer.write_table(pa.Table.from_pylist(row, schema))
    for row in sessions:
        counted["sessions"][by_patient[patients[str(row["slide"])]]] += 1
    for split in by_patient.values():
        counted["patients"][split] += 1
    for split in by_reader.values():
        counted["readers"][split] += 1
    turned = sum(int(str(row["turned_views"])) for row in sessions)
    sheet = _datasheet(request, counted, len(patients), turned)
    atomic_write_bytes(out / DATASHEET_FILE, sheet.encode())
    return b""


def split_of(names: Iterable[str]) -> dict[str, str]:
    """Return the split of each name: by a hash, so that it is the same wherever it is asked.

    From three names on each split has one; two are parted into train and test, and one alone
    teaches.
    """
    order = sorted(set(names), key=lambda name: hashlib.blake2b(name.encode()).digest())
    count = len(order)
    held = 0 if count < 3 else max(1, round(_HELD_BACK * count))
    test = 1 if count == 2 else held
    found = dict.fromkeys(order, SPLITS[0])
    found |= dict.fromkeys(order[:test], SPLITS[2])
    return found | dict.fromkeys(order[test : test + held], SPLITS[1])


def _patients(request: JoinTrajectories, slides: set[str]) -> dict[str, str]:
    """Return a number for the patient of each slide, which tells nothing of who it is."""
    given = {slide: request.patients.get(slide, f"slide {slide}") for slide in slides}
    order = sorted(set(given.values()), key=lambda name: hashlib.blake2b(name.encode()).digest())
    numbers = {name: f"patient-{number:04d}" for number, name in enumerate(order, 1)}
    return {slide: numbers[name] for slide, name in given.items()}


def _rows(parts: list[str]) -> Iterator[list[dict[str, object]]]:
    for part in parts:
        yield from read_rows(Path(part), STEPS)


def _first_rows(part: Path) -> Iterator[dict[str, object]]:
    for rows in read_rows(part, STEPS):
        yield rows[0]
        return


def _schema() -> pa.Schema:
    return pa.schema(
        [
            pa.field(name, _type(name), metadata={"description": text})
            for name, text in STEP_COLUMNS.items()
        ]
    )


def _type(column: str) -> pa.DataType:
    if column in _TEXTS:
        return pa.string()
    if column == "image":
        return pa.binary()
    if column == "done":
        return pa.bool_()
    return pa.int64() if column in _WHOLE else pa.float64()


def _datasheet(
    request: JoinTrajectories,
    counted: dict[str, Counter[str]],
    patients: int,
    turned: int,
) -> str:
    parted = (
        f"Patients are those of a table, in which {len(request.patients)} of the slides were "
        "found; each other slide counts as a patient of its own."
        if request.patients
        else "No table of patients was given: **each slide counts as a patient of its own**, so "
        "two slides of one patient may lie in two splits."
    )
    observed = (
        "Observations are JPEG images in the column `image`."
        if request.observations == "jpeg"
        else "Observations are references: slide and field. The slides themselves are not here; "
        "`coverslip.SlideEnv` shows the field."
    )
    shortest = (
        f"Views of less than {request.least_dwell_s:g} s were passed over."
        if request.least_dwell_s
        else "Every recorded view is a step, those on the way from one place to the next included."
    )
    table = [
        "| | train | validation | test |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | " + " | ".join(str(counted[name][split]) for split in SPLITS) + " |"
            for name in ("patients", "sessions", "steps", "readers")
        ),
    ]
    columns = [f"| `{name}` | {text} |" for name, text in STEP_COLUMNS.items()]
    origins = ", ".join(
        f"{plural(count, 'step')} {origin}" for origin, count in sorted(counted["origin"].items())
    )
    return "\n".join(
        [
            "# Datasheet: how slides were read, step by step",
            "",
            "After Gebru et al. 2021, Datasheets for Datasets (doi:10.1145/3458723).",
            "",
            "## What for",
            "",
            "To teach agents to read slides from what readers did: imitation, offline "
            "reinforcement learning, prediction of the next field.",
            "",
            "## What is in it",
            "",
            f"One row a step, in `{STEPS}.parquet`, sessions one after the other. {observed} "
            f"{shortest} {origins}; {plural(patients, 'patient')}.",
            "",
            *table,
            "",
            f"Patients, sessions and steps are counted by `patient_split`, readers by "
            f"`reader_split`. {parted} For a test on neither patients nor readers that taught, "
            "take the rows where both columns say `test`, and teach with those where both say "
            "`train`.",
            "",
            "| column | holds |",
            "| --- | --- |",
            *columns,
            "",
            "## How it came about",
            "",
            "Recorded by Coverslip with the readers' consent, imported, or simulated: see "
            f"`origin`. {turned} recorded views were turned or mirrored, and are shown upright. "
            "The field of a step has the middle of the recorded one and just holds it.",
            "",
            "## What to mind",
            "",
            "Readers go by pseudonyms, patients by numbers, slides by a hash. How someone moves "
            "may still tell who they are, and images show what the slide shows: pass on only what "
            "readers and patients agreed to. Where people looked is not where the disease is. For "
            "research use, not for diagnosis.",
            "",
        ]
    )
