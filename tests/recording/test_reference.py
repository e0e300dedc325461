"""The reference's rules, against cases worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from viewer.recording.importers import ImportOptions, import_log
from viewer.recording.log_reader import verify
from viewer.recording.reference_rules import reference_actions
from viewer.recording.session import SessionError, read_header
from viewer.recording.trace import Action
from viewer.recording.trace_loading import load_trace

OPENED = (
    "2025-03-01 10:00:00.000 INFO *** Open slide *** filename: Smith_John.svs, 40000x30000 [40x]\n"
)


def shown(at_s: float, center: tuple[int, int], zoom: float) -> str:
    """A line that shows 1000 x 800 px about a center."""
    x, y = center
    minutes, seconds = divmod(at_s, 60)
    stamp = f"2025-03-01 10:{int(minutes):02d}:{seconds:06.3f}"
    corners = f"[x1:{x - 500}, y1:{y - 400}, x2:{x + 500}, y2:{y + 400}]"
    return f"{stamp} DEBUG *** showImage *** {corners} level 2 currentZoom: {zoom}\n"


def actions_of(tmp_path: Path, *lines: str) -> list[Action]:
    log = tmp_path / "viewer.log"
    log.write_text(OPENED + "".join(lines))
    (session,) = import_log(log, tmp_path / "sessions")
    folder = tmp_path / "sessions" / session
    assert verify(folder).is_good
    return reference_actions(load_trace(folder))


def test_a_gap_longer_than_a_second_is_a_stay_of_one_view(tmp_path: Path) -> None:
    (stay,) = actions_of(
        tmp_path, shown(0, (5000, 6000), 5.0), shown(1.001, (9000, 9000), 10.0),
        shown(1.5, (9000, 9000), 20.0),
    )  # fmt: skip
    assert stay.command == "<5x-stayinspect>"
    assert (stay.start_s, stay.end_s) == (0.0, 1.001)
    assert stay.box == (5000 - 2500, 6000 - 2500, 5000 + 2500, 6000 + 2500)


def test_a_gap_of_just_a_second_is_none(tmp_path: Path) -> None:
    assert actions_of(tmp_path, shown(0, (0, 0), 5.0), shown(1.0, (0, 0), 6.0)) == []


def test_pans_that_add_up_to_more_than_two_seconds_are_one(tmp_path: Path) -> None:
    (pan,) = actions_of(
        tmp_path,
        shown(0.0, (1000, 2000), 8.0),
        shown(0.8, (1100, 2600), 8.0),
        shown(1.6, (1300, 2500), 8.0),
        shown(2.4, (9000, 9000), 8.0),
    )
    assert pan.command == "<10x-paninspect>"
    assert (pan.start_s, pan.end_s) == (0.0, 2.4)
    # The view that ends the last gap is not part of the action.
    assert pan.box == (1000 - 512, 2000 - 512, 1300 + 512, 2600 + 512)


def test_pans_of_just_two_seconds_are_none(tmp_path: Path) -> None:
    lines = [shown(index * 0.5, (index, 0), 8.0) for index in range(5)]
    assert actions_of(tmp_path, *lines) == []


def test_a_run_of_pans_takes_long_gaps_that_come_in_it(tmp_path: Path) -> None:
    (pan,) = actions_of(
        tmp_path,
        shown(0.0, (0, 0), 8.0),
        shown(0.5, (10, 0), 8.0),
        shown(5.0, (20, 0), 8.0),
        shown(5.5, (30, 0), 9.0),
    )
    assert (pan.command, pan.start_s, pan.end_s) == ("<10x-paninspect>", 0.0, 5.0)
    assert pan.box == (-512, -512, 522, 512)


def test_a_change_of_zoom_ends_a_run_and_is_passed_over(tmp_path: Path) -> None:
    actions = actions_of(
        tmp_path,
        shown(0.0, (0, 0), 4.0),
        shown(0.9, (0, 0), 4.0),
        shown(1.8, (0, 0), 6.0),
        shown(2.7, (0, 0), 6.0),
        shown(3.6, (0, 0), 6.0),
        shown(4.5, (0, 0), 6.0),
        shown(4.6, (0, 0), 6.0),
    )
    assert [(action.command, action.start_s, action.end_s) for action in actions] == [
        ("<5x-paninspect>", 1.8, 4.6)
    ]


def test_a_long_gap_before_a_change_of_zoom_is_a_stay(tmp_path: Path) -> None:
    actions = actions_of(
        tmp_path,
        shown(0.0, (100, 100), 7.4),
        shown(3.0, (100, 100), 7.5),
        shown(6.0, (100, 100), 7.5),
        shown(6.2, (100, 100), 7.5),
    )
    assert [action.command for action in actions] == ["<5x-stayinspect>", "<10x-stayinspect>"]
    assert actions[1].box == (100 - 3750, 100 - 3750, 100 + 3750, 100 + 3750)


def test_the_scan_goes_on_behind_an_action(tmp_path: Path) -> None:
    actions = actions_of(
        tmp_path,
        shown(0, (0, 0), 5.0),
        shown(1.5, (0, 0), 5.0),
        shown(2.5, (50, 0), 5.0),
        shown(3.4, (90, 0), 5.0),
        shown(4.3, (90, 0), 5.0),
    )
    assert [(action.command, action.start_s, action.end_s) for action in actions] == [
        ("<5x-stayinspect>", 0.0, 1.5),
        ("<5x-paninspect>", 1.5, 4.3),
    ]


def test_a_pan_is_binned_by_its_mean_zoom_and_negative_corners_are_halved_down(
    tmp_path: Path,
) -> None:
    line = (
        "2025-03-01 10:00:00.000 x *** showImage *** [x1:-11, y1:-4, x2:4, y2:1] currentZoom: 2.5\n"
    )
    (stay,) = actions_of(tmp_path, line, shown(2, (0, 0), 3.0))
    assert stay.box == (-4 - 1250, -2 - 1250, -4 + 1250, -2 + 1250)


def test_lines_of_other_kinds_and_torn_ones_are_passed_over(tmp_path: Path) -> None:
    actions = actions_of(
        tmp_path,
        "nonsense\n",
        "2025-03-01 10:00:00.000 INFO hello\n",
        "2025-03-01 10:00:00.000 *** showImage *** [x1:1, y1:1, x2:3\n",
        shown(0, (0, 0), 5.0),
        shown(2, (0, 0), 6.0)[:-1],
        "\n2025-03-01 10:00:0",
    )
    assert len(actions) == 1


def test_events_out_of_order_are_put_in_order_and_slides_apart(tmp_path: Path) -> None:
    log = tmp_path / "viewer.log"
    other = OPENED.replace("Smith_John", "other")
    log.write_text(
        OPENED + shown(2, (0, 0), 6.0) + shown(0, (0, 0), 5.0)
        + other + shown(5, (0, 0), 5.0) + shown(9, (0, 0), 5.5)
        + OPENED + shown(30, (0, 0), 6.0)
    )  # fmt: skip
    first, second = import_log(log, tmp_path / "sessions")
    spans = [
        [(action.start_s, action.end_s) for action in reference_actions(load_trace(folder))]
        for folder in (tmp_path / "sessions" / first, tmp_path / "sessions" / second)
    ]
    assert spans == [[(0.0, 2.0), (2.0, 30.0)], [(0.0, 4.0)]]


def test_names_stay_out_unless_allowed(tmp_path: Path) -> None:
    log = tmp_path / "Smith.log"
    log.write_text(OPENED + shown(0, (0, 0), 5.0))
    (session,) = import_log(log, tmp_path / "sessions")
    folder = tmp_path / "sessions" / session
    assert b"Smith" not in b"".join(path.read_bytes() for path in folder.iterdir())
    assert read_header(folder).slide.width_px == 40_000
    (named,) = import_log(log, tmp_path / "sessions", ImportOptions(keep_names=True))
    assert read_header(tmp_path / "sessions" / named).slide.name == "Smith_John.svs"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00nothing", OPENED.encode(), b"a,b\n1,2\n"])
def test_a_log_without_views_is_told_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "viewer.log"
    log.write_bytes(content)
    with pytest.raises(SessionError):
        import_log(log, tmp_path / "sessions")
    assert not (tmp_path / "sessions").exists()
