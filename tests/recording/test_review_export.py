"""Drafts by a model, judged by reviewers: a dataset holds what was accepted, with its source."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pandas
import pytest
from PIL import Image
from test_export import export, read_slide

from viewer.recording.export import ExportError, ExportOptions, export_sessions
from viewer.recording.export.reading import load_reading
from viewer.recording.review.drafting import (
    DraftAnswer,
    DraftError,
    DraftRequest,
    draft_session,
)
from viewer.recording.review.drafts import read_drafts
from viewer.recording.review.entries import ReviewError
from viewer.recording.review.items import ReviewItem, items_of
from viewer.recording.review.review import Review
from viewer.recording.review.review_log import ReviewLog, review_path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


@pytest.fixture
def session(tmp_path: Path, sample_slide: Path) -> Path:
    """Four actions on the sample slide; at the second the reader took a note."""
    return read_slide(tmp_path / "20261123T080000Z-0", sample_slide)


class Measurer:
    """Drafts by the color of the crop, as a very simple model would."""

    def __init__(self, stop_after: int = 99) -> None:
        self.requests: list[DraftRequest] = []
        self._stop_after = stop_after

    def draft(self, request: DraftRequest) -> DraftAnswer:
        if len(self.requests) == self._stop_after:
            raise DraftError("The model is gone: start it again.")
        self.requests.append(request)
        crop = Image.open(io.BytesIO(request.crop)).convert("RGB").resize((1, 1))
        red, green, blue = crop.tobytes()
        return DraftAnswer(f"Mean color {red}, {green}, {blue}.", "measurer-1")


def items(session: Path) -> list[ReviewItem]:
    return items_of(load_reading(session, ExportOptions()), read_drafts(session))


def review_of(session: Path, reviewer: str = "r1") -> Review:
    log = ReviewLog(review_path(session, reviewer))
    return Review(session.name, reviewer, items(session), log)


@pytest.fixture
def judged(session: Path) -> Path:
    """Drafted, then: accepted, edited, rejected, left open."""
    draft_session(session, Measurer(), "Describe $command.")
    review = review_of(session)
    review.accept(0, review.text(0), 3.0)
    review.accept(1, review.text(1) + " Dense.", 5.0)
    review.reject(2, 2.0)
    review.close()
    return session


def test_drafts_show_the_slide_and_are_kept_with_their_source(session: Path) -> None:
    told: list[tuple[int, int]] = []
    model = Measurer()
    made = draft_session(
        session, model, "$number $command", progress=lambda done, total: told.append((done, total))
    )
    assert made == 4
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert [request.prompt for request in model.requests][:2] == [
        "1 <10x-inspect>", "2 <20x-peek>",
    ]  # fmt: skip
    first = model.requests[0]
    sizes = [
        Image.open(io.BytesIO(jpeg)).size for jpeg in (first.thumbnail, first.crop, first.detail)
    ]
    assert max(sizes[0]) == 1024
    assert max(sizes[1]) <= 1024
    assert sizes[2] == (512, 512)
    drafts = [item.draft for item in items(session)]
    assert all(draft and draft.model == "measurer-1" for draft in drafts)
    assert len({draft.prompt_sha256 for draft in drafts if draft}) == 4
    assert draft_session(session, Measurer(), "$number") == 0, (
        "what is drafted is not drafted again"
    )


def test_what_was_drafted_before_an_end_is_kept(session: Path) -> None:
    with pytest.raises(DraftError, match="start it again"):
        draft_session(session, Measurer(stop_after=1), "x")
    assert [item.draft is not None for item in items(session)] == [True, False, False, False]
    model = Measurer()
    made = draft_session(session, model, "x", is_canceled=lambda: len(model.requests) == 1)
    assert made == 1
    assert [item.draft is not None for item in items(session)] == [True, True, False, False]
    assert draft_session(session, Measurer(), "x") == 2


def test_a_slide_that_is_gone_is_told(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "another"))
    with pytest.raises(ReviewError, match="slide of this session is not found"):
        draft_session(session, Measurer(), "x")


def test_tables_hold_accepted_rationales_with_their_source(judged: Path, tmp_path: Path) -> None:
    out = export([judged], tmp_path / "out", ExportOptions(format="parquet"))
    actions = pandas.read_parquet(out / "actions.parquet")
    assert [isinstance(text, str) for text in actions["rationale"]] == [True, True, False, False]
    assert list(actions["rationale_verdict"][:2]) == ["accepted", "edited"]
    assert list(actions["rationale_edit_distance"][:2]) == [0, 7]
    assert set(actions["rationale_model"][:2]) == {"measurer-1"}
    assert set(actions["rationale_reviewer"][:2]) == {"r1"}
    assert list(actions["rationale_s"][:2]) == [3.0, 5.0]
    assert list(actions["notes"])[1] == "Dense lymphocytes."
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["sessions"][0]["rationales"] == 2
    assert "2 rationales that reviewers accepted" in (out / "README.md").read_text()


def test_conversations_say_what_was_accepted_and_nothing_else(judged: Path, tmp_path: Path) -> None:
    texts = [item.draft.text for item in items(judged) if item.draft]
    case = export([judged], tmp_path / "case", ExportOptions(format="pathology-cot")) / judged.name
    turns = json.loads((case / "conversation.json").read_text())
    said = [turn["content"][0]["text"] for turn in turns if turn["role"] == "assistant"][1:]
    assert said == [texts[0], texts[1] + " Dense.", "Benign."]
    boxes = json.loads((case / "boxes.json").read_text())
    assert [box["rationale_reviewer"] for box in boxes] == ["r1", "r1", None, None]

    chat = export([judged], tmp_path / "chat", ExportOptions(format="chat-jsonl", images="file"))
    whole = (chat / "conversations.jsonl").read_text()
    assert texts[0] in whole
    assert texts[1] + " Dense." in whole
    assert texts[2] not in whole
    assert texts[3] not in whole
    provenance = [json.loads(line) for line in (chat / "provenance.jsonl").open()]
    assert [line["number"] for line in provenance] == [1, 2]
    assert provenance[1]["rationale_edit_distance"] == 7

    shards = export([judged], tmp_path / "shards", ExportOptions(format="webdataset"))
    with tarfile.open(shards / "shard-000000.tar") as tar:
        members = [name for name in tar.getnames() if name.endswith("0001.json")]
        member = tar.extractfile(members[0])
        assert member is not None
        record = json.load(member)
    assert record["rationale"] == texts[0]


def test_reviewers_who_disagree_keep_a_rationale_in(judged: Path, tmp_path: Path) -> None:
    second = review_of(judged, "r2")
    second.reject(0, 1.0)
    second.accept(1, "Mine.", 1.0)
    second.close()
    out = export([judged], tmp_path / "both", ExportOptions(format="parquet"))
    both = pandas.read_parquet(out / "actions.parquet")
    assert [isinstance(text, str) for text in both["rationale"]] == [False, True, False, False]
    assert set(list(both["rationale_accepted_by"])[1].split(";")) == {"r1", "r2"}
    out = export([judged], tmp_path / "one", ExportOptions(format="parquet", reviewer="r1"))
    one = pandas.read_parquet(out / "actions.parquet")
    assert [isinstance(text, str) for text in one["rationale"]] == [True, True, False, False]


def test_an_export_is_not_taken_for_one_of_newer_verdicts(judged: Path, tmp_path: Path) -> None:
    out = export([judged], tmp_path / "out", ExportOptions(format="csv"))
    before = (out / "manifest.json").read_bytes()
    export([judged], tmp_path / "out", ExportOptions(format="csv"))
    assert (out / "manifest.json").read_bytes() == before
    review = review_of(judged)
    review.accept(3, "Late.", 1.0)
    review.close()
    with pytest.raises(ExportError, match="already holds an export"):
        export_sessions([judged], tmp_path / "out", ExportOptions(format="csv"))


def test_a_damaged_review_leaves_its_session_out(judged: Path, tmp_path: Path) -> None:
    path = review_path(judged, "r1")
    path.write_bytes(b"{}\n" + path.read_bytes())
    manifest = export_sessions([judged], tmp_path / "out", ExportOptions(format="csv"))
    assert "is damaged" in manifest.sessions[0].problem
