"""Answers of models as checked data, and the complaints about those that are none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from viewer.agents.conversation import ToolCall
from viewer.agents.errors import BadAnswerError
from viewer.agents.findings import Claim, Corners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.agents.conversation import Reply

T = TypeVar("T")

Words = Annotated[str, Meta(max_length=20_000)]
Label = Annotated[str, Meta(min_length=1, max_length=120)]
FourNumbers = Annotated[
    list[float],
    Meta(min_length=4, max_length=4, description="x0, y0, x1, y1 in level-0 pixels"),
]


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
    """The conclusion, with claims; `choice` is the number of an option, from 1."""

    text: Words
    choice: int | None = None
    claims: Annotated[list[ClaimAnswer], Meta(max_length=100)] = []


def json_answer(kind: type[T]) -> Callable[[Reply], T]:
    """Return a check of an answer that has to be one JSON object of this kind."""

    def check(reply: Reply) -> T:
        try:
            return msgspec.json.decode(json_text(reply.text).encode(), type=kind, strict=False)
        except msgspec.MsgspecError as error:
            cut = " It was cut off: be briefer." if reply.was_cut else ""
            raise BadAnswerError(f"It is not the JSON object asked for: {error}.{cut}") from error

    return check


def json_text(text: str) -> str:
    """Return the JSON object in an answer, which models like to wrap in a fence or in words."""
    fenced = re.search(r"```(?:json)?\s*(\{.*\})\s*```", text, re.DOTALL)
    if fenced:
        return fenced[1]
    begin, end = text.find("{"), text.rfind("}")
    return text[begin : end + 1] if 0 <= begin < end else text


def final_answer(options: Sequence[str]) -> Callable[[FinalAnswer], FinalAnswer]:
    """Return a check that an option was chosen where there are any."""

    def check(answer: FinalAnswer) -> FinalAnswer:
        if options and not (answer.choice and 1 <= answer.choice <= len(options)):
            raise BadAnswerError(f"`choice` has to be a number from 1 to {len(options)}.")
        return answer

    return check


class _TextCall(msgspec.Struct):
    tool: str
    arguments: dict[str, Any] = {}


def calls_of(reply: Reply) -> tuple[ToolCall, ...]:
    """Return the calls of an answer, also where a model without tools wrote one as JSON text."""
    if reply.calls:
        return reply.calls
    try:
        call = msgspec.json.decode(json_text(reply.text).encode(), type=_TextCall)
    except msgspec.MsgspecError:
        return ()
    return (ToolCall("", call.tool, msgspec.json.encode(call.arguments).decode()),)
