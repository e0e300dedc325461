"""Questions about slides or pictures, in the shapes of MultiPathQA, PathMMU and our own."""

from __future__ import annotations

import ast
import csv
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.agents.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SLIDE_KEYS = ("slide", "image_path", "image", "img", "file")
_TEXT_KEYS = ("question", "prompt")
_ID_KEYS = ("id", "benchmark_id", "No")
_TASK_KEYS = ("task", "benchmark_name")
_LETTERED = re.compile(r"^\(?([A-Z])[).:]\s+(.+)$", re.DOTALL)
_LETTER = re.compile(r"^\(?([A-Z])[).:]?$")


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes
    ----------
    slide
        As the file names it.
    options
        Empty for a free answer.
    answer
        The right one, in the words of its option where there are any.
    task
        The group that it is counted in; "" where there are none.
    """

    id: str
    slide: str
    text: str
    options: tuple[str, ...]
    answer: str
    task: str = ""


def load_questions(path: Path) -> list[Question]:
    """Return the questions of a .json, .jsonl or .csv file.

    Raises
    ------
    AgentError
        The file cannot be used; the sentence names the question that is wrong.
    """
    try:
        rows = list(_rows(path))
    except OSError as error:
        raise AgentError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (msgspec.MsgspecError, csv.Error, UnicodeError) as error:
        raise AgentError(f"{path.name} cannot be understood ({error}).") from error
    if not rows:
        raise AgentError(f"{path.name} holds no questions.")
    questions: list[Question] = []
    for number, (row, task) in enumerate(rows, 1):
        try:
            questions.append(_question(row, task, number))
        except ValueError as error:
            raise AgentError(f"Question {number} of {path.name}: {error}.") from error
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):  # such as PathMMU's numbers, which begin anew in each part
        questions = [_with_own_id(question) for question in questions]
    return questions


def option_index(answer: str, options: tuple[str, ...], *, by_number: bool = False) -> int | None:
    """Return which option a text means: by its words, its letter, or its number from 1.

    Parameters
    ----------
    by_number
        Whether digits are a number even where they are also an option's words.
    """
    text = answer.strip()
    number = int(text) - 1 if text.isdecimal() else None
    if by_number and number is not None and 0 <= number < len(options):
        return number
    lettered = _LETTERED.match(text)
    for wanted in (text, lettered[2] if lettered else text):
        for index, option in enumerate(options):
            if wanted.strip().casefold() == option.strip().casefold():
                return index
    letter = _LETTER.match(text)
    if letter and ord(letter[1]) - ord("A") < len(options):
        return ord(letter[1]) - ord("A")
    return number if number is not None and 0 <= number < len(options) else None


def _rows(path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each question as it stands in the file, and the part of the file that it is in."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                yield row, ""
    elif suffix in (".jsonl", ".ndjson"):
        for line in path.read_bytes().splitlines():
            if line.strip():
                yield msgspec.json.decode(line, type=dict[str, Any]), ""
    else:
        yield from _within(msgspec.json.decode(path.read_bytes()), ())


def _within(part: object, names: tuple[str, ...]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Questions lie in lists, which may lie in parts and splits as those of PathMMU."""
    if isinstance(part, list):
        for each in part:
            yield from _within(each, names)
    elif isinstance(part, dict):
        if any(key in part for key in _TEXT_KEYS):
            yield part, "/".join(name for name in names if name != "questions")
        else:
            for name, each in part.items():
                yield from _within(each, (*names, str(name)))


def _question(row: Mapping[str, Any], part: str, number: int) -> Question:
    options = _options(row.get("options"))
    answer = str(_first(row, ("answer",)) or "").strip()
    if not answer:
        raise ValueError("its answer is missing")
    if options:
        # MultiPathQA gives the option's number, also where options are numbers themselves.
        index = option_index(answer, options, by_number="benchmark_name" in row)
        if index is None:
            raise ValueError(f'its answer "{answer}" is none of its options')
        answer = options[index]
    slide = str(_first(row, _SLIDE_KEYS) or "").strip()
    text = str(_first(row, _TEXT_KEYS) or "").strip()
    if not slide or not text:
        raise ValueError("its slide or its text is missing")
    text = text.replace("{options}", "; ".join(options))
    identity = _first(row, _ID_KEYS)
    task = str(_first(row, _TASK_KEYS) or part)
    known = str(number if identity in (None, "") else identity)
    return Question(known, slide, text, options, answer, task)


def _first(row: Mapping[str, Any], keys: tuple[str, ...]) -> object:
    return next((row[key] for key in keys if row.get(key) not in (None, "")), None)


def _options(value: object) -> tuple[str, ...]:
    """From a list, or from the text of one in JSON or Python; letters before them are left out."""
    if isinstance(value, str) and value.strip():
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            value = [part.strip() for part in str(value).split("|")]
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        return ()
    options = [str(each).strip() for each in value]
    lettered = [_LETTERED.match(option) for option in options]
    return tuple(
        match[2].strip() if match and all(lettered) else option
        for match, option in zip(lettered, options, strict=True)
    )


def _with_own_id(question: Question) -> Question:
    identifying = "\n".join((question.task, question.slide, question.text, *question.options))
    digest = hashlib.blake2b(identifying.encode(), digest_size=8).hexdigest()
    return Question(
        digest, question.slide, question.text, question.options, question.answer, question.task
    )
