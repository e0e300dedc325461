"""Cases, blocks and stains from names, metadata and rules; what comes next in a worklist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_steps import invoke
from msgspec.structs import replace

from viewer.studies.cases import (
    NO_CASES,
    CasePlace,
    CaseRuleError,
    check_rule,
    place_by_name,
    place_in_metadata,
    place_of,
)
from viewer.studies.project import Project, ProjectSlide
from viewer.studies.project_file import create_project, read_project
from viewer.studies.worklist import Worklist, WorklistEntry, file_entries, grouped, project_entries


@pytest.mark.parametrize(
    ("name", "case", "block", "stain"),
    [
        ("S23-1234 A1 HE.svs", "S23-1234", "A1", "HE"),
        ("TCGA-CR-7395-01A-01-TS1", "TCGA-CR-7395", "01A-01-TS1", ""),
        ("TCGA-CR-7395-01Z-00-DX1.0b1c-99.svs", "TCGA-CR-7395", "01Z-00-DX1", ""),
        ("S23-1234_A2_Ki-67.ome.tiff", "S23-1234", "A2", "Ki-67"),
        ("S23-1234-B-H&E.ndpi", "S23-1234", "B", "H&E"),
        ("SP-23-0012 B12 L2 CD3.svs", "SP-23-0012", "B12", "CD3"),
        ("S23-1234 p16.svs", "S23-1234", "", "p16"),
        ("2023-S-00012;1A;PAS.svs", "2023-S-00012", "1A", "PAS"),
        ("S23-1234.svs", "S23-1234", "", ""),
        ("CMU-1-Small-Region.svs", "", "", ""),
        ("2023-11-05 scan.svs", "", "", ""),
        ("case 5.svs", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_usual_names_tell_case_block_and_stain(
    name: str, case: str, block: str, stain: str
) -> None:
    assert place_by_name("", name) == CasePlace(case, block, stain)


@pytest.mark.parametrize(
    ("rule", "name", "found"),
    [
        ("{case}_{block}_{stain}", "X12_A1_HE.svs", CasePlace("X12", "A1", "HE")),
        ("{stain} of {case}", "CD20 of Miller (1).svs", CasePlace("Miller (1)", "", "CD20")),
        ("{case}*", "A.b", CasePlace("A")),
        (r"(?P<case>\d+)-(?P<stain>\w+)", "12-HE.svs", CasePlace("12", "", "HE")),
        (r"(?<case>\d+).*", "12-HE.svs", CasePlace("12")),
        ("{case}_{block}", "no such name.svs", CasePlace()),
        (NO_CASES, "S23-1234 A1 HE.svs", CasePlace()),
    ],
)
def test_rules_of_a_project(rule: str, name: str, found: CasePlace) -> None:
    assert place_by_name(rule, name) == found


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("(?P<case>", "cannot be read"),
        ("{block} {stain}", "names no case"),
        ("HE", "names no case"),
        ("{case} {case}", "twice"),
        ("(?P<case>a)" * 200, "too long"),
    ],
)
def test_a_rule_that_cannot_be_used_is_one_sentence(rule: str, told: str) -> None:
    with pytest.raises(CaseRuleError, match=told):
        check_rule(rule)
    # In a project that somebody else wrote it groups nothing, and stops nothing.
    slide = ProjectSlide(identity="1", path="S23-1 A1.svs")
    assert place_of(rule, slide) == CasePlace()


def test_a_rule_that_would_never_end_is_given_up() -> None:
    rule = r"(?P<case>(?:x|xx|xxx)+)y"
    with pytest.raises(CaseRuleError, match="too long"):
        place_by_name(rule, "x" * 200)


def test_what_the_project_says_comes_before_the_name() -> None:
    slide = ProjectSlide(identity="1", path="S23-1 A1 HE.svs", stain="PAS")
    assert place_of("", slide) == CasePlace("S23-1", "A1", "PAS")
    moved = ProjectSlide(identity="1", path="S23-1 A1 HE.svs", case="S22-9")
    assert place_of("", moved) == CasePlace("S22-9")
    metadata = {"Case ID": "S22-9 ", "STAINING": "CD3", "Block": "B2", "Scanner": "x"}
    assert place_in_metadata(metadata) == CasePlace("S22-9", "B2", "CD3")


def entry(name: str, *, is_read: bool = False) -> WorklistEntry[str]:
    return WorklistEntry(name, name, place_by_name("", name), is_read)


NAMES = ("S02-20 A1 HE", "x", "S01-10 A2 HE", "S02-20 B1 HE", "S01-10 A10 HE", "S01-10 A2 CD3", "y")


def test_slides_of_a_case_stand_together_by_block_and_stain() -> None:
    worklist = Worklist(grouped(map(entry, NAMES)))
    assert [each.key for each in worklist.entries] == [
        "S02-20 A1 HE", "S02-20 B1 HE", "x", "S01-10 A2 HE", "S01-10 A2 CD3", "S01-10 A10 HE", "y",
    ]  # fmt: skip
    # Next and previous go through the case.
    following = worklist.next("S01-10 A2 HE", 1)
    assert following is not None
    assert following.key == "S01-10 A2 CD3"
    case = worklist.next_case("S01-10 A10 HE", -1)
    assert case is not None
    assert case.key == "x"
    case = worklist.next_case("x", -1)
    assert case is not None
    assert case.key == "S02-20 A1 HE"
    assert worklist.next_case("y", 1) is None


def test_another_stain_of_the_block_comes_first_beside() -> None:
    worklist = Worklist(grouped(map(entry, NAMES)))
    first = worklist.partner("S01-10 A10 HE")
    assert first is not None
    assert first.key == "S01-10 A2 HE"
    same_block = worklist.partner("S01-10 A2 CD3")
    assert same_block is not None
    assert same_block.key == "S01-10 A2 HE"
    again = worklist.partner("S01-10 A2 CD3", [same_block.key])
    assert again is not None
    assert again.key == "S01-10 A10 HE"
    assert worklist.partner("x") is None
    assert worklist.partner("nothing") is None


def test_unread_slides_are_found_round_the_end_of_the_list() -> None:
    worklist = Worklist(grouped(entry(name, is_read=name in "abd") for name in "abcde"))
    found = [worklist.next_unread(key, 1) for key in "abcde"]
    assert [each.key if each else None for each in found] == ["c", "c", "e", "e", "c"]
    back = [worklist.next_unread(key, -1) for key in "ace"]
    assert [each.key if each else None for each in back] == ["e", "e", "c"]
    missing = Worklist(grouped(replace(each, is_missing=True) for each in worklist.entries))
    assert missing.next_unread("a", 1) is None


def test_a_tray_is_grouped_by_usual_names() -> None:
    paths = [Path(f"/s/{name}.svs") for name in ("S01-10 A1 CD3", "a", "S01-10 A1 HE")]
    assert [each.slide.stem for each in file_entries(paths)] == [
        "S01-10 A1 HE", "S01-10 A1 CD3", "a",
    ]  # fmt: skip


def test_where_names_are_hidden_no_case_is_told() -> None:
    slides = tuple(
        ProjectSlide(identity=str(n), path=f"{name}.svs", case="told")
        for n, name in enumerate(NAMES)
    )
    entries = project_entries(Project(slides=slides), hides_names=True)
    assert [each.slide for each in entries] == list(slides)
    assert {each.place for each in entries} == {CasePlace()}


def test_settings_by_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))
    slides = tuple(
        ProjectSlide(identity=str(number), path=f"{name}.svs")
        for number, name in enumerate(("HE_12", "CD3_9", "CD3_12"))
    )
    create_project(tmp_path / "p", Project(slides=slides))
    bad = invoke(["projects", "settings", str(tmp_path / "p"), "--cases", "{block}"])
    assert bad.exit_code == 2
    assert "names no case" in bad.stderr
    assert "Traceback" not in bad.output
    done = invoke(["projects", "settings", str(tmp_path / "p"), "--cases", "{stain}_{case}",
         "--check-tissue-at", "10", "--json"],
    )  # fmt: skip
    assert json.loads(done.stdout)["cases"] == "{stain}_{case}"
    assert read_project(tmp_path / "p").check_tissue_at == 10.0
    listed = invoke(["projects", "list", str(tmp_path / "p"), "--json"])
    told = [(each["case"], each["stain"]) for each in json.loads(listed.stdout)["slides"]]
    assert told == [
        ("12", "HE"), ("12", "CD3"), ("9", "CD3"),
    ]  # fmt: skip
    usual = invoke(["projects", "settings", str(tmp_path / "p"), "--cases", "usual"])
    assert usual.exit_code == 0
    assert read_project(tmp_path / "p").case_rule == ""
