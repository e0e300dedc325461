"""Tables of other viewers become sessions."""

from __future__ import annotations

import math
import resource
from pathlib import Path

import numpy as np
import pytest
from session_lines import read_lines

from viewer.recording.events import Pointer
from viewer.recording.importers import ImportOptions, import_log
from viewer.recording.log_reader import verify
from viewer.recording.session import SessionError, SlideRef, read_header
from viewer.recording.trace_loading import load_trace

QUPATH = (
    "Timestamp\tX\tY\tWidth\tHeight\tCanvas width\tCanvas height\tDownsample factor\tRotation\t"
    "Cursor X\tCursor Y\n"
    "0\t100.5\t200\t4000\t3000\t1000\t750\t4.0\t0.0\t2000\t1500\n"
    f"250\t100.5\t200\t2000\t1500\t1000\t750\t2.0\t{math.pi / 2}\t\t\n"
)
SLIDE = SlideRef(identity="abc", width_px=9000, height_px=8000, mpp_um=(0.5, 0.5))


def imported(tmp_path: Path, text: str, options: ImportOptions) -> Path:
    log = tmp_path / "log.txt"
    log.write_text(text)
    (session,) = import_log(log, tmp_path / "sessions", options)
    assert verify(tmp_path / "sessions" / session).is_good
    return tmp_path / "sessions" / session


