"""Levels, single stains and color profiles, on made colors and on the bundled slide."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import openslide
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import ImageCms

from viewer.geometry import Optics
from viewer.slides import SlideInfo
from viewer.slides.colors.profile import profile_problem
from viewer.tiles.display import DisplaySettings, DisplayTransform, default_display
from viewer.tiles.stains import Stain

if TYPE_CHECKING:
    from pathlib import Path

RgbImage = NDArray[np.uint8]

HEMATOXYLIN = np.array([0.65111, 0.70119, 0.29049])
EOSIN = np.array([0.2159, 0.8012, 0.5581])
DAB = np.array([0.26917, 0.56824, 0.77759])


@pytest.fixture
def tissue(sample_slide: Path) -> RgbImage:
    with openslide.OpenSlide(sample_slide) as slide:
        return np.asarray(slide.read_region((800, 800), 0, (256, 256)).convert("RGB"))


def gray_ramp() -> RgbImage:
    return np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)


def stained(*amounts: tuple[float, NDArray[np.float64]]) -> RgbImage:
    """One pixel through which light went by these amounts of stain."""
    density = sum(amount * vector / np.linalg.norm(vector) for amount, vector in amounts)
    return np.rint(255 * 10.0**-density).astype(np.uint8).reshape(1, 1, 3)


def adobe_rgb() -> bytes:
    return imagecodecs.cms_profile("adobergb")


def profile_for(space: str) -> bytes:
    if space == "Lab":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    profile = bytearray(adobe_rgb())
    profile[16:20] = {"gray": b"GRAY", "CMYK": b"CMYK"}[space]
    return bytes(profile)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_plain_look_returns_its_input(tissue: RgbImage) -> None:
    assert DisplaySettings().is_plain
    assert DisplayTransform(DisplaySettings()).apply(tissue) is tissue


@pytest.mark.parametrize(
    "look",
    [
        DisplaySettings(brightness=0.1),
        DisplaySettings(contrast=1.5),
        DisplaySettings(gamma=2.0),
        DisplaySettings(stain=Stain.EOSIN),
        DisplaySettings(icc=True),
    ],
)
def test_any_change_makes_a_look_not_plain(look: DisplaySettings) -> None:
    assert not look.is_plain


def test_brightness_adds_a_share_of_white() -> None:
    shown = DisplayTransform(DisplaySettings(brightness=0.2)).apply(gray_ramp())
    np.testing.assert_array_equal(shown[0, :, 0], np.minimum(np.arange(256) + 51, 255))


def test_contrast_turns_about_middle_gray() -> None:
    shown = DisplayTransform(DisplaySettings(contrast=2.0)).apply(gray_ramp())[0, :, 1].astype(int)
    assert shown[0] == 0
    assert shown[255] == 255
    assert shown[127] == 126
    assert shown[128] == 128
    np.testing.assert_allclose(shown[100:150], 2 * np.arange(100, 150) - 127.5, atol=0.51)


def test_gamma_lightens_the_middle_and_keeps_the_ends() -> None:
    shown = DisplayTransform(DisplaySettings(gamma=2.0)).apply(gray_ramp())[0, :, 2].astype(int)
    assert (shown[0], shown[255]) == (0, 255)
    assert shown[64] == round(255 * (64 / 255) ** 0.5)
    assert np.all(np.diff(shown) >= 0)


@pytest.mark.parametrize(
    ("stain", "vector", "other"),
    [
        (Stain.HEMATOXYLIN, HEMATOXYLIN, EOSIN),
        (Stain.EOSIN, EOSIN, HEMATOXYLIN),
        (Stain.DAB, DAB, HEMATOXYLIN),
        (Stain.HEMATOXYLIN_WITH_DAB, HEMATOXYLIN, DAB),
    ],
)
def test_a_stain_is_seen_alone(
    stain: Stain, vector: NDArray[np.float64], other: NDArray[np.float64]
) -> None:
    transform = DisplayTransform(DisplaySettings(stain=stain))
    alone = stained((0.6, vector))
    np.testing.assert_allclose(transform.apply(alone).astype(int), alone, atol=2)
    both = stained((0.6, vector), (0.3, other))
    np.testing.assert_allclose(transform.apply(both).astype(int), alone, atol=3)
    assert transform.apply(stained((0.6, other))).min() >= 252


def test_glass_stays_white_and_black_stays_dark() -> None:
    ends = np.array([[[255, 255, 255], [0, 0, 0]]], dtype=np.uint8)
    shown = DisplayTransform(DisplaySettings(stain=Stain.HEMATOXYLIN)).apply(ends)
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[0, 1].max() < 100


def test_stains_of_real_tissue_make_up_its_optical_density(tissue: RgbImage) -> None:
    def density(rgb: RgbImage) -> NDArray[np.float64]:
        return -np.log10(np.maximum(rgb, 1) / 255.0)

    both = sum(
        density(DisplayTransform(DisplaySettings(stain=stain)).apply(tissue))
        for stain in (Stain.HEMATOXYLIN, Stain.EOSIN)
    )
    # What the two stains do not explain is small in a slide that has no third one.
    assert np.mean(np.abs(both - density(tissue))) < 0.1 * np.mean(density(tissue))


@pytest.mark.parametrize("stain", [each for each in Stain if each is not Stain.NONE])
def test_no_amount_of_a_stain_is_cut_off(stain: Stain) -> None:
    """The darkest colors that a pixel can have are shown as dark as they are."""
    stain_set = {Stain.DAB: (HEMATOXYLIN, DAB), Stain.HEMATOXYLIN_WITH_DAB: (HEMATOXYLIN, DAB)}
    first, second = (v / np.linalg.norm(v) for v in stain_set.get(stain, (HEMATOXYLIN, EOSIN)))
    across = np.cross(first, second)
    vectors = np.stack([first, second, across / np.linalg.norm(across)])
    index = 0 if stain in (Stain.HEMATOXYLIN, Stain.HEMATOXYLIN_WITH_DAB) else 1
    dark = np.array([[[1, 1, 1], [1, 1, 255], [255, 1, 1], [1, 255, 1], [9, 2, 40]]], np.uint8)
    amounts = (-np.log10(dark[0] / 255.0) @ np.linalg.inv(vectors))[:, index]
    expected = 255 * 10.0 ** -np.outer(np.maximum(amounts, 0), vectors[index])
    shown = DisplayTransform(DisplaySettings(stain=stain)).apply(dark)[0]
    np.testing.assert_allclose(shown, expected, atol=1.01)
    assert amounts.max() > 3  # where version 0.1 cut off


def test_levels_of_a_stain_equal_levels_after_it(tissue: RgbImage) -> None:
    levels = DisplaySettings(brightness=0.1, contrast=1.4, gamma=0.8)
    at_once = DisplayTransform(replace(levels, stain=Stain.EOSIN)).apply(tissue)
    stain = DisplayTransform(DisplaySettings(stain=Stain.EOSIN)).apply(tissue)
    np.testing.assert_array_equal(at_once, DisplayTransform(levels).apply(stain))


def test_profile_takes_adobe_rgb_to_srgb() -> None:
    transform = DisplayTransform(DisplaySettings(icc=True), adobe_rgb())
    rgb = np.array([[[255, 255, 255], [0, 0, 0], [128, 128, 128], [150, 100, 100]]], dtype=np.uint8)
    shown = transform.apply(rgb)[0].astype(int)
    assert profile_problem(adobe_rgb()) == ""
    assert shown[0].tolist() == [255, 255, 255]
    assert shown[1].tolist() == [0, 0, 0]
    # Adobe RGB's gamma is 2.2: its middle gray is nearly that of sRGB, its reds are purer.
    np.testing.assert_allclose(shown[2], 128, atol=2)
    linear = (np.array([150, 100, 100]) / 255) ** (563 / 256)
    # From the matrices of the two standards (both for the white of D65).
    matrix = np.array([[1.39836, -0.39836, 0.0], [0.0, 1.0, 0.0], [0.0, -0.04293, 1.04293]])
    mixed = matrix @ linear
    encoded = np.where(mixed > 0.0031308, 1.055 * mixed ** (1 / 2.4) - 0.055, 12.92 * mixed)
    np.testing.assert_allclose(shown[3], 255 * encoded, atol=2)


def test_profile_is_used_only_when_asked_for(tissue: RgbImage) -> None:
    assert DisplayTransform(DisplaySettings(icc=False), adobe_rgb()).apply(tissue) is tissue


def test_profile_that_changes_nothing_costs_nothing(tissue: RgbImage) -> None:
    assert DisplayTransform(DisplaySettings(icc=True), srgb()).apply(tissue) is tissue


def test_slide_without_profile_is_shown_as_it_is(tissue: RgbImage) -> None:
    transform = DisplayTransform(DisplaySettings(icc=True), None)
    assert profile_problem(None) == ""
    assert transform.apply(tissue) is tissue


@pytest.mark.parametrize("length", [0, 3, 200, 500])
def test_broken_profile_is_told_in_one_sentence(
    length: int, tissue: RgbImage, caplog: pytest.LogCaptureFixture
) -> None:
    broken = b"?" * 10 + adobe_rgb()[10:length] if length else b"no profile"
    with caplog.at_level(logging.INFO):
        transform = DisplayTransform(DisplaySettings(icc=True), broken)
    problem = profile_problem(broken)
    assert problem.endswith("its colors are shown as stored.")
    assert problem in caplog.text
    assert transform.apply(tissue) is tissue


@pytest.mark.parametrize("space", ["gray", "CMYK", "Lab"])
def test_profile_of_another_color_space_is_refused_and_not_said_to_be_used(space: str) -> None:
    profile = profile_for(space)
    problem = profile_problem(profile)
    assert f"it is for {space}, and the slide's pixels are RGB" in problem
    assert DisplayTransform(DisplaySettings(icc=True), profile).is_identity
    info = SlideInfo("test", "test", Optics(), icc_profile=profile)
    assert not default_display(info).icc


def test_a_slide_opens_by_its_profile_if_it_can_be_used() -> None:
    info = SlideInfo("test", "test", Optics(), icc_profile=adobe_rgb())
    assert default_display(info).icc
    assert not default_display(info, uses_icc=False).icc
    assert not default_display(SlideInfo("test", "test", Optics())).icc


def test_many_threads_see_the_same_colors(tissue: RgbImage) -> None:
    for look in (DisplaySettings(icc=True, gamma=1.2), DisplaySettings(stain=Stain.DAB)):
        transform = DisplayTransform(look, adobe_rgb())
        expected = transform.apply(tissue)
        with ThreadPoolExecutor(8) as pool:
            for shown in pool.map(transform.apply, [tissue] * 64):
                np.testing.assert_array_equal(shown, expected)


def test_tiles_of_any_shape_keep_it(tissue: RgbImage) -> None:
    transform = DisplayTransform(DisplaySettings(stain=Stain.HEMATOXYLIN, icc=True), adobe_rgb())
    for shape in ((1, 1), (7, 31), (256, 3)):
        part = tissue[: shape[0], : shape[1]]
        shown = transform.apply(part)
        assert shown.shape == (*shape, 3)
        assert shown.dtype == np.uint8
    levels_only = DisplayTransform(DisplaySettings(icc=True, contrast=2.0), adobe_rgb())
    assert levels_only.apply(tissue[:7, :31]).shape == (7, 31, 3)
