"""What a study hides: from the eye by its stages, and in its files by sealing each line."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import shapely

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.listing import all_sets
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import Stamped
from viewer.signing.sealing import (
    SealError,
    SealKey,
    read_recovery_file,
    seal,
    write_recovery_file,
)
from viewer.studies.answers import AnswerFile, all_answers, keep_answers, read_answers
from viewer.studies.blinding import end_stage
from viewer.studies.project import Project, ProjectSlide, blinding, unsealing
from viewer.studies.project_file import change_project, create_project, read_project
from viewer.studies.stages import Stage, read_stage_ends, view_of, write_stage_end
from viewer.studies.study_keys import forget_stage_keys, keep_owner_key, owner_key, sealer_of
from viewer.studies.study_reader import StudyReader

if TYPE_CHECKING:
    from collections.abc import Sequence

BLIND = Stage(name="Without AI", hides=("others", "ai", "names", "labels", "earlier"))
AIDED = Stage(name="With AI", hides=("others", "names"))
ALONE = Stage(name="Alone", hides=("others", "ai"), readers=("A",))
SLIDE = "slide-1"
_KEY_FILE = b'{"format":"coverslip study key","public":"","salt":"","scrypt":[%b,8,1],"key":""}'


def study_of(*stages: Stage) -> tuple[Project, SealKey]:
    key = SealKey.new()
    return blinding(stages, "boss", key.public)(Project(id="study-1")), key


def one_set(folder: Path, reader: str, stage: str = "", **more: str) -> AnnotationSet:
    return AnnotationSet(folder, SLIDE, SetKey(reader, stage=stage), **more)  # type: ignore[arg-type]


# Sealing -------------------------------------------------------------------------------------


def test_a_sealed_line_opens_for_its_recipients_alone() -> None:
    owner, reader, other = SealKey.new(), SealKey.new(), SealKey.new()
    sealed = seal(b"tumor", [owner.public, reader.public], b"slide 1")
    assert owner.unseal(sealed, b"slide 1") == reader.unseal(sealed, b"slide 1") == b"tumor"
    assert other.unseal(sealed, b"slide 1") is None
    assert owner.unseal(sealed, b"slide 2") is None
    assert sealed != seal(b"tumor", [owner.public, reader.public], b"slide 1")


def test_a_sealed_line_that_was_changed_opens_for_nobody() -> None:
    owner = SealKey.new()
    raw = base64.b64decode(seal(b"tumor", [owner.public], b""))
    for at in range(len(raw)):
        spoilt = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert owner.unseal(base64.b64encode(spoilt).decode(), b"") is None
    assert owner.unseal("", b"") is None
    assert owner.unseal("no base64 é", b"") is None


def test_a_damaged_public_key_is_said() -> None:
    with pytest.raises(SealError, match=r"damaged: restore project\.json"):
        seal(b"", ["!"], b"")


def test_a_recovery_file_gives_the_key_for_its_passphrase_alone(tmp_path: Path) -> None:
    key, path = SealKey.new(), tmp_path / "study.key"
    with pytest.raises(SealError, match="too short"):
        write_recovery_file(path, key, "short")
    write_recovery_file(path, key, "correct horse", "A study")
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(SealError, match="there already"):
        write_recovery_file(path, SealKey.new(), "correct horse")
    assert base64.b64encode(key.raw) not in path.read_bytes()
    assert read_recovery_file(path, "correct horse").raw == key.raw
    with pytest.raises(SealError, match=r"not the passphrase of study\.key"):
        read_recovery_file(path, "correct house")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b'{"format": "coverslip study key"}',
        _KEY_FILE % b"1099511627776",
        _KEY_FILE % b"3",
    ],
)
def test_what_is_no_recovery_file_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.key"
    path.write_bytes(content)
    with pytest.raises(SealError, match="no key of a study"):
        read_recovery_file(path, "correct horse")
    with pytest.raises(SealError, match="cannot be read"):
        read_recovery_file(tmp_path / "none", "correct horse")


# Stages --------------------------------------------------------------------------------------


def test_stages_follow_one_another_for_each_reader(tmp_path: Path) -> None:
    project, _ = study_of(BLIND, AIDED, ALONE)

    def view(reader: str):
        return view_of(project, reader, read_stage_ends(tmp_path, reader), SLIDE, is_owner=False)

    assert view("B").stage == "Without AI"
    assert view("B").hides == frozenset(BLIND.hides)
    write_stage_end(tmp_path, "B", "Without AI")
    assert (view("B").stage, view("B").earlier) == ("With AI", ("Without AI",))
    assert view("A").stage == view("b").stage == "Without AI"
    write_stage_end(tmp_path, "B", "With AI")
    assert view("B").is_over
    assert view("B").hides == frozenset(AIDED.hides)
    for stage in (BLIND, AIDED):
        write_stage_end(tmp_path, "A", stage.name)
    assert (view("A").stage, view("A").is_over) == ("Alone", False)


def test_a_stage_can_be_ended_on_one_slide(tmp_path: Path) -> None:
    project, _ = study_of(BLIND, AIDED)
    write_stage_end(tmp_path, "B", "Without AI", SLIDE)
    ends = read_stage_ends(tmp_path, "B")
    assert view_of(project, "B", ends, SLIDE, is_owner=False).stage == "With AI"
    assert view_of(project, "B", ends, "slide-2", is_owner=False).stage == "Without AI"


def test_a_reader_whom_the_study_does_not_name_is_no_less_blind() -> None:
    other = Stage(name="Other", hides=("names",), readers=("A",))
    project, _ = study_of(ALONE, other)
    stranger = view_of(project, "B", (), SLIDE, is_owner=False)
    assert stranger.hides == {*ALONE.hides, "names"}
    assert stranger.is_over


def test_what_a_view_shows(tmp_path: Path) -> None:
    project, _ = study_of(BLIND, AIDED)
    blind = view_of(project, "B", (), SLIDE, is_owner=False)
    ends = [write_stage_end(tmp_path, "B", "Without AI")]
    aided = view_of(project, "B", ends, SLIDE, is_owner=False)
    owner = view_of(project, "boss", (), SLIDE, is_owner=True)
    opened = view_of(unsealing()(project), "B", (), SLIDE, is_owner=False)
    own, former, others, found = (
        one_set(tmp_path, "B", "Without AI"), one_set(tmp_path, "B"), one_set(tmp_path, "C"),
        one_set(tmp_path, "B", "With AI", kind="agent"),
    )  # fmt: skip
    every = (own, former, others, found)
    assert [blind.shows(each) for each in every] == [True, False, False, False]
    assert [aided.shows(each) for each in every] == [True, True, False, True]
    assert all(owner.shows(each) and opened.shows(each) for each in every)
    assert blind.own == SetKey("B", stage="Without AI")


def test_stages_stand_in_the_project_file_and_earlier_versions_refuse_it(tmp_path: Path) -> None:
    create_project(tmp_path, Project(title="Study", id="study-1"))
    assert read_project(tmp_path).version == 1
    key = SealKey.new()
    change_project(tmp_path, blinding([BLIND, AIDED], "boss", key.public))
    project = read_project(tmp_path)
    assert (project.version, project.stages, project.owner) == (2, (BLIND, AIDED), "boss")
    assert project.is_sealed
    assert not change_project(tmp_path, unsealing()).is_sealed


# Sealed sets and answers ---------------------------------------------------------------------


def _draw(folder: Path, project: Project, reader: str, text: str) -> Annotation:
    view = view_of(project, reader, (), SLIDE, is_owner=False)
    which = AnnotationSet(folder, SLIDE, view.own)
    store = SetStore(which, sealer_of(project, view))
    made = Annotation(shapely.box(0, 0, 9, 9), name=text)
    store.write([Stamped.now(adding(f"Draw {text}", [made]), reader)])
    store.say("comment", text)
    store.close()
    return made


def _everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_sealed_sets_open_for_their_reader_until_the_stage_ends_and_for_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    project, key = study_of(BLIND, Stage(name="Second", hides=("others", "earlier")))
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "of B"))
    drawn = _draw(shared, project, "B", "secretfinding")
    assert b"secretfinding" not in _everything_in(shared)

    def seen(view_reader: str, ends: tuple = (), *, is_owner: bool = False) -> Sequence[Annotation]:
        view = view_of(project, view_reader, ends, SLIDE, is_owner=is_owner)
        which = one_set(shared, "B", "Without AI")
        store = SetStore(which, sealer_of(project, view), read_only=True)
        assert bool(store.sealed_count) == (not len(store))
        return store.annotations()[0]

    assert seen("B") == [drawn]  # also after a new start
    assert seen("C") == []
    ends = (write_stage_end(shared, "B", "Without AI"),)
    view = view_of(project, "B", ends, SLIDE, is_owner=False)
    forget_stage_keys(project, view)
    assert seen("B", ends) == seen("B") == []
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "of the owner"))
    assert seen("boss", is_owner=True) == []
    keep_owner_key(project, "boss", SealKey.new())
    assert owner_key(project, "boss") is None  # of another study
    keep_owner_key(project, "boss", key)
    assert seen("boss", is_owner=True) == [drawn]
    assert seen("C") == []  # another reader in the owner's account


def test_slide_by_slide_the_key_of_one_slide_alone_is_forgotten(tmp_path: Path) -> None:
    key = SealKey.new()
    stages = [BLIND, Stage(name="Second", hides=("others", "earlier"))]
    slides = tuple(ProjectSlide(identity=f"slide-{n}", path=f"{n}.svs") for n in (1, 2))
    project = Project(id="study-1", slides=slides, keeps_sets=True)
    project = blinding(stages, "boss", key.public, is_by_slide=True)(project)
    reader = StudyReader(tmp_path, project, "B")
    for slide in slides:
        view = reader.view(slide.identity)
        which = AnnotationSet(tmp_path, slide.identity, view.own)
        store = SetStore(which, reader.sealer(view))
        store.write([Stamped.now(adding("Draw", [Annotation(shapely.Point(1, 1))]), "B")])
        store.close()
        sheet = AnswerFile(
            tmp_path, "B", slide.identity, slide.path, view.stage,
            sealer=lambda view=view: reader.sealer(view),
        )  # fmt: skip
        keep_answers(sheet, [sheet.given("f", "q", slide.identity)])
    after = end_stage(reader, "slide-1")
    assert [after.view(s.identity).stage for s in slides] == ["Second", "Without AI"]
    assert [each.answer for each in all_answers(tmp_path, after.sealer_of_answers)] == ["slide-2"]
    kept = [
        len(SetStore(which, after.sealer(after.view(which.identity)), read_only=True))
        for which in all_sets(tmp_path)
    ]
    assert sorted(kept) == [0, 1]


def test_a_key_is_not_forgotten_where_a_later_stage_shows_what_was_before(tmp_path: Path) -> None:
    project, _ = study_of(BLIND, AIDED)
    drawn = _draw(tmp_path, project, "B", "seen again")
    ends = (write_stage_end(tmp_path, "B", "Without AI"),)
    view = view_of(project, "B", ends, SLIDE, is_owner=False)
    forget_stage_keys(project, view)
    which = one_set(tmp_path, "B", "Without AI")
    assert SetStore(which, sealer_of(project, view), read_only=True).annotations()[0] == [drawn]
    over = view_of(
        project, "B", (*ends, write_stage_end(tmp_path, "B", "With AI")), SLIDE, is_owner=False
    )
    forget_stage_keys(project, over)
    assert len(SetStore(which, sealer_of(project, view), read_only=True)) == 0


def test_sealed_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    project, key = study_of(BLIND, AIDED)
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "of B"))
    view = view_of(project, "B", (), SLIDE, is_owner=False)
    sheet = AnswerFile(
        shared, "B", SLIDE, "a.svs", view.stage, (view.stage,), lambda: sealer_of(project, view)
    )
    keep_answers(sheet, [sheet.given("grading", "pattern", "secret 4")])
    assert read_answers(sheet) == {"grading": {"pattern": "secret 4"}}
    ends = (write_stage_end(shared, "B", "Without AI"),)
    second = view_of(project, "B", ends, SLIDE, is_owner=False)
    again = AnswerFile(
        shared, "B", SLIDE, "a.svs", second.stage, (*second.earlier, second.stage),
        lambda: sealer_of(project, second),
    )  # fmt: skip
    assert read_answers(again) == {"grading": {"pattern": "secret 4"}}
    keep_answers(again, [again.given("grading", "pattern", "secret 5")])
    assert read_answers(again) == {"grading": {"pattern": "secret 5"}}
    assert b"secret" not in _everything_in(shared)
    assert all_answers(shared) == []
    keep_owner_key(project, "boss", key)
    boss = sealer_of(project, view_of(project, "boss", (), SLIDE, is_owner=True))
    found = [(each.stage, each.answer) for each in all_answers(shared, lambda _: boss)]
    assert found == [("With AI", "secret 5"), ("Without AI", "secret 4")]


def test_answers_of_two_machines_and_conflicted_copies_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = AnswerFile(tmp_path / "shared", "B", SLIDE, "a.svs")
    paths: list[Path] = []
    for n, home in enumerate(("one", "two")):
        monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / home))
        keep_answers(sheet, [sheet.given("f", "common", str(n)), sheet.given("f", home, "yes")])
        paths.append(sheet.path)
    assert paths[0] != paths[1]
    paths[0].rename(paths[0].with_name(f"{paths[0].stem} (conflicted copy 2026).jsonl"))
    former = paths[0].with_name(f"{paths[0].name.partition('~')[0]}.jsonl")  # of earlier versions
    former.write_text(
        '{"at_utc":"2026-01-01T00:00:00.000+00:00","reader":"B","identity":"slide-1",'
        '"slide":"a.svs","form":"f","question":"old","answer":"kept"}\n'
    )
    wanted = {"common": "1", "one": "yes", "two": "yes", "old": "kept"}
    assert read_answers(sheet) == {"f": wanted}
    assert {each.question: each.answer for each in all_answers(tmp_path / "shared")} == wanted