def test_view_tracking_of_qupath(tmp_path: Path) -> None:
    folder = imported(tmp_path, QUPATH, ImportOptions(slide=SLIDE))
    trace = load_trace(folder)
    np.testing.assert_allclose(trace.start_s, [0, 0.25])
    np.testing.assert_allclose(trace.boxes[0], [100.5, 200, 4100.5, 3200])
    # The second view is turned by a quarter about its center.
    np.testing.assert_allclose(trace.boxes[1], [350.5, -50, 1850.5, 1950])
    np.testing.assert_allclose(trace.magnification, [5, 10])
    assert [line.event for line in read_lines(folder) if isinstance(line.event, Pointer)] == [
        Pointer(2000, 1500)
    ]
    header = read_header(folder)
    assert header.origin == "imported"
    assert header.slide.identity == "abc"
    assert header.screen is not None
    assert header.screen.window_width_px == 1000


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("time,x,y,width,height\n1.5,0,0,100,50\n2.0,5,5,100,50\n", ImportOptions()),
        (
            "T;L;O;B;H\n1500;0;0;100;50\n2000;5;5;100;50\n",
            ImportOptions(
                columns={"time": "T", "x": "L", "y": "O", "width": "B", "height": "H"},
                time_unit="ms",
            ),
        ),
        (
            '{"time": "2026-01-01T00:00:01.5", "x": 0, "y": 0, "width": 100, "height": 50}\n\n'
            '{"time": "2026-01-01T00:00:02", "x": 5, "y": 5, "width": 100, "height": 50}\n',
            ImportOptions(time_unit="iso"),
        ),
    ],
)
def test_tables_with_columns_of_any_name(tmp_path: Path, text: str, options: ImportOptions) -> None:
    trace = load_trace(imported(tmp_path, text, options))
    np.testing.assert_allclose(trace.start_s, [0, 0.5])
    np.testing.assert_allclose(trace.boxes, [[0, 0, 100, 50], [5, 5, 105, 55]])


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("t,x,y,width,height\n1,2,3,4,5\n", ImportOptions(), 'no column "time"'),
        ("t,x\n1,2\n", ImportOptions(), r"it has t, x: rename them in the log \(on the"),
        (
            '{"coverslip":1}\n[0,0,0,["close"]]\n',
            ImportOptions(),
            "missing required field `session`",
        ),
        ("II*\0\0\0,\0\n1,2\n", ImportOptions(), "is no text"),
        ("time,x,y,width,height\n1,2,x,4,5\n", ImportOptions(), "row 2"),
        ("time,x,y,width,height\n1,2,,4,5\n", ImportOptions(), "row 2"),
        (
            "time,x,y,width,height\n1,2,3,4,5\n",
            ImportOptions(columns={"zap": "x"}),
            '"zap" is no column',
        ),
        (
            "time,x,y,width,height\n1,2,3,4,5\n",
            ImportOptions(time_unit="weeks"),
            '"weeks" is no unit',
        ),
        ('{"time": 1}\n{"time"\n', ImportOptions(), 'no column "x"'),
        ('{"time": 1\n{"time"\n', ImportOptions(), "line 1 is no JSON object"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(
    tmp_path: Path, text: str, options: ImportOptions, sentence: str
) -> None:
    with pytest.raises(SessionError, match=sentence):
        imported(tmp_path, text, options)


def _table(path: Path, times_s: list[float]) -> Path:
    rows = [f"{at},{100 * n},0,1000,800,2" for n, at in enumerate(times_s)]
    path.write_text("\n".join(["time,x,y,width,height,downsample", *rows]))
    return path


def test_a_clock_that_was_set_back_leaves_the_order_and_no_hour(tmp_path: Path) -> None:
    log = _table(tmp_path / "log.csv", [0, 1, 2, 3 - 3600, 4 - 3600, 5 - 3600])
    notes: list[str] = []
    (session,) = import_log(log, tmp_path / "sessions", notes=notes)
    trace = load_trace(tmp_path / "sessions" / session)
    assert trace.boxes[:, 0].tolist() == [0, 100, 200, 300, 400, 500]
    assert trace.looked_s().sum() == pytest.approx(4.0)
    assert "set back" in notes[0]
    (again,) = import_log(log, tmp_path / "sessions", notes=notes)
    assert again == session
    assert "already" in notes[-1]
    assert len([each for each in (tmp_path / "sessions").iterdir() if each.is_dir()]) == 1


def test_a_long_gap_is_not_looked_at(tmp_path: Path) -> None:
    log = _table(tmp_path / "log.csv", [0, 1, 2, 3602, 3603])
    notes: list[str] = []
    (session,) = import_log(log, tmp_path / "sessions", notes=notes)
    trace = load_trace(tmp_path / "sessions" / session)
    assert trace.looked_s().sum() == pytest.approx(3.0)
    assert "gap" in notes[0]


HEADINGS = (
    "Timestamp", "X", "Y", "Width", "Height", "Canvas width", "Canvas height", "Downsample factor",
    "Rotation", "Cursor X", "Cursor Y", "Active tool", "Z", "T",
)  # fmt: skip


def test_rows_as_the_source_of_qupath_writes_them(tmp_path: Path) -> None:
    """With tool, plane and time; the box of a view that is turned holds its field."""
    turn = math.pi / 6
    across, down = 1000 * 2.0, 750 * 2.0
    held_across = round(across * math.cos(turn) + down * math.sin(turn))
    held_down = round(across * math.sin(turn) + down * math.cos(turn))
    rows = [
        HEADINGS,
        (0, 100, 200, 2000, 1500, 1000, 750, 2.0, 0.0, "512.25", "1000", "Move", 0, 0),
        (400, 100, 200, held_across, held_down, 1000, 750, 2.0, turn, -1, -1, "Move", 1, 0),
        (900, 100, 200, held_across, held_down, 1000, 750, 2.0, turn, "", "", "Move", 1, 0),
    ]
    text = "".join("\t".join(map(str, row)) + "\r\n" for row in rows)
    folder = imported(tmp_path, text, ImportOptions(slide=SLIDE))
    trace = load_trace(folder)
    np.testing.assert_allclose(trace.start_s, [0, 0.4, 0.9])
    np.testing.assert_allclose(trace.fields[1], [across, down, 30], atol=1e-9)
    np.testing.assert_allclose(
        trace.boxes[1], [100, 200, 100 + held_across, 200 + held_down], atol=1.0
    )
    pointers = [line.event for line in read_lines(folder) if isinstance(line.event, Pointer)]
    assert len(pointers) == 1
    joined = "\t".join(HEADINGS) + "".join("\t".join(map(str, row)) for row in rows[1:])
    with pytest.raises(SessionError, match="run together"):
        imported(tmp_path, joined, ImportOptions(slide=SLIDE))


@pytest.mark.parametrize("begin", ["time,x,y\n1,2,3\n", '{"coverslip": 1', "1,2,3"])
def test_a_line_without_end_is_refused_while_it_is_read(tmp_path: Path, begin: str) -> None:
    path = tmp_path / "log.csv"
    with path.open("w") as file:
        file.write(begin)
        file.truncate(250 << 20)  # more would be refused for its holes
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SessionError, match=r"a line of log\.csv is longer than 67,108,864 bytes"):
        import_log(path, tmp_path / "sessions")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 400_000
