"""Answers to forms: lines that are only ever added to, in a file a reader, slide and device."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.sets.annotation_set import NO_READER, reader_file_name
from viewer.cell_text import text_cell
from viewer.device import WriterName, device_name, files_of_writers
from viewer.files.appending import append_whole
from viewer.files.atomic_write import atomic_write, atomic_write_text
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.slides.slide_key import file_name_of
from viewer.studies.forms import is_answered
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from viewer.annotations.sets.records import Sealer
    from viewer.studies.forms import Answer
    from viewer.studies.project import Project

ANSWERS_FOLDER = "answers"
_SUFFIX = ".jsonl"
_OPENED = "+opened"
"""In the name of a file that holds the opened lines of another."""
_SEALED_BEGINS = b'{"sealed"'


class AnswerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One answer as a line keeps it; the last one to a question holds.

    Attributes
    ----------
    answer
        Text, a number, a list of options, or null where it was taken back.
    stage
        Of the study in which it was given; "" outside of any.
    """

    at_utc: str
    reader: str
    identity: str
    slide: str
    form: str
    question: str
    answer: str | float | list[str] | None
    stage: str = ""


class _SealedRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that only holders of a key can read."""

    sealed: str


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """Whose answers on which slide, in the folder of a project or of this machine.

    Attributes
    ----------
    stage
        Of the study, for what is answered now.
    reads
        The stages whose answers are read, later ones over earlier; None for all there are.
    sealer
        Gives what seals and opens lines, in worker threads; None leaves them plain.
    """

    folder: Path
    reader: str
    identity: str
    slide: str
    stage: str = ""
    reads: tuple[str, ...] | None = None
    sealer: Callable[[], Sealer | None] | None = field(default=None, compare=False)

    @property
    def path(self) -> Path:
        """Return the file that this machine writes; asks the disk for the machine's name."""
        return self.written_by(f"{device_name()}-1")

    def given(self, form: str, question: str, answer: Answer) -> AnswerRecord:
        """Return an answer given now."""
        now = utc_stamp("milliseconds")
        value = list(answer) if isinstance(answer, tuple) else answer
        return AnswerRecord(
            at_utc=now, reader=self.reader or NO_READER, identity=self.identity,
            slide=self.slide, form=form, question=question, answer=value, stage=self.stage,
        )  # fmt: skip

    @property
    def stem(self) -> str:
        return file_name_of(self.identity)

    @property
    def _folder(self) -> Path:
        """A reader's name may hold anything, and an identity be long: neither is a file's name."""
        return self.folder / ANSWERS_FOLDER / reader_file_name(self.reader)

    def written_by(self, writer: str) -> Path:
        return self._folder / f"{self.stem}~{writer}{_SUFFIX}"

    def files(self) -> list[Path]:
        """Return the files of all machines, and what synced folders made of them."""
        return files_of_writers(self._folder, self.stem)


def keep_answers(sheet: AnswerFile, given: Iterable[AnswerRecord]) -> None:
    """Add answers, as `append_whole` does. Raises OSError."""
    sealer = sheet.sealer() if sheet.sealer is not None else None
    lines = [msgspec.json.encode(each) for each in given]
    writer = WriterName(f"{ANSWERS_FOLDER}~{reader_file_name(sheet.reader)}~{sheet.stem}")
    try:
        path = sheet.written_by(writer.name)
        if sealer is not None:
            about = _sealed_about(path)
            lines = [msgspec.json.encode(_SealedRecord(sealer.seal(line, about))) for line in lines]
        append_whole(path, [line + b"\n" for line in lines])
    finally:
        writer.release()


def read_answers(sheet: AnswerFile) -> dict[str, dict[str, Answer]]:
    """Return the answers that hold, by form and question.

    Torn lines are passed over. Raises OSError.
    """
    answers: dict[str, dict[str, Answer]] = {}
    sealer = sheet.sealer() if sheet.sealer is not None else None
    found = _records(sheet.files(), sealer)
    if sheet.reads is not None:
        ranks = {stage: rank for rank, stage in enumerate(sheet.reads)}
        found = [each for each in found if each.stage in ranks]
        found.sort(key=lambda each: ranks[each.stage])
    for given in found:
        answers.setdefault(given.form, {})[given.question] = _answer(given)
    return answers


