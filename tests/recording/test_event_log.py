"""Raw events of another viewer become the session that our own window would have recorded."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from recording_steps import HEADER, Clock, view
from session_lines import read_lines

from viewer.geometry import Point, Size, View
from viewer.recording.behaviors import actions_of
from viewer.recording.events import (
    AnyEvent,
    Click,
    EventsLost,
    FocusChanged,
    IdleChanged,
    NoteTaken,
    PauseChanged,
    Pointer,
    SlideClosed,
    Viewport,
)
from viewer.recording.importers import ImportOptions, import_log
from viewer.recording.log_reader import verify
from viewer.recording.recorder import Recorder
from viewer.recording.session import SessionError, SlideRef, read_header
from viewer.recording.thinning import REST_NS
from viewer.recording.trace_loading import load_trace

RECORDERS = Path(__file__).parents[1] / "recorders"
PLUGIN = Path(__file__).parents[2] / "resources/recorders/openseadragon/coverslip-recorder.js"
ABOUT = {
    "coverslip": 1, "session": "walk-00000001", "started_utc": "2026-11-26T10:00:00.000Z",
    "viewer": "OpenSeadragon 5.0.1", "elapsed_ns": 0, "closed": True,
    "slide": {"name": "a.svs", "width_px": 2220, "height_px": 2967, "mpp_um": [0.499, 0.499],
              "objective_power": 20},
    "consent": {"given_utc": "2026-11-26T09:59:00Z"},
}  # fmt: skip


def log_text(events: list[tuple[float, AnyEvent]], **about: object) -> str:
    import msgspec

    lines = [json.dumps(ABOUT | about)]
    for number, (at_s, event) in enumerate(events):
        row = (number, round(at_s * 1e9), round(at_s * 1e3), msgspec.to_builtins(event))
        lines.append(json.dumps(row))
    return "\n".join(lines) + "\n"


def imported(
    tmp_path: Path, text: str, slide: SlideRef | None = None, reader: str = "imported"
) -> Path:
    log = tmp_path / "walk.jsonl"
    log.write_text(text)
    (session,) = import_log(log, tmp_path / "sessions", ImportOptions(slide=slide, reader=reader))
    assert verify(tmp_path / "sessions" / session).is_good
    return tmp_path / "sessions" / session


def random_walk(seed: int) -> list[tuple[float, AnyEvent]]:
    """Drags, zooms, stays, absences and a pause, at the rate of a screen."""
    chance = random.Random(seed)
    at_s, x, y, downsample = 0.05, 0.0, 0.0, 4.0
    events: list[tuple[float, AnyEvent]] = [(at_s, view(x, y, downsample=downsample, cause="open"))]
    for _ in range(25):
        kind = chance.choice(["drag", "drag", "wheel", "stay", "point", "away", "pause"])
        if kind in ("drag", "wheel"):
            dx, dy = chance.uniform(-30, 30), chance.uniform(-30, 30)
            for _ in range(chance.randrange(2, 40)):
                at_s += chance.uniform(0.004, 0.04)
                dx = -dx if chance.random() < 0.1 else dx
                x, y = x + dx, y + dy
                downsample *= chance.choice([0.97, 1.03]) if kind == "wheel" else 1.0
                events.append((at_s, view(x, y, downsample=downsample, cause=kind)))
        elif kind == "stay":
            at_s += chance.choice([0.11, 0.13, 1.5, 4.0, 14.0])
        elif kind == "point":
            for _ in range(20):
                at_s += chance.uniform(0.005, 0.1)
                events.append((at_s, Pointer(x + chance.random() * 100, y)))
            events.append((at_s, Click(round(x, 1), round(y, 1))))
        elif kind == "away":
            events += [(at_s + 0.4, FocusChanged(gained=False))]
            at_s += chance.uniform(1.0, 5.0)
            events += [(at_s, FocusChanged(gained=True)), (at_s, IdleChanged(begins=False))]
        else:
            events.append((at_s + 0.2, PauseChanged(begins=True)))
            at_s += 3.0
            events += [
                (at_s, PauseChanged(begins=False)),
                (at_s, view(x, y, downsample=downsample)),
            ]
        at_s += 0.02
    return events


def recorded(tmp_path: Path, events: list[tuple[float, AnyEvent]]) -> Path:
    """The same walk as our window records it: a timer tells of views at rest."""
    clock = Clock()
    recorder = Recorder(tmp_path / "ours", HEADER, clock_ns=clock, wall_ns=clock)
    shown, rests_ns = None, math.inf

    def pass_time(until_ns: float) -> None:
        nonlocal rests_ns
        while clock.now_ns < until_ns:
            clock.now_ns = int(min(clock.now_ns + 1_000_000, until_ns, rests_ns))
            if clock.now_ns >= rests_ns:
                rests_ns = math.inf
                recorder.record_view(rested(shown))
            recorder._thinning.check_idle(*recorder._times())  # as the writer's thread does

    for at_s, event in events:
        pass_time(round(at_s * 1e9))
        if isinstance(event, Viewport):
            shown, rests_ns = event, clock.now_ns + REST_NS
            recorder.record_view(event)
        elif isinstance(event, Pointer):
            recorder.record_pointer(event.x, event.y)
        elif isinstance(event, PauseChanged):
            if event.begins and rests_ns < math.inf:
                recorder.record_view(rested(shown))
                rests_ns = math.inf
            (recorder.pause if event.begins else recorder.resume)()
        elif isinstance(event, IdleChanged):
            recorder.note_input()
        else:
            recorder.record(event)
    pass_time(round(events[-1][0] * 1e9) + 1_500_000_000)
    recorder.close()
    return tmp_path / "ours"


def rested(event: Viewport | None) -> Viewport:
    import msgspec

    assert event is not None
    return msgspec.structs.replace(event, at_rest=True)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_walk_gives_the_same_session(seed: int, tmp_path: Path) -> None:
    events = random_walk(seed)
    ours = recorded(tmp_path, events)
    end_ns = round(events[-1][0] * 1e9) + 1_500_000_000
    theirs = imported(tmp_path, log_text(events, elapsed_ns=end_ns))
    one, other = load_trace(ours), load_trace(theirs)
    np.testing.assert_allclose(one.boxes, other.boxes)
    np.testing.assert_allclose(one.start_s, other.start_s, atol=0.002)
    np.testing.assert_allclose(one.away, other.away, atol=0.002)
    kinds = [[type(line.event).__name__ for line in read_lines(each)] for each in (ours, theirs)]
    assert kinds[0] == kinds[1]
    size = HEADER.slide.size
    actions = [actions_of(each, slide=size) for each in (one, other)]
    assert [a.command for a in actions[0]] == [a.command for a in actions[1]]
    for mine, its in zip(*actions, strict=True):
        assert mine.box == pytest.approx(its.box)
        assert mine.dwell_s == pytest.approx(its.dwell_s, abs=0.01)


def test_what_chromium_recorded_becomes_a_session(tmp_path: Path) -> None:
    folder = imported(tmp_path, (RECORDERS / "walk.jsonl").read_text())
    header, trace = read_header(folder), load_trace(folder)
    assert (header.reader, header.origin) == ("reader-7", "imported")
    assert header.imported_from == "OpenSeadragon 5.0.1"
    assert header.slide.identity.startswith("imported:")
    assert header.slide.name is None
    assert not header.consent.names
    lines = read_lines(folder)
    assert isinstance(lines[-1].event, SlideClosed)
    views = [line.event for line in lines if isinstance(line.event, Viewport)]
    raw = (RECORDERS / "walk.jsonl").read_text().count('["view"')
    assert len(views) < raw * 0.75  # 60 a second come, 30 are kept
    assert sum(event.at_rest for event in views) >= 1
    assert trace.mirrored[-1]
    assert trace.fields[-1, 2] == pytest.approx(30)
    assert trace.duration_s == pytest.approx(lines[-1].elapsed_ns / 1e9, abs=0.1)
    assert actions_of(trace, slide=header.slide.size)


def test_a_log_is_imported_once_and_of_a_slide_that_is_given(tmp_path: Path) -> None:
    text = (RECORDERS / "walk.jsonl").read_text()
    first = imported(tmp_path, text)
    assert imported(tmp_path, text) == first
    slide = SlideRef(identity="abc", width_px=4440, height_px=5934, mpp_um=(0.25, 0.25))
    doubled = imported(tmp_path, text, slide=slide, reader="reader-9")
    assert doubled != first
    assert read_header(doubled).slide == slide
    assert read_header(doubled).reader == "reader-9"
    np.testing.assert_allclose(load_trace(doubled).boxes, load_trace(first).boxes * 2, atol=0.5)
    with pytest.raises(SessionError, match="give the one that was read"):
        imported(tmp_path, text, slide=SlideRef(identity="x", width_px=100, height_px=900))


def test_bad_lines_cost_themselves_alone(tmp_path: Path) -> None:
    good = log_text([(0.0, view()), (1.0, view(50)), (2.0, view(90))], elapsed_ns=3 * 10**9)
    header, *events = good.splitlines()
    lines = [header, events[0], "no JSON", events[1][:20], '[9,0,0,["unknown"]]', events[2]]
    log = tmp_path / "torn.jsonl"
    log.write_text("\n".join(lines))
    skipped: list[str] = []
    (session,) = import_log(log, tmp_path / "sessions", ImportOptions(), skipped)
    assert len(skipped) == 3
    folder = tmp_path / "sessions" / session
    kept = [line.event for line in read_lines(folder)]
    assert EventsLost(1) in kept
    assert len({event.x for event in kept if isinstance(event, Viewport)}) == 2
    assert "3 lines could not be read" in read_header(folder).repairs[0].note


def test_texts_are_kept_only_where_the_reader_allowed_them(tmp_path: Path) -> None:
    events: list[tuple[float, AnyEvent]] = [(0.0, view()), (1.0, NoteTaken(5, "Smith"))]
    folder = imported(tmp_path, log_text(events))
    assert NoteTaken(5) in [line.event for line in read_lines(folder)]
    allowed = {"given_utc": "2026-11-26T09:59:00Z", "texts": True, "names": True}
    folder = imported(tmp_path, log_text(events, session="walk-00000002", consent=allowed))
    assert NoteTaken(5, "Smith") in [line.event for line in read_lines(folder)]
    assert read_header(folder).slide.name == "a.svs"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"coverslip": 2}, "version 2"),
        ({"session": "../../etc"}, "name is invalid"),
        ({"started_utc": "yesterday"}, "no time"),
        ({"reader": "a\x07b"}, "reader"),
        ({"slide": {"width_px": 0, "height_px": 10}}, "no size"),
        ({"slide": {"width_px": "wide", "height_px": 10}}, "cannot be read"),
        ({"elapsed_ns": -1}, "out of range"),
    ],
)
def test_a_header_that_is_none_is_refused(change: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=sentence):
        imported(tmp_path, log_text([(0.0, view())], **change))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_plugin_places_points_as_we_do() -> None:
    """Its geometry, run in node against a viewport that turns and mirrors as OpenSeadragon's."""
    script = """
    const R = require(process.argv[1]);
    const turn = (p, deg, c) => {
      const a = deg * Math.PI / 180, x = p.x - c.x, y = p.y - c.y;
      const cos = Math.cos(a), sin = Math.sin(a);
      return {x: x * cos - y * sin + c.x, y: x * sin + y * cos + c.y};
    };
    const found = JSON.parse(process.argv[2]).map(([cx, cy, zoom, deg, flip, px, py]) => {
      const c = {x: cx, y: cy};
      const viewport = {
        getContainerSize: () => ({x: 900, y: 600}), getFlip: () => flip,
        pointFromPixel: (p) =>
          turn({x: cx + (p.x - 450) / 900 / zoom, y: cy + (p.y - 300) / 900 / zoom}, -deg, c),
      };
      const item = {viewportToImageCoordinates: (p) => ({x: p.x * 2220, y: p.y * 2220})};
      const OSD = {Point: function (x, y) { this.x = x; this.y = y; }};
      const view = R.viewOf(OSD, {viewport}, item, 1);
      return [view, R.slidePoint(view, px, py)];
    });
    console.log(JSON.stringify(found));
    """
    cases = [
        [0.5, 0.6, 2.0, deg, flip, 100, 500]
        for deg in (0, 30, 90, 200, 359)
        for flip in (False, True)
    ]
    done = subprocess.run(
        ["node", "-e", script, str(PLUGIN), json.dumps(cases)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for case, (shown, place) in zip(cases, json.loads(done.stdout), strict=True):
        ours = View(Point(1110, 1332), 2220 / 900 / 2, Size(900, 600), case[3], case[4])
        assert shown["rotation_deg"] == pytest.approx(ours.rotation_deg)
        assert shown["downsample"] == pytest.approx(ours.downsample)
        assert shown["x"] + shown["width"] / 2 == pytest.approx(ours.center.x)
        assert place == pytest.approx(ours.to_slide(Point(100, 500)))


def test_the_example_of_the_page_becomes_a_session(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "record-anywhere.md").read_text()
    example = page.split("```json\n")[1].split("```")[0]
    assert len(example.splitlines()) == 20
    folder = imported(tmp_path, example)
    trace = load_trace(folder)
    assert read_header(folder).repairs == ()
    assert trace.away.tolist() == [[8.0, 10.0]]
    assert {"open", "wheel", "drag", "rotate", "flip", "home"} == set(trace.causes)
    assert [action.command for action in actions_of(trace, slide=read_header(folder).slide.size)]
