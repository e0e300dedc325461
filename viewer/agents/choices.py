"""Which option a model, or a file of questions, means."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

_LETTERED = re.compile(
    r"^(?:option\s+)?[(\[]?([A-Z]|\d{1,2})\s*(?:[).:\]\-\u2013\u2014]|(?=\())\s*(.+)$",
    re.DOTALL | re.IGNORECASE,
)
_LABEL = re.compile(
    r"^(?:the\s+)?(?:(?:correct|right|best|final)\s+)?(?:option|choice|answer|letter|number|no\.?)?"
    r"\s*[:#]?\s*[(\[]?\s*([A-Z]|\d{1,2})\s*[)\].:,;]*$",
    re.IGNORECASE,
)
_MARKS = "*_`\"'\u201c\u201d\u2018\u2019$ \t\n\r"
_BOXED = re.compile(r"\\boxed\{(?:\\text\{)?([^{}]+)\}+")
_TAGGED = re.compile(r"<(answer|final_answer|response|choice)>(.*?)(?:</\1>|$)", re.DOTALL | re.I)
_SAID = re.compile(
    r"\b(?:answer|option|choice)\b(?:\s+(?:to\s+the\s+question|here|for\s+this\s+question))?"
    r"\s*(?:is|are|was|would\s+be|should\s+be|[:=\-\u2013])+\s*:?\s*",
    re.IGNORECASE,
)
_CHOSEN = re.compile(
    r"\bi(?:\s+would|'d|\s+will)?\s+(?:choose|select|pick|go\s+with)\s*:?\s*"
    r"|\bmy\s+(?:choice|pick)\s*:?\s*|^\s*#*\s*(?:final\s+)?answer\s*\n+\s*",
    re.IGNORECASE | re.MULTILINE,
)
_JUDGED = re.compile(
    r"\b([A-Z])\)?\s+is\s+(?:the\s+)?(?:correct|right|best|most\s+likely)(?:\s+(?:answer|option|choice))?"
)
_HEDGE = re.compile(
    r"^(?:most\s+)?(?:likely|probably|clearly|definitely|therefore|thus|indeed)\b[:,]?\s*", re.I
)
_LATEX = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\{([^{}]*)\}")
_STATEMENT_END = re.compile(r"\n|(?<=[a-z)\]])[.;!](?:\s|$)")
_OPENING = re.compile(r"^(?:option\s+)?[(\[]?([A-Z]|\d{1,2})[)\].:,]\s*(.*)$", re.I | re.DOTALL)
_OTHERS = re.compile(r"(?:or|nor)\b", re.IGNORECASE)
"""What follows an option that is only one of several."""


def plain_words(text: str) -> str:
    """Return a text for comparing: full-width signs narrowed, one space, lower case."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def readings(
    text: str, options: Sequence[str], labels: Sequence[str] = (), *, numbers_from: int | None = 1
) -> set[int]:
    """Return every option that a short text can mean: by words, label, letter or number.

    Parameters
    ----------
    labels
        What stands before the options in their file, such as A, C, D; letters then mean these.
    numbers_from
        0 or 1, where numbers count from; None takes no number.
    """
    said = _unmarked(text)
    words = [plain_words(option) for option in options]
    found = {index for index, each in enumerate(words) if each == plain_words(said)}
    if label := _LABEL.match(said):
        return found | _labeled(label[1], options, labels, numbers_from)
    lettered = _LETTERED.match(said)
    if lettered and not found:
        tail = plain_words(_unmarked(lettered[2]).strip("()"))
        found = {index for index, each in enumerate(words) if each and each == tail}
        if found:
            named = _labeled(lettered[1], options, labels, numbers_from)
            return found & named or found | named
    return found


def option_index(
    text: str, options: Sequence[str], labels: Sequence[str] = (), *, by_number: bool = False
) -> int | None:
    """Return the option that a short text means; None where it means none, or two.

    Parameters
    ----------
    by_number
        Whether digits are a number from 1 even where they are also an option's words.
    """
    said = _unmarked(text)
    if by_number and (label := _LABEL.match(said)) and label[1].isdecimal():
        numbered = _labeled(label[1], options, labels, 1)
        if numbered:
            return min(numbered)
    found = readings(said, options, labels)
    return found.pop() if len(found) == 1 else None


def named_outright(text: str, options: Sequence[str]) -> int | None:
    """Return the option whose words a text is, and nothing else."""
    said = plain_words(_unmarked(text))
    found = [index for index, each in enumerate(options) if plain_words(each) == said]
    return found[0] if len(found) == 1 else None


