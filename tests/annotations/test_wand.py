"""The wand on made-up colors and on real tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy import ndimage
from shape_steps import polygon_of

from viewer.annotations.wand import UnclearError, wand_region
from viewer.geometry import Box
from viewer.slides import open_slide
from viewer.slides.region import read_region

SIDE = 149


def field(path: Path, x: int, y: int, side: int = SIDE) -> np.ndarray:
    source = open_slide(path)
    try:
        return read_region(source, Box(x, y, x + side, y + side), side, side)
    finally:
        source.close()


def test_a_disc_is_found_to_the_pixel() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    is_disc = (rows - 74) ** 2 + (columns - 84) ** 2 < 30**2
    picture = np.where(is_disc[..., None], (150, 60, 140), (235, 235, 235)).astype(np.uint8)
    region = wand_region(picture, 2.0)
    disc = shapely.Point(84.5, 74.5).buffer(30)
    assert region.intersection(disc).area / region.union(disc).area > 0.93


def test_more_sensitivity_takes_more_and_holes_are_filled(sample_slide: Path) -> None:
    picture = field(sample_slide, 1000, 1300)
    areas = [wand_region(picture, sensitivity).area for sensitivity in (0.5, 1.0, 2.0, 4.0)]
    assert areas == sorted(areas)
    assert areas[-1] > 2 * areas[0]
    assert not polygon_of(wand_region(picture, 2.0)).interiors


def test_glass_is_taken_and_the_border_to_tissue_is_not_crossed(sample_slide: Path) -> None:
    """On the real slide: from a place on glass beside the tissue."""
    picture = field(sample_slide, 300, 900)
    light = ndimage.gaussian_filter(picture.astype(float).mean(2), 2)
    assert (light > 238).any()
    region = wand_region(picture, 2.0)
    inside = shapely.contains_xy(region, *np.mgrid[:SIDE, :SIDE][::-1].reshape(2, -1) + 0.5)
    is_like = np.abs(light - light[SIDE // 2, SIDE // 2]).ravel() < 25
    assert inside.sum() > 200
    assert is_like[inside].mean() > 0.9


def test_it_stays_within_the_circle(sample_slide: Path) -> None:
    picture = field(sample_slide, 50, 50)
    circle = shapely.Point(SIDE / 2, SIDE / 2).buffer(SIDE / 2 + 1)
    assert circle.covers(wand_region(picture, 10.0))


def test_a_speck_is_still_a_region() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    assert wand_region(picture, 0.01).area == pytest.approx(1, abs=1.5)


def test_a_circle_across_two_kinds_of_tissue_is_no_region() -> None:
    chance = np.random.default_rng(3)
    left, right = np.array([205, 120, 170]), np.array([185, 95, 150])
    is_left = np.mgrid[:SIDE, :SIDE][1] < SIDE // 2
    noise = chance.normal(0, 30, (SIDE, SIDE, 3))
    both = np.clip(np.where(is_left[..., None], left, right) + noise, 0, 255).astype(np.uint8)
    with pytest.raises(UnclearError):
        wand_region(both, 3.0)
    one = np.clip(left + noise, 0, 255).astype(np.uint8)
    assert wand_region(one, 3.0).area > 0.8 * np.pi * (SIDE / 2) ** 2
