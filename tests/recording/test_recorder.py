"""The recorder: what it takes, thins, keeps out and notices."""

from __future__ import annotations

import stat
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_steps import ALLOWED, HEADER, Clock, count_lines, record, view, wait_until
from session_lines import read_lines

from viewer.recording.events import (
    AnyEvent,
    Bookmarked,
    Click,
    DiagnosisEntered,
    FocusChanged,
    IdleChanged,
    NoteTaken,
    OverlayChanged,
    PauseChanged,
    PixelsTaught,
    Pointer,
    SlideClosed,
    SlideOpened,
    ToolChosen,
    Viewport,
    WordsAsked,
)
from viewer.recording.log_reader import is_being_recorded, verify
from viewer.recording.recorder import Recorder
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace

numbers = st.floats(-1e6, 1e6)
texts = st.text(max_size=20)
any_event = st.one_of(
    st.builds(Click, numbers, numbers, st.sampled_from(["left", "right", "middle"])),
    st.builds(ToolChosen, texts),
    st.builds(OverlayChanged, texts, st.booleans(), st.floats(0, 1)),
    st.builds(FocusChanged, st.booleans()),
    st.builds(NoteTaken, st.integers(0, 99)),
    st.builds(Bookmarked, numbers, numbers),
)


def recorded(folder: Path) -> list[AnyEvent]:
    """The events between the opening and the closing of the slide."""
    events = [line.event for line in read_lines(folder)]
    assert isinstance(events[0], SlideOpened)
    assert isinstance(events[-1], SlideClosed)
    return events[1:-1]


