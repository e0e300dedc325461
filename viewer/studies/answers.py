"""Answers to forms, one file a reader and slide: lines that are only ever added to."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from viewer.access import make_folder, open_kept
from viewer.atomic_write import atomic_write_text
from viewer.cell_text import text_cell
from viewer.limits import JSON_BYTES, read_regular
from viewer.slides.slide_key import file_name_of
from viewer.studies.forms import is_answered
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from viewer.studies.forms import Answer
    from viewer.studies.project import Project

ANSWERS_FOLDER = "answers"
_SUFFIX = ".jsonl"
NO_READER = "reader"
"""Who answers where the settings name nobody."""


class AnswerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One answer as a line keeps it; the last one to a question holds.

    Attributes
    ----------
    answer
        Text, a number, a list of options, or null where it was taken back.
    """

    at_utc: str
    reader: str
    identity: str
    slide: str
    form: str
    question: str
    answer: str | float | list[str] | None


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """Whose answers on which slide, in the folder of a project or of this machine."""

    folder: Path
    reader: str
    identity: str
    slide: str

    @property
    def path(self) -> Path:
        """A reader's name may hold anything, and an identity be long: neither is a file's name."""
        reader = quote(self.reader or NO_READER, safe=" ").replace(".", "%2E")[:120]
        return self.folder / ANSWERS_FOLDER / reader / f"{file_name_of(self.identity)}{_SUFFIX}"

    def given(self, form: str, question: str, answer: Answer) -> AnswerRecord:
        """Return an answer given now."""
        now = utc_stamp("milliseconds")
        value = list(answer) if isinstance(answer, tuple) else answer
        return AnswerRecord(
            at_utc=now, reader=self.reader or NO_READER, identity=self.identity,
            slide=self.slide, form=form, question=question, answer=value,
        )  # fmt: skip


def keep_answers(sheet: AnswerFile, given: Iterable[AnswerRecord]) -> None:
    """Adds answers and returns when they are on the disk.

    A line that a crash or a full disk tore is ended first, so that it spoils no other.

    Raises
    ------
    OSError
        They cannot be written; what was there is as it was but for a torn line.
    """
    path = sheet.path
    make_folder(path.parent)
    data = b"".join(msgspec.json.encode(each) + b"\n" for each in given)
    fd = open_kept(path, os.O_RDWR | os.O_APPEND)
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        if size:
            os.lseek(fd, size - 1, os.SEEK_SET)
            data = data if os.read(fd, 1) == b"\n" else b"\n" + data
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def read_answers(sheet: AnswerFile) -> dict[str, dict[str, Answer]]:
    """The answers that hold, by form and question; torn lines are passed over. Raises OSError."""
    answers: dict[str, dict[str, Answer]] = {}
    for given in _lines(sheet.path):
        answers.setdefault(given.form, {})[given.question] = _answer(given)
    return answers


def all_answers(folder: Path) -> list[AnswerRecord]:
    """Return the answers of all readers that hold, by reader, slide and time. Raises OSError."""
    found: list[AnswerRecord] = []
    for path in sorted((folder / ANSWERS_FOLDER).glob(f"*/*{_SUFFIX}")):
        last = {(given.form, given.question): given for given in _lines(path)}
        found += [given for given in last.values() if is_answered(_answer(given))]
    return sorted(found, key=lambda given: (given.reader, given.slide, given.identity))


COLUMNS = (
    "slide", "identity", "reader", "form", "question", "text", "answer", "unit", "at_utc",
)  # fmt: skip


def answer_rows(project: Project, given: Iterable[AnswerRecord]) -> Iterator[tuple[str, ...]]:
    """Yield a row of `COLUMNS` for each answer; several options are divided by "; "."""
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
        )


def write_answers(path: Path, project: Project, given: Iterable[AnswerRecord]) -> int:
    """Writes a CSV file and gives the number of answers; raises OSError."""
    count = 0
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
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
    """As text."""
    match answer:
        case None:
            return ""
        case str():
            return answer
        case tuple():
            return "; ".join(answer)
        case _:
            return f"{answer:.10g}"


def _lines(path: Path) -> Iterator[AnswerRecord]:
    try:
        data = read_regular(path, JSON_BYTES)
    except FileNotFoundError:
        return
    decoder = msgspec.json.Decoder(AnswerRecord)
    for line in data.split(b"\n"):
        try:
            yield decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue


def _answer(given: AnswerRecord) -> Answer:
    return tuple(given.answer) if isinstance(given.answer, list) else given.answer
