"""Answers as real servers give them, over real HTTP: each is read, or is one sentence once."""

from __future__ import annotations

import datetime
import email.utils
import json
import time
from typing import Any

import pytest
from model_server import Answer, Fail, Message, Raw, Say, model_server, texts_of
from session_lines import read_exchanges
from test_client import MEASURE, QUESTION, client

from viewer.agents.actions import Task
from viewer.agents.chat.calls_in_text import calls_of
from viewer.agents.chat.client import Client
from viewer.agents.chat.conversation import Turn
from viewer.agents.chat.thoughts import without_thoughts
from viewer.agents.choices import choice_in_text, choice_of
from viewer.agents.endpoint import Endpoint
from viewer.agents.errors import (
    AgentError,
    BadAnswerError,
    DeclinedError,
    EndpointError,
    RefusedError,
)
from viewer.agents.permission import Permission
from viewer.agents.policies.answers import RegionAnswer, final_answer, json_answer

YES_NO = Task("Is there tumor?", ("Yes", "No"))
LOOK = {"x0": 500, "y0": 600, "x1": 1000, "y1": 900}
EVENTS = "text/event-stream"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer.agents.chat.client._FIRST_PAUSE_S", 0.02)


@pytest.mark.parametrize(
    "text",
    [
        '<think>Perhaps {"choice": 2}, "No".</think>The answer is Yes',
        "<think>choice 2\nThe answer is No</think>\n\nThe answer is **Yes**.",
        'Hm, {"choice": 2}... the answer is No.</think>{"text": "Yes", "choice": 1}',
        '<thinking>{"text": "No", "choice": 2}</thinking>{"text": "Seen.", "choice": 1}',
        '<reasoning effort="high">No?</reasoning>```json\n{"choice": "A"}\n```',
        "<think>No<think>No</think>No</think>Answer: A",
        "[THINK]The answer is No[/THINK]The answer is Yes.",
        "◁think▷The answer is No◁/think▷The answer is Yes",
        '<unused94>thought\n{"choice": 2}<unused95>{"choice": 1, "text": "Seen"}',
        "<|channel|>analysis<|message|>The answer is No<|end|><|start|>assistant<|channel|>final"
        "<|message|>The answer is Yes<|return|>",
        '{"text": "Seen", "choice": 1}<think>or rather {"choice": 2',
        '{"text": "draft", "choice": 2}\n```json\n{"text": "Seen", "choice": 1}\n```',
        '```\n{"text": "draft", "choice": 2}\n```\nNo:\n```json\n{"text": "x", "choice": 1}\n```',
        '```json\n{"text": "x", "choice": "a"}',
        '"{\\"text\\": \\"x\\", \\"choice\\": \\"1\\"}"',
        "{'text': 'It\\'s seen', 'choice': 1,}",
        '{"text": "two\nlines", "choice": 1.0}',
        '{"answer": {"text": "x", "choice": ["A"]}}',
        '{"answer": "yes"}',
        '{"answer": 1}',
        '{"choice": "Ａ"}',
        '{"choice": "(A)", "text": "Seen"}',
        '{"choice": "Option 1", "text": "Seen"}',
        '{"choice": true}',
        "Yes.",
        "**A**",
        "(a)",
        "A.",
        "Final answer: $\\boxed{A}$",
        "<answer>A</answer>",
        "The correct option is A) Yes, as glands are irregular.",
        "The answer is A, because no normal gland is left.",
        "Option A: Yes",
        "Answer: A (Yes)",
        "A - Yes",
        "A) Yes, tumor",
        "A\n\nBecause no normal gland is left.",
        "Yes, there is tumor.",
        "Yes. No normal gland is left.",
        "I would choose option A.",
        "A is the correct answer.",
        "### Answer\nA",
        "The answer is most likely \\text{A}.",
        "I considered that the answer is No. The final answer is: Yes",
    ],
)
@pytest.mark.parametrize("streams", [True, False])
def test_the_answer_is_what_was_said_at_the_end(text: str, streams: bool) -> None:
    with model_server([Say(text)]) as server:
        reply = client(server, streams=streams).ask(QUESTION)
    assert final_answer(YES_NO)(reply).choice == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("There is no sign of tumor.", "not the JSON object"),
        ("The answer is not Yes.", "not the JSON object"),
        ("The answer is A or B.", "not the JSON object"),
        ("Yes or No", "not the JSON object"),
        ("I would not choose A.", "not the JSON object"),
        ("A is not correct.", "not the JSON object"),
        ("1. First I look at glands.\n2. Then at stroma.", "not the JSON object"),
        ('{"text": "Yes", "choice": 2}', "two different options"),
        ('{"text": "Seen", "choice": 3}', "from 1 to 2"),
        ('{"text": "Seen", "choice": 0}', "from 1 to 2"),
        ('{"text": "Seen", "choice": null}', "from 1 to 2"),
        ('{"text": "Seen", "choice": "both"}', "from 1 to 2"),
        ('{"claims": []}', "missing required field `text`"),
        ('{"text": "cut of', "not the JSON object"),
    ],
)
def test_what_chooses_nothing_is_complained_of(text: str, complaint: str) -> None:
    with model_server([Say(text), Say(text)]) as server:
        with pytest.raises(BadAnswerError, match=complaint):
            client(server).ask_checked(QUESTION, final_answer(YES_NO))
        assert complaint in texts_of(server.requests[1], "user")


