"""Answers of servers put together from their parts, and objects found in their words."""

from __future__ import annotations

import json

import pytest

from viewer.agents.chat.conversation import Reply
from viewer.agents.chat.json_in_text import objects_in
from viewer.agents.chat.response_parsing import DamagedAnswerError, StreamedReply


def taken(*bodies: dict[str, object]) -> Reply:
    """Return what these pieces of a stream are together."""
    reply = StreamedReply()
    for body in bodies:
        reply.take(json.dumps(body).encode())
    return reply.reply(1.0, (0.1, 1.0))


def delta(finish: str | None = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


def call(name: str, arguments: str, **more: object) -> dict[str, object]:
    return {"function": {"name": name, "arguments": arguments}} | more


def names_of(reply: Reply) -> list[tuple[str, str]]:
    return [(each.name, each.arguments) for each in reply.calls]


def test_usage_and_end_may_come_before_the_last_piece() -> None:
    used = {"usage": {"prompt_tokens": 20, "completion_tokens": 3}}
    reply = taken(delta("length", content="a") | used, delta(content="b"))
    assert (reply.text, reply.was_cut) == ("ab", True)
    assert (reply.tokens_in, reply.tokens_out, reply.cost) == (20, 3, 5.0)
    assert not taken(delta("stop", content="a")).was_cut


def test_a_message_beside_choices_is_no_error() -> None:
    beside = {"message": "generated", "detail": "1 choice"}
    assert taken(delta("stop", content="a") | beside).text == "a"


def test_an_answer_of_spaces_is_empty() -> None:
    with pytest.raises(DamagedAnswerError, match="empty"):
        taken(delta("stop", content=" \n "))


def test_calls_of_one_piece_are_never_parts_of_each_other() -> None:
    both = [call("look", ""), call("measure", "")]
    assert names_of(taken(delta("stop", tool_calls=both))) == [("look", ""), ("measure", "")]


def test_a_new_id_at_a_known_index_begins_a_call_and_its_rest_goes_there() -> None:
    reply = taken(
        delta(tool_calls=[call("look", '{"x0"', id="a", index=0)]),
        delta(tool_calls=[call("measure", '{"y0"', id="b", index=0)]),
        delta("tool_calls", tool_calls=[call("", ": 1}", index=0)]),
    )
    assert names_of(reply) == [("look", '{"x0"'), ("measure", '{"y0": 1}')]
    assert [each.id for each in reply.calls] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": {"b": 1}} and {"c": 2}', [{"a": {"b": 1}}, {"c": 2}]),
        ('{"a": "two\nlines"}', [{"a": "two\nlines"}]),
        ("{'a': 1, # it's the first\n}", [{"a": 1}]),
        ("{'a': 'x\\' {', 'b': 1}", [{"a": "x' {", "b": 1}]),
        ('{no object} {"a": 1,}', [{"a": 1}]),
    ],
)  # fmt: skip
def test_objects_are_found_in_words(text: str, found: list[dict[str, object]]) -> None:
    assert objects_in(text) == found
