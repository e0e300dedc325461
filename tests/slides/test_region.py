"""Boxes of a slide at any scale, and what lies beyond its edges."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_steps import HEIGHT_PX, WIDTH_PX, picture

from viewer.geometry import Box
from viewer.slides import TileError, open_slide
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


@pytest.mark.parametrize("is_rgb", [True, False], ids=["RGB", "channel"])
def test_a_model_is_not_given_what_is_hatched(tmp_path: Path, is_rgb: bool) -> None:
    """Levels that are made here show lost tiles as a pattern, which is tissue to a model."""
    path = tmp_path / "a.tif"
    values = np.full((1024, 1024, 3) if is_rgb else (1024, 1024), 200, np.uint8)
    photometric = "rgb" if is_rgb else "minisblack"
    tifffile.imwrite(path, values, photometric=photometric, tile=(128, 128), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].aspage().dataoffsets[3 * 8 + 3]
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"torn torn")
    with closing(open_slide(path)) as source:
        with pytest.raises(TileError, match=r"^Tile 3, 3 of level 0 cannot be read: "):
            read_region(source, Box(0, 0, 512, 512), 256, 256)
        assert (read_region(source, Box(512, 0, 1024, 512), 256, 256) == 200).all()
        # Of a tile of that level too, what does not touch the lost one.
        assert (read_region(source, Box(0, 0, 380, 380), 190, 190) == 200).all()
        seen = read_region(source, Box(0, 0, 512, 512), 256, 256, Beyond.WHITE)
        assert (seen[192:, 192:] != 200).any()
        assert (seen[:192] == 200).all()


def test_a_slide_of_one_pixel(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    Image.new("RGB", (1, 1), (9, 8, 7)).save(path)
    source = open_slide(path)
    assert (read_region(source, Box(-4, -4, 4, 4), 8, 8) == (9, 8, 7)).all()
    source.close()
