"""`coverslip agent` and `coverslip evaluate agent` as a researcher runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from cli_steps import coverslip
from model_server import Say, model_server, texts_of
from PIL import Image, ImageDraw
from session_lines import read_exchanges
from typer.testing import CliRunner

from viewer.cli.agents import evaluate_agent, run_agent
from viewer.recording.log_reader import verify
from viewer.recording.trace_loading import load_trace

KEY = "sk-of-a-run-0123456789"
LOOK = ("look", {"x0": 500, "y0": 600, "x1": 1000, "y1": 900})


def test_a_model_reads_a_slide_only_once_it_is_permitted(
    sample_slide: Path, tmp_path: Path, own_home: Path
) -> None:
    out = tmp_path / "out"
    final = {"text": "A <b>gland</b>.", "claims": [{"text": "Gland", "region": 1}]}
    report = {"summary": "A gland.", "densest": None, "quality": "good"}
    script = [Say(calls=(LOOK,)), Say(calls=(("answer", final),)), Say(json.dumps(report))]
    with model_server(script) as server:
        command = (
            "agent", sample_slide, "-o", out, "--policy", "giant", "--url", server.url,
            "--model", "tiny", "--study", "glands", "--question", "What is it?", "--json",
        )  # fmt: skip
        refused = coverslip(*command, COVERSLIP_MODEL_KEY=KEY)
        assert refused.returncode == 2
        assert "Add --permit" in refused.stderr
        assert "An image of the whole slide" in refused.stderr
        assert server.requests == []
        done = coverslip(*command, "--permit", COVERSLIP_MODEL_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert server.keys == [f"Bearer {KEY}"] * 3
        assert "What is it?" in texts_of(server.requests[0])
    told = json.loads(done.stdout)
    assert told["answer"] == final["text"]
    assert told["claims"] == ["Gland (region 1)"]
    session = Path(told["session"])
    assert verify(session).is_good
    assert set(load_trace(session).causes) == {"agent"}
    assert len(read_exchanges(session)) == 3
    findings = json.loads((out / "findings.json").read_text())
    assert findings["answer"]["claims"][0]["region"] == 1
    assert findings["session"] == session.name
    assert "A gland." in (out / "report.md").read_text()
    for path in (*out.rglob("*"), *own_home.rglob("*")):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    shown = coverslip("sessions", "show", session, "--json")
    assert json.loads(shown.stdout)["origin"] == "agent"
    exported = coverslip(
        "sessions", "export", session, "-o", tmp_path / "dataset", "--slides", sample_slide.parent
    )
    assert exported.returncode == 0, exported.stderr
    assert list((tmp_path / "dataset").rglob("*.parquet"))
    kept = (out / "findings.json").read_bytes(), (out / "report.md").read_bytes()
    failed = coverslip(*command, "--permit", COVERSLIP_MODEL_KEY=KEY)  # nobody answers any more
    assert failed.returncode == 1
    assert "is of a run before and stays" in failed.stderr
    assert ((out / "findings.json").read_bytes(), (out / "report.md").read_bytes()) == kept
    assert json.loads((out / "findings.failed.json").read_text())["state"] == "failed"
    assert json.loads(failed.stdout)["session"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("agent", "SLIDE", "-o", "OUT", "--policy", "oracle"), 'no policy "oracle"'),
        (("agent", "absent.svs", "-o", "OUT"), "absent.svs"),
        (("agent", "SLIDE", "-o", "OUT", "--policy", "giant"), "No model is chosen"),
        (
            ("agent", "SLIDE", "-o", "OUT", "--policy", "giant", "--model", "m", "--url", "x"),
            "no address",
        ),
        (
            ("agent", "SLIDE", "-o", "OUT", "--policy", "giant", "--model", "m", "--permit",
             "--url", "https://model.example/v1"),
            "not among the allowed hosts",
        ),
        (("agent", "SLIDE", "-o", "OUT", "--predictor", "none"), 'no predictor "none"'),
        (("agent", "SLIDE", "-o", "OUT", "--tissue", "none"), 'no model "none"'),
        (("agent", "SLIDE", "-o", "OUT", "--template", "absent.json"), "cannot be read"),
        (("agent", "SLIDE", "-o", "OUT", "--annotations", "absent.json"), "cannot be read"),
        (("evaluate", "agent", "--questions", "absent.json", "-o", "OUT"), "cannot be read"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    sample_slide: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    places = {"SLIDE": str(sample_slide), "OUT": str(tmp_path / "out")}
    app = typer.Typer()
    app.command("agent")(run_agent)
    evaluate = typer.Typer()
    evaluate.callback()(lambda: None)
    evaluate.command("agent")(evaluate_agent)
    app.add_typer(evaluate, name="evaluate")
    told = CliRunner().invoke(app, [places.get(each, each) for each in arguments])
    assert told.exit_code == 2
    assert sentence in told.stderr
    assert not (tmp_path / "out" / "results.jsonl").exists()


def test_several_slides_are_read_one_after_the_other(sample_slide: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "slides", tmp_path / "out"
    (folder / "more").mkdir(parents=True)
    picture = Image.new("RGB", (600, 400), "white")
    ImageDraw.Draw(picture).ellipse((200, 100, 400, 300), fill=(150, 60, 140))
    for name in ("one.png", "two.png"):
        picture.save(folder / name)
    shutil.copy(folder / "one.png", folder / "more" / "one.png")
    broken = tmp_path / "broken.svs"
    broken.write_text("no slide")
    read = coverslip(
        "agent", folder, folder / "more" / "one.png", broken, "-o", out, "--steps", 1, "--json"
    )
    assert read.returncode == 1  # for the one that is none
    records = json.loads(read.stdout)
    assert [Path(record["slide"]).name for record in records] == [
        "one.png", "two.png", "one.png", "broken.svs",
    ]  # fmt: skip
    assert [record["state"] for record in records] == ["finished"] * 3 + ["failed"]
    assert "Unrecognized" in read.stderr or "unrecognized" in read.stderr
    for name in ("one", "two", "one-2"):
        told = json.loads((out / name / "findings.json").read_text())
        assert told["state"] == "finished"
        assert verify(out / name / told["session"]).is_good
        assert (out / name / "report.md").exists()
    empty = coverslip("agent", out / "nothing", "-o", out)
    assert empty.returncode == 2
