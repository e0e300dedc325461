"""The model chooses every crop itself, after GIANT (arXiv 2511.19652)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from viewer.agents.actions import Action, Annotate, Answer, CallTool, GoTo, Note
from viewer.agents.chat.calls_in_text import calls_of
from viewer.agents.chat.conversation import Tool, ToolCall, Turn, data_field
from viewer.agents.chat.json_in_text import as_object, broken_object
from viewer.agents.errors import BadAnswerError, ToolError
from viewer.agents.policies.answers import (
    FinalAnswer,
    FourNumbers,
    Label,
    Words,
    concluded,
    final_answer,
)
from viewer.agents.policies.dialogue import Dialogue
from viewer.agents.policies.prompts import ANSWER_NOW, GIANT_SYSTEM, TOOLS_IN_TEXT
from viewer.agents.tool_arguments import BoxArguments, checked_arguments, schema_of
from viewer.geometry import Box

if TYPE_CHECKING:
    from viewer.agents.actions import Observation, Scene, Walk
    from viewer.agents.chat.client import Client
    from viewer.agents.chat.conversation import Picture, Reply

_MOST_CALLS = 8
"""Of one answer."""


class LookArguments(BoxArguments, forbid_unknown_fields=True):
    """A box to look at, and why."""

    why: Annotated[str, Meta(max_length=1000)] = ""


class MarkArguments(msgspec.Struct, forbid_unknown_fields=True):
    """What was found, in a few words and in full; where, if not in the whole field."""

    label: Label
    text: Words
    box: FourNumbers | None = None


class NoteArguments(msgspec.Struct, forbid_unknown_fields=True):
    """A thought."""

    text: Words


_OWN_TOOLS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "look": ("Look at a box of the slide.", LookArguments),
    "mark": ("Mark a finding in the field that is on screen.", MarkArguments),
    "note": ("Keep a thought.", NoteArguments),
    "answer": ("Answer the question; ends the reading.", FinalAnswer),
}


class _Decision(msgspec.Struct, frozen=True):
    """What the model wants done: its thought, and a call with the action that it means."""

    thought: str
    wanted: tuple[tuple[ToolCall, Action], ...]


class GiantPolicy:
    """A model that navigates by tool calls.

    Parameters
    ----------
    system
        The role given to the model.
    crop_px
        Longest side of a crop; None takes the endpoint's.
    """

    name = "giant"

    def __init__(
        self, client: Client, system: str = GIANT_SYSTEM, crop_px: int | None = None
    ) -> None:
        self._client = client
        self._system = system
        self._crop_px = crop_px

    def walk(self, scene: Scene, first: Observation) -> Walk:
        dialogue = Dialogue(
            self._client, scene, self._system, 2 * first.steps_left + 4, self._crop_px
        )
        dialogue.hear(first)
        dialogue.add(dialogue.opening())
        dialogue.add(Turn("user", f"You have {first.steps_left} steps. {TOOLS_IN_TEXT}"))
        seen = first
        while True:
            tools = self._tools(scene, seen.steps_left)
            decision = dialogue.ask(lambda reply: _decided(reply, scene), tools)
            if decision.thought:
                dialogue.hear((yield Note(decision.thought)))
            pictures: list[Picture] = []
            for call, action in decision.wanted:
                seen = yield action
                dialogue.hear(seen)
                dialogue.add(_result_turn(call, seen))
                if (isinstance(action, GoTo) and not seen.trouble) or seen.was_moved:
                    pictures.append(dialogue.shown_field(seen))
            left = f"{seen.steps_left} steps are left." if seen.steps_left else ANSWER_NOW
            dialogue.add(Turn("user", dialogue.news(left), tuple(pictures)))

    def _tools(self, scene: Scene, steps_left: int) -> list[Tool]:
        own = [
            Tool(name, about, schema_of(kind))
            for name, (about, kind) in _OWN_TOOLS.items()
            if steps_left or name != "look"
        ]
        return own + scene.tools.described() if steps_left else own


def _decided(reply: Reply, scene: Scene) -> _Decision:
    """Raise BadAnswerError where a call is missing, unknown or wrong."""
    calls = calls_of(reply)
    if not calls:
        return _Decision("", ((ToolCall("", "answer", ""), _plain_answer(reply, scene)),))
    if len(calls) > _MOST_CALLS:
        raise BadAnswerError(f"Call at most {_MOST_CALLS} tools at once.")
    wanted = tuple((call, _action(call, scene)) for call in calls)
    return _Decision(reply.text.strip() if reply.calls else "", wanted)


def _plain_answer(reply: Reply, scene: Scene) -> Answer:
    """Return the answer of a model that answers outright instead of calling `answer`."""
    try:
        return final_answer(scene.task, by_beginning=False)(reply)
    except BadAnswerError as error:
        if not reply.text.count("{"):
            raise BadAnswerError("Call one of the tools.") from None
        why = broken_object(reply.text)
        reason = f" {error}" if not why else f" What you wrote is not JSON: {why}."
        cut = " It was cut off: be briefer." if reply.was_cut else ""
        raise BadAnswerError(f"Call one of the tools.{reason}{cut}") from error


def _action(call: ToolCall, scene: Scene) -> Action:
    own = _OWN_TOOLS.get(call.name)
    try:
        if own is not None:
            return _own_action(checked_arguments(call.name, call.arguments, own[1]), scene)
        scene.tools.check(call.name, call.arguments)
        return CallTool(call.name, as_object(call.arguments) or {})
    except ToolError as error:
        raise BadAnswerError(str(error)) from error


def _own_action(reply: object, scene: Scene) -> Action:
    match reply:
        case LookArguments():
            return GoTo(reply.box, None, reply.why)
        case MarkArguments():
            return Annotate(reply.label, reply.text, None if reply.box is None else Box(*reply.box))
        case NoteArguments():
            return Note(reply.text)
        case FinalAnswer():
            return concluded(reply, scene.task)
        case _:
            raise AssertionError(reply)


def _result_turn(call: ToolCall, seen: Observation) -> Turn:
    outcome = seen.trouble or seen.result or "done"
    text = data_field("result", {"tool": call.name, "told": outcome})
    # A call that was written as text has no id, and is answered by the user.
    return Turn("tool", text, call_id=call.id) if call.id else Turn("user", text)