def test_a_choice_is_read_as_the_options_are_labeled() -> None:
    options, labels = ("x", "y", "z"), ("A", "C", "D")
    assert choice_of("C", options, labels) == choice_of(2, options, labels) == 1
    assert choice_of("d) z", options, labels) == 2
    assert choice_of("B", options, labels) is None
    assert choice_in_text("The answer is C.", options, labels) == 1
    assert choice_of("0", options, ("0", "1", "2")) == 0
    assert choice_of(2, ("2", "3", "4")) == 1  # a number is the option's number
    assert choice_in_text("The answer is 3", ("2", "3", "4")) is None  # or its words
    assert Task("?", options, labels).numbered_options == ("A. x", "C. y", "D. z")


def test_thoughts_are_kept_and_not_said(tmp_path: Any) -> None:
    script: list[Answer] = [
        Say("<think>a b</think>Gland."),
        Message({"content": "Gland.", "reasoning_content": "a b"}),
        Message({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a b"}]},
                             {"type": "text", "text": "Gland."}]}),
        Message({"content": "Gland.", "reasoning": "a b", "reasoning_content": "a b"}),
    ]  # fmt: skip
    heard: list[str] = []
    with model_server(list(script)) as server:
        asked = client(server, tmp_path)
        for _ in script:
            reply = asked.ask(QUESTION, on_text=heard.append)
            assert (reply.text, reply.thoughts) == ("Gland.", "a b")
            assert reply.turn.text == "Gland."
    assert "think" not in "".join(heard)
    assert "" in heard  # that it thinks is told
    assert [line["reply"]["thoughts"] for line in read_exchanges(tmp_path)] == ["a b"] * 4


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Say("<think>still at it", finish="length"), "thought and gave no answer. It ran out"),
        (Message({"content": None, "reasoning_content": "hm"}), "thought and gave no answer"),
        (Say("", finish="length"), "ran out of tokens"),
    ],
)
def test_a_model_that_only_thinks_is_not_asked_four_times(answer: Answer, why: str) -> None:
    with model_server([answer] * 4) as server:
        with pytest.raises(BadAnswerError, match=why):
            client(server).ask(QUESTION)
        assert len(server.requests) == 1


ONE = {"name": "look", "arguments": json.dumps(LOOK)}
TWO = {"name": "measure", "arguments": json.dumps({"x0": 1})}


