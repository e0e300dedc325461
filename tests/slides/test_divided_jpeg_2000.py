"""JPEG 2000 of so many layers, precincts, code-blocks or tiles that decoding takes minutes."""

from __future__ import annotations

import io
import json
import math
import struct
import time
from contextlib import closing
from functools import cache, partial
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_steps import picture

from viewer.annotations.formats.problems import Problem
from viewer.annotations.masks.mask_reading import read_mask
from viewer.slides import DamagedSlideError, TileError, open_slide
from viewer.slides.readers.dicom.frames import FrameFormat
from viewer.slides.readers.jpeg_2000.code import check_divisions, jpeg2k_decode
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff_directory import read_directories
from viewer.slides.readers.tile_decoders import direct_decoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIDE_PX = 256
CODING = b"\xff\x52"
MANY_LAYERS = 65_535
NOT_NEEDED = "which no picture needs; save it again with fewer layers"


@cache  # which takes a second
def encoded(
    layers: int = 1, precinct: int = 256, samples: int = 3, *, boxed: bool = False
) -> bytes:
    """Return a picture that is coded in layers and precincts, as other programs write them."""
    file = io.BytesIO()
    pixels = np.resize(picture(), (SIDE_PX, SIDE_PX, 3))
    Image.fromarray(pixels if samples == 3 else pixels[..., 0]).save(
        file, "JPEG2000", no_jp2=not boxed, precinct_size=(precinct, precinct),
        codeblock_size=(min(64, precinct // 2),) * 2, num_resolutions=3,
        quality_mode="rates", quality_layers=[100 - each for each in range(layers)],
    )  # fmt: skip
    return file.getvalue()


def with_layers(data: bytes, layers: int = MANY_LAYERS) -> bytes:
    """Return it with another number of layers claimed."""
    at = data.index(CODING) + 6
    return data[:at] + layers.to_bytes(2, "big") + data[at + 2 :]


def segment(code: int, body: bytes) -> bytes:
    return bytes((0xFF, code)) + (len(body) + 2).to_bytes(2, "big") + body


def divided(
    side_px: int, precincts: bytes, *, block: int = 4, components: int = 1, tile_px: int = 0,
    layers: int = 1, more: bytes = b"", in_tile: bytes = b"",
) -> bytes:  # fmt: skip
    """Return a code of tiles that hold nothing."""
    tile_px = tile_px or side_px
    sides = side_px, side_px, 0, 0, tile_px, tile_px, 0, 0
    levels = len(precincts) - 1
    coding = struct.pack(">BBHBBBBBB", 1, 0, layers, 0, levels, block, block, 0, 1) + precincts
    data = b"\xff\x4f" + segment(
        0x51, struct.pack(">H8IH", 0, *sides, components) + b"\7\1\1" * components
    )
    data += segment(0x52, coding) + segment(0x5C, bytes((0x40, *[64] * (3 * levels + 1)))) + more
    part = in_tile + b"\xff\x93" + bytes(100)
    tiles = (
        b"\xff\x90" + struct.pack(">HHIBB", 10, tile, 12 + len(part), 0, 1) + part
        for tile in range((side_px // tile_px) ** 2)
    )
    return b"".join([data, *tiles, b"\xff\xd9"])


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize(("layers", "precinct"), [(1, 256), (12, 64), (50, 16)])
def test_layers_and_precincts_of_honest_files_are_decoded_as_before(
    layers: int, precinct: int, boxed: bool
) -> None:
    data = encoded(layers, precinct, boxed=boxed)
    at = data.index(CODING)
    assert int.from_bytes(data[at + 6 : at + 8], "big") == layers
    assert np.array_equal(jpeg2k_decode(data), imagecodecs.jpeg2k_decode(data))


def test_large_pictures_and_many_tiles_pass() -> None:
    check_divisions(divided(14_000, b"\x77" * 6, components=3, layers=12))
    check_divisions(divided(16_384, b"\x88" * 6, components=3, layers=50, tile_px=512))
    check_divisions(with_layers(encoded()))  # of a packet for each, which takes no time


_COMPONENT = segment(0x53, bytes((0, 1, 5, 4, 4, 0, 1)) + b"\x22" * 6)
_FINE = struct.pack(">BBHBBBBBB", 1, 0, MANY_LAYERS, 0, 5, 4, 4, 0, 1) + b"\x44" * 6


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(partial(divided, 256, b"\x33" * 6, layers=MANY_LAYERS), id="layers"),
        pytest.param(partial(divided, 8192, b"\x44" * 6, components=64), id="components"),
        pytest.param(partial(divided, 2048, b"\x11" * 6, components=3), id="precincts"),
        pytest.param(partial(divided, 8192, b"\xff" * 6, block=0, components=3), id="code-blocks"),
        pytest.param(partial(divided, 16_384, b"\x1f\xf1"), id="places"),
        pytest.param(partial(divided, 2000, b"\xff" * 6, tile_px=10, components=30), id="tiles"),
        pytest.param(partial(divided, 8192, b"\xff" * 6, more=_COMPONENT), id="a component"),
        pytest.param(partial(divided, 256, b"\xff" * 6, in_tile=segment(0x52, _FINE)), id="a tile"),
        pytest.param(
            partial(divided, 4096, b"\x44" * 6, more=segment(0x5F, bytes(7 * 9000))), id="orders"
        ),
        # OpenJPEG skips a marker that it does not know without its length.
        pytest.param(
            partial(divided, 256, b"\xff" * 6, more=b"\xff\x2f\xff\xfe" + segment(0x52, _FINE)),
            id="hidden",
        ),
        pytest.param(
            lambda: divided(256, b"\xff" * 6, more=segment(0x64, bytes(2)) * 1_000_001),
            id="markers",
        ),
    ],
)  # fmt: skip
def test_what_is_divided_too_finely_is_refused_at_once(make: Callable[[], bytes]) -> None:
    data = make()
    begin = time.process_time()
    with pytest.raises(ChunkError, match=r"its JPEG 2000 data (is divided|has more than)"):
        jpeg2k_decode(data)
    assert time.process_time() - begin < 5


def test_damage_is_left_to_the_decoder() -> None:
    whole = encoded(boxed=True)
    for length in range(60, len(whole) // 4, 7):
        try:
            check_divisions(whole[:length])
        except ChunkError:
            assert b"jp2c" not in whole[:length]
    with pytest.raises(imagecodecs.Jpeg2kError):
        jpeg2k_decode(encoded()[:150])


@pytest.mark.parametrize("compression", [33003, 33005, 34712])
def test_a_tiff_says_it_of_its_tile(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "a.tif"
    for data in (encoded(12, 16), with_layers(encoded(12, 8))):
        tifffile.imwrite(
            path, iter([data]), shape=(SIDE_PX, SIDE_PX, 3), dtype=np.uint8, photometric="rgb",
            tile=(SIDE_PX, SIDE_PX), compression=compression,
        )  # fmt: skip
        with closing(open_slide(path)) as source:
            if data.count(struct.pack(">H", MANY_LAYERS)) == 0:
                assert source.read_tile(0, 0, 0).shape == (SIDE_PX, SIDE_PX, 3)
                continue
            with pytest.raises(TileError, match=NOT_NEEDED):
                source.read_tile(0, 0, 0)
        (page,) = read_directories(path)
        decode = direct_decoder(page)  # as of the slides of vendors
        assert decode is not None
        with pytest.raises(ChunkError, match=NOT_NEEDED):
            decode(data)


@pytest.mark.parametrize("samples", [1, 3])
def test_a_picture_says_it(tmp_path: Path, samples: int) -> None:
    path = tmp_path / "a.jp2"
    path.write_bytes(encoded(12, 16, samples, boxed=True))
    open_slide(path).close()
    path.write_bytes(with_layers(encoded(12, 8, samples, boxed=True)))
    with pytest.raises(DamagedSlideError, match=NOT_NEEDED):
        open_slide(path)


def test_a_picture_of_16_bits_says_it(tmp_path: Path) -> None:
    path = tmp_path / "a.j2k"
    pixels = np.resize(picture()[..., 0], (SIDE_PX, SIDE_PX)).astype(np.uint16) * 257
    whole = bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k"))
    path.write_bytes(whole)
    open_slide(path).close()
    at = whole.index(CODING)
    fine = bytearray(whole[at + 4 : at + 14]) + b"\x33" * (whole[at + 9] + 1)
    fine[0] |= 1
    path.write_bytes(with_layers(whole[:at] + segment(0x52, bytes(fine)) + whole[at + 14 :]))
    with pytest.raises(DamagedSlideError, match=NOT_NEEDED):
        open_slide(path)


def test_a_frame_of_dicom_says_it() -> None:
    form = FrameFormat("1.2.840.10008.1.2.4.91", SIDE_PX, SIDE_PX, 3, 8, 8, "YBR_ICT")
    assert form.decoded(encoded(12, 16)).shape == (SIDE_PX, SIDE_PX, 3)
    with pytest.raises(ChunkError, match=NOT_NEEDED):
        form.decoded(with_layers(encoded(12, 8)))


def test_a_chunk_of_zarr_says_it(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    (path / "0").mkdir(parents=True)
    about = {"zarr_format": 2, "shape": [SIDE_PX] * 2, "chunks": [SIDE_PX] * 2, "dtype": "|u1"}
    about |= {"order": "C", "compressor": {"id": "imagecodecs_jpeg2k"}, "filters": None}
    (path / "0/.zarray").write_text(json.dumps(about | {"fill_value": 0}))
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = [{"type": "scale", "scale": [1, 1]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    multiscales = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    (path / ".zattrs").write_text(json.dumps({"multiscales": multiscales}))
    for data, is_read in ((encoded(12, 16, 1), True), (with_layers(encoded(12, 8, 1)), False)):
        (path / "0/0.0").write_bytes(data)
        with closing(open_slide(path)) as source:
            if is_read:
                source.read_tile(0, 0, 0)
                continue
            with pytest.raises(TileError, match=NOT_NEEDED):
                source.read_tile(0, 0, 0)


def test_a_label_mask_says_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    problems: list[Problem] = []
    tifffile.imwrite(
        path, iter([with_layers(encoded(12, 8, 1))]), shape=(SIDE_PX,) * 2, dtype=np.uint8,
        photometric="minisblack", tile=(SIDE_PX,) * 2, compression=34712,
    )  # fmt: skip
    assert list(read_mask(path, problems)) == []
    assert any(NOT_NEEDED in each.reason for each in problems)


def test_the_check_takes_little_of_the_time_that_decoding_takes() -> None:
    data = encoded(12, 64)

    def fastest(work: object) -> float:
        assert callable(work)
        taken = math.inf
        for _ in range(20):
            begin = time.process_time()
            work(data)
            taken = min(taken, time.process_time() - begin)
        return taken

    assert fastest(check_divisions) < 0.1 * fastest(imagecodecs.jpeg2k_decode)
