"""Files of questions as rows: JSON, JSON lines, CSV and TSV, in any encoding that people save."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.agents.errors import AgentError
from viewer.errors import reason_of
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS
from viewer.untyped import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

QUESTION_KEYS = ("question", "prompt", "expression")
_TABLES = (".csv", ".tsv", ".tab", ".txt")
_DELIMITERS = (",", "\t", ";", "|")
_MOST_CELL_CHARS = 64 * 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_QUESTION_KEY = re.compile(rf'"(?:{"|".join(QUESTION_KEYS)})"\s*:', re.IGNORECASE)


class Row(msgspec.Struct, frozen=True):
    """One question as it stands in the file.

    Attributes
    ----------
    part
        The part and split of the file that it is in, such as "PubMed/test".
    line
        Where it begins, from 1; 0 where that is not known.
    """

    values: Mapping[str, Any]
    part: str = ""
    line: int = 0

    def first(self, *keys: str) -> Any:
        """Return the first value that is there under one of some names, in any case."""
        for key in keys:
            for name in (key, *(each for each in self.values if each.casefold() == key.casefold())):
                value = self.values.get(name)
                if not is_absent(value):
                    return value
        return None


def is_absent(value: object) -> bool:
    """Return whether a value says nothing; false and 0 say something."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def read_rows(path: Path, *, is_of_questions: bool = True) -> list[Row]:
    """Return the rows of a file.

    Parameters
    ----------
    is_of_questions
        Whether only what holds a question is a row; else every object of a list is.

    Raises
    ------
    AgentError
        It cannot be read or understood; the sentence names the line.
    """
    try:
        text = _decoded(read_regular(path, JSON_BYTES), path.name)
    except OSError as error:
        raise AgentError(f"{path} cannot be read ({reason_of(error)}).") from error
    if path.suffix.lower() in _TABLES:
        return list(_table_rows(text, path))
    return _json_rows(text, path, is_row=not is_of_questions)


def _decoded(data: bytes, name: str) -> str:
    encoding = next((each for mark, each in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\x00" in data[:64]:  # UTF-16 without its mark
        encoding = "utf-16-le" if data[1:2] == b"\x00" else "utf-16-be"
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise AgentError(
            f"{name} cannot be understood: it is neither UTF-8 nor UTF-16; save it as UTF-8."
        ) from error


def _table_rows(text: str, path: Path) -> Iterator[Row]:
    delimiter = _delimiter(text, path)
    csv.field_size_limit(_MOST_CELL_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            begin, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                continue
            if any(cell.strip() for cell in cells[len(header) :]):
                raise AgentError(
                    f"{path.name}, line {begin}: it has {len(cells)} cells and the header "
                    f"{len(header)}; put cells that hold the separator in quotes."
                )
            yield Row(dict(zip(header, cells, strict=False)), line=begin)
    except csv.Error as error:
        sentence = f"{path.name} cannot be understood (line {reader.line_num}: {error})."
        raise AgentError(sentence) from error


def _delimiter(text: str, path: Path) -> str:
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=lambda each: (header.count(each), -_DELIMITERS.index(each)))


def _json_rows(text: str, path: Path, *, is_row: bool) -> list[Row]:
    try:
        if path.suffix.lower() not in (".jsonl", ".ndjson") or text.lstrip().startswith("["):
            found = msgspec.json.decode(text)
            places = [text.count("\n", 0, each.start()) + 1 for each in _starts(text)]
            rows = list(_within(found, (), is_row=is_row))
            if len(places) != len(rows):
                places = [0] * len(rows)
            return [Row(r.values, r.part, at) for r, at in zip(rows, places, strict=True)]
    except DECODE_ERRORS as error:
        if not _is_lines(text):
            where = _broken_line(text)
            sentence = f"{path.name} cannot be understood (line {where}: {error})."
            raise AgentError(sentence) from error
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line)
        except DECODE_ERRORS as error:
            sentence = f"{path.name} cannot be understood (line {number}: {error})."
            raise AgentError(sentence) from error
        rows += [Row(each.values, each.part, number) for each in _within(found, (), is_row=True)]
    return rows


def _is_lines(text: str) -> bool:
    """Return whether each line is a record of its own, as far as the first one tells."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        return False
    try:
        msgspec.json.decode(lines[0])
    except DECODE_ERRORS:
        return False
    return True


def _broken_line(text: str) -> int:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except RecursionError:
        pass
    return 1


def _starts(text: str) -> list[re.Match[str]]:
    return list(_QUESTION_KEY.finditer(text))


def _within(part: object, names: tuple[str, ...], *, is_row: bool = False) -> Iterator[Row]:
    """Questions lie in lists, which may lie in parts and splits as those of PathMMU.

    Parameters
    ----------
    is_row
        Whether an object is a question, even where it lacks one.
    """
    if is_list(part):
        for each in part:
            yield from _within(each, names, is_row=is_row)
    elif is_mapping(part):
        if isinstance(part.get("questions"), list) and "img_origin" in part:
            yield from _reasoning_rows(part, names)
        elif is_row or any(key.casefold() in QUESTION_KEYS for key in part):
            yield Row(part, "/".join(name for name in names if name not in ("questions", "data")))
        else:
            for name, each in part.items():
                yield from _within(each, (*names, str(name)))


def _reasoning_rows(part: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Row]:
    """Yield the questions about one image of PathMR's layout, each with its masks."""
    del names
    answers: object = part.get("answers")
    for number, question in enumerate(part["questions"]):
        masks = answers[number] if is_list(answers) and number < len(answers) else None
        yield Row({"image": part["img_origin"], "question": question, "masks": masks})
