"""What is exported, shown and told of a stroke is what was done with the mouse.

The window runs at each scale of the screen; what it says is held against arithmetic of this file,
which shares nothing with the program: to a screen pixel, and lengths, areas and angles to 0.1 %.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import annotating_steps
import forked_programs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

_PROGRAM = Path(__file__).with_name("measuring_process.py")
_REPOSITORY = Path(__file__).resolve().parents[2]
_PATHS = (_REPOSITORY, _REPOSITORY / "tests", Path(annotating_steps.__file__).parent)
SIDES_UM = {"square.tiff": (0.25, 0.25), "oblong.tiff": (0.25, 0.5)}
BLUE = (1150, 800, 1250, 900)
"""Left, top, right, bottom of the square on the slides, level-0 pixels."""
_EXACT = 1e-3
_LISTED = 5e-3
"""The list shows one decimal."""
_UNITS = {"µm": 1.0, "mm": 1e3, "µm²": 1.0, "mm²": 1e6, "°": 1.0}


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("slides")
    pixels = np.full((2200, 3000, 3), 255, np.uint8)
    pixels[BLUE[1] : BLUE[3], BLUE[0] : BLUE[2]] = (0, 0, 255)
    for name, (x_um, y_um) in SIDES_UM.items():
        tifffile.imwrite(
            folder / name,
            pixels,
            tile=(256, 256),
            photometric="rgb",
            compression="zlib",
            resolution=(1e4 / x_um, 1e4 / y_um),
            resolutionunit="CENTIMETER",
        )
    return [folder / name for name in SIDES_UM]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "scale", [*(pytest.param(scale, marks=pytest.mark.slow) for scale in ("1", "1.5")), "1.25", "2"]
)
def test_what_is_told_is_what_the_mouse_did(scale: str, slides: list[Path], tmp_path: Path) -> None:
    ran = forked_programs.run(
        [sys.executable, str(_PROGRAM), *map(str, slides)],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
        env=os.environ
        | {
            "QT_SCALE_FACTOR": scale,
            "COVERSLIP_HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(map(str, _PATHS)),
        },
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    checked = [_check(each) for each in told]
    assert all(each["view"]["ratio"] == float(scale) for each in told)
    assert len(checked) == 2 * 4 * 12


def _check(told: dict[str, Any]) -> None:
    side_um, view, what = np.array(SIDES_UM[told["slide"]]), told["view"], told["what"]
    mouse = [np.array(place, float) for place in told["mouse"]]
    where = f"{what} in {view} of {told['slide']}: {told}"
    at = [_slide(place, view) for place in mouse]
    match what:
        case "picture":
            _check_cursor(told["cursor"], at[0], side_um, where)
            _check_bar(told["bar"], view, side_um, where)
            corners = [(BLUE[i], BLUE[j]) for i, j in ((0, 1), (2, 1), (2, 3), (0, 3))]
            shown = [_screen(np.array(corner, float), view) for corner in corners]
            _check_shown(told["blue"], np.array(shown), view, 0.0, where)
        case "ruler":
            length_um = math.dist(at[0] * side_um, at[1] * side_um)
            assert told["kept"]["Length um"] == pytest.approx(length_um, rel=1e-9), where
            assert _number(told["told"]) == pytest.approx(length_um, rel=_EXACT), where
        case "angle":
            angle_deg = _angle_deg(*(place * side_um for place in at))
            assert told["kept"]["Angle deg"] == pytest.approx(angle_deg, rel=1e-9), where
            assert _number(told["told"]) == pytest.approx(angle_deg, rel=_EXACT, abs=0.05), where
        case "arrow":
            first, then = _slide(mouse[0], told["first view"]), _slide(mouse[1], told["then view"])
            assert told["first view"] != told["then view"], where
            length_um = math.dist(first * side_um, then * side_um)
            assert _number(told["told"]) == pytest.approx(length_um, rel=_EXACT), where
            _check_cursor(told["cursor"], then, side_um, where)
        case _:
            _check_stroke(told, mouse, at, side_um, where)


def _check_stroke(
    told: dict[str, Any],
    mouse: list[NDArray[np.float64]],
    at: list[NDArray[np.float64]],
    side_um: NDArray[np.float64],
    where: str,
) -> None:
    view, what, geometry = told["view"], told["what"], told["exported"]
    is_line = geometry["type"] == "LineString"
    places = np.array(geometry["coordinates"] if is_line else geometry["coordinates"][0])
    on_screen = np.array([_screen(place, view) for place in places])
    size = _length_um(places, side_um) if is_line else _area_um2(places, side_um)
    exact = 2 * _EXACT if what == "dab" else _EXACT
    for text, rel in ((told["told"], exact), (told["listed"], _LISTED)):
        assert _number(text) == pytest.approx(size, rel=rel), where
    box = np.array([mouse[0], mouse[-1]])
    match what:
        case "rectangle":
            _same(_box(on_screen), _box(box), where)
            assert size == pytest.approx(_box_um2(view, box, side_um), rel=_EXACT), where
        case "ellipse":
            _same(_box(on_screen), _box(box), where)
            oval = _box_um2(view, box, side_um) * math.pi / 4
            assert size == pytest.approx(oval, rel=_EXACT), where
        case "square":
            edges = np.diff(places[:5], axis=0) * side_um
            assert np.hypot(*edges.T) == pytest.approx(np.hypot(*edges[0]), rel=_EXACT), where
            assert np.abs(on_screen - mouse[0]).sum(1).min() < 1, where
        case "circle":
            middle = (places.max(0) + places.min(0)) / 2
            radii = np.hypot(*((places - middle) * side_um).T)
            assert radii == pytest.approx(radii[0], rel=_EXACT), where
        case "dab":
            middle = at[0]
            radii = np.hypot(*((places - middle) * side_um).T)
            mean_um = math.sqrt(side_um[0] * side_um[1])
            assert radii == pytest.approx(25 * view["downsample"] * mean_um, rel=0.005), where
        case "line" | "polygon":
            for place, meant in zip(places, at, strict=False):
                assert math.dist(place, meant) < 1 * view["downsample"], where
        case "even line":
            assert math.dist(places[0], at[0]) < view["downsample"], where
            across = _slide(np.array([1.0, 0.0]), view) - _slide(np.array([0.0, 0.0]), view)
            end = places[0] + 1000 * across
            angle = _angle_deg(*(place * side_um for place in (places[1], places[0], end)))
            assert angle / 45 == pytest.approx(round(angle / 45), abs=0.01), where
    if what != "dab":
        _check_shown(told["drawn"], on_screen, view, 1.0, where)


def _check_shown(
    found: list[int] | None,
    on_screen: NDArray[np.float64],
    view: dict[str, Any],
    half_pen_px: float,
    where: str,
) -> None:
    """Hold the box of what is painted against where it belongs, in screen pixels."""
    low, high = _box(on_screen)
    low, high = low - half_pen_px, high + half_pen_px
    if (low < 0).any() or (high > view["size"]).any() or (high - low).min() < 3:
        return
    assert found is not None, where
    shown = np.array(found).reshape(2, 2) / view["ratio"]
    # Soft edges: half a pixel of the pen, or half a pixel of the slide where that is larger.
    soft_px = max(0.5, 0.5 / view["downsample"])
    assert np.abs(shown[0] - low).max() <= 1.0 + soft_px, where
    assert np.abs(shown[1] - high).max() <= 1.0 + soft_px, where


def _check_bar(bar_px: int, view: dict[str, Any], side_um: NDArray[np.float64], where: str) -> None:
    across = _slide(np.array([1.0, 0.0]), view) - _slide(np.array([0.0, 0.0]), view)
    per_px_um = np.hypot(*(across * side_um)) / view["ratio"]
    decade = 10.0 ** math.floor(math.log10(200 * view["ratio"] * per_px_um))
    whole = [step * decade / per_px_um for step in (0.5, 1, 2, 5)]
    # Half a pen at both ends, and whole pixels.
    off = min(abs(bar_px - each) for each in whole)
    assert off <= 2.5 * view["ratio"], where


def _check_cursor(
    text: str, at: NDArray[np.float64], side_um: NDArray[np.float64], where: str
) -> None:
    x, y, x_um, y_um = (float(each) for each in re.findall(r"-?[\d.]+", text))
    assert (x, y) == pytest.approx(tuple(at), abs=0.501), where
    assert (x_um, y_um) == pytest.approx(tuple(at * side_um), abs=0.0501), where


# The arithmetic ------------------------------------------------------------------------------


def _slide(screen: NDArray[np.float64], view: dict[str, Any]) -> NDArray[np.float64]:
    x, y = (screen - np.array(view["size"]) / 2) * view["downsample"]
    if view["mirrored"]:
        x = -x
    turn = math.radians(view["turn"])
    cos, sin = math.cos(turn), math.sin(turn)
    away = np.array([x * cos + y * sin, y * cos - x * sin])
    return np.array(view["center"]) + away


def _screen(slide: NDArray[np.float64], view: dict[str, Any]) -> NDArray[np.float64]:
    x, y = (slide - np.array(view["center"])) / view["downsample"]
    turn = math.radians(view["turn"])
    cos, sin = math.cos(turn), math.sin(turn)
    x, y = x * cos - y * sin, x * sin + y * cos
    return np.array([-x if view["mirrored"] else x, y]) + np.array(view["size"]) / 2


def _box(places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return places.min(0), places.max(0)


def _same(a: Any, b: Any, where: str) -> None:
    assert np.abs(np.array(a) - np.array(b)).max() < 1, where


def _box_um2(view: dict[str, Any], box: NDArray[np.float64], side_um: NDArray[np.float64]) -> float:
    width, height = np.abs(box[1] - box[0]) * view["downsample"]
    return float(width * height * side_um[0] * side_um[1])


def _length_um(places: NDArray[np.float64], side_um: NDArray[np.float64]) -> float:
    return float(np.hypot(*(np.diff(places, axis=0) * side_um).T).sum())


def _area_um2(places: NDArray[np.float64], side_um: NDArray[np.float64]) -> float:
    """The shoelace formula."""
    (x, y) = ((places - places[0]) * side_um).T
    return abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())) / 2


def _angle_deg(
    end: NDArray[np.float64], corner: NDArray[np.float64], other: NDArray[np.float64]
) -> float:
    a, b = end - corner, other - corner
    return math.degrees(math.acos(float(a @ b) / (np.hypot(*a) * np.hypot(*b))))


def _number(text: str) -> float:
    """The figure of "Ruler: 1,234.5 µm", in µm, µm² or degrees."""
    found = re.search(r"([\d,]+\.?\d*)\s?(µm²|mm²|µm|mm|°)", text)
    assert found is not None, text
    return float(found[1].replace(",", "")) * _UNITS[found[2]]
