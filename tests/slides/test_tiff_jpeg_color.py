"""JPEG and YCbCr in TIFF: what the data says of its colors decides, then the tag."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from jpeg_builder import ADOBE, HUFFMAN, JFIF, QUANTIZATION, marked, split
from PIL import Image
from tiff_steps import HEIGHT_PX, WIDTH_PX, assert_shows, picture, whole, write_tiff

from viewer.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides import RgbImage

RGB, YCBCR = 2, 6
_APART = (HUFFMAN, QUANTIZATION, JFIF[1], ADOBE[1])
"""What stands in the tables, the markers of colors among it."""


def smooth() -> RgbImage:
    """Without sharp edges, so that subsampled colors stay near."""
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    waves = [150 + 90 * np.sin(x / 60), 120 + 80 * np.sin(y / 45), 90 + 60 * np.cos((x + y) / 80)]
    return np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8)


def coded(
    pixels: RgbImage,
    *,
    as_rgb: bool,
    jfif: bool = False,
    adobe: int | None = None,
    ids: bytes = b"\x01\x02\x03",
    subsampling: str = "444",
) -> bytes:
    """A JPEG stream of these pixels, coded as RGB or YCbCr, with just these markers and ids."""
    if as_rgb:
        jpeg = imagecodecs.jpeg8_encode(pixels, level=98, colorspace="RGB", outcolorspace="RGB")
    else:
        jpeg = imagecodecs.jpeg8_encode(pixels, level=98, subsampling=subsampling)
    return marked(bytes(jpeg), jfif=jfif, adobe=adobe, ids=ids)


def tiff_of(path: Path, jpegs: list[bytes], photometric: int, tables: bytes = b"") -> Path:
    """Strips of 100 rows; tiles go the same way."""
    tags: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("H", (WIDTH_PX,)),
        257: ("H", (HEIGHT_PX,)),
        258: ("H", (8, 8, 8)),
        259: ("H", (7,)),
        262: ("H", (photometric,)),
        273: ("I", ()),
        277: ("H", (3,)),
        278: ("H", (100,)),
    }
    if tables:
        tags[347] = ("b", tuple(tables))
    return write_tiff(path, tags, jpegs)


def strips(image: RgbImage) -> list[RgbImage]:
    return [np.ascontiguousarray(image[top : top + 100]) for top in range(0, HEIGHT_PX, 100)]


CASES = [
    # coded as RGB?, markers and ids, the tag
    (False, {"jfif": True}, RGB),
    (False, {"jfif": True}, YCBCR),
    (False, {"jfif": True, "adobe": 0}, RGB),
    (True, {"adobe": 0}, RGB),
    (True, {"adobe": 0}, YCBCR),
    (False, {"adobe": 1}, RGB),
    (False, {"adobe": 1}, YCBCR),
    (True, {"ids": b"RGB"}, YCBCR),
    (True, {"ids": b"RGB"}, RGB),
    (False, {"ids": b"RGB", "adobe": 1}, RGB),
    (True, {"ids": b"\0\1\2"}, RGB),
    (False, {"ids": b"\0\1\2"}, YCBCR),
    (True, {}, RGB),
    (False, {}, YCBCR),
    (False, {"subsampling": "420"}, RGB),
    (False, {"subsampling": "422"}, RGB),
    (False, {"subsampling": "420", "adobe": 0}, RGB),
    (False, {"subsampling": "420", "ids": b"RGB"}, RGB),
]


@pytest.mark.parametrize(("as_rgb", "markers", "tag"), CASES)
@pytest.mark.parametrize("apart", [False, True])
def test_markers_ids_then_the_tag_tell_the_colors(
    tmp_path: Path, as_rgb: bool, markers: dict[str, object], tag: int, apart: bool
) -> None:
    jpegs = [coded(part, as_rgb=as_rgb, **markers) for part in strips(smooth())]  # pyright: ignore[reportArgumentType]
    tables = b""
    if apart:
        in_parts = [split(jpeg, _APART) for jpeg in jpegs]
        tables, jpegs = in_parts[0][0], [image for _, image in in_parts]
    assert_shows(tiff_of(tmp_path / "a.tif", jpegs, tag, tables), smooth(), 12)


def test_each_tile_tells_for_itself(tmp_path: Path) -> None:
    first, second, third = strips(smooth())
    jpegs = [
        coded(first, as_rgb=True),
        coded(second, as_rgb=False, jfif=True),
        coded(third, as_rgb=False, adobe=1),
    ]
    assert_shows(tiff_of(tmp_path / "a.tif", jpegs, RGB), smooth(), 8)


def test_four_components_are_cmyk(tmp_path: Path) -> None:
    inks = np.asarray(Image.fromarray(smooth()).convert("CMYK")).copy()
    inks[..., 3] = 40
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, inks, photometric="separated", compression="jpeg", tile=(128, 128))
    paper = 255 - inks.astype(float)
    expected = np.rint(paper[..., :3] * paper[..., 3:] / 255).astype(np.uint8)
    assert_shows(path, expected, 12)


def test_a_cut_jpeg_is_unreadable_not_gray(tmp_path: Path) -> None:
    jpegs = [coded(part, as_rgb=False, jfif=True) for part in strips(smooth())]
    path = tiff_of(tmp_path / "a.tif", [jpegs[0], jpegs[1][:-200], jpegs[2]], RGB)
    source = open_slide(path)
    with pytest.raises(Exception, match="cut short"):
        whole(source)
    source.close()


def packed(ycbcr: RgbImage, across: int, down: int) -> bytes:
    """Data units of TIFF 6, section 21, made one by one."""
    height, width = (
        -(-side // step) * step for side, step in zip(ycbcr.shape[:2], (down, across), strict=True)
    )
    padded = np.pad(
        ycbcr, ((0, height - ycbcr.shape[0]), (0, width - ycbcr.shape[1]), (0, 0)), "edge"
    )
    units = bytearray()
    for y in range(0, height, down):
        for x in range(0, width, across):
            block = padded[y : y + down, x : x + across]
            units += block[..., 0].tobytes()
            units += bytes(np.rint(block[..., 1:].mean(axis=(0, 1))).astype(np.uint8))
    return bytes(units)


@cache
def packed_strips(across: int, down: int) -> tuple[bytes, ...]:
    ycbcr = np.asarray(Image.fromarray(smooth()).convert("YCbCr"))
    return tuple(packed(part, across, down) for part in strips(ycbcr))


@pytest.mark.parametrize("sampling", [(1, 1), (2, 2), (2, 1), (4, 2), (4, 4)])
@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
def test_ycbcr_of_codecs_that_know_no_colors(
    tmp_path: Path, sampling: tuple[int, int], compression: int
) -> None:
    encode = {
        1: bytes,
        5: imagecodecs.lzw_encode,
        8: imagecodecs.zlib_encode,
        32773: imagecodecs.packbits_encode,
    }[compression]
    data = [bytes(encode(strip)) for strip in packed_strips(*sampling)]
    path = write_tiff(
        tmp_path / "a.tif",
        {
            256: ("H", (WIDTH_PX,)),
            257: ("H", (HEIGHT_PX,)),
            258: ("H", (8, 8, 8)),
            259: ("H", (compression,)),
            262: ("H", (YCBCR,)),
            273: ("I", ()),
            277: ("H", (3,)),
            278: ("H", (100,)),
            530: ("H", sampling),
        },
        data,
    )
    assert_shows(path, smooth(), 3 if sampling == (1, 1) else 10)


def test_ycbcr_in_tiles_with_the_range_of_video(tmp_path: Path) -> None:
    """ReferenceBlackWhite 16 to 235; YCbCr of 1 x 1 in tiles of 128 px."""
    full = np.asarray(Image.fromarray(smooth()).convert("YCbCr")).astype(float)
    video = np.empty_like(full)
    video[..., 0] = 16 + full[..., 0] * 219 / 255
    video[..., 1:] = 128 + (full[..., 1:] - 128) * 112 / 127
    video = np.rint(np.clip(video, 0, 255)).astype(np.uint8)
    tiles: list[bytes] = []
    for y in range(0, HEIGHT_PX, 128):
        for x in range(0, WIDTH_PX, 128):
            tile = np.zeros((128, 128, 3), np.uint8)
            part = video[y : y + 128, x : x + 128]
            tile[: part.shape[0], : part.shape[1]] = part
            tiles.append(tile.tobytes())
    path = tmp_path / "a.tif"
    reference = (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1)
    tifffile.imwrite(
        path,
        iter(tiles),
        shape=(HEIGHT_PX, WIDTH_PX, 3),
        dtype=np.uint8,
        tile=(128, 128),
        photometric="ycbcr",
        subsampling=(1, 1),
        metadata=None,
        extratags=[(532, "2I", 6, reference, True)],
    )
    assert_shows(path, smooth(), 4)


@pytest.mark.parametrize("compression", ["jpeg2000", "png", "zstd"])
def test_ycbcr_that_the_tag_alone_tells(tmp_path: Path, compression: str) -> None:
    ycbcr = np.asarray(Image.fromarray(picture()).convert("YCbCr"))
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        ycbcr,
        photometric="ycbcr",
        subsampling=(1, 1),
        tile=(128, 128),
        compression=compression,
        compressionargs={"reversible": True, "mct": False} if compression == "jpeg2000" else {},
        metadata=None,
    )
    assert_shows(path, picture(), 4)
