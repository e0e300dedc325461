"""Blind studies from the command line: stages, sets, exports, and the owner who opens them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import shapely
from cli_steps import coverslip, invoke
from typer.testing import Result

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.home_reader import claim_home
from viewer.annotations.storage.slide_file import open_annotations
from viewer.annotations.storage.store import Stamped
from viewer.slides import open_slide
from viewer.studies.answers import AnswerFile, keep_answers
from viewer.studies.project_file import read_project
from viewer.studies.study_reader import study_reader

STAGES = [
    {"name": "Without AI", "hides": ["others", "ai", "earlier"]},
    {"name": "With AI", "hides": ["others"], "readers": ["B"]},
]
TYPED = "correct horse\n"
"""The passphrase of the recovery file."""


@pytest.fixture
def study(tmp_path: Path, sample_slide: Path) -> Path:
    shutil.copyfile(sample_slide, tmp_path / "S23-1 A1 HE.svs")
    done = coverslip("projects", "create", "study", tmp_path / "S23-1 A1 HE.svs", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / "study"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return the command line of a home, in this process."""

    def act(home: Path, *arguments: object, typed: str = "") -> Result:
        monkeypatch.setenv("COVERSLIP_HOME", str(home))
        return invoke([*map(str, arguments)], input=typed)

    return act