def call(function: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": function} | more


def pieces(*parts: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """A delta for each."""
    return tuple({"tool_calls": [part]} for part in parts)


@pytest.mark.parametrize(
    "answer",
    [
        Message({"content": None, "tool_calls": [call(ONE), call(TWO)]}),
        Message({"content": None, "tool_calls": [call(ONE, index=0), call(TWO, index=0)]}),
        Message({}, pieces(call(ONE, index=0, id="a"), call(TWO, index=0, id="b"))),
        Message({}, pieces(call(ONE, index=0, id=""), call(TWO, index=0, id=""))),
        Message({}, pieces(call(ONE), call(TWO))),
        Message({}, pieces(call(ONE, id="same"), call(TWO, id="same"))),
        Message({}, pieces(
            call({"name": "look", "arguments": ""}, index=0, id="a"),
            call({"arguments": ONE["arguments"][:20]}, index=0),
            call({"arguments": ONE["arguments"][20:]}, index=0),
            call({"name": "measure", "arguments": ""}, index=1, id="b"),
            call({"arguments": TWO["arguments"]}, index=1),
        )),
        Message({}, pieces(
            call({"name": "look", "arguments": ONE["arguments"][:20]}, index=0, id="a"),
            call({"name": "look", "arguments": ONE["arguments"][20:]}, index=0, id="a"),
            call(TWO, index=1, id="b"),
        )),
        Message({"content": "", "tool_calls": [
            call({"name": "look", "arguments": LOOK}),
            call({"name": "measure", "arguments": {"x0": 1}}),
        ]}),
        Say('<tool_call>\n{"name": "look", "arguments": ' + ONE["arguments"] + "}\n</tool_call>\n"
            '<tool_call>{"name": "measure", "arguments": {"x0": 1}}'),
        Say('Now:\n```json\n{"tool": "look", "arguments": ' + ONE["arguments"] + "}\n```\nand\n"
            '```json\n{"tool": "measure", "arguments": "{\\"x0\\": 1}"}\n```'),
        Say('[TOOL_CALLS][{"name": "look", "arguments": ' + ONE["arguments"] + "}, "
            '{"name": "measure", "parameters": {"x0": 1}}]'),
        Say("<tool_call><function=look><parameter=x0>500</parameter><parameter=y0>600</parameter>"
            "<parameter=x1>1000</parameter><parameter=y1>900</parameter></function></tool_call>"
            '<tool_call><function=measure>{"x0": 1}</function></tool_call>'),
        Say('{"tool_calls": [{"function": {"name": "look", "arguments": ' + ONE["arguments"]
            + "}}, "
            '{"function": {"name": "measure", "arguments": {"x0": 1}}}]}'),
    ],
)  # fmt: skip
def test_calls_are_kept_apart_however_they_are_counted(answer: Answer) -> None:
    streams = not (isinstance(answer, Message) and not answer.deltas)
    with model_server([answer]) as server:
        reply = client(server, streams=streams).ask(QUESTION, [MEASURE])
    one, two = calls_of(reply)
    assert (one.name, two.name) == ("look", "measure")
    arguments = json.loads(one.arguments), json.loads(two.arguments)
    assert arguments[0] == LOOK
    assert arguments[1] in ({"x0": 1}, '{"x0": 1}')
    assert not reply.calls or one.id != two.id


def test_content_comes_in_parts_and_legacy_calls_are_read() -> None:
    parts = {
        "content": [{"type": "text", "text": "A "}, "gland", {"type": "output_text", "text": "."}]
    }
    legacy = {"content": None, "function_call": {"name": "look", "arguments": json.dumps(LOOK)}}
    region = 'x {"label": "draft"} ```{"label": "Gland", "text": "ok"}``` ```json\n{"a": {}}\n```'
    with model_server([Message(parts), Message(parts), Message(legacy), Say(region)]) as server:
        assert client(server).ask(QUESTION).text == "A gland."
        assert client(server, streams=False).ask(QUESTION).text == "A gland."
        assert calls_of(client(server).ask(QUESTION))[0].name == "look"
        assert json_answer(RegionAnswer)(client(server).ask(QUESTION)).label == "Gland"


@pytest.mark.parametrize(
    "answer",
    [
        Raw('data: {"choices": [{"delta": {"content": "ok"}}]}\n\ndata: [DONE]\n\n', EVENTS),
        Raw('data: {"choices": [{"delta": {"content": "ok"}}]}\r\n\r\ndata: [DONE]', EVENTS),
        Raw(': ping\n\nid: 1\ndata: {"choices": [{"delta": {"content": "ok"}, "finish_reason": '
            '"stop"}]}\n\n', "text/plain"),
        Raw('{"choices": [{"message": {"content": "ok"}, "finish_reason": null}]}'),
        Raw('{"choices": [{"message": {"content": "ok"}}]}', "text/plain"),
    ],
)  # fmt: skip
def test_an_answer_need_not_come_as_it_was_asked_for(answer: Answer) -> None:
    with model_server([answer]) as server:
        assert client(server).ask(QUESTION).text == "ok"


def test_a_stall_in_the_middle_is_called_so() -> None:
    with (
        model_server([Say("a b c d", pause_s=5)]) as server,
        pytest.raises(EndpointError, match=r"sent nothing for 0.3 s"),
    ):
        client(server, timeout_s=0.3, tries=1).ask(QUESTION)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Message({"content": None, "refusal": "I cannot judge patients."}), DeclinedError,
         'declined: "I cannot judge patients."'),
        (Message({"content": [{"type": "refusal", "refusal": "I will not."}]}), DeclinedError,
         "I will not"),
        (Say("It is", finish="content_filter"), DeclinedError, "content filter"),
        (Message({"content": ""}, finish="SAFETY"), DeclinedError, r"content filter \(SAFETY\)"),
        (Fail(400, "blocked by the content management policy"), DeclinedError, "management policy"),
        (Raw('{"choices": []}'), DeclinedError, "empty.*choose another model"),
        (Raw('{"id": "a", "choices": null, "usage": null}'), DeclinedError, "choices is empty"),
        (Raw('{"error": {"message": "Provider has no credits", "code": 402}}'), RefusedError,
         "Provider has no credits"),
        (Raw('{"error": "model not loaded"}'), RefusedError, "model not loaded"),
        (Raw('{"detail": "Not Found"}'), RefusedError, "failed: Not Found"),
        (Raw('{"object": "error", "message": "context too long"}'), RefusedError, "context too"),
        (Raw('{"choices": [{"error": {"message": "card lost"}, "finish_reason": "error"}]}'),
         RefusedError, "card lost"),
        (Raw('data: {"error": {"message": "out of memory"}}\n\n', EVENTS), RefusedError, "memory"),
        (Raw('data: {"choices": [{"delta": {"content": "a"}}]}\n\nevent: error\n'
             'data: {"error": {"message": "the card is lost"}}\n\n', EVENTS), RefusedError,
         "the card is lost"),
        (Fail(429, "You exceeded your current quota, check your billing"), RefusedError, "quota"),
        (Fail(402, "Insufficient balance"), RefusedError, "Insufficient balance"),
        (Fail(413, "too large"), RefusedError, "413: too large"),
        (Fail(404, 'model "tiny" not found'), RefusedError, 'not found.*Model'),
        (Fail(401, "bad key"), RefusedError, r'401: bad key.*Key with "Model\.\.\."'),
        (Fail(400, body='{"detail": [{"msg": "field wrong"}]}'), RefusedError, "400: field wrong"),
        (Fail(400, body='[{"error": {"message": "in a list"}}]'), RefusedError, "in a list"),
        (Fail(403, body="<html><body>no</body></html>"), RefusedError, r"\(403\)"),
        (Raw("<!DOCTYPE html><html>Welcome</html>", "text/html"), RefusedError,
         "web page.*/v1"),
        (Raw("  <html>Welcome</html>"), RefusedError, "web page"),
        (Raw(b"\xff\xfe\x00garbage\x9c"), RefusedError, "bytes that are no text"),
        (Raw(b'data: {"choices": "\xff"}\n\n', EVENTS), RefusedError, "bytes that are no text"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("streams", [True, False])
def test_a_servers_own_words_are_told_once(
    answer: Answer, kind: type[Exception], words: str, streams: bool
) -> None:
    with model_server([answer] * 4) as server:
        with pytest.raises(kind, match=words) as caught:
            client(server, streams=streams).ask(QUESTION)
        assert len(server.requests) == 1
    sentence = str(caught.value)
    assert server.url.removeprefix("http://").removesuffix("/v1") in sentence
    assert "codec" not in sentence
    assert "damaged" not in sentence
    assert "later" not in sentence
    assert "<html" not in sentence
    assert sentence.endswith(".")


def refusing(option: str, status: int, words: str, text: str = "ok") -> Any:
    """A server that knows an option not, and says so."""
    return lambda body: Fail(status, words) if option in body else Say(text)


@pytest.mark.parametrize(
    ("option", "status", "words", "changes"),
    [
        ("stream_options", 400, "Unrecognized request argument: stream_options", {}),
        ("stream_options", 422, "extra fields not permitted: stream_options.include_usage", {}),
        ("stream", 400, "streaming is not supported", {}),
        ("temperature", 400, "Unsupported value: 'temperature' does not support 0.2",
         {"temperature": 0.2}),
        ("max_tokens", 400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'",
         {"most_answer_tokens": 99}),
    ],
)  # fmt: skip
def test_an_option_that_is_refused_is_left_out_from_then_on(
    option: str, status: int, words: str, changes: dict[str, Any]
) -> None:
    with model_server(refusing(option, status, words)) as server:
        asked = client(server, **changes)
        assert asked.ask(QUESTION).text == "ok"
        assert asked.ask(QUESTION).text == "ok"
        assert [option in body for body in server.requests] == [True, False, False]
    if option == "max_tokens":
        assert server.requests[1]["max_completion_tokens"] == 99


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "registry.ollama.ai/library/llava:latest does not support tools"),
        (404, "No endpoints found that support tool use"),
        (500, "tools param requires --jinja flag"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice to be set'),
    ],
)
def test_a_model_without_tools_is_told_of_them_in_words(status: int, words: str) -> None:
    written = '{"tool": "measure", "arguments": {"x0": 1}}'
    with model_server(refusing("tools", status, words, written)) as server:
        asked = client(server)
        reply = asked.ask(QUESTION, [MEASURE])
        assert [each.name for each in calls_of(reply)] == ["measure"]
        turns = [*QUESTION, reply.turn, Turn("tool", "12", call_id="a")]
        asked.ask(turns, [MEASURE])
        assert len(server.requests) == 3
        first, last = server.requests[1:]
    assert "Measures." in texts_of(first, "system")
    assert [message["role"] for message in last["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


def test_clients_of_one_server_learn_from_each_other() -> None:
    with model_server(refusing("tools", 400, "does not support tools")) as server:
        to, refused = Endpoint(base_url=server.url, model="tiny"), set[str]()
        for _ in range(2):
            given = Permission.now("study", to.host)
            Client(to, "study", given, refused=refused).ask(QUESTION, [MEASURE])
        assert len(server.requests) == 3
        assert refused == {"tools"}


def test_a_refusal_of_something_else_is_not_taken_for_an_option() -> None:
    with model_server([Fail(400, "this model does not support images")]) as server:
        with pytest.raises(RefusedError, match="does not support images"):
            client(server).ask(QUESTION, [MEASURE])
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_to_as_a_number_and_as_a_date(status: int) -> None:
    def busy_first(_: dict[str, Any]) -> Answer:
        if len(server.requests) > 1:
            return Say("well")
        at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=3)
        asked = "1" if status == 429 else email.utils.format_datetime(at, usegmt=True)
        return Fail(status, "busy", {"Retry-After": asked})

    with model_server(busy_first) as server:
        assert client(server).ask(QUESTION).text == "well"
        first, second = server.times_s
    assert second - first > 0.8
    for odd in ("soon", "nan", "-5"):
        with model_server([Fail(status, "busy", {"Retry-After": odd}), Say("well")]) as server:
            assert client(server).ask(QUESTION).text == "well"


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("secret-clé", "not ASCII"),
        ("“secret”", "not ASCII"),
        ("secret\n", "line break"),
        ("secret\r\n", "line break"),
        ("Bearer secret", "a space"),
        ("secret\x00", "a space"),
    ],
)
def test_a_key_that_no_server_takes_is_said_before_anything_is_sent(key: str, fault: str) -> None:
    with model_server([Say("reached")]) as server:
        to = Endpoint(base_url=server.url, model="tiny")
        asked = Client(to, "study", Permission.now("study", to.host), key=key)
        with pytest.raises(AgentError, match=fault) as caught:
            asked.ask(QUESTION)
        assert server.requests == []
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "better"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1"),
        ("http://localhost:11434/api", "http://localhost:11434/v1"),
        ("https://h.example/v1/chat/completions", "https://h.example/v1"),
        ("https://h.example/v1/models/", "https://h.example/v1"),
    ],
)
def test_an_address_that_no_model_answers_at_is_said_with_a_better_one(
    address: str, better: str
) -> None:
    with pytest.raises(AgentError, match=f"no address of a model server.*try {better}\\."):
        Endpoint(base_url=address, model="m").check()
    for good in ("http://h/v1/", "https://h/v1beta/openai/", "https://h/openai/deployments/x"):
        Endpoint(base_url=good, model="m").check()


