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
    # Beside the torn tiles nothing is hatched, though they are read ahead.
    place = ("--center", "60,60", "--downsample", "0.25", "--size", "300x300")
    told = coverslip("shot", path, "-o", "x.png", *place, folder=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    # Turned by 45 degrees a corner of the box around the field holds one, the field does not.
    place = ("--center", "128,128", "--downsample", "1", "--size", "240x240", "--rotate", "45")
    told = coverslip("shot", path, "-o", "x.png", *place, folder=tmp_path)
    assert told.stderr.startswith("2 tiles of the field cannot be read and are hatched:\n")
    place = ("--center", "110,110", "--downsample", "1", "--size", "200x200", "--rotate", "45")
    told = coverslip("shot", path, "-o", "x.png", *place, folder=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")


def test_a_run_over_a_slide_with_unreadable_tiles_ends_in_1(tmp_path: Path) -> None:
    path = tmp_path / "torn.tif"
    pixels = np.random.default_rng(3).integers(0, 255, (512, 512, 3), np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(256, 256), compression="zstd")
    run = ("run", "tissue-quality", path, "--mpp", "2", "--json")
    whole = coverslip(*run, folder=tmp_path)
    assert whole.returncode == 0, whole.stderr
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].aspage().dataoffsets[3]
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"torn torn")
    for _ in range(2):  # nothing of it is kept as if it were known
        torn = coverslip(*run, folder=tmp_path)
        assert torn.returncode == 1
        assert "Tile 1, 1 of" in torn.stderr


def test_unreadable_tiles_are_counted_at_any_zoom(tmp_path: Path) -> None:
    """Zoomed out they are a part of a tile that is made of many."""
    path = tmp_path / "torn.tif"
    pixels = np.full((1536, 1536, 3), LARGE, np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(256, 256), compression="zstd")
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].aspage().dataoffsets[7]
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"torn torn")
    told = coverslip("shot", path, "-o", "x.png", "--size", "300x300", folder=tmp_path)
    assert told.returncode == 1
    assert told.stderr.startswith(
        "1 tile of the field cannot be read and is hatched:\nTile 1, 1 of"
    )
    options = ("--size", "100x100", "--downsample", "4", "--center", "900,900")
    told = coverslip("shot", path, "-o", "x.png", *options, folder=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")


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
    height, width = slide.any(axis=-1).sum(), slide.any(axis=0).sum()
    assert width == pytest.approx(2220 / downsample, abs=2)
    assert height == pytest.approx(2967 / downsample, abs=2)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels and three planes; a square in each, at a place of its own."""
    path = tmp_path_factory.mktemp("stack") / "stack.ome.tif"
    values = np.zeros((3, 2, 200, 300), np.uint16)
    for z, c in np.ndindex(3, 2):
        values[z, c, 50 * z : 50 * z + 40, 100 * c : 100 * c + 60] = 700 + c
    about = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "Cy5, far red"]}}
    tifffile.imwrite(path, values, photometric="minisblack", tile=(128, 128), metadata=about)
    return path


def test_info_tells_channels_planes_and_times(stack: Path) -> None:
    told = json.loads(coverslip("info", stack, "--json").stdout)
    assert told["channels"] == [
        {"name": "DAPI", "color": "#0000ff", "dtype": "uint16", "range": [0, 700]},
        {"name": "Cy5, far red", "color": "#ff00ff", "dtype": "uint16", "range": [0, 701]},
    ]
    assert (told["planes"], told["times"], told["notes"]) == (3, 1, [])
    assert "Cy5, far red, uint16, 0 to 701" in coverslip("info", stack).stdout


@pytest.mark.parametrize(
    ("names", "z", "lit"),
    [("dapi", 2, {(20, 110): (0, 0, 255)}), ("Cy5, far red", 1, {(120, 60): (255, 0, 255)})],
)
def test_a_shot_of_channels_at_a_plane(
    stack: Path, tmp_path: Path, names: str, z: int, lit: dict[tuple[int, int], tuple[int, ...]]
) -> None:
    options = ("--downsample", "1", "--size", "300x200", "--channels", names, "--z", str(z))
    told = coverslip("shot", stack, "-o", "a.png", *options, folder=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    for (x, y), color in lit.items():
        assert tuple(shown[y, x]) == color
    assert (shown.max(2) > 0).sum() == 40 * 60


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--channels", "GFP"), 'no channel "GFP": it has DAPI, "Cy5, far red".'),
        (("--z", "3"), "no focal plane 3: it has 3 focal planes, 0 to 2."),
        (("--z", "-1"), "no focal plane -1: it has 3 focal planes, 0 to 2."),
        (("--t", "1"), "no time point 1: it has one time point, 0."),
    ],
)
def test_what_a_slide_has_not_is_said(
    stack: Path, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    told = coverslip("shot", stack, "-o", "a.png", *options, folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.strip() == f"stack.ome.tif has {sentence}"
    assert not (tmp_path / "a.png").exists()


def test_rgb_has_no_channels_to_name(tmp_path: Path) -> None:
    path = two_images(tmp_path / "two.ome.tif")
    told = coverslip("shot", path, "-o", "a.png", "--channels", "red", folder=tmp_path)
    assert (told.returncode, told.stderr.count("RGB")) == (2, 1)


def test_slides_as_channels(stack: Path, tmp_path: Path) -> None:
    green = tmp_path / "green.tif"
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[:40, :60, 1] = 200
    tifffile.imwrite(green, pixels, photometric="rgb")
    blue = tmp_path / "blue.tif"
    tifffile.imwrite(blue, pixels[::-1, :, [0, 2, 1]], photometric="rgb")
    told = json.loads(coverslip("info", green, blue, "--as-channels", "--json").stdout)
    assert [each["name"] for each in told["channels"]] == ["green", "blue"]
    options = ("--as-channels", "--downsample", "1", "--size", "300x200")
    assert coverslip("shot", green, blue, "-o", "a.png", *options, folder=tmp_path).returncode == 0
    shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert shown[20, 30].tolist() == [0, 200, 0]
    assert shown[180, 30].tolist() == [0, 0, 200]
    for wrong in ((green, "--as-channels"), (green, blue), (green, stack, "--as-channels")):
        told = coverslip("info", *wrong)
        assert told.returncode == 2
        assert told.stderr.count("\n") == 1
