"""Tool calls that a model wrote into its words, as those do whose server takes no tools."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from viewer.agents.chat.conversation import ToolCall
from viewer.agents.chat.json_in_text import as_object, objects_in
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.agents.chat.conversation import Reply

_BLOCK = re.compile(
    r"<(tool_?calls?|function_?calls?|\|tool_calls?_begin\|)>(.*?)(?:</\1>|(?=<\1>)|$)",
    re.DOTALL | re.IGNORECASE,
)
_FUNCTION = re.compile(
    r"<(?:function|invoke)(?:=|\s+name=\"?)([\w.-]+)\"?\s*>(.*?)(?:</(?:function|invoke)>|$)",
    re.DOTALL | re.IGNORECASE,
)
_PARAMETER = re.compile(
    r"<parameter(?:=|\s+name=\"?)([\w.-]+)\"?\s*>(.*?)(?:</parameter>|(?=<parameter)|$)",
    re.DOTALL | re.IGNORECASE,
)
_NAMES = ("tool", "name", "tool_name", "function", "function_name", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "action_input", "tool_input", "params")


def calls_of(reply: Reply) -> tuple[ToolCall, ...]:
    """Return the calls of an answer, also where a model wrote them as text, in any known way."""
    if reply.calls:
        return reply.calls
    text = reply.text
    blocks = [match[2] for match in _BLOCK.finditer(text)]
    if blocks:
        text = "\n".join(blocks)
    functions = list(_FUNCTION.finditer(text))
    if functions:
        return tuple(ToolCall("", each[1], _arguments_of(each[2])) for each in functions)
    return tuple(call for found in objects_in(text) for call in _calls(found))


def _calls(found: dict[str, Any]) -> Iterator[ToolCall]:
    for key in ("tool_calls", "calls"):
        several = found.get(key)
        if is_sequence(several):
            for each in filter(is_mapping, several):
                yield from _calls(each)
            return
    inner = found.get("function")
    if is_mapping(inner):
        yield from _calls(inner)
        return
    name = next((found[key] for key in _NAMES if isinstance(found.get(key), str)), "")
    arguments = next((found[key] for key in _ARGUMENTS if key in found), None)
    # A name alone may be anything; `tool` is what the models are told to write.
    if name and (arguments is not None or "tool" in found):
        yield ToolCall("", name, json.dumps(arguments if arguments is not None else {}))


def _arguments_of(body: str) -> str:
    """Return the arguments of a function in tags: JSON, or a tag each."""
    parameters = {each[1]: _value(each[2].strip()) for each in _PARAMETER.finditer(body)}
    if parameters:
        return json.dumps(parameters)
    return json.dumps(as_object(body.strip()) or {})


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
