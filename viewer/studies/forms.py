"""Questions that a reader answers for each slide, as a JSON file describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from viewer.errors import CoverslipError, reason_of
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.studies.json_locations import line_of, line_of_byte
from viewer.untyped import is_mapping, is_sequence, mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from viewer.studies.json_locations import JsonPath

Kind = Literal["choice", "multi", "number", "text"]
Answer = str | float | tuple[str, ...] | None
"""Of "choice" and "text" text, of "number" a number, of "multi" all that was chosen; None takes an
answer back."""

_MOST_NAMED = 3
"""Questions that a sentence names."""


class FormError(CoverslipError):
    """Forms that cannot be used; `str()` is one sentence with the line of the mistake."""


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question of a form.

    Attributes
    ----------
    options
        What a "choice" or "multi" offers.
    low, high
        Range of a "number", ends included.
    decimals
        Of a "number".
    is_diagnosis
        Whether the answer is the reader's conclusion on the slide.
    """

    id: str
    text: str
    kind: Kind
    options: tuple[str, ...] = ()
    required: bool = False
    low: float | None = None
    high: float | None = None
    decimals: int = 0
    unit: str = ""
    help: str = ""
    is_diagnosis: bool = False

    def complaint(self, answer: Answer) -> str:
        """Why an answer is none to this question; "" where it is one."""
        match self.kind, answer:
            case _, None:
                return ""
            case "number", bool():
                return f"{self.text}: a number is asked for."
            case "number", int() | float():
                return "" if self._holds(answer) else f"{self.text}: {self.range_text}."
            case "text", str():
                return ""
            case "choice", str():
                known = answer in self.options
                return "" if known else f'{self.text}: "{answer}" is none of the options.'
            case "multi", tuple():
                unknown = next((each for each in answer if each not in self.options), None)
                return "" if unknown is None else f'{self.text}: "{unknown}" is no option.'
            case _:
                return f"{self.text}: the answer is not of the kind {self.kind}."

    @property
    def range_text(self) -> str:
        """Such as "from 0 to 100 %"; "" where there is none."""
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and self.high is not None:
            return f"from {self.low:g} to {self.high:g}{unit}"
        if self.low is not None:
            return f"{self.low:g}{unit} or more"
        return f"{self.high:g}{unit} or less" if self.high is not None else ""

    def _holds(self, number: float) -> bool:
        is_low = self.low is not None and number < self.low
        is_high = self.high is not None and number > self.high
        return not is_low and not is_high and number == number


