"""JPEG 2000 tiles of a TIFF too large to be decoded whole are read by areas."""

from __future__ import annotations

import io
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from peak_memory import MOST_MIB, peak_mib
from picture_steps import SRGB, jp2_of
from PIL import Image
from test_divided_jpeg_2000 import divided
from tiff_builder import GRAY, JPEG_2000, RGB, YCBCR, Directory, write_directories
from tiff_steps import picture, whole

from viewer.limits import Limit
from viewer.slides import TileError
from viewer.slides.errors import UnsupportedSlideError
from viewer.slides.opening_here import open_here
from viewer.slides.readers.tiff import chunks as tiff_chunks
from viewer.slides.readers.tiff import jpeg_2000_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_TIFF = "viewer.slides.readers.tiff"
_TILE = 224, 208
"""Rows and columns."""
_APERIO_YCBCR, _APERIO_RGB = 33003, 33005


@pytest.fixture(autouse=True)
def is_all_large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tiles read as those of many gigabytes are, and never whole."""
    if "slow" in request.keywords:
        return
    monkeypatch.setattr(f"{_TIFF}.jpeg_2000_tiles.LARGE_BYTES", 1)
    monkeypatch.setattr(f"{_TIFF}.jpeg_2000_tiles._SIDES_PX", range(112, 31, -1))
    monkeypatch.setattr(f"{_TIFF}.overview.LARGE_PX", 1)

    def never(*_: object) -> None:
        raise AssertionError("a tile is decoded whole")

    monkeypatch.setattr(tiff_chunks, "decoded_picture", never)


def _code(samples: NDArray[Any], bits: int = 8, **options: Any) -> bytes:
    image = samples[..., 0] if samples.shape[2] == 1 else samples
    settings: dict[str, Any] = {"codecformat": "j2k", "reversible": True, "mct": False, **options}
    return bytes(
        imagecodecs.jpeg2k_encode(np.ascontiguousarray(image), bitspersample=bits, **settings)
    )


def _write(
    path: Path,
    samples: NDArray[Any],
    code: Callable[[NDArray[Any]], bytes],
    *,
    photometric: int = RGB,
    compression: int = JPEG_2000,
    bits: int = 8,
    tile: tuple[int, int] = _TILE,
    is_planar: bool = False,
    tags: dict[int, tuple[str, Sequence[int]]] | None = None,
    missing: tuple[int, ...] = (),
) -> Path:
    """Write an image in tiles, or in strips as wide as it, each by `code`."""
    height, width, count = samples.shape
    down, across = tile
    planes = np.split(samples, count, axis=2) if is_planar else [samples]
    chunks: list[bytes] = []
    for plane in planes:
        for top in range(0, height, down):
            for left in range(0, width, across):
                part = plane[top : top + down, left : left + across]
                rows = down - part.shape[0] if across < width else 0
                fill = ((0, rows), (0, across - part.shape[1]), (0, 0))
                chunks.append(code(np.pad(part, fill)) if len(chunks) not in missing else b"")
    told: dict[int, tuple[str, Sequence[int] | bytes]] = {
        256: ("H", [width]), 257: ("H", [height]), 258: ("H", [bits] * count),
        259: ("H", [compression]), 262: ("H", [photometric]), 277: ("H", [count]),
        284: ("H", [1 + is_planar]), **(tags or {}),
    }  # fmt: skip
    is_tiled = across < width
    told |= {322: ("H", [across]), 323: ("H", [down])} if is_tiled else {278: ("H", [down])}
    write_directories(path, [Directory(told, chunks, is_tiled=is_tiled)], "<", is_big=False)
    return path


def _shown(path: Path, level: int = 0) -> NDArray[np.uint8]:
    with closing(open_here(path)) as source:
        return whole(source, level)


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"tile": (64, 420)},
        {"tile": (149, 420)},  # of which no square is a part
        {"tile": (320, 432)},
        {"is_planar": True},
        {"compression": _APERIO_RGB},
    ],
    ids=["tiles", "strips", "odd strips", "one tile", "planes", "aperio"],
)
@pytest.mark.parametrize("inner", [0, 64])
def test_pixels_are_those_that_were_stored(
    tmp_path: Path, layout: dict[str, Any], inner: int
) -> None:
    code = (lambda part: _in_tiles(part, inner)) if inner else _code
    path = _write(tmp_path / "a.tif", picture(), code, **layout)
    np.testing.assert_array_equal(_shown(path), picture())


def _in_tiles(samples: NDArray[Any], side_px: int) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    image.save(file, "JPEG2000", no_jp2=True, tile_size=(side_px, side_px), mct=0)
    return file.getvalue()


def test_a_page_that_is_turned(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tif", picture(), _code, tags={274: ("H", [6])})
    np.testing.assert_array_equal(_shown(path), np.rot90(picture(), -1))
    assert _shown(path, 1).shape == (53, 38, 3)


@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16])
def test_gray_of_any_bits(tmp_path: Path, bits: int) -> None:
    values = (picture()[..., :1].astype(np.uint16) << 8) >> (16 - bits)
    values = values.astype(np.uint8 if bits <= 8 else np.uint16)
    values[0, 0], values[-1, -1] = 0, (1 << bits) - 1
    path = _write(
        tmp_path / "a.tif", values, lambda part: _code(part, bits), photometric=GRAY, bits=bits
    )
    expected = values[..., 0].astype(float) * 255 / ((1 << bits) - 1)
    shown = _shown(path)
    assert np.abs(shown.astype(float) - expected[..., np.newaxis]).max() <= 1


def test_ycbcr_of_aperio(tmp_path: Path) -> None:
    stored = np.asarray(Image.fromarray(picture()).convert("YCbCr"))
    path = _write(tmp_path / "a.tif", stored, _code, compression=_APERIO_YCBCR, photometric=YCBCR)
    expected = np.asarray(Image.fromarray(stored, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(_shown(path) - expected).max() <= 1


@pytest.mark.parametrize("is_boxed", [False, True])
def test_a_palette_in_the_boxes_of_tiles(tmp_path: Path, is_boxed: bool) -> None:
    entries = (picture()[..., :1] >> 2).astype(np.uint8)
    table = np.random.default_rng(0).integers(0, 256, (64, 3)).astype(np.uint8)
    head = struct.pack(">HB", *table.shape) + b"\7" * 3
    places = b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3))

    def code(part: NDArray[Any]) -> bytes:
        path = tmp_path / "tile.jp2"
        boxes = b"pclr" + head + table.tobytes(), b"cmap" + places
        return jp2_of(path, part[..., 0], SRGB, *boxes).read_bytes()

    if is_boxed:
        samples = np.repeat(entries, 3, axis=2)  # which are not what is stored
        path = _write(tmp_path / "a.tif", samples, code)
    else:
        colormap = (table.T.astype(int) * 257).reshape(-1)
        full = np.zeros((3, 256), int)
        full[:, :64] = colormap.reshape(3, 64)
        path = _write(
            tmp_path / "a.tif", entries, _code, photometric=3,
            tags={320: ("H", full.reshape(-1).tolist())},
        )  # fmt: skip
    expected = table[entries[..., 0]]
    np.testing.assert_array_equal(_shown(path), expected)
    # The means of entries are no colors: what is smaller is made of colors.
    with closing(open_here(path)) as source:
        assert len(source.levels) == 1


@pytest.mark.parametrize("layout", [{}, {"tile": (320, 432)}, {"tile": (152, 420)}])
def test_the_overview_is_what_wavelets_make_of_it(tmp_path: Path, layout: dict[str, Any]) -> None:
    """Each tile is held against what Pillow makes of it, by an OpenJPEG of its own."""
    reduced: list[NDArray[Any]] = []

    def code(part: NDArray[Any]) -> bytes:
        data = _code(part, resolutions=5)
        image = Image.open(io.BytesIO(data))
        image.reduce = 3  # pyright: ignore
        image.load()
        reduced.append(np.asarray(image))
        return data

    path = _write(tmp_path / "a.tif", picture(), code, **layout)
    shown = _shown(path, 1)
    down, across = layout.get("tile", _TILE)
    columns = -(-420 // across)
    rows = [np.hstack(reduced[at : at + columns]) for at in range(0, len(reduced), columns)]
    expected = np.vstack(rows)[:38, :53]
    assert down % 8 == 0
    np.testing.assert_array_equal(shown, expected)


def test_a_last_strip_of_too_few_wavelets_is_in_the_overview(tmp_path: Path) -> None:
    """It is made of means instead."""
    codes = iter([6, 6, 6, 6, 2])
    code = lambda part: _code(part, resolutions=next(codes))  # noqa: E731
    samples = picture()
    samples[:256] = np.random.default_rng(0).integers(0, 256, (256, 420, 3))  # of longer codes
    path = _write(tmp_path / "a.tif", samples, code, tile=(64, 420))
    shown = _shown(path, 1).astype(int)
    expected = np.asarray(Image.fromarray(picture()[256:]).reduce(8)).astype(int)
    assert np.abs(shown[32:] - expected).max() <= 1


@pytest.mark.parametrize("size_px", [(300, 420), (3000, 420)])
def test_one_of_too_few_wavelets_has_no_overview(tmp_path: Path, size_px: tuple[int, int]) -> None:
    code = lambda part: _code(part, resolutions=2)  # noqa: E731
    path = _write(tmp_path / "a.tif", np.resize(picture(), (*size_px, 3)), code)
    with closing(open_here(path)) as source:
        assert len(source.levels) == 1


def test_a_tile_that_is_missing_is_glass_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    codes: list[bytes] = []

    def code(part: NDArray[Any]) -> bytes:
        codes.append(_code(part))
        return codes[-1][: len(codes[-1]) // 4] if len(codes) == 3 else codes[-1]

    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3)).astype(np.uint8)
    path = _write(tmp_path / "a.tif", noise, code, tile=(256, 256), missing=(1,))
    with closing(open_here(path)) as source:
        for _ in range(2):
            np.testing.assert_array_equal(source.read_tile(0, 0, 0), noise[:256, :256])
            assert (source.read_tile(0, 1, 0) == 255).all()
            with pytest.raises(TileError, match="damaged"):
                source.read_tile(0, 1, 1)
            small = source.read_tile(1, 0, 0)
            assert (small[:32, 32:] == 255).all()
            assert len({*small[32:, 32:].flat}) == 2  # hatched


def test_a_tile_of_another_size_is_said(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tif", picture(), lambda part: _code(part[:100]))
    with closing(open_here(path)) as source, pytest.raises(TileError, match="wrong size"):
        source.read_tile(0, 0, 0)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_values_below_zero(tmp_path: Path, bits: int) -> None:
    values = picture()[..., :1].astype(int)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    values = np.rint(values * (high - low) / 255 + low).astype(np.int8 if bits == 8 else np.int16)
    values[0, 0], values[-1, -1] = low, high
    path = _write(
        tmp_path / "a.tif", values, lambda part: _code(part, bits), photometric=GRAY,
        bits=values.dtype.itemsize * 8, tags={339: ("H", [2])},
    )  # fmt: skip
    shown = _shown(path).astype(float)
    assert np.abs(shown - (values.astype(float) - low) * 255 / (high - low)).max() <= 1


def test_of_large_tiles_a_smaller_size_is_looked_through_for_their_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{_TIFF}.level._SEEN_PX", 10_000)
    monkeypatch.setattr(f"{_TIFF}.page_colors.WHOLE_LEVEL_PX", 1)
    values = picture()[..., :1].astype(np.int16) * 100 - 12_000
    values[130:210, 110:200] = -20_000  # in none of the squares that are seen as they are
    path = _write(
        tmp_path / "a.tif", values, lambda part: _code(part, 16), photometric=GRAY, bits=16,
        tags={339: ("H", [2])},
    )  # fmt: skip
    read: list[tuple[int, int]] = []
    of_squares = jpeg_2000_tiles.AreaTiles.read

    def counted(tiles: jpeg_2000_tiles.AreaTiles, column: int, row: int) -> NDArray[Any] | None:
        read.append((column, row))
        return of_squares(tiles, column, row)

    monkeypatch.setattr(jpeg_2000_tiles.AreaTiles, "read", counted)
    with closing(open_here(path)) as source:
        assert len(read) == 4
        assert source.info.display_range is not None
        black, white = source.info.display_range
    assert black < -18_000
    assert values.max() <= white < 20_000  # wavelets overshoot at edges


@pytest.mark.parametrize("kind", ["five samples", "large code"])
def test_what_memory_has_no_room_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "five samples":
        samples = np.concatenate([picture(), picture()[..., :2]], axis=2)
        path = _write(tmp_path / "a.tif", samples, _code)
        monkeypatch.setattr(tiff_chunks, "_SMALL_SAMPLES", 0)
        needed = 25 * 208 * 224  # with the pixels as they are shown, and the code beside
    else:
        path = _write(tmp_path / "a.tif", picture(), _code, tile=(320, 432))
        needed = 50_000
    text = "{name} is stored in pieces of {amount} bytes, max. {most}"
    monkeypatch.setattr(f"{_TIFF}.source.TILE_BYTES", Limit(needed - 1, text))
    with pytest.raises(UnsupportedSlideError, match="is stored in pieces of"):
        open_here(path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["empty", "noise"])
def test_forty_thousand_pixels_a_side(tmp_path: Path, kind: str) -> None:
    side_px = 40_000 if kind == "empty" else 16_000
    if kind == "empty":
        data, count = divided(side_px, b"\xff" * 6, components=3), 3
    else:
        noise = np.random.default_rng(0).integers(0, 256, (side_px, side_px), np.uint8)
        data, count = _code(noise[..., np.newaxis]), 1
        del noise
    tags: dict[int, tuple[str, Sequence[int] | bytes]] = {
        256: ("I", [side_px]), 257: ("I", [side_px]), 258: ("H", [8] * count),
        259: ("H", [JPEG_2000]), 262: ("H", [RGB if count == 3 else GRAY]), 277: ("H", [count]),
        322: ("I", [side_px]), 323: ("I", [side_px]),
    }  # fmt: skip
    path = tmp_path / "large.tif"
    write_directories(path, [Directory(tags, [data], is_tiled=True)], "<", is_big=True)
    del data
    assert peak_mib(path, side_px, "--overview", "--any") < MOST_MIB
