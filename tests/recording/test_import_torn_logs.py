"""Logs of other viewers with rows that are torn, spelled otherwise or encoded otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from health_checks import ALL_CHECKS
from hypothesis import given, settings
from hypothesis import strategies as some

from viewer.recording.events import Viewport
from viewer.recording.importers import ImportOptions, import_log
from viewer.recording.log_reader import iter_blocks
from viewer.recording.session import SessionError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Timestamp\tX\tY\tWidth\tHeight\tCanvas width\tCanvas height\tDownsample factor\tRotation"
ROW = "{}\t{}\t100\t800\t600\t800\t600\t1.0\t0.0"
SHOWN = (
    "2025-03-01 10:00:0{}{}000 INFO *** showImage *** "
    "[x1:{}, y1:0, x2:1000, y2:800] currentZoom: {}"
)
OPENED = "2025-03-01 10:00:00.000 INFO *** Open slide *** filename: a.svs, 10000x8000 [20x]"


def views(folder: Path, content: bytes, name: str) -> tuple[list[Viewport], list[str]]:
    path = folder / name
    path.write_bytes(content)
    skipped: list[str] = []
    (session,) = import_log(path, folder / "library", ImportOptions(), skipped)
    lines = [line for block in iter_blocks(folder / "library" / session) for line in block]
    return [line.event for line in lines if isinstance(line.event, Viewport)], skipped


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_bad_rows_are_left_out_and_counted(tmp_path: Path, encoding: str, end: str) -> None:
    rows = [HEAD, ROW.format(0, 0), ROW.format(5, "x"), ROW.format("1500,5", "200,5"), "5000\t60"]
    found, skipped = views(tmp_path, end.join(rows).encode(encoding), "a.tsv")
    assert [view.x for view in found] == [0, 200.5]
    assert len(skipped) == 2
    assert skipped[0].startswith("row 3")


def test_places_outside_any_slide_are_left_out(tmp_path: Path) -> None:
    rows = [HEAD, ROW.format(0, 0), ROW.format(5, 1e308)]
    found, skipped = views(tmp_path, "\n".join(rows).encode(), "a.tsv")
    assert len(found) == len(skipped) == 1


@pytest.mark.parametrize("time", ["NaN", "Infinity", "-Infinity", "1e308", "-1e30"])
def test_times_that_cannot_be_are_said_to_be_none(tmp_path: Path, time: str) -> None:
    row = '{{"time": {}, "x": 0, "y": 0, "width": 9, "height": 9}}'
    rows = "\n".join(row.format(each) for each in (0, time, 1))
    found, skipped = views(tmp_path, rows.encode(), "a.jsonl")
    assert len(found) == 2
    (said,) = skipped
    assert said.startswith("row 3: ")
    assert said.endswith(" is no time")


def test_stamps_with_a_comma_and_numbers_with_one(tmp_path: Path) -> None:
    lines = [
        OPENED, SHOWN.format(1, ".", "0", "2,5"), SHOWN.format(2, ",", "-0.5", "10"),
        SHOWN.format(3, ",", "10,25", "4e1"), SHOWN.format(4, ",", "torn", "1"),
    ]  # fmt: skip
    found, skipped = views(tmp_path, "\n".join(lines).encode(), "a.log")
    assert [view.magnification for view in found] == [2.5, 10, 40]
    assert [view.x for view in found] == [0, -0.5, 10.25]
    assert len(skipped) == 1


def test_semicolons_divide_numbers_with_commas(tmp_path: Path) -> None:
    table = "time;x;y;width;height\n0;0,5;0;800;600\n1,5;10,5;0;800;600\n"
    found, skipped = views(tmp_path, table.encode(), "a.csv")
    assert [view.x for view in found] == [0.5, 10.5]
    assert skipped == []


def test_torn_lines_of_json_are_left_out(tmp_path: Path) -> None:
    line = '{"time": 1, "x": 0, "y": 0, "width": 8, "height": 6}'
    found, skipped = views(tmp_path, f"{line}\n{line[:30]}\n{line}\n".encode(), "a.jsonl")
    assert (len(found), skipped) == (2, ["line 2 is no JSON object"])


def test_a_log_without_a_single_view_says_why(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"holds no views \(row 2"):
        views(tmp_path, f"{HEAD}\ntorn".encode(), "a.tsv")


few = settings(max_examples=40, deadline=None, suppress_health_check=ALL_CHECKS)
BESIDE = {"Canvas width": 5, "Canvas height": 6, "Downsample factor": 7, "Rotation": 8}


@few
@given(
    row=some.integers(0, 3),
    column=some.sampled_from([*BESIDE.values()]),
    junk=some.text(max_size=6) | some.sampled_from(["-1", "NaN", "0", "1e999", '"', "2,5"]),
)
def test_a_value_beside_the_view_costs_no_view(
    tmp_path_factory: pytest.TempPathFactory, row: int, column: int, junk: str
) -> None:
    cells = [ROW.format(100 * n, 10 * n).split("\t") for n in range(4)]
    cells[row][column] = "".join(c for c in junk if c.isprintable())
    text = "\n".join([HEAD, *("\t".join(each) for each in cells)])
    folder = tmp_path_factory.mktemp("log")
    found, skipped = views(folder, text.encode(errors="replace"), "a.tsv")
    assert [view.x for view in found] == [0, 10, 20, 30]
    assert all(view.downsample > 0 for view in found)
    assert skipped == []


@few
@given(length=some.integers(1, 3 * (len(ROW.format(100, 10)) + 1)))
def test_rows_before_a_torn_one_are_kept(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    rows = "".join(f"{ROW.format(100 + n, 10 + n)}\n" for n in range(3))
    text = f"{HEAD}\n{ROW.format(0, 5)}\n{rows[:length]}"
    found, _ = views(tmp_path_factory.mktemp("log"), text.encode(), "a.tsv")
    whole = text.count("\n") - 1
    assert [view.x for view in found][:whole] == [5, 10, 11, 12][:whole]


def test_values_that_could_not_be_read_are_said(tmp_path: Path) -> None:
    lines = [
        '{"time": 1, "x": 0, "y": 0, "width": 8, "height": 6, "cursor_x": "here", "cursor_y": 1}',
        '{"time": 2, "x": 0, "y": 0, "width": 8, "height": 6, "cursor_x": NaN, "cursor_y": 1}',
    ]
    path, notes = tmp_path / "a.jsonl", []
    path.write_text("\n".join(lines))
    import_log(path, tmp_path / "library", ImportOptions(), [], notes)
    assert notes[0].startswith("1 value of the rotation, scale or cursor could not be read")