class Form(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Questions that belong together."""

    id: str
    title: str = ""
    questions: tuple[Question, ...]

    @property
    def shown_title(self) -> str:
        return self.title or self.id

    def question(self, question_id: str) -> Question | None:
        return next((each for each in self.questions if each.id == question_id), None)


def is_answered(answer: Answer) -> bool:
    """Return whether there is anything in it."""
    if isinstance(answer, str):
        return bool(answer.strip())
    return answer is not None and answer != ()


def unanswered(form: Form, answers: Mapping[str, Answer]) -> list[Question]:
    """Return the required questions without an answer, or with one that they no longer take."""

    def is_open(question: Question) -> bool:
        answer = answers.get(question.id)
        return not is_answered(answer) or bool(question.complaint(answer))

    return [question for question in form.questions if question.required and is_open(question)]


def unanswered_sentence(
    forms: Iterable[Form], answers: Mapping[str, Mapping[str, Answer]]
) -> tuple[str, str, str]:
    """Say which required questions are open; with the ids of the first one's form and question.

    All three are "" where none is.
    """
    left = [(form, q) for form in forms for q in unanswered(form, answers.get(form.id, {}))]
    if not left:
        return "", "", ""
    names = [f'"{question.text}"' for _, question in left]
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    what = "a required answer is" if len(left) == 1 else f"{len(left)} required answers are"
    form, question = left[0]
    return f"Not done yet: {what} missing: {shown}{more}.", form.id, question.id


def read_forms(path: Path) -> tuple[Form, ...]:
    """Read a file with one form, or with `{"forms": [...]}`.

    Raises
    ------
    FormError
        It cannot be read, or something in it is wrong: the sentence tells the line and what.
    """
    try:
        text = read_regular(path, JSON_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise FormError(f"{path.name} cannot be read ({reason_of(error)}).") from error
    except UnicodeDecodeError as error:
        raise FormError(f"{path.name} is no text in UTF-8: save it as such.") from error
    return parse_forms(text, path.name)


def parse_forms(text: str, name: str) -> tuple[Form, ...]:
    """Do as `read_forms` with a text; `name` stands in errors."""
    try:
        document = msgspec.json.decode(text.encode())
    except DECODE_ERRORS as error:
        line, what = line_of_byte(text, str(error))
        raise FormError(f"{name}, line {line}: this is no JSON ({what}).") from error
    at: JsonPath = ("forms",) if is_mapping(document) and "forms" in document else ()
    forms: object = document["forms"] if at else [document]
    try:
        taken = msgspec.convert(forms, prepared(tuple[Form, ...]))
    except msgspec.ValidationError as error:
        what, where = _path_of(str(error))
        where = (*at, *where) if at else where[1:]
        raise FormError(f"{name}, line {line_of(text, where)}: {what}.") from error
    for where, what in (*_unknown(forms), *_mistakes(taken)):
        where = (*at, *where) if at else where[1:]
        raise FormError(f"{name}, line {line_of(text, where)}: {what}.")
    return taken


def _path_of(message: str) -> tuple[str, JsonPath]:
    """Return a sentence of msgspec, and its "... - at `$[0].questions[1].kind`" as a path."""
    what, _, place = message.partition(" - at `$")
    path: list[str | int] = []
    for part in place.rstrip("`").replace("[", ".").replace("]", "").split("."):
        if part == "...":
            break
        if part:
            path.append(int(part) if part.isdecimal() else part)
    return what, tuple(path)


def _unknown(forms: object) -> Iterator[tuple[JsonPath, str]]:
    """Members that a slip of the keyboard made."""
    assert is_sequence(forms)
    for index, form in enumerate(map(mapping_of, forms)):
        yield from _unknown_of((index,), form, Form)
        questions = form["questions"]
        assert is_sequence(questions)
        for number, question in enumerate(map(mapping_of, questions)):
            yield from _unknown_of((index, "questions", number), question, Question)


def _unknown_of(
    where: JsonPath, fields: dict[str, object], kind: type[msgspec.Struct]
) -> Iterator[tuple[JsonPath, str]]:
    known = kind.__struct_fields__
    for name in fields:
        if name not in known:
            yield (*where, name), f'"{name}" is not known here; known are {", ".join(known)}'


def _mistakes(forms: tuple[Form, ...]) -> Iterator[tuple[JsonPath, str]]:
    """Yield what the kinds of members alone do not tell."""
    if not forms:
        yield (), "there is no form"
    form_ids: set[str] = set()
    for index, form in enumerate(forms):
        yield from _bad_id((index,), form.id, form_ids)
        if not form.questions:
            yield (index, "questions"), f'the form "{form.id}" asks nothing'
        ids: set[str] = set()
        for number, question in enumerate(form.questions):
            where: JsonPath = (index, "questions", number)
            yield from _bad_id(where, question.id, ids)
            yield from _bad_question(where, question)


def _bad_id(where: JsonPath, id_: str, ids: set[str]) -> Iterator[tuple[JsonPath, str]]:
    if not id_.strip():
        yield (*where, "id"), "the id is empty"
    if id_ in ids:
        yield (*where, "id"), f'the id "{id_}" is there twice'
    ids.add(id_)


def _bad_question(where: JsonPath, question: Question) -> Iterator[tuple[JsonPath, str]]:
    offers = question.kind in ("choice", "multi")
    if not question.text.strip():
        yield (*where, "text"), "the question has no text"
    if offers and not question.options:
        yield where, f'"{question.id}" is a {question.kind} without options'
    if not offers and question.options:
        yield (*where, "options"), f"a {question.kind} has no options"
    if len(set(question.options)) < len(question.options):
        yield (*where, "options"), "an option is there twice"
    low, high = question.low, question.high
    if question.kind != "number" and (low is not None or high is not None):
        name = "low" if low is not None else "high"
        yield (*where, name), f"a {question.kind} has no range"
    if low is not None and high is not None and low > high:
        yield (*where, "low"), f"the range from {low:g} to {high:g} is empty"
    if not 0 <= question.decimals <= 6:
        yield (*where, "decimals"), "decimals run from 0 to 6"
