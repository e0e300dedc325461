"""The test of a connection, against a real server on this machine."""

from __future__ import annotations

import pytest
from model_server import Answer, Fail, Say, model_server, pictures_of

from viewer.agents.canceling import Cancel
from viewer.agents.chat.connection_check import check_connection
from viewer.agents.endpoint import Endpoint


@pytest.mark.parametrize(
    ("answer", "words", "is_good"),
    [
        (Say("Red."), "Connected: tiny at 127.0.0.1:", True),
        (Say(calls=(("say_color", {"color": "red"}),)), "It sees images.", True),
        (Say("<think>red?</think>Blue"), "may not see images", False),
        (Fail(401, "bad key"), "does not accept the key (401: bad key)", False),
        (Fail(400, "images are not supported"), "take no images", False),
        (Fail(500, "overloaded"), "failed (500: overloaded)", False),
    ],
)
def test_one_sentence_says_what_works(answer: Answer, words: str, is_good: bool) -> None:
    with model_server([answer]) as server:
        to = Endpoint(base_url=server.url, model="tiny", timeout_s=5)
        report = check_connection(to, "secret", Cancel())
        assert len(pictures_of(server.requests[0])) == 1
        assert len(server.requests) == 1
    assert words in report.sentence
    assert report.is_good is is_good


def test_nothing_is_sent_to_a_host_that_is_not_allowed() -> None:
    elsewhere = Endpoint(base_url="https://model.example/v1", model="m")
    report = check_connection(elsewhere, None, Cancel())
    assert "not among the allowed hosts" in report.sentence
    assert report.sentence.endswith("add it under Allowed hosts here.")
    with model_server([]) as server:
        gone = Endpoint(base_url=server.url, model="tiny")
    assert f"{gone.place} cannot be reached" in check_connection(gone, None, Cancel()).sentence
    with model_server(
        lambda body: Fail(400, "x does not support tools") if "tools" in body else Say("red")
    ) as server:
        plain = Endpoint(base_url=server.url, model="tiny")
        assert "told of them in words" in check_connection(plain, None, Cancel()).sentence