def choice_of(value: object, options: Sequence[str], labels: Sequence[str] = ()) -> int | None:
    """Return the option that a model chose in an answer's field; None where that is not clear."""
    while is_sequence(value) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool):
        named = {plain_words(option): index for index, option in enumerate(options)}
        words = ("true", "yes") if value else ("false", "no")
        return next((named[word] for word in words if word in named), None)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if is_mapping(value):
        value = next((value[k] for k in ("choice", "option", "label", "id") if k in value), None)
    if not isinstance(value, int | str):
        return None
    return option_index(str(value), options, labels, by_number=True)


def choice_in_text(
    text: str, options: Sequence[str], labels: Sequence[str] = (), *, by_beginning: bool = True
) -> int | None:
    """Return the option that words choose outright, such as "The answer is B) No".

    Words that only mention an option choose nothing: "no sign of tumor" is not "Tumor".

    Parameters
    ----------
    by_beginning
        Whether "Yes, as glands fuse." is an answer; one who was asked for more may go on so.
    """
    whole = option_index(text, options, labels)
    if whole is not None:
        return whole
    clean = _LATEX.sub(r"\1", unicodedata.normalize("NFKC", text))
    for pattern, group in ((_BOXED, 1), (_TAGGED, 2)):
        if marked := list(pattern.finditer(clean)):
            return option_index(marked[-1][group], options, labels)
    clean = re.sub(r"[*_`]+", "", clean)
    said = [*_SAID.finditer(clean), *_CHOSEN.finditer(clean)]
    for match in sorted(said, key=lambda each: -each.end()):
        rest = clean[match.end() :].lstrip(" :\n")
        statement = _STATEMENT_END.split(rest, maxsplit=1)[0].strip()
        index = _stated(_HEDGE.sub("", statement), options, labels)
        if index is not None:
            return index
    judged = {match[1] for match in _JUDGED.finditer(clean)}
    if len(judged) == 1:
        return option_index(judged.pop(), options, labels)
    return _first_words(clean, options, labels) if by_beginning else None


def _first_words(text: str, options: Sequence[str], labels: Sequence[str]) -> int | None:
    """Return the option that a text begins with: alone on a line, or before a comma and reasons."""
    lines = text.strip().splitlines()
    if not lines:
        return None
    first = lines[0].strip()
    index = option_index(first, options, labels)
    if index is not None:
        return index
    lettered = re.match(r"^\(?([A-Z])\)\s*\S", first)
    if lettered and len(lines) == 1:
        return option_index(lettered[1], options, labels)
    said = plain_words(first)
    begun = [
        place
        for place, option in enumerate(options)
        if re.match(rf"{re.escape(plain_words(option))}\s*[,;:.!\u2013\u2014]\s", said)
    ]
    return begun[0] if len(begun) == 1 else None


def _stated(statement: str, options: Sequence[str], labels: Sequence[str]) -> int | None:
    """Return the option that a statement names whole, or at its beginning with reasons after it."""
    found = readings(statement, options, labels)
    if found:
        return found.pop() if len(found) == 1 else None
    opening = _OPENING.match(statement)
    if opening:
        if _OTHERS.match(opening[2]):
            return None
        return option_index(opening[1], options, labels)
    said = plain_words(statement)
    begun = [
        (len(words), place)
        for place, option in enumerate(options)
        if (words := plain_words(option)) and re.match(rf"{re.escape(words)}(?=[\s,:;(]|$)", said)
    ]
    if not begun:
        return None
    length, place = max(begun)
    return None if _OTHERS.match(said[length:].lstrip()) else place


def _labeled(
    label: str, options: Sequence[str], labels: Sequence[str], numbers_from: int | None
) -> set[int]:
    """Return the option that a letter or number stands for; a label in the file goes first."""
    wanted = label.casefold()
    for index, each in enumerate(labels):
        if each.casefold() == wanted:
            return {index}
    if wanted.isdecimal():
        if numbers_from is None or any(each.isdecimal() for each in labels):
            return set()
        index = int(wanted) - numbers_from
    elif any(each.isalpha() for each in labels):
        return set()
    else:
        index = ord(wanted) - ord("a")
    return {index} if 0 <= index < len(options) else set()


def _unmarked(text: str) -> str:
    """Return a text without the marks that models set about words."""
    narrow = unicodedata.normalize("NFKC", text).strip(_MARKS)
    narrow = re.sub(r"(\*\*|__|`)", "", narrow)
    return narrow[:-1].strip(_MARKS) if narrow[-1:] in ".!" and len(narrow) > 2 else narrow
