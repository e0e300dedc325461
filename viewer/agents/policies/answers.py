"""Answers of models as checked data, and the complaints about those that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from viewer.agents.actions import Answer
from viewer.agents.chat.json_in_text import broken_object, objects_in
from viewer.agents.choices import choice_in_text, choice_of, named_outright
from viewer.agents.errors import BadAnswerError
from viewer.agents.findings import Claim, Corners
from viewer.prepared_types import prepared
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.agents.actions import Task
    from viewer.agents.chat.conversation import Reply

T = TypeVar("T")

Words = Annotated[str, Meta(max_length=20_000)]
Label = Annotated[str, Meta(min_length=1, max_length=120)]
FourNumbers = Annotated[
    list[float],
    Meta(min_length=4, max_length=4, description="x0, y0, x1, y1 in level-0 pixels"),
]
Choice = Annotated[
    Any,
    Meta(
        description="number or letter of the option, as it stands before it",
        extra_json_schema={"type": ["integer", "string", "null"]},
    ),
]
_CHOICE_KEYS = ("choice", "answer", "option", "final_answer", "answer_choice", "response", "letter")
_TEXT_KEYS = ("text", "explanation", "reasoning", "rationale", "reason", "why", "analysis")
_FREE_KEYS = ("answer", "final_answer", "response")
GRADE_KEY = "isup_grade"
"""Where the answer to a question of grades stands, as MultiPathQA asks for it."""
_WHOLE_KEYS = (
    GRADE_KEY, "bbox", "box", "bbox_2d", "boxes", "polygons", "polygon", "outline", "segmentation",
)  # fmt: skip
"""Objects that are the answer as a whole, with whatever words stand about them."""


class RegionAnswer(msgspec.Struct):
    """What a model says of a region."""

    label: Label
    text: Words


class ClaimAnswer(msgspec.Struct):
    """One statement, and the box or the region that shows it."""

    text: Words
    box: FourNumbers | None = None
    region: int | None = None

    @property
    def claim(self) -> Claim:
        corners: Corners | None = None
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            corners = (x0, y0, x1, y1)
        return Claim(self.text, corners, self.region)


class FinalAnswer(msgspec.Struct):
    """The conclusion, with claims; `choice` is the number or letter of an option."""

    text: Words = ""
    choice: Choice = None
    claims: Annotated[list[ClaimAnswer], Meta(max_length=100)] = []


def json_answer(kind: type[T]) -> Callable[[Reply], T]:
    """Return a check of an answer that has to hold a JSON object of this kind, the last if two."""

    def check(reply: Reply) -> T:
        reason = broken_object(reply.text)
        for found in reversed(objects_in(reply.text)):
            try:
                return msgspec.convert(found, prepared(kind), strict=False)
            except msgspec.ValidationError as error:
                reason = str(error)
        raise _not_json(reply, reason)

    return check


def json_object(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of an answer, the last if there are two. Raises BadAnswerError."""
    found = objects_in(reply.text)
    if not found:
        raise _not_json(reply, broken_object(reply.text))
    return found[-1]


def final_answer(task: Task, *, by_beginning: bool = True) -> Callable[[Reply], Answer]:
    """Return a check of an answer in words that has to conclude the task.

    It is a JSON object as asked for, one that only names the option or grade, or words that
    choose an option outright; `by_beginning` as of `choice_in_text`.
    """

    def check(reply: Reply) -> Answer:
        reason = broken_object(reply.text)
        for found in reversed(objects_in(reply.text)):
            try:
                final = _final_of(found, reply.text, task)
            except msgspec.ValidationError as error:
                reason = str(error)
            else:
                return concluded(final, task)
        options, labels = task.options, task.labels
        choice = choice_in_text(reply.text, options, labels, by_beginning=by_beginning)
        if choice is not None:
            return Answer(reply.text.strip(), choice=choice)
        raise _not_json(reply, reason)

    return check


def objects_or_words(task: Task) -> Callable[[Reply], Answer]:
    """Return a check that takes any words as the answer to a question without options."""

    def check(reply: Reply) -> Answer:
        try:
            return final_answer(task)(reply)
        except BadAnswerError:
            if task.options or not reply.text.strip():
                raise
            return Answer(reply.text.strip())

    return check


def concluded(final: FinalAnswer, task: Task) -> Answer:
    """Return the conclusion with the index of its option. Raises BadAnswerError where it has none.

    A text that is the words of another option than was chosen is refused: one of the two is wrong.
    """
    text, options = final.text.strip(), task.options
    claims = tuple(each.claim for each in final.claims)
    if not options:
        if not text:
            raise BadAnswerError("`text` is missing.")
        return Answer(text, claims)
    if final.choice in (None, ""):
        choice = choice_in_text(text, options, task.labels)
    else:
        choice = choice_of(final.choice, options, task.labels)
    if choice is None:
        raise BadAnswerError(f"`choice` has to be {_wanted(task)}.")
    named = named_outright(text, options)
    if named not in (None, choice):
        raise BadAnswerError("`text` and `choice` name two different options.")
    return Answer(text or options[choice], claims, choice)


def _wanted(task: Task) -> str:
    if task.labels:
        return f"one of {', '.join(task.labels)}"
    return f"a number from 1 to {len(task.options)}"


def _final_of(found: dict[str, Any], text: str, task: Task) -> FinalAnswer:
    """Return a conclusion from an object of a model. Raises msgspec.ValidationError."""
    if len(found) == 1:
        inner = next(iter(found.values()))
        if is_mapping(inner) and inner:
            found = inner
    known = dict(found)
    if task.options:
        known["choice"] = next((found[key] for key in _CHOICE_KEYS if key in found), None)
    elif any(key in found for key in _WHOLE_KEYS):
        known = {"text": text, "claims": found.get("claims", [])}
    elif "text" not in found:
        answers = (found[key] for key in _FREE_KEYS if found.get(key) not in (None, ""))
        known["text"] = str(next(answers, ""))
    if "text" not in found and task.options:
        known["text"] = next((found[key] for key in _TEXT_KEYS if key in found), "")
    if known.get("choice") is None and not known["text"]:
        raise msgspec.ValidationError("Object missing required field `text`")
    return msgspec.convert(known, prepared(FinalAnswer), strict=False)


def _not_json(reply: Reply, reason: str) -> BadAnswerError:
    cut = " It was cut off: be briefer." if reply.was_cut else ""
    return BadAnswerError(f"It is not the JSON object asked for: {reason}.{cut}")
