"""The whole circle: readers, sessions, drafts, review, dataset, predictor, agent, replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from behavior_steps import painted_tissue, write_slide
from cli_steps import coverslip
from model_server import Say, model_server
from test_drafting import drafter

from viewer.agents.canceling import Cancel
from viewer.geometry import Point, Size
from viewer.recording.log_reader import verify
from viewer.recording.replay import ReplayClock, recorded_view
from viewer.recording.review.drafting import draft_session
from viewer.recording.review.prompts import DEFAULT_PROMPT
from viewer.recording.review.report import report_of
from viewer.recording.review.review import Review
from viewer.recording.review.review_log import ReviewLog, review_path
from viewer.recording.trace_loading import load_trace

_TAUGHT = 2


def told(*arguments: object) -> Any:
    done = coverslip(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def slides(tmp_path: Path) -> list[Path]:
    """Some to learn from, and the last one to be read."""
    return [
        write_slide(tmp_path / f"slide-{number}.tif", painted_tissue(number, 1024, 768))
        for number in range(_TAUGHT + 1)
    ]


def reviewed(session: Path) -> list[str]:
    """Has a model draft, then accepts the second, edits the third and rejects the rest."""
    with model_server([Say(f"Draft {number}.") for number in range(1, 100)]) as server:
        draft_session(session, drafter(session, server, Cancel(), agreed=True), DEFAULT_PROMPT)
    items = report_of(session).items
    review = Review(session.name, "r1", items, ReviewLog(review_path(session, "r1")))
    for index in range(len(items)):
        match index:
            case 1:
                review.accept(index, review.text(index), 2.0)
            case 2:
                review.accept(index, "Crowded nuclei, as I saw them.", 4.0)
            case _:
                review.reject(index, 1.0)
    assert review.close()
    assert len(items) > 3
    return [review.text(1), "Crowded nuclei, as I saw them."]


@pytest.mark.usefixtures("own_home", "quick_nuclei")
def test_what_readers_did_teaches_an_agent_that_can_be_replayed(
    slides: list[Path], tmp_path: Path
) -> None:
    # Readers, simulated and marked as such, leave sessions.
    sessions = tmp_path / "sessions"
    told("sessions", "simulate", *slides[:_TAUGHT], "--policy", "drill", "-o", sessions)
    held = tmp_path / "held"
    told("sessions", "simulate", slides[_TAUGHT], "--policy", "drill", "--seed", 9, "-o", held)
    folders = sorted(sessions.iterdir())
    assert len(folders) == _TAUGHT
    assert len(told("sessions", "behaviors", folders[0])) > 3

    # A model drafts why they looked, a reviewer judges, and only what was accepted goes out.
    accepted = reviewed(folders[0])
    dataset = tmp_path / "dataset"
    told(
        "sessions", "export", folders[0], "-o", dataset, "--format", "chat-jsonl",
        "--slides", tmp_path, "--images", "file",
    )  # fmt: skip
    lines = [line for path in dataset.rglob("*.jsonl") for line in path.read_text().splitlines()]
    words = "\n".join(lines)
    assert all(text in words for text in accepted)
    assert accepted[0] == "Draft 2."
    assert "Draft 1." not in words

    # The sessions teach a predictor, which is held against simple baselines.
    bundle = tmp_path / "predictor"
    told(
        "train", "behavior", sessions, "-o", bundle, "--slides", tmp_path,
        "--epochs", 3, "--patience", 3, "--validation", 0.5, "--threads", 1,
    )  # fmt: skip
    measured = told("evaluate", "behavior", bundle, held, "--slides", tmp_path, "--threads", 1)
    assert "nss" in json.dumps(measured).casefold()
    assert "simulated" in (bundle / "model.json").read_text().casefold()

    # An agent without a language model goes where the predictor says and leaves a session.
    assert coverslip("models", "add", bundle).returncode == 0
    out = tmp_path / "walk"
    walk = told(
        "agent", slides[_TAUGHT], "-o", out, "--policy", "local", "--predictor", "predictor",
        "--regions", 2, "--device", "cpu",
    )  # fmt: skip
    assert walk["answer"]
    findings = json.loads((out / "findings.json").read_text())
    assert len(findings["findings"]) == 2
    assert "not for diagnosis" in (out / "report.md").read_text()

    # That session is sound, and replayed it shows what the agent looked at.
    (header,) = out.rglob("session.json")
    assert verify(header.parent).is_good
    assert msgspec.json.decode(header.read_bytes())["origin"] == "agent"
    trace = load_trace(header.parent)
    clock = ReplayClock(trace)
    clock.seek(clock.end_s)
    shown = recorded_view(trace, clock.view_index, Size(1024, 768)).box
    x0, y0, x1, y1 = findings["findings"][-1]["box"]
    assert shown.contains(Point((x0 + x1) / 2, (y0 + y1) / 2))
