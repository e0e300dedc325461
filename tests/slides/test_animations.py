"""Animations, and channels by the hundred, of kilobytes, and of gigabytes if all is decoded."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from dicom_steps import write_slide
from measured_runs import coverslip
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import UID

from viewer.slides import TileError, open_slide

FRAMES, SIDE_PX, TILE_PX = 3000, 1024, 256
JPEG_XL_LOSSLESS = b"1.2.840.10008.1.2.4.110"
OF_THE_SAME_LENGTH = UID("1.2.840.10008.1.2.4.201")
"""A transfer syntax that pydicom writes; it does not know the other."""


def jpeg_xl(side_px: int, frames: int) -> bytes:
    """Return an animation of equal frames, the coded bytes of one of which are repeated."""
    picture = np.full((side_px, side_px, 3), 200, np.uint8)
    two, three = (
        bytes(imagecodecs.jpegxl_encode(np.stack([picture] * count), lossless=True, effort=1))
        for count in (2, 3)
    )
    same = next(at for at, byte in enumerate(two) if byte != three[at])
    more = three[same : same + len(three) - len(two)]
    assert two[:same] + more + two[same:] == three
    return two[:same] + more * (frames - 2) + two[same:]


def avif(side_px: int, frames: int) -> bytes:
    file = io.BytesIO()
    pictures = [Image.new("RGB", (side_px, side_px), (n, 200, 90)) for n in range(frames)]
    pictures[0].save(file, "AVIF", save_all=True, append_images=pictures[1:], speed=10)
    return file.getvalue()


def test_the_frames_are_there() -> None:
    """What is tried below is what libjxl and libavif take for animations."""
    assert imagecodecs.jpegxl_decode(jpeg_xl(64, 40)).shape == (40, 64, 64, 3)
    assert imagecodecs.avif_decode(avif(64, 9)).shape == (9, 64, 64, 3)


@pytest.mark.parametrize("name", ["a.jxl", "a.avif"])
def test_of_a_picture_one_frame_is_decoded(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(jpeg_xl(SIDE_PX, FRAMES) if name == "a.jxl" else avif(SIDE_PX, 60))
    assert path.stat().st_size < 4 << 20
    outcome = coverslip("info", path)
    assert outcome.code == 0, outcome.err
    assert "Shown: " in outcome.out
    assert outcome.peak_mb < 300
    assert outcome.elapsed_s < 20


def many_channels(side_px: int, count: int) -> bytes:
    """Return a gray picture with channels beside it, of which libjxl writes and reads 255."""
    planes = np.full((count + 1, side_px, side_px), 200, np.uint8)
    return bytes(imagecodecs.jpegxl_encode(planes, lossless=True, effort=1, planar=True))


ANIMATION = "an animation, where a tile has one picture"
CHANNELS = "claims 2,686,976 pixels where the tile has 65,536"
BOMBS = pytest.mark.parametrize(
    ("bomb", "sentence"),
    [
        (lambda: jpeg_xl(TILE_PX, 20_000), ANIMATION),
        (lambda: many_channels(TILE_PX, 40), CHANNELS),
    ],
    ids=["animation", "channels"],
)


@BOMBS
def test_a_tile_of_a_tiff_is_one_picture(
    bomb: Callable[[], bytes], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    honest = np.random.default_rng(2).integers(0, 255, (TILE_PX, TILE_PX, 3), np.uint8)
    sound = bytes(imagecodecs.jpegxl_encode(honest, lossless=True))
    tifffile.imwrite(
        path, iter([bomb(), sound]), shape=(TILE_PX, 2 * TILE_PX, 3),
        dtype=np.uint8, photometric="rgb", tile=(TILE_PX, TILE_PX), compression=50002,
    )  # fmt: skip
    _assert_hatched(path, honest, tmp_path, sentence)


@BOMBS
def test_a_frame_of_dicom_is_one_picture(
    bomb: Callable[[], bytes], sentence: str, tmp_path: Path, sample_slide: Path
) -> None:
    template = tmp_path / "template"
    done = coverslip("convert", sample_slide, template, "--to", "dicom", "--region", "0,0,300,300")
    assert done.code == 0, done.err
    values = np.random.default_rng(2).integers(0, 255, (1, TILE_PX, 2 * TILE_PX, 3), np.uint8)
    frames = iter([bomb()])

    def encode(tile: NDArray[np.uint8]) -> bytes:
        return next(frames, None) or bytes(imagecodecs.jpegxl_encode(tile, lossless=True))

    path = write_slide(
        tmp_path / "a.dcm", next(template.iterdir()), values, tile_px=TILE_PX, encode=encode,
        syntax=OF_THE_SAME_LENGTH,
    )  # fmt: skip
    path.write_bytes(path.read_bytes().replace(OF_THE_SAME_LENGTH.encode(), JPEG_XL_LOSSLESS))
    _assert_hatched(path, values[0, :, TILE_PX:], tmp_path, sentence)


def _assert_hatched(path: Path, honest: NDArray[np.uint8], folder: Path, sentence: str) -> None:
    """The bomb is hatched, which is said, and the tile beside it is read."""
    with closing(open_slide(path)) as slide:
        with pytest.raises(TileError, match=sentence):
            slide.read_tile(0, 0, 0)
        assert np.array_equal(slide.read_tile(0, 1, 0), honest)
    outcome = coverslip("shot", path, "-o", folder / "out.png")
    assert outcome.code == 1
    assert "hatched" in outcome.err
    assert outcome.peak_mb < 400


def test_a_codestream_in_the_smallest_parts_tells_its_size(tmp_path: Path) -> None:
    """Where a part is cut within the header, what lies behind it was taken for the size."""
    code = bytes(imagecodecs.jpegxl_encode(np.zeros((300, 420, 3), np.uint8), lossless=True))
    parts = [*(code[n : n + 1] for n in range(40)), code[40:]]
    boxes = [b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x14ftypjxl \0\0\0\0jxl "]
    for number, part in enumerate(parts):
        order = number | (1 << 31 if number == len(parts) - 1 else 0)
        boxes.append((len(part) + 12).to_bytes(4, "big") + b"jxlp" + order.to_bytes(4, "big"))
        boxes.append(part)
    path = tmp_path / "a.jxl"
    path.write_bytes(b"".join(boxes))
    with closing(open_slide(path)) as slide:
        assert (slide.levels[0].width_px, slide.levels[0].height_px) == (420, 300)
