"""Questions about what is on screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from model_server import Fail, Say, model_server, pictures_of, texts_of
from test_client import client

from viewer.agents.asking import FieldChat
from viewer.agents.errors import MicroscopeError, RefusedError
from viewer.geometry import Box
from viewer.slides import open_slide

A, B = Box(500, 500, 900, 900), Box(1000, 1500, 1400, 1900)


def test_a_talk_shows_fields_and_links_what_is_named(sample_slide: Path, tmp_path: Path) -> None:
    script = [
        Say("A gland at [600, 600, 700, 700], as in region 1."),
        Fail(400, "too long"),
        Say("A vessel in region 2; region 9 is none."),
        Say("Still a gland."),
    ]
    source = open_slide(sample_slide)
    heard: list[str] = []
    with model_server(script) as server:
        talk = FieldChat(client(server, tmp_path), source, source.info.optics)
        first = talk.ask("What is it?", A, magnification=20.0, on_text=heard.append)
        with pytest.raises(RefusedError):
            talk.ask("And here?", B)
        second = talk.ask("And here?", B)
        talk.ask("Again?", A)
        with pytest.raises(MicroscopeError):
            talk.ask("Beyond?", Box(9000, 9000, 9100, 9100))
        bodies = server.requests
    source.close()
    assert heard[-1] == first.text
    assert [each.region for each in first.references] == [1, 1]
    assert [first.text[each.begin : each.end] for each in first.references] == [
        "[600, 600, 700, 700]",
        "region 1",
    ]
    assert [each.region for each in second.references] == [2]
    assert [len(pictures_of(body)) for body in bodies] == [2, 3, 3, 4]
    assert "Region 1, box [500, 500, 900, 900] at 20x:" in texts_of(bodies[0])
    roles = [message["role"] for message in bodies[3]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert len(talk.visits) == 2
