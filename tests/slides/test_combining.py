"""Slides of the same field as channels of one slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from channel_steps import stack, whole

from viewer.slides import UnsupportedSlideError, open_slide
from viewer.slides.combining import open_combined
from viewer.slides.slide_key import is_slide_key

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("in_this_process")


def dyed(path: Path, color: tuple[int, int, int], tile_px: int) -> Path:
    """A slide of one dye as a camera writes it: RGB of one hue."""
    amount = stack((1,), "uint8")[0].astype(float) / 200
    rgb = (amount[..., np.newaxis] * np.array(color)).astype(np.uint8)
    tifffile.imwrite(path, rgb, photometric="rgb", tile=(tile_px, tile_px), metadata=None)
    return path


def test_slides_of_one_dye_each(tmp_path: Path) -> None:
    paths = [
        dyed(tmp_path / "DAPI.tif", (0, 0, 255), 128),
        dyed(tmp_path / "x.tif", (255, 0, 0), 256),
    ]
    source = open_combined(paths)
    axes = source.info.axes
    assert [channel.name for channel in axes.channels] == ["DAPI", "x"]
    assert [channel.color for channel in axes.channels] == [(0, 0, 255), (255, 0, 0)]
    assert source.info.notes[0] == "Combined as channels: DAPI.tif, x.tif."
    values = whole(source, 0, (1, 0))
    for path, channel in zip(reversed(paths), values, strict=True):
        alone = open_slide(path)
        np.testing.assert_array_equal(channel, whole(alone, 0, (0, 1, 2)).max(0))
        alone.close()
    assert is_slide_key(source.info.identity)
    other = open_combined(paths[::-1])
    assert other.info.identity != source.info.identity
    assert source.info.is_called(source.info.identity)
    other.close()
    source.close()


def test_color_profiles_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    profile = imagecodecs.cms_profile("adobergb")
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path, held in zip(paths, (None, profile), strict=True):
        picture = np.full((256, 256, 3), (0, 0, 200), np.uint8)
        tifffile.imwrite(path, picture, photometric="rgb", tile=(128, 128), iccprofile=held)
    source = open_combined(paths)
    assert source.info.icc_profile is None
    assert any("ICC profiles are left out" in note for note in source.info.notes)
    source.close()


def test_channels_of_both_are_there(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    values = stack((2,), "uint16")
    about = {"axes": "CYX", "Channel": {"Name": ["DAPI", "Cy5"]}}
    tifffile.imwrite(path, values, photometric="minisblack", tile=(128, 128), metadata=about)
    source = open_combined([path, dyed(tmp_path / "b.tif", (0, 255, 0), 128)])
    assert [each.name for each in source.info.axes.channels] == ["a DAPI", "a Cy5", "b"]
    np.testing.assert_array_equal(whole(source, 0, (0, 1)), values)
    source.close()


def test_slides_of_another_size_are_refused(tmp_path: Path) -> None:
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, np.zeros((200, 300, 3), np.uint8), photometric="rgb")
    with pytest.raises(UnsupportedSlideError, match=r"300 x 200 px and a\.tif 420 x 300 px"):
        open_combined([dyed(tmp_path / "a.tif", (0, 0, 255), 128), small])
