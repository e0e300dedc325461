"""Simulating, training and evaluating as a researcher types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from behavior_steps import painted_tissue, write_slide
from cli_steps import coverslip, invoke

from viewer.recording.session import read_header


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def test_from_simulated_readers_to_figures(tmp_path: Path) -> None:
    slides = tmp_path / "slides"
    slides.mkdir()
    for number in range(3):
        write_slide(slides / f"{number}.tif", painted_tissue(number, 1024, 1024))
    paths = [f"slides/{number}.tif" for number in range(3)]
    arguments = ("--policy", "drill", "--readers", "2", "--seed", "5", "--spots", "4")
    made = coverslip("sessions", "simulate", *paths[:2], *arguments, "-o", "a", folder=tmp_path)
    assert len(made.stdout.split()) == 4, made.stderr
    held = coverslip("sessions", "simulate", paths[2], "--json", folder=tmp_path)
    (session,) = json.loads(held.stdout)["ids"]
    listed = json.loads(coverslip("sessions", "list", "--json", folder=tmp_path).stdout)
    assert [(each["id"], each["origin"]) for each in listed] == [(session, "simulated")]
    quick = ("--threads", "1")
    # The slides are known since they were simulated on: no --slides is needed.
    trained = coverslip(
        "train", "behavior", "a", "-o", "m", "--epochs", "3", *quick, "--json", folder=tmp_path
    )
    told = json.loads(trained.stdout)
    assert (told["slides"], told["validation_slides"], told["epochs"]) == (2, 1, 3)
    assert json.loads((tmp_path / "m" / "model.json").read_text())["name"] == "m"
    evaluated = coverslip("evaluate", "behavior", "m", session, *quick, "--json", folder=tmp_path)
    figures = json.loads(evaluated.stdout)
    assert figures["trained_on"] == ["simulated"]
    assert set(figures["ahead"]) == {"centre", "tissue", "density", "random"}
    assert {"NSS", "AUC-Judd", "CC", "KL", "recall@5 IoU", "recall@10 cover"} <= set(
        figures["figures"]["predictor"]
    )
    shown = coverslip("evaluate", "behavior", "m", session, "--k", "3", *quick, folder=tmp_path)
    assert "simulated readers (drill)" in shown.stdout
    assert "By how much the predictor is better" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sessions", "simulate", "no.tif"), "There is no file"),
        (("sessions", "simulate", "no.tif", "--policy", "wild"), '"wild" is no policy'),
        (("train", "behavior", "nowhere", "-o", "m"), 'no session "nowhere"'),
        (("train", "behavior", "-o", "m"), "There are no sessions"),
        (("train", "behavior", "-o", "m", "--slides", "gone"), "gone does not exist"),
        (("evaluate", "behavior", "nobody"), 'There is no model "nobody"'),
        (("evaluate", "behavior", "nuclei"), "does not tell where to look"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(list(arguments))
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_readers_and_simulated_readers_are_told_apart(tmp_path: Path, sample_slide: Path) -> None:
    arguments = ("sessions", "simulate", str(sample_slide), "--policy", "random", "-o", "a")
    folder = Path(coverslip(*arguments, folder=tmp_path).stdout.strip())
    person = tmp_path / "a" / "person"
    shutil.copytree(tmp_path / folder, person)
    text = (person / "session.json").read_text()
    (person / "session.json").write_text(text.replace('"simulated"', '"recorded"'))
    assert read_header(person).origin == "recorded"
    refused = coverslip("train", "behavior", "a", "-o", "m", folder=tmp_path)
    assert refused.returncode == 2
    assert "not mixed" in refused.stderr
