"""The environment on real slides: what it shows and rewards, and sessions replayed in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from msgspec.structs import replace
from trace_steps import Step, trace_from

import coverslip
from viewer.agents.environment.slide_env import SlideEnv
from viewer.attention.simulating import simulate_session
from viewer.geometry import Box, Size
from viewer.recording.demonstrations import ANSWER, MOVE, STOP, ZOOM, demonstration
from viewer.slides import open_slide
from viewer.slides.region import Beyond, read_region

Action = dict[str, Any]


def act(kind: int, move: tuple[float, float] = (0, 0), zoom: float = 0, answer: int = 0) -> Action:
    return {"kind": kind, "move": np.array(move), "zoom": np.array([zoom]), "answer": answer}


@pytest.fixture
def env(sample_slide: Path) -> Iterator[SlideEnv]:
    made = SlideEnv([sample_slide], 128, seed=3)
    yield made
    made.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("observation", ["image", "dict"])
def test_gymnasium_finds_nothing_wrong(sample_slide: Path, observation: str) -> None:
    made = SlideEnv(sample_slide, 64, observation=observation, render_mode="rgb_array")
    check_env(made)
    made.close()
    by_name = gymnasium.make("Coverslip/Slide-v0", slides=[sample_slide], size_px=64)
    assert by_name.reset(seed=1)[0].shape == (64, 64, 3)
    by_name.close()


def test_an_episode_begins_with_the_whole_slide_and_shows_what_the_slide_holds(
    env: SlideEnv, sample_slide: Path
) -> None:
    image, info = env.reset()
    x0, y0, x1, y1 = info["field"]
    assert (x0, y0) <= (0, 0)
    assert (x1, y1) >= (2220, 2967)
    env.step(act(ZOOM, zoom=3))
    image, *_, info = env.step(act(MOVE, (0.25, -0.5)))
    with coverslip.open_slide(sample_slide) as slide:
        expected = read_region(slide.source, Box(*info["field"]), 128, 128, Beyond.WHITE)
    assert np.array_equal(image, expected)
    assert info["magnification"] == pytest.approx(20 / info["downsample"], rel=0.01)


def test_what_is_zoomed_at_stays_in_place(env: SlideEnv) -> None:
    env.reset()
    before = env.field
    env.step(act(ZOOM, (0.3, -0.2), 2))
    after = env.field
    assert after.width == pytest.approx(before.width / 4)
    for one, other in ((before, after),):
        x = one.center.x + 0.3 * one.width, other.center.x + 0.3 * other.width
        y = one.center.y - 0.2 * one.height, other.center.y - 0.2 * other.height
        assert x[0] == pytest.approx(x[1])
        assert y[0] == pytest.approx(y[1])


@pytest.mark.parametrize(
    "action",
    [
        act(MOVE, (1e30, -1e30)),
        act(MOVE, (math.nan, math.inf)),
        act(ZOOM, (math.inf, 0), 1e30),
        act(ZOOM, (0, 0), -math.inf),
        act(ZOOM, (1e12, 0), math.nan),
    ],
    ids=["far", "no number", "close", "out", "no zoom"],
)
def test_no_action_loses_the_slide(env: SlideEnv, action: Action) -> None:
    env.reset()
    for _ in range(3):
        image, _, _, _, info = env.step(action)
        assert image.shape == (128, 128, 3)
        assert all(math.isfinite(each) for each in info["field"])
        env.step(act(ZOOM, zoom=0.5))


def test_the_same_seed_begins_with_the_same_slides(sample_slide: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.svs"
    other.write_bytes(sample_slide.read_bytes())
    orders = []
    for _ in range(2):
        made = SlideEnv([sample_slide, other], 16, seed=5)
        orders.append([made.reset()[1]["slide"] for _ in range(6)])
        assert made.reset(options={"slide": 1})[1]["slide"] == str(other)
        made.close()
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == 2


def test_answers_targets_and_tissue_are_rewarded(sample_slide: Path) -> None:
    box = Box(800, 800, 1000, 1000)
    task = coverslip.SlideTask(sample_slide, "Which?", ("a", "b", "c"), 2, (box,))
    asked = SlideEnv([task], 64)
    assert asked.reset()[1]["choices"] == ("a", "b", "c")
    assert asked.step(act(ANSWER, answer=2))[1:4] == (1.0, True, False)
    asked.reset()
    assert asked.step(act(ANSWER, answer=1))[1:4] == (0.0, True, False)
    asked.reset()
    assert asked.step(act(STOP))[1:4] == (0.0, True, False)
    asked.close()

    looking = SlideEnv([task], 64, reward="targets", max_steps=3)
    looking.reset(options={"field": (700, 700, 1200, 1200)})
    assert looking.step(act(MOVE))[1] == 1.0
    assert looking.step(act(MOVE))[1] == 0.0
    assert looking.step(act(MOVE))[1:4] == (0.0, False, True)
    looking.close()

    covering = SlideEnv([task], 256, reward="coverage")
    covering.reset(options={"field": (500, 500, 1500, 1500)})
    first, again = (covering.step(act(MOVE))[1] for _ in range(2))
    assert 0 < first < 1
    assert again == 0
    covering.close()


def test_a_recorded_session_replays_in_it(sample_slide: Path, tmp_path: Path) -> None:
    source = open_slide(sample_slide)
    simulate_session(source, "drill", 2, tmp_path)
    source.close()
    (session,) = coverslip.load_sessions(tmp_path)
    trace = session.trace()
    width, height = trace.fields[0, :2]
    env = SlideEnv([sample_slide], (256, round(256 * height / width)))
    shown = coverslip.demonstration(session, env)
    env.reset(options={"field": shown.start})
    for index, action in enumerate(shown.actions[:-1], 1):
        _, _, is_over, _, info = env.step(action)
        x, y = trace.centers[index]
        half_w, half_h = trace.fields[index, :2] / 2
        recorded = (x - half_w, y - half_h, x + half_w, y + half_h)
        assert info["field"] == pytest.approx(recorded, abs=1 + half_w * 0.01)
        assert info["field"] == pytest.approx(shown.fields[index - 1], abs=1e-6)
        middle = (
            (info["field"][0] + info["field"][2]) / 2,
            (info["field"][1] + info["field"][3]) / 2,
        )
        assert middle == pytest.approx((x, y), abs=0.5)
        assert not is_over
    assert env.step(shown.actions[-1])[2]
    assert len(shown.dwell_s) == len(shown.actions) == len(trace)
    env.close()


def test_what_cannot_be_made_is_said(sample_slide: Path, tmp_path: Path) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("at least one slide", {"slides": []}),
        ("size_px", {"slides": [sample_slide], "size_px": 0}),
        ("reward", {"slides": [sample_slide], "reward": "money"}),
        ("observation", {"slides": [sample_slide], "observation": "sound"}),
        ("max_steps", {"slides": [sample_slide], "max_steps": 0}),
        ("render mode", {"slides": [sample_slide], "render_mode": "human"}),
    ]
    for sentence, arguments in cases:
        with pytest.raises(coverslip.CoverslipError, match=sentence):
            SlideEnv(**arguments)
    with pytest.raises(coverslip.CoverslipError, match="no slide 1"):
        SlideEnv([sample_slide]).reset(options={"slide": 1})
    with pytest.raises(coverslip.CoverslipError, match=r"nowhere\.svs"):
        SlideEnv([tmp_path / "nowhere.svs"]).reset()
    with pytest.raises(coverslip.CoverslipError, match="reset"):
        SlideEnv([sample_slide]).step(act(MOVE))


def test_arguments_and_actions_that_make_no_sense_are_said(env: SlideEnv) -> None:
    slide = env.tasks[0].slide
    made: dict[str, Any]
    for made in (
        {"slides": None}, {"slides": [3]}, {"size_px": 64.0}, {"size_px": (1, 2, 3)},
        {"size_px": "64"}, {"size_px": True}, {"max_steps": 2.5}, {"max_steps": "5"},
        {"reward": None},
    ):  # fmt: skip
        with pytest.raises(coverslip.CoverslipError):
            SlideEnv(**{"slides": slide, **made})
    one = SlideEnv(coverslip.SlideTask(slide), np.int64(64))  # pyright: ignore[reportArgumentType]
    assert one.observation_space.shape == (64, 64, 3)
    nan, options = math.nan, env.reset
    for wanted in (
        {"slide": "a"}, {"slide": 0.5}, {"slide": None}, {"field": (1, 2, 3)}, {"field": None},
        {"field": (9, 9, 0, 0)}, {"field": (nan, 0, 1, 1)}, {"field": "abcd"}, [1],
    ):  # fmt: skip
        with pytest.raises(coverslip.CoverslipError, match=r"There is|A field is|Options are"):
            options(options=wanted)  # pyright: ignore[reportArgumentType]
    env.reset()
    before = env.field
    good = act(MOVE)
    for part in (
        {"kind": "x"}, {"kind": None}, {"kind": 1.5}, {"kind": nan}, {"move": np.zeros(3)},
        {"move": 0}, {"move": None}, {"move": "ab"}, {"kind": ZOOM, "zoom": []},
        {"kind": ANSWER, "answer": 1}, {"kind": ANSWER, "answer": -1},
    ):  # fmt: skip
        with pytest.raises(coverslip.CoverslipError, match=r"action has to have|There is no"):
            env.step({**good, **part})
    for action in (None, 3, {}, {"kind": MOVE}, (0, 1)):
        with pytest.raises(coverslip.CoverslipError, match="action has to have"):
            env.step(action)  # pyright: ignore[reportArgumentType]
    assert env.field == before
    env.step({"kind": np.array([STOP])})
    env.close()
    with pytest.raises(coverslip.CoverslipError, match="call reset first"):
        env.step(good)


def test_a_tile_that_cannot_be_read_is_hatched_and_counted(shared_slide: Any) -> None:
    env = SlideEnv([shared_slide("slides/unreadable.svs")], 64)
    _, info = env.reset()
    env.step(act(ZOOM, zoom=6))
    assert env.step(act(MOVE))[4]["unreadable_tiles"] >= info["unreadable_tiles"]
    assert info["unreadable_tiles"] + env.step(act(MOVE))[4]["unreadable_tiles"] > 0
    env.close()


def test_an_empty_session_is_no_demonstration() -> None:
    empty = replace(trace_from([Step(1, 50, 50, 40)]), start_s=np.empty(0))
    with pytest.raises(ValueError, match="no view"):
        demonstration(empty, Size(100, 100), Size(10, 10))
