"""Boxes of a slide at any scale, and what lies beyond its edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tiff_steps import HEIGHT_PX, WIDTH_PX, picture

from viewer.geometry import Box
from viewer.slides import open_slide
from viewer.slides.region import Beyond, read_region

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    return path


@pytest.mark.parametrize("left", [-30, 200, 380, 415, -500, 900])
@pytest.mark.parametrize("top", [-20, 100, 290, -700])
def test_beyond_the_edge_models_see_the_slide_mirrored(slide: Path, left: int, top: int) -> None:
    source = open_slide(slide)
    side = 64
    region = read_region(source, Box(left, top, left + side, top + side), side, side)
    reach = 1000
    mirrored = np.pad(picture(), ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    y, x = top + reach, left + reach
    np.testing.assert_array_equal(region, mirrored[y : y + side, x : x + side])
    source.close()


def test_a_region_larger_than_the_slide(slide: Path) -> None:
    source = open_slide(slide)
    box = Box(-50, -50, WIDTH_PX + 600, HEIGHT_PX + 600)
    region = read_region(source, box, round(box.width), round(box.height))
    mirrored = np.pad(picture(), ((50, 600), (50, 600), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(region, mirrored)
    source.close()


def test_people_see_glass_beyond_the_edge(slide: Path) -> None:
    source = open_slide(slide)
    region = read_region(source, Box(-30, -20, 34, 44), 64, 64, Beyond.WHITE)
    assert (region[:20] == 255).all()
    assert (region[:, :30] == 255).all()
    np.testing.assert_array_equal(region[20:, 30:], picture()[:44, :34])
    source.close()


def test_a_slide_of_one_pixel(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    Image.new("RGB", (1, 1), (9, 8, 7)).save(path)
    source = open_slide(path)
    assert (read_region(source, Box(-4, -4, 4, 4), 8, 8) == (9, 8, 7)).all()
    source.close()
