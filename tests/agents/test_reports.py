"""Drafts of reports: templates, values that fit, and Markdown in which nothing is active."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from model_server import Say, model_server, texts_of
from test_client import client

from viewer.agents.actions import Task
from viewer.agents.errors import AgentError, BadAnswerError
from viewer.agents.findings import Finding, GroundedAnswer, GroundedClaim
from viewer.agents.loop import Outcome
from viewer.agents.report_draft import DRAFT, draft_by_model, draft_from_walk, markdown, plain
from viewer.agents.report_template import DEFAULT_TEMPLATE, checked_values, load_template

TEMPLATE = {
    "title": "Lymph node",
    "fields": [
        {"kind": "choice", "id": "metastasis", "label": "Metastasis", "options": ["yes", "no"]},
        {"kind": "number", "id": "size", "label": "Largest focus", "unit": "mm", "low": 0},
        {"kind": "text", "id": "remarks", "label": "Remarks", "most_chars": 40},
    ],
}
NASTY = (
    "<script>x</script> [a](http://evil.example) ![p](x) `c` **b** www.evil.example\n# Title\u202e"
)


def outcome() -> Outcome:
    walked = Outcome(Task("Is there metastasis?"), "giant")
    walked.findings.append(
        Finding(
            region=1,
            box=(10, 20, 110, 120),
            magnification=20.0,
            label="Focus",
            text=NASTY,
            figures={"Nuclei per mm2": 4100.0},
        )
    )
    claim = GroundedClaim(text="A focus", box=None, region=None, doubt="unseen")
    walked.answer = GroundedAnswer(text=NASTY, claims=(claim,))
    return walked


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.json"
    path.write_text(json.dumps(TEMPLATE))
    return path


def test_a_walk_fills_what_it_can() -> None:
    draft = draft_from_walk(outcome(), DEFAULT_TEMPLATE)
    assert draft.values["densest"] == 4100.0
    assert draft.values["summary"] == NASTY
    assert draft.values["quality"] is None
    told = markdown(draft)
    assert told.count(DRAFT) == 2
    assert "4,100 nuclei/mm²" in told
    assert "A focus (not visited)" in told
    assert "(nothing)" in told


def test_what_models_write_stays_plain() -> None:
    told = markdown(draft_from_walk(outcome(), DEFAULT_TEMPLATE))
    for active in ("![", "\n# Title", "**b**", "http://evil", "\u202e"):
        assert active not in told
    assert re.findall(r"(?<!\\)[<>`\[\]]", told) == []
    assert plain("1. one") == "1\\. one"
    assert plain("- item") == "\\- item"
    assert plain("a\x00b\u200bc") == "abc"


def test_a_model_fills_a_template_and_is_held_to_it(template: Path) -> None:
    chosen = load_template(template)
    wrong = {"metastasis": "perhaps", "size": 2.5, "remarks": None}
    right = {"metastasis": "yes", "size": 2.5, "remarks": "One focus."}
    with model_server(
        [Say(json.dumps(wrong)), Say(f"```json\n{json.dumps(right)}\n```")]
    ) as server:
        draft = draft_by_model(client(server), outcome(), chosen)
        asked, again = server.requests
    assert draft.values == right
    assert '"yes", "no"' in texts_of(asked, "user")
    assert 'metastasis has to be one of "yes", "no"' in texts_of(again, "user")
    assert "<script" not in texts_of(asked)
    assert "2.5 mm" in markdown(draft)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"metastasis": 1}, "has to be one of"),
        ({"size": "large"}, "a number in mm"),
        ({"size": -1}, "from 0"),
        ({"size": True}, "a number"),
        ({"remarks": "x" * 41}, "at most 40"),
        ({"grade": 1}, "no field grade"),
    ],
)
def test_values_that_do_not_fit_are_complained_of(
    template: Path, told: dict[str, object], words: str
) -> None:
    with pytest.raises(BadAnswerError, match=words):
        checked_values(load_template(template), told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no template"),
        ('{"title": "x", "fields": [{"kind": "date", "id": "a", "label": "A"}]}', "no template"),
        ('{"title": "x", "fields": []}', "no template"),
        (json.dumps({**TEMPLATE, "fields": TEMPLATE["fields"][:1] * 2}), "two fields"),
    ],
)
def test_a_bad_template_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(AgentError, match=words):
        load_template(path)
    with pytest.raises(AgentError, match="cannot be read"):
        load_template(tmp_path / "absent.json")
