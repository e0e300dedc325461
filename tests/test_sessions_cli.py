"""`coverslip sessions` as a researcher runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_steps import coverslip

from viewer.recording.review.report import report_of
from viewer.recording.review.review import Review
from viewer.recording.review.review_log import ReviewLog, review_path

LOG = """\
2024-05-01 10:00:00.000 *** Open slide ***
filename: case-1.svs,
10000x8000 [
2024-05-01 10:00:01.000 *** showImage ***
[x1:0, y1:0, x2:2000, y2:1000] currentZoom: 5.0
2024-05-01 10:00:04.000 *** showImage ***
[x1:100, y1:0, x2:2100, y2:1000] currentZoom: 10.0
2024-05-01 10:00:04.500 *** showImage ***
[x1:200, y1:0, x2:2200, y2:1000] currentZoom: 10.0
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a session made of the reference recorder's log."""
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))
    (tmp_path / "viewer.log").write_text(LOG)
    told = coverslip("sessions", "import", "viewer.log", "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)["id"]


def test_a_log_becomes_the_references_actions(session: str, tmp_path: Path) -> None:
    told = coverslip(
        "sessions", "behaviors", session, "--mode", "reference", "--json", folder=tmp_path
    )
    (stay,) = json.loads(told.stdout)
    assert stay["command"] == "<5x-stayinspect>"
    assert (stay["start"], stay["end"]) == (0.0, 3.0)
    assert stay["box"] == [1000 - 2500, 500 - 2500, 1000 + 2500, 500 + 2500]


def test_every_command_tells_json(session: str, tmp_path: Path) -> None:
    listed = json.loads(coverslip("sessions", "list", "--json", folder=tmp_path).stdout)
    assert [entry["id"] for entry in listed] == [session]
    shown = json.loads(coverslip("sessions", "show", session, "--json", folder=tmp_path).stdout)
    assert shown["origin"] == "imported"
    assert shown["slide"]["name"] is None
    figures = json.loads(coverslip("sessions", "stats", session, "--json", folder=tmp_path).stdout)
    assert figures["views"] == 3
    verdict = coverslip("sessions", "verify", session, "--json", folder=tmp_path)
    assert json.loads(verdict.stdout)["bad_line"] is None
    arguments = ("sessions", "export", "--format", "csv", "-o", "out", "--json")
    exported = json.loads(coverslip(*arguments, folder=tmp_path).stdout)
    assert "actions.csv" in exported["manifest"]["files"]
    deleted = coverslip("sessions", "delete", session, "--yes", "--json", folder=tmp_path)
    assert json.loads(deleted.stdout) == {"deleted": [session]}
    assert json.loads(coverslip("sessions", "list", "--json", folder=tmp_path).stdout) == []


def test_reviews_are_told_with_figures_and_agreement(session: str, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "data" / "sessions" / session
    none = coverslip("sessions", "review", session, "--stats", folder=tmp_path)
    assert (none.stdout, none.stderr) == ("", "Nobody has reviewed this session yet.\n")
    items = report_of(folder).items
    for name in ("r1", "r2"):
        review = Review(session, name, items, ReviewLog(review_path(folder, name)))
        review.accept(0, f"Seen by {name}.", 12.0)
        review.close()
    told = json.loads(coverslip("sessions", "review", session, "--json", folder=tmp_path).stdout)
    assert told[0]["verdicts"]["r1"]["text"] == "Seen by r1."
    assert told[0]["verdicts"]["r2"]["total_seconds"] == 12.0
    arguments = ("sessions", "review", session, "--stats")
    figures = json.loads(coverslip(*arguments, "--json", folder=tmp_path).stdout)
    assert figures["reviewers"]["r1"]["written"] == 1
    assert figures["reviewers"]["r1"]["writing_s"] == 12.0
    (agreement,) = figures["agreement"]
    assert (agreement["first"], agreement["second"]) == ("r1", "r2")
    assert (agreement["observed"], agreement["kappa"]) == (1.0, None)
    assert agreement["mean_edit_distance"] == 1.0
    assert "Seen by r2." in coverslip("sessions", "review", session, folder=tmp_path).stdout
    assert "mean_edit_distance" in coverslip(*arguments, folder=tmp_path).stdout


def test_a_tampered_line_is_named(session: str, tmp_path: Path) -> None:
    log = tmp_path / "home" / "data" / "sessions" / session / "events.jsonl"
    lines = log.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"100", b"101", 1)
    log.write_bytes(b"\n".join(lines))
    verdict = coverslip("sessions", "verify", session, folder=tmp_path)
    assert verdict.returncode == 1
    assert "Line 3" in verdict.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("show", "nothing"), "no session"),
        (("behaviors", "SESSION", "--mode", "other"), "no mode"),
        (("import", "absent.log"), "cannot be read"),
        (("export", "-o", ".", "--format", "csv"), "not empty"),
        (("export", "-o", "x", "--format", "yaml"), "--format takes pathology-cot, "),
        (("delete", "SESSION"), "--yes"),
        (("review", "nothing", "--stats"), "no session"),
    ],
)
def test_bad_input_gives_one_sentence(
    session: str, tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    given = [session if argument == "SESSION" else argument for argument in arguments]
    told = coverslip("sessions", *given, folder=tmp_path)
    assert told.returncode == 2
    assert word in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
    assert "Traceback" not in told.stderr