def all_answers(
    folder: Path,
    sealer: Callable[[str], Sealer | None] | None = None,
    shows: Callable[[AnswerRecord], bool] = lambda _: True,
) -> list[AnswerRecord]:
    """Return the answers of all readers that hold, by reader, slide and time.

    Parameters
    ----------
    sealer
        Gives what opens the lines of a reader's folder; by default sealed lines are left out.
    shows
        Whether an answer may be seen here.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    found: list[AnswerRecord] = []
    by_reader: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted((folder / ANSWERS_FOLDER).glob(f"*/*{_SUFFIX}*")):
        by_reader[path.parent].append(path)
    for place, paths in by_reader.items():
        opens = sealer(place.name) if sealer is not None else None
        last = {
            (given.reader, given.identity, given.stage, given.form, given.question): given
            for given in _records(paths, opens)
        }
        found += [given for given in last.values() if is_answered(_answer(given)) and shows(given)]
    return sorted(found, key=lambda given: (given.reader, given.slide, given.identity, given.stage))


def open_answers(folder: Path, sealer: Sealer, *, publish: bool) -> tuple[int, int]:
    """Open sealed answers; return how many open and how many do not.

    Parameters
    ----------
    publish
        Whether to write those that open in plain, to a file beside each.

    Raises
    ------
    OSError
        A file cannot be read or written.
    """
    opened = closed = 0
    for path in sorted((folder / ANSWERS_FOLDER).glob(f"*/*{_SUFFIX}*")):
        if _OPENED in path.name:
            continue
        sealed = [
            line
            for line in read_regular(path, JSON_BYTES).split(b"\n")
            if line.startswith(_SEALED_BEGINS)
        ]
        about = _sealed_about(path)
        plain = [each for line in sealed if (each := _unsealed(line, sealer, about)) is not None]
        opened, closed = opened + len(plain), closed + len(sealed) - len(plain)
        if publish and plain:
            beside = path.with_name(f"{path.name.partition(_SUFFIX)[0]}{_OPENED}{_SUFFIX}")
            with atomic_write(beside, kept=True) as file:
                file.writelines(msgspec.json.encode(each) + b"\n" for each in plain)
    return opened, closed


_COLUMNS = (
    "slide", "identity", "reader", "form", "question", "text", "answer", "unit", "at_utc",
)  # fmt: skip


def answer_columns(project: Project) -> tuple[str, ...]:
    """Return the columns of a project's answers: with a stage only where it has stages."""
    return (*_COLUMNS, "stage") if project.stages else _COLUMNS


def answer_rows(project: Project, given: Iterable[AnswerRecord]) -> Iterator[tuple[str, ...]]:
    """Yield a row of `answer_columns` for each answer; several options are divided by "; "."""
    slides = {slide.identity: slide for slide in project.slides}
    for each in given:
        form = project.form(each.form)
        # Only those that the project knows by a former identity have to be looked for.
        slide = slides.get(each.identity) or project.slide(each.identity)
        question = form.question(each.question) if form is not None else None
        yield (
            slide.shown_name if slide is not None else each.slide,
            each.identity,
            each.reader,
            each.form,
            each.question,
            question.text if question is not None else "",
            shown_answer(_answer(each)),
            question.unit if question is not None else "",
            each.at_utc,
            *([each.stage] if project.stages else []),
        )


def write_answers(path: Path, project: Project, given: Iterable[AnswerRecord]) -> int:
    """Write a CSV file and return the number of answers. Raises OSError."""
    count = 0
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(answer_columns(project))
        for row in answer_rows(project, given):
            writer.writerow(each if _is_number(each) else text_cell(each) for each in row)
            count += 1
    return count


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def shown_answer(answer: Answer) -> str:
    """Return the answer as text."""
    match answer:
        case None:
            return ""
        case str():
            return answer
        case tuple():
            return "; ".join(answer)
        case _:
            return f"{answer:.10g}"


def _records(paths: Iterable[Path], sealer: Sealer | None) -> list[AnswerRecord]:
    """Return what several files hold, in the order of answering.

    Each line counts once: copies that a synced folder made hold lines that are there already.
    """
    found: dict[bytes, tuple[str, AnswerRecord]] = {}
    for path in paths:
        at_utc = ""
        for given in _lines(path, sealer):
            at_utc = max(at_utc, given.at_utc)  # a clock that was set back changes no order
            found[msgspec.json.encode(given)] = (at_utc, given)
    return [given for _, given in sorted(found.values(), key=lambda pair: pair[0])]


def _lines(path: Path, sealer: Sealer | None) -> Iterator[AnswerRecord]:
    try:
        data = read_regular(path, JSON_BYTES)
    except FileNotFoundError:
        return
    decoder = msgspec.json.Decoder(prepared(AnswerRecord))
    for line in data.split(b"\n"):
        try:
            yield decoder.decode(line)
        except DECODE_ERRORS:
            body = _unsealed(line, sealer, _sealed_about(path))
            if body is not None:
                yield body


def _unsealed(line: bytes, sealer: Sealer | None, about: bytes) -> AnswerRecord | None:
    if sealer is None or not line.startswith(_SEALED_BEGINS):
        return None
    try:
        body = sealer.unseal(msgspec.json.decode(line, type=prepared(_SealedRecord)).sealed, about)
        return None if body is None else msgspec.json.decode(body, type=prepared(AnswerRecord))
    except DECODE_ERRORS:
        return None


def _sealed_about(path: Path) -> bytes:
    """A sealed line is worth nothing in the file of another reader or slide."""
    return "\0".join(("answers", path.parent.name, path.name.partition("~")[0])).encode()


def _answer(given: AnswerRecord) -> Answer:
    return tuple(given.answer) if isinstance(given.answer, list) else given.answer
