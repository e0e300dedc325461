"""What the command line tells and paints of files with several images, gaps and any scale."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

SMALL, LARGE = (40, 150, 90), (200, 80, 120)


def two_images(path: Path) -> Path:
    """A small image and, after it, a larger one of another shape."""
    with tifffile.TiffWriter(path, ome=True) as out:
        for name, color, shape in (("spot", SMALL, (200, 300)), ("section", LARGE, (600, 500))):
            pixels = np.full((*shape, 3), color, np.uint8)
            out.write(pixels, photometric="rgb", metadata={"Name": name}, tile=(128, 128))
    return path


def test_info_lists_images_and_tells_levels_as_objects(tmp_path: Path) -> None:
    path = two_images(tmp_path / "two.ome.tif")
    told = json.loads(coverslip("info", path, "--json", folder=tmp_path).stdout)
    assert [(i["index"], i["name"], i["width_px"]) for i in told["images"]] == [
        (0, "spot", 300),
        (1, "section", 500),
    ]
    assert told["image"] == 1
    assert told["levels"][0] == {
        "width_px": 500,
        "height_px": 600,
        "downsample": 1.0,
        "tile_width_px": 128,
        "tile_height_px": 128,
        "made_here": False,
    }
    assert told["levels"][-1]["made_here"] is True
    spot = json.loads(coverslip("info", path, "--json", "--image", "0", folder=tmp_path).stdout)
    assert (spot["width_px"], spot["image"]) == (300, 0)
    assert spot["identity"] != told["identity"]
    assert "section, 500 x 600" in coverslip("info", path, folder=tmp_path).stdout


@pytest.mark.parametrize("command", [["info"], ["shot", "-o", "x.png"], ["open"], []])
def test_an_image_that_is_not_there_is_refused(tmp_path: Path, command: list[str]) -> None:
    path = two_images(tmp_path / "two.ome.tif")
    told = coverslip(*command, path, "--image", "2", folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.strip() == "two.ome.tif has no image 2: it holds 2 images, numbered 0 to 1."


def test_a_shot_of_one_image(tmp_path: Path) -> None:
    path = two_images(tmp_path / "two.ome.tif")
    for options, color in (([], LARGE), (["--image", "0"], SMALL)):
        told = coverslip("shot", path, "-o", "x.png", "--size", "64x64", *options, folder=tmp_path)
        assert told.returncode == 0
        assert Image.open(tmp_path / "x.png").convert("RGB").getpixel((32, 32)) == color


def test_unreadable_tiles_are_counted_and_end_in_1(tmp_path: Path) -> None:
    path = tmp_path / "torn.tif"
    pixels = np.full((512, 512, 3), LARGE, np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(256, 256), compression="zstd")
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].aspage().dataoffsets[1:3]
    with path.open("r+b") as file:
        for offset in at:
            file.seek(offset)
            file.write(b"torn torn")
    told = coverslip("shot", path, "-o", "x.png", "--downsample", "1", folder=tmp_path)
    assert told.returncode == 1
    assert told.stderr.startswith("2 tiles of the field cannot be read and are hatched:\n")
    assert (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("option", "value", "downsample"),
    [("--mag", "0.5", 40.0), ("--downsample", "80", 80.0), ("--downsample", "0.02", 0.02)],
)
def test_any_scale_is_painted(
    tmp_path: Path, sample_slide: Path, option: str, value: str, downsample: float
) -> None:
    arguments = ["-o", "x.png", "--size", "400x300", option, value]
    told = coverslip("shot", sample_slide, *arguments, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    shown = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    slide = (np.abs(shown - 118) > 1).any(axis=2)  # the surround is an even gray
    if downsample < 1:
        # A level-0 pixel is a square of 50: its neighbors come in smoothly.
        assert slide.mean() > 0.99
        assert np.abs(np.diff(shown, axis=1)).max() < 30
        return
    height, width = (slide.any(axis=axis).sum() for axis in (1, 0))
    assert width == pytest.approx(2220 / downsample, abs=2)
    assert height == pytest.approx(2967 / downsample, abs=2)