@settings(deadline=None, max_examples=25)
@given(events=st.lists(any_event, max_size=30))
def test_any_events_come_back_in_their_order(
    events: list[AnyEvent], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = record(tmp_path_factory.mktemp("s") / "session", events)
    assert recorded(folder) == events
    assert verify(folder).is_good
    assert verify(folder).lines == len(events) + 2


@settings(deadline=None, max_examples=25)
@given(steps=st.lists(st.tuples(st.floats(0.001, 0.2), st.sampled_from("vvvvpr")), max_size=60))
def test_thinning_keeps_order_rate_and_the_last_view(
    steps: list[tuple[float, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = Clock()
    folder = tmp_path_factory.mktemp("s") / "session"
    recorder = Recorder(folder, HEADER, clock_ns=clock)
    last = None
    for index, (pause_s, what) in enumerate(steps):
        clock.advance_s(pause_s)
        if what == "p":
            recorder.record_pointer(float(index), 0.0)
        else:
            last = view(float(index), at_rest=what == "r")
            recorder.record_view(last)
    recorder.close()
    lines = read_lines(folder)
    assert verify(folder).is_good
    times = [line.elapsed_ns for line in lines]
    assert times == sorted(times)
    views = [line for line in lines if isinstance(line.event, Viewport)]
    assert [line.event for line in views][-1:] == ([last] if last else [])
    moving = [
        line.elapsed_ns
        for line in views[:-1]
        if isinstance(line.event, Viewport) and not line.event.at_rest
    ]
    # 30, and as many that stood still before the next.
    for start_ns in moving:
        assert sum(start_ns <= at_ns < start_ns + 1_000_000_000 for at_ns in moving) <= 61
    pointers = [line.elapsed_ns for line in lines if isinstance(line.event, Pointer)]
    assert all(b - a >= 50_000_000 for a, b in pairwise(pointers))


def test_a_view_at_rest_is_exact_and_one_in_motion_is_rounded(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "s", HEADER, clock_ns=clock)
    recorder.record_view(view(1 / 3, downsample=1 / 3))
    clock.advance_s(1)
    recorder.record_view(view(1 / 3, downsample=1 / 3, at_rest=True))
    recorder.close()
    moving, resting = recorded(tmp_path / "s")
    assert isinstance(moving, Viewport)
    assert (moving.x, moving.downsample, moving.magnification) == (0.3, 0.3333, 60.0)
    assert resting == view(1 / 3, downsample=1 / 3, at_rest=True)


def test_the_last_view_of_a_movement_is_written_without_anything_after_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "s", HEADER)
    for x in range(5):
        recorder.record_view(view(x))
    wait_until(lambda: count_lines(tmp_path / "s") == 3)
    events = [line.event for line in read_lines(tmp_path / "s")]
    assert events[1:] == [view(0), view(4)]
    recorder.close()


def test_where_a_movement_turns_back_is_written(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "s", HEADER, clock_ns=clock)
    for x in (0, 40, 90, 20, 10, -70, -30):
        recorder.record_view(view(float(x)))
        clock.advance_s(0.003)
        recorder.record_pointer(float(x), 0)
    recorder.close()
    events = recorded(tmp_path / "s")
    places = [event.x for event in events if isinstance(event, Viewport)]
    assert places == [0, 90, -70, -30]
    assert verify(tmp_path / "s").is_good
    turn = next(at for at, event in enumerate(events) if event == view(90))
    assert all(not isinstance(event, Pointer) or event.x < 90 for event in events[:turn])


def test_a_view_that_stood_between_two_movements_is_written(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "s", HEADER, clock_ns=clock)
    for x, pause_s in ((0, 0.005), (10, 0.05), (500, 0.0)):
        recorder.record_view(view(float(x)))
        clock.advance_s(pause_s)
    recorder.close()
    assert recorded(tmp_path / "s") == [view(0), view(10), view(500)]


def test_nothing_is_recorded_while_paused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "s", HEADER)
    recorder.pause()
    assert recorder.is_paused
    recorder.record_view(view())
    recorder.record_pointer(1, 2)
    recorder.record(Click(1, 2))
    recorder.note_input()
    recorder.resume()
    recorder.record(Click(3, 4))
    recorder.close()
    assert recorded(tmp_path / "s") == [PauseChanged(True), PauseChanged(False), Click(3, 4)]


def test_ten_seconds_without_input_are_idle_until_the_next(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "s", HEADER, clock_ns=clock)
    recorder.record_view(view(at_rest=True))
    clock.advance_s(9.9)
    wait_until(lambda: count_lines(tmp_path / "s") == 2)
    clock.advance_s(0.2)
    wait_until(lambda: count_lines(tmp_path / "s") == 3)
    clock.advance_s(30)
    recorder.record_pointer(5, 5)
    recorder.close()
    begins, ends, pointer = recorded(tmp_path / "s")[1:]
    assert begins == IdleChanged(begins=True, since_s=10.1)
    assert (ends, pointer) == (IdleChanged(begins=False), Pointer(5, 5))


def test_a_clock_that_jumps_does_not_reorder(tmp_path: Path) -> None:
    wall = Clock()
    recorder = Recorder(tmp_path / "s", HEADER, wall_ns=wall)
    recorder.record(ToolChosen("a"))
    wall.advance_s(-3600)
    recorder.record(ToolChosen("b"))
    wall.advance_s(86_400)
    recorder.record(ToolChosen("c"))
    recorder.close()
    assert recorded(tmp_path / "s") == [ToolChosen("a"), ToolChosen("b"), ToolChosen("c")]
    assert [line.wall_ms for line in read_lines(tmp_path / "s")][2] == -3_600_000
    assert verify(tmp_path / "s").is_good


@pytest.mark.parametrize("is_allowed", [False, True])
def test_names_and_texts_stay_out_unless_allowed(tmp_path: Path, is_allowed: bool) -> None:
    header = msgspec.structs.replace(HEADER, consent=ALLOWED) if is_allowed else HEADER
    recorder = Recorder(tmp_path / "s", header)
    recorder.record(NoteTaken(15, "a secret thought"))
    recorder.record(DiagnosisEntered(6, "secret"))
    recorder.record(Bookmarked(1, 2, "a secret place"))
    recorder.record(WordsAsked("Towers", 1, ["a secret phrase"]))
    recorder.record(PixelsTaught(4, 2, None, [0.5, 0.5], ["secret", "other secret"]))
    recorder.close()
    written = b"".join(path.read_bytes() for path in (tmp_path / "s").iterdir())
    assert (b"secret" in written) is is_allowed
    assert (b"Smith" in written) is is_allowed
    assert (read_header(tmp_path / "s").slide.name is not None) is is_allowed
    assert WordsAsked("Towers", 1, ["a secret phrase"] if is_allowed else None) in recorded(
        tmp_path / "s"
    )
    assert NoteTaken(15, "a secret thought" if is_allowed else None) in recorded(tmp_path / "s")


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    record(tmp_path / "s", [ToolChosen("move")])
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
    for path in (tmp_path / "s").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_replay_is_not_the_readers_own_reading(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "session", HEADER, clock_ns=clock)
    for cause in ("drag", "replay", "replay", "key"):
        recorder.record_view(view(cause=cause, at_rest=True))
        clock.advance_s(2.0)
    recorder.close()
    assert load_trace(tmp_path / "session").looked_s().tolist() == [2.0, 0.0, 0.0, 2.0]


def test_a_listener_that_is_gone_ends_no_recording(tmp_path: Path) -> None:
    def gone(_text: str) -> None:
        raise RuntimeError("Signal source has been deleted")

    header = msgspec.structs.replace(HEADER, study="own:default")
    recorder = Recorder(tmp_path / "s", header, on_trouble=gone, on_key=gone)
    recorder.record(ToolChosen("move"))
    recorder.close()
    assert verify(tmp_path / "s").is_good
    assert read_header(tmp_path / "s").key
    assert not is_being_recorded(tmp_path / "s")
