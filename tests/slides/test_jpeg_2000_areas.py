"""JPEG 2000 too large for memory is decoded area by area, with the same pixels."""

from __future__ import annotations

import struct
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from peak_memory import MOST_MIB, peak_mib
from picture_steps import (
    JP2_ORDERS,
    READERS,
    SRGB,
    assert_as_in_memory,
    jp2_of,
    write_ordered_jp2,
)
from PIL import Image
from tiff_steps import on_white, opacity, picture, whole

from viewer.limits import Limit
from viewer.slides import TileError
from viewer.slides.derived.levels import with_fine_steps
from viewer.slides.errors import DamagedSlideError, UnsupportedSlideError
from viewer.slides.opening_here import open_here
from viewer.slides.readers.chunk_windows import KEPT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides import SlideSource


@pytest.fixture(autouse=True)
def is_all_large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pictures read as those of many gigabytes are."""
    if "slow" in request.keywords:
        return
    monkeypatch.setattr("viewer.slides.derived.levels.COARSEST_SIDE_PX", 60)
    monkeypatch.setattr(f"{READERS}.image.size.MOST_BYTES", 1)
    monkeypatch.setattr(f"{READERS}.jpeg_2000.chunks._CHUNK_PX", 192)


def _eighth(source: SlideSource) -> NDArray[np.int_]:
    """Return all of a slide with both sides an eighth, by its overview or by levels made here."""
    every = with_fine_steps(source)
    return whole(every, len(every.levels) - 1).astype(int)


def _check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that a picture shows the same by areas as in memory, and what its overview shows."""
    expected = assert_as_in_memory(path, "by areas", monkeypatch)
    with closing(open_here(path)) as source:
        reduced = np.asarray(Image.fromarray(expected).reduce(8)).astype(int)
        # Wavelets keep more of sharp edges than means do.
        difference = np.abs(_eighth(source) - reduced)
        assert np.median(difference) <= 3
        # In any order, also after the overview.
        np.testing.assert_array_equal(source.read_tile(0, 1, 0), expected[:256, 256:512])


@pytest.mark.parametrize("is_boxed", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"irreversible": True, "quality_mode": "rates", "quality_layers": [20, 5]},
        {"tile_size": (128, 256)},
        {"tile_size": (128, 128), "progression": "RPCL", "precinct_size": (64, 64)},
        {"progression": "PCRL", "precinct_size": (128, 128)},
    ],
    ids=["lossless", "lossy", "tiled", "small tiles", "precincts"],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pixels_are_those_of_the_whole_picture(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    options: dict[str, Any],
    is_boxed: bool,
) -> None:
    path = tmp_path / ("a.jp2" if is_boxed else "a.j2k")
    Image.fromarray(picture()).convert(mode).save(path, no_jp2=not is_boxed, **options)
    _check(path, monkeypatch)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("resolutions", [2, 6])
def test_more_than_eight_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, samples: int, resolutions: int
) -> None:
    values: NDArray[Any] = picture()[..., :samples].astype(np.uint16) << (bits - 8)
    # Patches of the least and the most, which a reduced size holds as well.
    values[:64, :64], values[-64:, -64:] = 0, (1 << bits) - 1
    path = tmp_path / "a.jp2"
    path.write_bytes(
        imagecodecs.jpeg2k_encode(
            values.squeeze(), bitspersample=bits, reversible=True, resolutions=resolutions
        )
    )
    _check(path, monkeypatch)


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("samples", [1, 3])
def test_values_below_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, samples: int
) -> None:
    values = (picture()[..., :samples].astype(int) << (bits - 8)) - (1 << (bits - 1))
    # Patches of the least and the most, which a reduced size holds as well.
    values[:64, :64], values[-64:, -64:] = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    path = tmp_path / "a.jp2"
    stored = values.squeeze().astype(np.int8 if bits == 8 else np.int16)
    path.write_bytes(imagecodecs.jpeg2k_encode(stored, bitspersample=bits, reversible=True))
    _check(path, monkeypatch)


