"""What is found in a section does not change with what else is on the slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from tests.conftest import SAMPLE_SLIDE
from viewer.geometry import Box
from viewer.inference.models.model_library import find_model
from viewer.inference.runs.running import run_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

REGION = Box(560, 560, 960, 960)
"""Within one block of the model: what is told apart lies elsewhere on the slide."""
WIDTH, HEIGHT = 3000, 1600


def glass(level: float) -> Picture:
    noise = np.random.default_rng(1).normal(0, 2, (HEIGHT, WIDTH, 3))
    return np.clip(level + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module", params=[205, pytest.param(244, marks=pytest.mark.slow)])
def plain(request: pytest.FixtureRequest) -> Picture:
    """Return a section on gray or white glass, which its own glass takes the color of."""
    picture = glass(request.param)
    section = tifffile.imread(SAMPLE_SLIDE, key=0)[600:1900, 500:1600]
    place = picture[150:1450, 100:1200]
    place[:] = (place / 244.0 * section).clip(0, 255).astype(np.uint8)
    return picture


def count(folder: Path, picture: Picture) -> int:
    path = folder / "s.tif"
    tifffile.imwrite(
        path, picture, tile=(256, 256), photometric="rgb", compression="jpeg",
        compressionargs={"level": 92}, resolution=(1e4 / 0.499, 1e4 / 0.499),
        resolutionunit="CENTIMETER", metadata=None,
    )  # fmt: skip
    return len(run_model(path, find_model("nuclei"), REGION, device="cpu").objects())


@pytest.fixture(scope="module")
def wanted(plain: Picture, tmp_path_factory: pytest.TempPathFactory) -> int:
    found = count(tmp_path_factory.mktemp("plain"), plain)
    assert found > 20
    return found


def with_black(picture: Picture) -> Picture:
    """Return it with pens of four colors and half of the slide black."""
    inks = ((20, 24, 28), (40, 140, 70), (30, 50, 150), (190, 40, 50))
    for number, color in enumerate(inks):
        left = 1300 + 420 * number
        picture[40:1560, left : left + 120] = picture[40:140, left : left + 400] = color
    return np.pad(picture, ((0, 0), (0, WIDTH), (0, 0)), constant_values=0)


def with_white(picture: Picture) -> Picture:
    """Return it with a far darker piece and white all round."""
    dark = picture[150:1450, 100:1200].astype(float) * 0.45
    picture[150:1450, 1700:2800] = dark.astype(np.uint8)
    return np.pad(picture, ((0, 1600), (0, WIDTH), (0, 0)), constant_values=255)


@pytest.mark.parametrize("mark", [pytest.param(with_black, marks=pytest.mark.slow), with_white])
def test_nuclei_beside_marks_are_those_without_them(
    tmp_path: Path, plain: Picture, wanted: int, mark: Callable[[Picture], Picture]
) -> None:
    assert count(tmp_path, mark(plain.copy())) == pytest.approx(wanted, rel=0.03)
