"""A home and a study of version 0.1 come out as they went in: slides have other names since."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tifffile
from cli_steps import coverslip
from pytestqt.qtbot import QtBot
from ui_steps import show_slide

from viewer.annotations.document import removing
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.slide_file import open_annotations
from viewer.annotations.storage.store import Stamped
from viewer.recording.library import Library
from viewer.recording.session import read_header
from viewer.slides import open_slide
from viewer.slides.known_slides import find, open_known
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.question_fields import ChoiceField, MultiField, NumberField, TextField

# Debian's Python 3.11.2 knows no filters.
_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
ARCHIVE = Path(__file__).parent.parent / "data" / "home-0.1.tar.gz"


@pytest.fixture
def former(own_home: Path, tmp_path: Path) -> Path:
    """A folder with the study and what is wanted; the home is that of this test."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, **_FILTER)  # noqa: S202 - it is our own
    shutil.copytree(tmp_path / "home", own_home, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def moved(tmp_path: Path, sample_slide: Path) -> Path:
    """The slide that was drawn on, in another place and of another name."""
    path = tmp_path / "elsewhere" / "renamed.svs"
    path.parent.mkdir()
    shutil.copyfile(sample_slide, path)
    return path


def wanted(former: Path, name: str) -> list[dict[str, object]]:
    return json.loads((former / "want" / name).read_text())


def drawn(path: Path) -> list[dict[str, object]]:
    """The annotations of a slide as `want/drawn.json` has them."""
    source = open_slide(path)
    opened = open_annotations(annotations_path(source.info.identity))
    source.close()
    told = [
        {
            "class": each.shown_as.name if each.shown_as else None,
            "name": each.name,
            "area_px": each.geometry.area,
            "bounds": list(each.geometry.bounds),
        }
        for each in opened.annotations
    ]
    opened.close()
    return told


def test_annotations_are_there(former: Path, moved: Path, own_home: Path) -> None:
    before = {
        path: path.read_bytes() for path in (own_home / "data" / "annotations").glob("*.sqlite")
    }
    for found, want in zip(drawn(moved), wanted(former, "drawn.json"), strict=True):
        assert found["bounds"] == pytest.approx(want["bounds"])
        assert found["area_px"] == pytest.approx(want["area_px"])
        assert (found["class"], found["name"]) == (want["class"], want["name"])
    assert {path: path.read_bytes() for path in before} == before
    with sqlite3.connect(next(iter(before))) as old:  # the history came with them
        assert old.execute("SELECT count(*) FROM step").fetchone() > (0,)


def test_they_are_in_the_window(
    former: Path, moved: Path, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window()
    show_slide(window, moved, qtbot)
    qtbot.waitUntil(
        lambda: (
            window.annotations.active is not None
            and len(window.annotations.active.document) == len(wanted(former, "drawn.json"))
        ),
    )


def test_a_slide_that_differs_in_a_tag_does_not_share_what_is_drawn_now(
    former: Path, moved: Path
) -> None:
    assert drawn(moved)
    other = moved.with_name("other.svs")
    shutil.copyfile(moved, other)
    with tifffile.TiffFile(other, mode="r+") as tiff:  # version 0.1 gave both the same name
        tiff.pages[1].aspage().tags["NewSubfileType"].overwrite(4)
    source = open_slide(other)
    assert source.info.is_called(read_header(Library().summaries()[0].folder).slide.identity)
    path = annotations_path(source.info.identity)
    source.close()
    opened = open_annotations(path)  # what both had in version 0.1, once
    assert len(opened.annotations) == 3
    opened.store.write([Stamped.now(removing("Remove", opened.annotations))])
    opened.close()
    assert drawn(other) == []
    assert len(drawn(moved)) == 3


def test_sessions_and_behaviors_are_as_they_were(former: Path, moved: Path) -> None:
    listed = json.loads(coverslip("sessions", "list", "--json", folder=former).stdout)
    (session,) = listed
    told = coverslip("sessions", "behaviors", session["id"], "--json", folder=former)
    want = wanted(former, "beh.json")
    assert [each["command"] for each in json.loads(told.stdout)] == [w["command"] for w in want]
    for found, expected in zip(json.loads(told.stdout), want, strict=True):
        assert found["box"] == pytest.approx(expected["box"])
        assert found["start"] == pytest.approx(expected["start"])
    identity = read_header(Library().find(session["id"])).slide.identity
    assert find(identity) is None  # it lay on another machine
    source = open_known(identity, (moved.parent,))
    assert source is not None
    assert source.path == moved
    source.close()


def test_a_session_knows_its_slide_in_the_window(
    former: Path, moved: Path, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window()
    show_slide(window, moved, qtbot)
    (folder,) = [summary.folder for summary in Library().summaries()]
    window.recording.panels.start_replay(folder)
    qtbot.waitUntil(lambda: window.recording.panels.replay.isVisible())
    identity = read_header(folder).slide.identity
    assert find(identity) == moved  # and is found where it lies now, by its old name too


def test_answers_are_as_they_were(former: Path) -> None:
    told = coverslip("projects", "answers", "study", "-o", "answers.csv", folder=former)
    assert told.returncode == 0, told.stderr
    with (former / "answers.csv").open(newline="") as file:
        found = list(csv.reader(file))
    with (former / "want" / "answers.csv").open(newline="") as file:
        assert found == list(csv.reader(file))


def test_the_study_goes_on(
    former: Path, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window()
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([former / "study"])
    show_slide(window, former / "study" / "1.png", qtbot)
    window.projects.questions.panel.show()
    fields = window.projects.questions.panel.fields

    def is_answered() -> bool:
        conclusion = fields.get("conclusion")
        return isinstance(conclusion, TextField) and conclusion.edit.toPlainText() == "free margin"

    qtbot.waitUntil(is_answered)
    pattern, share, features = (fields[name] for name in ("pattern", "share", "features"))
    assert isinstance(pattern, ChoiceField)
    assert pattern.buttons.checkedId() == 1
    assert isinstance(share, NumberField)
    assert share.edit.text() == "35"
    assert isinstance(features, MultiField)
    assert [each.isChecked() for each in features.boxes] == [True, False]
    assert [slide.name for slide in window.projects.slides.chosen()] == ["1.png"]
    # The same file is no second slide of the project.
    window.projects.opened.add([former / "study" / "1.png"])
    qtbot.waitUntil(lambda: "0 slides were added" in window.status.currentMessage())
    assert window.projects.slide_count == 2


def test_kept_results_are_listed_as_made_by_an_earlier_version(former: Path, moved: Path) -> None:
    told = coverslip("models", "results", moved, "--json", folder=former)
    assert told.returncode == 0, told.stderr
    (kept,) = json.loads(told.stdout)
    assert kept["model"] == "Nuclei 2"
    assert kept["tiles"] == 4
    assert kept["made_by"] == "an earlier version"
    want = json.loads((former / "want" / "results.json").read_text())
    assert kept["objects"] >= want["nuclei"] > 0
    plain = coverslip("models", "results", moved, folder=former)
    assert "Nuclei 2: 4 tiles" in plain.stdout
    assert "made by an earlier version: run the model again." in plain.stdout


def test_earlier_results_are_said_in_the_window(
    former: Path, moved: Path, make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window = make_window()
    show_slide(window, moved, qtbot)
    window.overlays.panel.show()
    label = window.overlays.panel.earlier
    qtbot.waitUntil(label.isVisible)
    assert label.text().startswith("Not shown: Nuclei 2: 4 tiles, ")
    assert "made by an earlier version" in label.text()


def test_kept_results_are_never_shown_as_current(former: Path, moved: Path) -> None:
    """What 0.1 kept says nothing of the normalization and steps that made it: it is made anew."""
    region = ",".join(
        map(str, json.loads((former / "want" / "results.json").read_text())["region"])
    )
    told = coverslip("run", "nuclei", moved, "--region", region, "--json", folder=former)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["device"] != "kept results"
