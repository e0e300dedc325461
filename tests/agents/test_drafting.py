"""Drafts by a model behind a real server on this machine: kept, permitted, stopped."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from model_server import Fail, ModelServer, Say, Script, Stall, model_server, pictures_of, texts_of
from session_lines import read_exchanges
from test_export import read_slide

from viewer.agents.canceling import Cancel
from viewer.agents.chat.client import Client
from viewer.agents.drafting import DRAFTING_FOLDER, ModelDrafter
from viewer.agents.endpoint import Endpoint
from viewer.agents.exchanges import ExchangeLog
from viewer.agents.permission import Permission
from viewer.attention.simulating import simulate_session
from viewer.recording.export import ExportOptions, export_sessions
from viewer.recording.review.drafting import DraftError, draft_session
from viewer.recording.review.drafts import read_drafts
from viewer.recording.review.prompts import DEFAULT_PROMPT
from viewer.recording.review.report import report_of
from viewer.recording.review.review import Review
from viewer.recording.review.review_log import ReviewLog, review_path
from viewer.slides import open_slide
from viewer.slides.known_slides import remember


@pytest.fixture
def session(tmp_path: Path, sample_slide: Path) -> Path:
    """Four actions on the sample slide."""
    return read_slide(tmp_path / "20261123T080000Z-0", sample_slide)


def drafter(session: Path, server: ModelServer, cancel: Cancel, *, agreed: bool) -> ModelDrafter:
    endpoint = Endpoint(base_url=server.url, model="tiny", timeout_s=20.0, tries=1)
    permission = Permission.now("default", endpoint.host) if agreed else None
    log = ExchangeLog(session / DRAFTING_FOLDER)
    return ModelDrafter(Client(endpoint, "default", permission, log=log), cancel)


def test_each_action_is_asked_for_with_three_pictures_and_kept(session: Path) -> None:
    script: Script = [Say(f"Draft {number}.") for number in range(1, 5)]
    with model_server(script) as server:
        made = draft_session(
            session, drafter(session, server, Cancel(), agreed=True), DEFAULT_PROMPT
        )
        bodies = list(server.requests)
    assert made == 4
    assert [len(pictures_of(body)) for body in bodies] == [3, 3, 3, 3]
    assert "look 2 of 4: <20x-peek> at 20x" in texts_of(bodies[1])
    drafts = list(read_drafts(session).values())
    assert [draft.text for draft in drafts] == [f"Draft {number}." for number in range(1, 5)]
    assert {draft.model for draft in drafts} == {"tiny"}
    exchanges = read_exchanges(session / DRAFTING_FOLDER)
    assert exchanges[0]["reply"]["text"] == "Draft 1."


def test_nothing_is_sent_before_the_user_agreed(session: Path) -> None:
    with model_server([Say("No.")]) as server:
        with pytest.raises(DraftError, match="Nothing was sent"):
            draft_session(session, drafter(session, server, Cancel(), agreed=False), "x")
        assert server.requests == []
    assert read_drafts(session) == {}


def test_a_refusal_keeps_what_was_drafted(session: Path) -> None:
    with (
        model_server([Say("One."), Fail(401)]) as server,
        pytest.raises(DraftError, match="does not accept the key"),
    ):
        draft_session(session, drafter(session, server, Cancel(), agreed=True), "x")
    assert [draft.text for draft in read_drafts(session).values()] == ["One."]


def test_a_stop_ends_a_request_that_hangs(session: Path) -> None:
    cancel = Cancel()
    with model_server([Say("One."), Stall(30.0)]) as server:

        def stop_at_the_second(done: int, _wanted: int) -> None:
            if done == 1:
                threading.Timer(0.3, cancel.set).start()

        model = drafter(session, server, cancel, agreed=True)
        made = draft_session(
            session, model, "x", progress=stop_at_the_second, is_canceled=lambda: cancel.is_set
        )
    assert made == 1
    assert [draft.text for draft in read_drafts(session).values()] == ["One."]


def test_from_a_simulated_reader_to_a_dataset(tmp_path: Path, sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    remember(source.info.identity, sample_slide)
    session = simulate_session(source, "drill", 1, tmp_path / "sessions")
    source.close()
    with model_server(lambda body: Say(f"Draft for {texts_of(body)}")) as server:
        made = draft_session(session, drafter(session, server, Cancel(), agreed=True), "$number.")
    assert made >= 4
    items = report_of(session).items
    review = Review(session.name, "r1", items, ReviewLog(review_path(session, "r1")))
    for index in range(1, len(items)):
        review.accept(index, review.text(index), 2.0)
    review.reject(0, 1.0)
    assert review.close()
    options = ExportOptions(format="pathology-cot")
    manifest = export_sessions([session], tmp_path / "out", options)
    (exported,) = manifest.sessions
    assert (exported.origin, exported.rationales) == ("simulated", len(items) - 1)
    told = (tmp_path / "out" / session.name / "conversation.json").read_text()
    assert "Draft for 1." not in told
    assert "Draft for 2." in told
