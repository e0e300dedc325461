"""Thumbnails of slides on servers: shown where they are sound, refused before they are decoded."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from range_server import Faults, RangeServer

from viewer.slides import open_slide
from viewer.slides.errors import DamagedSlideError
from viewer.slides.remote.address import slide_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

JPEG, PNG, WEBP, JPEG_2000, JPEG_XL = 7, 34933, 50001, 34712, 50002
SIDE_PX, CLAIMED_PX = 128, 4096
SOUND = np.kron(
    np.random.default_rng(5).integers(0, 255, (8, 8, 3), np.uint8), np.ones((16, 16, 1), np.uint8)
)


def vast() -> NDArray[np.uint8]:
    """Return what is encoded by the test that asks for it, not by all processes that collect it."""
    return np.full((CLAIMED_PX, CLAIMED_PX, 3), 200, np.uint8)


def jpeg_2000(layers: int) -> bytes:
    """Return a code in small precincts that claims so many layers, each of which takes time."""
    file = io.BytesIO()
    Image.fromarray(SOUND).save(file, "JPEG2000", no_jp2=True, precinct_size=(8, 8),
                                codeblock_size=(4, 4), num_resolutions=3)  # fmt: skip
    data = file.getvalue()
    at = data.index(b"\xff\x52") + 6
    return data[:at] + layers.to_bytes(2, "big") + data[at + 2 :]


def jpeg_of_scans(scans: int) -> bytes:
    data = bytes(imagecodecs.jpeg8_encode(SOUND))
    scan = data[data.index(b"\xff\xda") : -2]
    return data[:-2] + scan * (scans - 1) + data[-2:]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    started = RangeServer(tmp_path, Faults()).start()
    yield started
    started.stop()


def write_svs(path: Path, compression: int, data: bytes) -> Path:
    """Write an Aperio slide whose thumbnail is coded data."""
    tissue = np.resize(SOUND, (512, 512, 3))
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(tissue, tile=(256, 256), photometric="rgb", compression="jpeg",
                   description="Aperio Image Library v12\n512x512 |AppMag = 20|MPP = 0.5",
                   metadata=None)  # fmt: skip
        tiff.write(iter([data]), shape=SOUND.shape, dtype=np.uint8, photometric="rgb",
                   compression=compression, rowsperstrip=SIDE_PX, metadata=None)  # fmt: skip
    return path


def thumbnail(server: RangeServer, name: str) -> NDArray[np.uint8]:
    with closing(open_slide(slide_path(server.address(name)))) as slide:
        assert slide.info.associated == ("thumbnail",)
        assert slide.read_tile(0, 0, 0).shape == (256, 256, 3)
        return slide.read_associated("thumbnail")


@pytest.mark.parametrize(
    ("compression", "data"),
    [
        (PNG, bytes(imagecodecs.png_encode(SOUND))),
        (WEBP, bytes(imagecodecs.webp_encode(SOUND, lossless=True))),
        (JPEG_XL, bytes(imagecodecs.jpegxl_encode(SOUND, lossless=True))),
        (JPEG, jpeg_of_scans(1)),
        (JPEG_2000, jpeg_2000(1)),
    ],
    ids=["png", "webp", "jpeg xl", "jpeg", "jpeg 2000"],
)
def test_a_sound_thumbnail_is_shown(
    server: RangeServer, tmp_path: Path, compression: int, data: bytes
) -> None:
    write_svs(tmp_path / "a.svs", compression, data)
    shown = thumbnail(server, "a.svs").astype(int)
    assert np.abs(shown - SOUND).mean() < (20 if compression == JPEG else 2)


@pytest.mark.parametrize(
    ("compression", "encode", "sentence"),
    [
        (PNG, lambda: imagecodecs.png_encode(vast()), "claims 16,777,216 pixels"),
        (WEBP, lambda: imagecodecs.webp_encode(vast(), lossless=True), "claims 16,777,216 pixels"),
        (JPEG_XL, lambda: imagecodecs.jpegxl_encode(vast(), effort=1), "claims 16,777,216 pixels"),
        (JPEG_XL, lambda: imagecodecs.jpegxl_encode(np.stack([SOUND] * 3)), "is an animation"),
        (JPEG, lambda: imagecodecs.jpeg8_encode(vast()), "claims 16,777,216 pixels"),
        (JPEG, lambda: jpeg_of_scans(300), "more than 200 scans"),
        (JPEG_2000, lambda: imagecodecs.jpeg2k_encode(vast(), codecformat="j2k"),
         "claims 16,777,216"),
        (JPEG_2000, lambda: jpeg_2000(65_535), "packets"),
    ],
    ids=[
        "png", "webp", "jpeg xl", "animation", "jpeg", "scans", "jpeg 2000", "layers",
    ],
)  # fmt: skip
def test_a_thumbnail_that_asks_for_too_much_is_not_decoded(
    server: RangeServer,
    tmp_path: Path,
    compression: int,
    encode: Callable[[], bytes | bytearray],
    sentence: str,
) -> None:
    write_svs(tmp_path / "a.svs", compression, bytes(encode()))
    with pytest.raises(DamagedSlideError, match=sentence) as refused:
        thumbnail(server, "a.svs")
    assert str(refused.value).startswith("The thumbnail image of a.svs cannot be read (")
    assert str(refused.value).endswith("the slide itself may still be good.")


def test_a_label_in_tiles_is_no_level(server: RangeServer, tmp_path: Path) -> None:
    tissue = np.resize(SOUND, (512, 512, 3))
    label = np.full((256, 256, 3), 255, np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.svs") as tiff:
        for picture, words in (
            (tissue, "512x512 |AppMag = 20"), (label, "label 256x256"), (tissue[::4, ::4], "")
        ):  # fmt: skip
            tiff.write(picture, tile=(128, 128), compression="jpeg",
                       description=f"Aperio Image Library v12\n{words}", metadata=None)  # fmt: skip
    with closing(open_slide(slide_path(server.address("a.svs")))) as slide:
        assert any("its label" in note for note in slide.info.notes)
        shown = [slide.read_tile(level, 0, 0).mean() for level in range(len(slide.levels))]
        assert max(shown) < 200, "a level between the two stored ones is made of tissue"