@pytest.mark.parametrize("resolutions", [1, 6])
def test_a_range_that_a_smaller_size_tells_is_called_that(tmp_path: Path, resolutions: int) -> None:
    values = np.full((600, 600), 300, np.uint16)
    values[::7, ::5] = 4000  # of which a smaller size holds next to nothing
    path = tmp_path / "a.jp2"
    path.write_bytes(
        imagecodecs.jpeg2k_encode(
            values, bitspersample=12, reversible=True, resolutions=resolutions
        )
    )
    with closing(open_here(path)) as source:
        (note,) = source.info.notes
    is_reduced = resolutions > 1
    assert note.endswith("those beyond are black or white.") == is_reduced
    assert note.endswith("values from 300 to 4,000.") == (not is_reduced)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_wavelets_that_reach_beyond_all_values_do_not_darken_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Of 12 bits in 16; a reduced size of sharp edges has values of 13."""
    is_white = np.random.default_rng(2).random((20, 20, len(mode))) < 0.5
    values = np.where(is_white, np.uint16(4095), np.uint16(0)).repeat(40, 0).repeat(40, 1)
    path = tmp_path / "a.jp2"
    path.write_bytes(imagecodecs.jpeg2k_encode(values, bitspersample=16, reversible=True))
    shown = assert_as_in_memory(path, "by areas", monkeypatch, are_notes_alike=False)
    assert set(np.unique(shown)) == {0, 255}
    values[300:400, 300:400, 0] = 4500
    path.write_bytes(imagecodecs.jpeg2k_encode(values, bitspersample=16, reversible=True))
    shown = assert_as_in_memory(path, "by areas", monkeypatch, are_notes_alike=False)
    if mode == "RGB":
        assert shown[350, 350, 0] == 255 * 4500 // 16383


def test_one_of_few_wavelets_has_an_overview_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.j2k"
    Image.fromarray(picture()).save(path, no_jp2=True, num_resolutions=2)
    _check(path, monkeypatch)


@pytest.mark.parametrize("order", JP2_ORDERS)
def test_channels_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    path, _ = write_ordered_jp2(tmp_path / "a.jp2", order)
    _check(path, monkeypatch)


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_opacity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, bits: int) -> None:
    image = Image.fromarray(picture())
    image.putalpha(Image.fromarray(opacity()[..., 0]))
    values = np.array(image.convert(mode), np.uint16 if bits > 8 else np.uint8) << (bits - 8)
    # Patches of the least and the most, which a reduced size holds as well.
    values[:64, :64, :-1], values[-64:, -64:, :-1] = 0, (1 << bits) - 1
    path = tmp_path / "a.jp2"
    path.write_bytes(imagecodecs.jpeg2k_encode(values, bitspersample=bits, reversible=True))
    _check(path, monkeypatch)


def _palette_boxes(
    table: NDArray[Any], columns: Sequence[int], *, bits: int = 8, how: int = 1
) -> tuple[bytes, bytes]:
    """Return the boxes of a palette, (entries, columns), of which channels are these columns."""
    head = struct.pack(">HB", *table.shape) + bytes([bits - 1]) * table.shape[1]
    stored = table.astype(np.uint8 if bits <= 8 else ">u2").tobytes()
    places = b"".join(struct.pack(">HBB", 0, how, column) for column in columns)
    return b"pclr" + head + stored, b"cmap" + places


@pytest.mark.parametrize("bits", [8, 12])
def test_colors_of_a_palette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    entries = (picture()[..., 0] >> 2).astype(np.uint8)
    table = np.random.default_rng(0).integers(0, 1 << bits, (50, 3))
    # Fewer entries than are asked for: the last stands for all beyond.
    table[int(entries.min())], table[-1] = 0, (1 << bits) - 1
    path = jp2_of(tmp_path / "a.jp2", entries, SRGB, *_palette_boxes(table, (0, 1, 2), bits=bits))
    expected = assert_as_in_memory(path, "by areas", monkeypatch)
    if bits == 8:
        np.testing.assert_array_equal(expected, table[np.minimum(entries, len(table) - 1)])
    with closing(open_here(path)) as source:
        assert len(source.levels) == 1  # made of squares, of which a few are a picture already
        reduced = np.asarray(Image.fromarray(expected).reduce(8)).astype(int)
        assert np.abs(_eighth(source) - reduced).max() <= 2


@pytest.mark.parametrize("columns", [(2, 0, 1), (1, 1, 1)])
def test_columns_of_a_palette_in_any_order(tmp_path: Path, columns: tuple[int, ...]) -> None:
    entries = (picture()[..., 0] >> 2).astype(np.uint8)
    table = np.random.default_rng(0).integers(0, 256, (64, 3))
    path = jp2_of(tmp_path / "a.jp2", entries, SRGB, *_palette_boxes(table, columns))
    with closing(open_here(path)) as source:
        np.testing.assert_array_equal(whole(source), table[entries][..., columns])


def test_opacity_of_a_palette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (picture()[..., 0] >> 2).astype(np.uint8)
    table = np.random.default_rng(0).integers(0, 256, (64, 4)).astype(np.uint8)
    kinds = struct.pack(">13H", 4, *(0, 1, 0), *(1, 0, 1), *(2, 0, 2), *(3, 0, 3))
    boxes = *_palette_boxes(table, (0, 1, 2, 3)), b"cdef" + kinds
    path = jp2_of(tmp_path / "a.jp2", entries, SRGB, *boxes)
    expected = assert_as_in_memory(path, "by areas", monkeypatch)
    difference = expected.astype(int) - on_white(table[entries][..., 1:], table[entries][..., :1])
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("kind", ["half a palette", "large code"])
def test_what_is_not_read_so_is_refused_where_memory_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "a.jp2"
    if kind == "half a palette":
        entries, table = (picture()[..., 0] >> 4).astype(np.uint8), np.arange(48).reshape(16, 3)
        jp2_of(path, entries, SRGB, *_palette_boxes(table, (0, 1, 2), how=0))
    else:
        Image.fromarray(picture()).save(path)
        size_bytes = path.stat().st_size
        limit = Limit(KEPT_BYTES + size_bytes // 2, "")
        monkeypatch.setattr(f"{READERS}.jpeg_2000.chunks.TILE_BYTES", limit)
    with pytest.raises(UnsupportedSlideError, match="too large to hold in memory"):
        open_here(path)


def test_one_that_is_cut_short_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.j2k"
    noise = np.random.default_rng(0).integers(0, 256, (300, 420, 3), np.uint8)
    Image.fromarray(noise).save(path, no_jp2=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with closing(open_here(path)) as source:
        for level in (0, 0, 1):
            with pytest.raises(TileError, match="damaged"):
                source.read_tile(level, 0, 0)
    path.write_bytes(data[:60])
    with pytest.raises(DamagedSlideError):
        open_here(path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_sixty_thousand_pixels_a_side_in_small_tiles(tmp_path: Path) -> None:
    side_px, tile_px = 118 * 512, 512  # at any of these places a tile has the same code
    small = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    tile = np.asarray(Image.fromarray(small).resize((tile_px, tile_px)))
    code = bytes(imagecodecs.jpeg2k_encode(tile, level=30, codecformat="j2k", mct=False))
    at = code.index(b"\xff\x90")
    head, part = bytearray(code[:at]), bytearray(code[at:-2])
    struct.pack_into(">2I", head, 8, side_px, side_px)
    struct.pack_into(">2I", head, 24, tile_px, tile_px)
    path = tmp_path / "a.j2k"
    with path.open("wb") as file:
        file.write(head)
        for number in range((side_px // tile_px) ** 2):
            struct.pack_into(">HI", part, 4, number, len(part))
            file.write(part)
        file.write(b"\xff\xd9")
    began_s = time.monotonic()
    with closing(open_here(path)) as source:
        assert source.info.reader == "JPEG2000 by areas"
        assert (source.levels[0].width_px, source.levels[0].height_px) == (side_px, side_px)
        expected = np.tile(imagecodecs.jpeg2k_decode(code), (2, 2, 1))
        for column, row in ((0, 0), (100, 150), (234, 234)):
            x, y = (256 * place % tile_px for place in (column, row))
            shown = source.read_tile(0, column, row)
            np.testing.assert_array_equal(
                shown, expected[y : y + shown.shape[0], x : x + shown.shape[1]]
            )
        overview = source.read_tile(1, 0, 0)
        assert np.abs(overview.mean((0, 1)) - tile.mean((0, 1))).max() < 3
    assert time.monotonic() - began_s < 60
    assert peak_mib(path, side_px, "--overview", "--any") < MOST_MIB
