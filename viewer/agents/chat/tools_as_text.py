"""A conversation for servers that take no tools: described, called and answered in words."""

from __future__ import annotations

from typing import Any

import msgspec

_INTRODUCTION = (
    "This server takes no tools, so call them in words: answer with one JSON object "
    '{"tool": "name", "arguments": {...}} and nothing else. The tools:'
)


def with_tools_as_text(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the messages with the tools described in words, and calls and results as words."""
    described = [msgspec.json.encode(tool["function"]).decode() for tool in tools]
    words = "\n".join([_INTRODUCTION, *described])
    told: list[dict[str, Any]] = []
    for message in messages:
        changed = {k: v for k, v in message.items() if k not in ("tool_calls", "tool_call_id")}
        for call in message.get("tool_calls", ()):
            function = call["function"]
            name, arguments = function["name"], function["arguments"] or "{}"
            made = f'{{"tool": "{name}", "arguments": {arguments}}}'
            changed["content"] = f"{changed['content'] or ''}\n{made}".strip()
        if message["role"] == "tool":
            changed["role"] = "user"
        if told and told[-1]["role"] == changed["role"] == "user":  # they have to alternate
            told[-1]["content"] = _joined(told[-1]["content"], changed["content"])
        else:
            told.append(changed)
    if told and told[0]["role"] == "system":
        told[0]["content"] = f"{told[0]['content']}\n\n{words}"
        return told
    return [{"role": "system", "content": words}, *told]


def _joined(one: str | list[Any], two: str | list[Any]) -> str | list[Any]:
    """Return the contents of two messages as that of one."""
    if isinstance(one, str) and isinstance(two, str):
        return f"{one}\n{two}"
    parts = [
        [{"type": "text", "text": each}] if isinstance(each, str) else each for each in (one, two)
    ]
    return [*parts[0], *parts[1]]