def read_by(
    home: Path, study: Path, reader: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader draws and answers in the stage that this reader is in."""
    monkeypatch.setenv("COVERSLIP_HOME", str(home))
    project = read_project(study)
    (slide,) = project.slides
    asks = study_reader(study, project, reader)
    view = asks.view(slide.identity)
    store = SetStore(AnnotationSet(study, slide.identity, view.own), asks.sealer(view))
    drawn = replace(Annotation(shapely.box(0, 0, 90, 90)).signed(reader), name=text)
    store.write([Stamped.now(adding("Rectangle", [drawn]), reader)])
    store.close()
    sheet = AnswerFile(
        study, reader, slide.identity, slide.name, view.stage, sealer=lambda: asks.sealer(view)
    )
    keep_answers(sheet, [sheet.given("grading", "pattern", text)])


def names_in(file: Path) -> list[str]:
    return sorted(f["properties"]["name"] for f in json.loads(file.read_text())["features"])


def test_a_blind_study_from_beginning_to_end(
    study: Path, tmp_path: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stages.json").write_text(json.dumps(STAGES))
    key, boss, home_a, home_b = (tmp_path / name for name in ("study.key", "boss", "a", "b"))
    set_up = ("projects", "stages", study, "--from", tmp_path / "stages.json")
    short = run(boss, *set_up, "--key", key, typed="short\n")
    assert (short.exit_code, "too short" in short.stderr) == (2, True)
    assert not read_project(study).stages
    done = run(boss, *set_up, "--key", key, "--reader", "boss", typed=TYPED)
    assert done.exit_code == 0, done.stderr
    (tmp_path / "open.json").write_text('[{"name": "Open"}]')
    open_all = ("projects", "stages", study, "--from", tmp_path / "open.json", "--reader")
    refused = run(home_a, *open_all, "A")
    assert (refused.exit_code, 'owner of this study ("boss")' in refused.stderr) == (2, True)
    read_by(home_a, study, "A", "findingofA", monkeypatch)
    read_by(home_b, study, "B", "firstofB", monkeypatch)
    ended = run(
        home_b, "projects", "stages", study, "--end", "Without AI", "--reader", "B", "--json"
    )
    assert ended.exit_code == 0, ended.stderr
    assert [
        (each["reader"], each["stage"], each["over"])
        for each in json.loads(ended.stdout)["readers"]
    ] == [("B", "With AI", False)]
    again = run(home_b, "projects", "stages", study, "--end", "Without AI", "--reader", "B")
    assert (again.exit_code, 'B is in "With AI"' in again.stderr) == (2, True)
    read_by(home_b, study, "B", "secondofB", monkeypatch)
    everything = b"".join(p.read_bytes() for p in study.rglob("*") if p.is_file())
    assert not any(text in everything for text in (b"findingofA", b"firstofB", b"secondofB"))

    def seen(home: Path, reader: str) -> tuple[list[str], list[str]]:
        """Names of annotations, and answers."""
        out = tmp_path / f"of {reader}.geojson"
        done = run(home, "annotations", "export", study, "-o", out, "--reader", reader)
        assert done.exit_code == 0, done.stderr
        given = run(home, "projects", "answers", study, "--reader", reader, "--json")
        return names_in(out), sorted(each["answer"] for each in json.loads(given.stdout))

    assert seen(home_a, "A") == (["findingofA"], ["findingofA"])
    assert seen(home_b, "B") == (["firstofB", "secondofB"], ["firstofB", "secondofB"])
    assert seen(home_a, "B") == ([], [])  # says who it is, but has no key
    assert seen(home_b, "A") == ([], [])
    assert seen(tmp_path / "c", "C") == ([], [])
    nothing = run(tmp_path / "c", "projects", "answers", study, "--reader", "C")
    assert "What is sealed from you is left out" in nothing.stderr

    wrong = run(boss, "projects", "unseal", study, "--key", key, typed="another one\n")
    assert (wrong.exit_code, "not the passphrase of study.key" in wrong.stderr) == (2, True)
    new_home = tmp_path / "new machine of boss"
    done = run(new_home, "projects", "unseal", study, "--key", key, "--json", typed=TYPED)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {
        "sets": 3, "edits": 3, "answers": 3, "still sealed": 0, "published": False,
    }  # fmt: skip
    every = ["findingofA", "firstofB", "secondofB"]
    assert seen(new_home, "") == (every, every)
    assert seen(home_a, "A") == (["findingofA"], ["findingofA"])
    listed = json.loads(run(new_home, "projects", "sets", study, "--json").stdout)
    assert [(s["reader"], s["stage"], s["set"], s["annotations"]) for s in listed] == [
        ("A", "Without AI", "My annotations", 1),
        ("B", "With AI", "My annotations", 1),
        ("B", "Without AI", "My annotations", 1),
    ]
    answers = run(new_home, "projects", "answers", study, "--json")
    assert not answers.stderr
    given = json.loads(answers.stdout)
    assert {each["stage"] for each in given} == {"Without AI", "With AI"}
    assert len({each["at_utc"] for each in given}) == 3

    done = run(new_home, "projects", "unseal", study, "--key", key, "--publish", typed=TYPED)
    assert done.exit_code == 0, done.stderr
    assert seen(home_a, "A") == seen(tmp_path / "c", "C") == (every, every)


def test_exports_of_a_project_to_a_folder(
    study: Path, tmp_path: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    for reader in ("A", "B"):
        read_by(tmp_path / reader, study, reader, f"of {reader}", monkeypatch)
    identity = read_project(study).slides[0].identity
    store = SetStore(AnnotationSet(study, identity, SetKey("B", "../x/y.geojson"), "imported"))
    store.write([Stamped.now(adding("Import", [Annotation(shapely.Point(5, 5), name="dot")]))])
    store.close()
    home = tmp_path / "home"
    done = run(home, "annotations", "export", study, "-o", tmp_path / "out", "--to", "asap")
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "S23-1 A1 HE - A - My annotations.xml",
        "S23-1 A1 HE - B - My annotations.xml",
        "S23-1 A1 HE - B - _x_y.geojson.xml",
    ]
    one = tmp_path / "one.geojson"
    export = (home, "annotations", "export", study, "-o", one)
    assert run(*export, "--set", "my annotations", "--reader", "B").exit_code == 0
    assert names_in(one) == ["of B"]
    assert run(*export).exit_code == 0
    features = json.loads(one.read_text())["features"]
    told = {f["properties"]["name"]: f["properties"]["metadata"] for f in features}
    assert (told["of A"]["Reader"], told["dot"]["Set"]) == ("A", "../x/y.geojson")
    none = run(*export, "--set", "No such")
    assert (none.exit_code, 'no set "No such" that you may see' in none.stderr) == (2, True)


def test_two_readers_of_one_account_have_files_of_their_own(
    tmp_path: Path, sample_slide: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, out = tmp_path / "home", tmp_path / "out.geojson"
    monkeypatch.setenv("COVERSLIP_HOME", str(home))
    source = open_slide(sample_slide)
    identity = source.info.identity
    source.close()
    for reader in ("", "A", "B"):
        claim_home(reader)
        opened = open_annotations(annotations_path(identity, reader=reader))
        drawn = Annotation(shapely.box(0, 0, 9, 9), name=f"by {reader or 'nobody'}")
        opened.store.write([Stamped.now(adding("Draw", [drawn]), reader)])
        opened.close()
    claim_home("B")
    assert len(list((home / "data" / "annotations").glob("*.sqlite"))) == 2

    def seen(*reader: str) -> list[str]:
        done = run(home, "annotations", "export", sample_slide, "-o", out, *reader)
        assert done.exit_code == 0, done.stderr
        return names_in(out)

    assert seen() == seen("--reader", "A") == ["by A", "by nobody"]  # taken over by the first
    assert seen("--reader", "B") == ["by B"]
    assert seen("--reader", "C") == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('[{"name": "x", "hides": ["everything"]}]', "everything"),
        ('[{"name": ""}]', "name of its own"),
        ('[{"name": "x"}, {"name": "x"}]', "name of its own"),
        ("[]", "at least one"),
        ("{}", "lists no stages"),
        ("[", "lists no stages"),
        ("[1]", "lists no stages"),
    ],
)
def test_stages_that_cannot_be_used_are_said(tmp_path: Path, content: str, what: str) -> None:
    from viewer.studies.blinding import BlindingError, read_stages

    (tmp_path / "s.json").write_text(content)
    with pytest.raises(BlindingError, match=what):
        read_stages(tmp_path / "s.json")


def test_bad_input_is_one_sentence(study: Path, tmp_path: Path, run: Callable[..., Result]) -> None:
    (tmp_path / "s.json").write_text(json.dumps(STAGES))
    (tmp_path / "there").touch()
    given = ("--from", tmp_path / "s.json")
    for arguments in (
        ("sets", tmp_path / "nowhere"),
        ("stages", study, "--from", tmp_path / "missing.json"),
        ("stages", study, *given),
        ("stages", study, *given, "--key", tmp_path / "there"),
        ("stages", study, *given, "--key", tmp_path / "no folder" / "k"),
        ("stages", study, "--end", "x"),
        ("unseal", study, "--key", tmp_path / "there"),
    ):
        done = run(tmp_path / "home", "projects", *arguments, typed=TYPED)
        assert done.exit_code == 2, arguments
        assert done.stderr.strip().endswith("."), arguments
        assert isinstance(done.exception, SystemExit)
    assert not read_project(study).stages