def test_a_server_that_is_dead_is_named_with_its_port() -> None:
    with model_server([]) as server:
        gone = client(server, tries=2)
    port = server.url.rpartition(":")[2].removesuffix("/v1")
    with pytest.raises(
        EndpointError, match=f"127.0.0.1:{port} cannot be reached.*refused"
    ) as caught:
        gone.ask(QUESTION)
    assert "start the model's server" in str(caught.value)
    assert "later" not in str(caught.value)


def test_the_limit_of_cost_holds_where_the_server_counts_nothing() -> None:
    long = [Turn("user", "word " * 3000)]
    with model_server([Say("a " * 500, tokens=None)] * 9) as server:
        asked = client(server, price_in=1000.0, price_out=1000.0, most_cost=9.0)
        reply = asked.ask(long)
        assert reply.is_estimated
        assert 3000 < reply.tokens_in < 10_000
        assert reply.cost == pytest.approx((reply.tokens_in + reply.tokens_out) / 1000)
        asked.ask(long)
        with pytest.raises(AgentError, match=r"limit of 9 USD is reached \(about"):
            asked.ask(long)
        assert len(server.requests) == 2
    with pytest.raises(AgentError, match="without prices"):
        Endpoint(model="m", most_cost=2.0).check()


def test_cutting_thoughts_is_fast_and_leaves_other_tags() -> None:
    assert without_thoughts("a < b and <b>bold</b> {x}").answer == "a < b and <b>bold</b> {x}"
    started_s = time.process_time()
    assert without_thoughts("<think>" * 50_000 + "x").answer == ""
    assert time.process_time() - started_s < 2
