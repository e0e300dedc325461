"""The options of a question, in the shapes that files give them."""

from __future__ import annotations

import ast
import json
import re
import string
from typing import TYPE_CHECKING, NamedTuple

from viewer.agents.benchmark.question_files import is_absent
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.agents.benchmark.question_files import Row

_KEYS = ("options", "choices", "candidates")
_LETTERED = re.compile(r"^\(?\s*([A-Za-z]|\d{1,2})\s*[).:\]]\s*(\S.*)$", re.DOTALL)
_INLINE = re.compile(r"(?:^|\s)\(?([A-Z])[).:]\s+")
_COLUMN = re.compile(
    r"^(?:option|choice|opt|op)?[ _-]?([a-z])$|^(?:option|choice)[ _-]?(\d{1,2})$", re.I
)
_LABEL_KEYS = ("label", "key", "letter", "id", "index")
_TEXT_KEYS = ("text", "value", "option", "content", "answer")
_MOST_LITERAL_CHARS = 200_000


class Options(NamedTuple):
    """The options, and what stands before them in the file where something does."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def options_of(row: Row) -> Options:
    """Return the options of a row; none for a question with a free answer.

    Raises
    ------
    ValueError
        They cannot be told apart.
    """
    value = row.first(*_KEYS)
    pairs = _column_pairs(row) if value is None else _pairs(value)
    pairs = [(label, " ".join(text.split())) for label, text in pairs]
    if not pairs:
        return Options()
    if len(pairs) == 1:
        raise ValueError(f'its options "{pairs[0][1]}" cannot be told apart: put | between them')
    texts = tuple(text for _, text in pairs)
    labels = tuple(label for label, _ in pairs)
    if not all(labels):
        return _without_letters(texts)
    if len({label.casefold() for label in labels}) < len(labels):
        raise ValueError("two of its options have the same letter")
    plain, own = _without_letters(texts)
    return Options(plain if own == labels else texts, labels)


def _pairs(value: object) -> list[tuple[str, str]]:
    """Return label and text of each option; labels are empty where there are none."""
    if isinstance(value, str):
        return _pairs_of_text(value)
    if is_mapping(value):
        texts, labels = (value.get(key) for key in ("text", "label"))
        if is_sequence(texts) and is_sequence(labels) and len(texts) == len(labels):
            return [(_label(label), _text(text)) for label, text in zip(labels, texts, strict=True)]
        return [(_label(key), _text(each)) for key, each in value.items() if not is_absent(each)]
    if is_sequence(value):
        return [_pair(each) for each in value if not is_absent(each)]
    return []


def _pair(each: object) -> tuple[str, str]:
    if not is_mapping(each):
        return "", _text(each)
    label = next((each[key] for key in _LABEL_KEYS if not is_absent(each.get(key))), "")
    text = next((each[key] for key in _TEXT_KEYS if not is_absent(each.get(key))), None)
    if text is None and len(each) == 1:  # {"A": "Gland"}
        label, text = next(iter(each.items()))
    if text is None:
        raise ValueError("one of its options has no text")
    return _label(label), _text(text)


def _pairs_of_text(text: str) -> list[tuple[str, str]]:
    text = text.strip()
    if text[:1] in "[{(" and len(text) < _MOST_LITERAL_CHARS:
        value = _literal(" ".join(text.splitlines()))  # options may hold line breaks
        if value is not None:
            return _pairs(value)
        if text[0] in "[{":
            raise ValueError(f'its options "{text[:60]}" are no list that can be read')
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        return [("", each) for each in _joined(lines)]
    inline = list(_INLINE.finditer(text))
    if [match[1] for match in inline] == list(string.ascii_uppercase[: len(inline)]) and (
        len(inline) > 1 and inline[0].start() == 0
    ):
        ends = [*(match.start() for match in inline[1:]), len(text)]
        return [
            (match[1], text[match.end() : end].strip(" ;,|"))
            for match, end in zip(inline, ends, strict=True)
        ]
    for separator in ("|", ";", "\t"):
        if separator in text:
            return [("", part.strip()) for part in text.split(separator) if part.strip()]
    return [("", text)] if text else []


def _literal(text: str) -> Sequence[object] | dict[str, object] | None:
    """Return the list or mapping that a text writes in JSON or Python; None where it is none."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value: object = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if is_sequence(value) or is_mapping(value):
            return value
    return None


def _joined(lines: Sequence[str]) -> list[str]:
    """Return lettered options with the lines that go on with them; else each line is one."""
    if not _LETTERED.match(lines[0]):
        return list(lines)
    options: list[str] = []
    for line in lines:
        expected = len(options)
        lettered = _LETTERED.match(line)
        begins = lettered and lettered[1].upper() in (
            string.ascii_uppercase[expected : expected + 1],
            str(expected + 1),
        )
        if begins or not options:
            options.append(line)
        else:
            options[-1] += f" {line}"
    return options


def _column_pairs(row: Row) -> list[tuple[str, str]]:
    """Return the options of columns such as A, B, C or option_1, option_2."""
    found: list[tuple[str, str]] = []
    for name, value in row.values.items():
        column = _COLUMN.match(str(name))
        if column and not is_absent(value):
            found.append(((column[1] or column[2]).upper(), _text(value)))
    labels = {label for label, _ in found}
    if not labels & {"A", "B"} and not labels & {"1", "0"}:
        return []
    return sorted(found, key=lambda pair: (len(pair[0]), pair[0])) if len(found) > 1 else []


def _without_letters(texts: tuple[str, ...]) -> Options:
    """Return the options without the letters or numbers before them, where all have theirs."""
    lettered = [_LETTERED.match(text) for text in texts]
    if not all(lettered):
        return Options(texts)
    labels = tuple(match[1].upper() for match in lettered if match)
    numbers = [int(label) for label in labels if label.isdecimal()]
    is_counted = numbers in (list(range(len(texts))), list(range(1, len(texts) + 1)))
    is_ordered = labels == tuple(sorted(set(labels))) and not numbers
    has_points = any(re.match(r"^\(?\s*\w\.", text) for text in texts)
    if has_points and "".join(labels) != string.ascii_uppercase[: len(labels)]:
        is_ordered = False  # as of species, "E. coli"
    if not is_counted and not is_ordered:
        return Options(texts)
    return Options(tuple(match[2].strip() for match in lettered if match), labels)


def _label(value: object) -> str:
    return str(value).strip().strip("().:[]").strip()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()
