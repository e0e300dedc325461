"""Chunks of OME-Zarr that are small on the disk and unpack to more than they hold."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import struct
import tracemalloc
import zlib
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any

import google_crc32c
import imagecodecs
import numcodecs
import numpy as np
import pytest
import zarr
from bombs import endless
from measured_runs import coverslip
from numcodecs.compat import ensure_contiguous_ndarray
from numcodecs.registry import codec_registry, entries

from viewer.slides import SlideError, TileError, open_slide
from viewer.slides.readers.chunk_windows import KEPT_BYTES
from viewer.slides.readers.coded_size import SIZED, coded_pixels
from viewer.slides.readers.ome_zarr.arrays import ZarrArray
from viewer.slides.readers.ome_zarr.source import open_ome_zarr
from viewer.slides.readers.ome_zarr.unpacking import GENERAL, KEEPING, STREAMS, is_bounded, unpacked
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

HOLDS_BYTES, BOMB_BYTES = 1 << 20, 64 << 20


@pytest.fixture(scope="module", autouse=True)
def as_started() -> None:
    """What is attacked is how chunks are unpacked, in a process however started: it is forked."""


def write_image(path: Path, zarr_format: int, side_px: int, **options: Any) -> None:
    """Write a picture of one chunk a channel and of noise."""
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)  # pyright: ignore
    shape = (3, side_px, side_px)
    array = group.create_array("0", shape=shape, chunks=(1, *shape[1:]), dtype="uint8", **options)
    array[:] = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    scale = [{"type": "scale", "scale": [1, 1, 1]}]
    axes = [{"name": "c", "type": "channel"}, *({"name": name, "type": "space"} for name in "yx")]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    shown = {"axes": axes, "datasets": levels}
    if zarr_format == 2:
        group.attrs.update({"multiscales": [{"version": "0.4", **shown}]})
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [shown]}


def zstd_without_a_size(size_bytes: int) -> bytes:
    """Return a frame of blocks that repeat one byte, whose header leaves out how long it is."""
    block = 1 << 17
    blocks = [(block << 3 | 1 << 1).to_bytes(3, "little") + b"A"] * (size_bytes // block)
    return b"\x28\xb5\x2f\xfd\x00\x58" + b"".join(blocks) + b"\x01\x00\x00"


@cache
def bomb_of(name: str) -> bytes:
    zeros = bytes(BOMB_BYTES)
    made: dict[str, Callable[[], Any]] = {
        "blosc": lambda: numcodecs.Blosc().encode(zeros),
        "zstd": lambda: numcodecs.Zstd().encode(zeros),
        "lz4": lambda: numcodecs.LZ4().encode(zeros),
        "gzip": lambda: gzip.compress(zeros, 1),
        "zlib": lambda: numcodecs.Zlib(1).encode(zeros),
        "bz2": lambda: bz2.compress(zeros, 1),
        "lzma": lambda: lzma.compress(zeros, preset=0),
    }
    return bytes(made[name]())


@pytest.mark.parametrize("name", ["blosc", "zstd", "lz4", "gzip", "zlib", "bz2", "lzma"])
def test_no_codec_unpacks_more_than_a_chunk_holds(name: str) -> None:
    bomb = bomb_of(name)
    assert len(bomb) < BOMB_BYTES // 50
    tracemalloc.start()
    try:
        with pytest.raises(ChunkError, match="unpacks to more"):
            unpacked(name, {}, bomb, HOLDS_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 8 * HOLDS_BYTES
    finally:
        tracemalloc.stop()


def test_zstd_that_states_no_size_is_unpacked_up_to_the_size() -> None:
    assert unpacked("zstd", {}, zstd_without_a_size(HOLDS_BYTES), HOLDS_BYTES) == b"A" * HOLDS_BYTES
    with pytest.raises(Exception, match="too small"):
        unpacked("zstd", {}, zstd_without_a_size(BOMB_BYTES), HOLDS_BYTES)


def as_lzo(data: bytes) -> bytes:
    """Return a stream of up to 27 bytes, and zeros that repeat the last of them."""
    rest = max(0, len(data) - 27)
    run = b"\x20" + bytes(rest // 255) + b"\x01\0\0" if rest else b""
    return bytes([17 + min(len(data), 27)]) + data[:27] + run + b"\x11\0\0"


def as_packbits(data: bytes) -> bytes:
    return bytes([len(data) - 1]) + data if len(data) < 128 else b"\x81\0" * (len(data) // 128)


CHECKED = ("adler32", "base64", "checksum", "crc32", "crc32c", "fletcher32", "jenkins_lookup3")
"""Filters that take only what they gave."""
BY_HAND = {"lzo": as_lzo, "packbits": as_packbits, "zopfli": zlib.compress}
"""Of which imagecodecs has no encoder, or one that takes minutes."""


@pytest.mark.parametrize("name", list(STREAMS))
def test_streams_of_imagecodecs_are_unpacked_up_to_the_size(name: str) -> None:
    short = name.removeprefix("imagecodecs_")
    if not getattr(imagecodecs, short.upper()).available:
        pytest.skip(f"This imagecodecs has no {short}.")
    pack = BY_HAND.get(short) or getattr(imagecodecs, f"{short}_encode")
    assert unpacked(name, {}, pack(b"abc" * 9), HOLDS_BYTES) == b"abc" * 9
    bomb = pack(bytes(BOMB_BYTES // 2))
    tracemalloc.start()
    try:
        with pytest.raises(Exception, match=r"returned|detected|does not match|unpacks to more"):
            unpacked(name, {}, bomb, HOLDS_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 8 * HOLDS_BYTES
    finally:
        tracemalloc.stop()


def coded(name: str, *shape: int) -> bytes:
    """A real image of the codec, of noise; skips the test where imagecodecs lacks it."""
    if not getattr(imagecodecs, name.upper(), imagecodecs.JPEG2K).available:
        pytest.skip(f"This imagecodecs has no {name}.")
    encode = getattr(imagecodecs, f"{name}_encode", imagecodecs.jpeg2k_encode)
    return bytes(encode(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)))


GRAY = ("jpeg", "ljpeg", "jpegls", "jpeg2k", "htj2k", "png")


@pytest.mark.parametrize("name", [*GRAY, "webp", "avif", "jpegxl", "jpegxr", "qoi"])
def test_an_image_that_claims_more_than_its_chunk_is_not_decoded(name: str) -> None:
    """The heads of real images, which say how many pixels there are."""
    data = coded(name, 48, 64) if name in GRAY else coded(name, 48, 64, 3)
    assert coded_pixels(name, data) == 64 * 48
    assert unpacked(name, {}, data, 64 * 48) is None
    with pytest.raises(ChunkError, match="unpacks to more"):
        unpacked(name, {}, data, 64 * 48 - 1)


def test_each_channel_of_jpeg_xl_counts() -> None:
    planes = np.zeros((9, 48, 64), np.uint8)
    data = bytes(imagecodecs.jpegxl_encode(planes, lossless=True, planar=True))
    assert coded_pixels("jpegxl", data) == 9 * 64 * 48
    assert unpacked("jpegxl", {}, data, 9 * 64 * 48) is None
    with pytest.raises(ChunkError, match="unpacks to more"):
        unpacked("jpegxl", {}, data, 9 * 64 * 48 - 1)


@pytest.mark.parametrize("lossless", [False, True])
def test_both_kinds_of_webp_tell_their_size(lossless: bool) -> None:
    data = imagecodecs.webp_encode(np.zeros((48, 64, 3), np.uint8), lossless=lossless)
    assert coded_pixels("webp", bytes(data)) == 64 * 48


@pytest.mark.parametrize("name", sorted(SIZED))
def test_an_image_that_tells_no_size_is_not_decoded(name: str) -> None:
    with pytest.raises(ChunkError, match="tells no size"):
        unpacked(name, {}, bytes(range(200)), HOLDS_BYTES)


@pytest.mark.parametrize("name", ["avif", "jpegxl"])
def test_no_more_frames_are_decoded_than_a_chunk_holds(name: str) -> None:
    pixels = 16 * 16
    data = coded(name, 40, 16, 16, 3)
    assert coded_pixels(name, data) == pixels
    assert unpacked(name, {}, data, 40 * pixels) is None
    assert unpacked(name, {"index": 3}, data, pixels) is None
    with pytest.raises(ChunkError, match="unpacks to more"):
        unpacked(name, {}, data, 39 * pixels)


REFUSED = (
    "aec", "bmp", "ccittfax3", "ccittfax4", "ccittrle", "cms", "dds", "dicomrle", "eer", "gif",
    "heif", "jetraw", "jpegxs", "lerc", "meshopt", "packints", "pcodec", "pglz", "pixarlog",
    "rcomp", "rgbe", "sperr", "sz3", "szip", "tiff", "ultrahdr", "zfp", "zfpy",
)  # fmt: skip
"""Codecs that no slide is known to use, and that tell no size beforehand."""


def test_each_codec_is_bounded_or_refused() -> None:
    """A new version of a library that brings another codec has this test fail."""
    from imagecodecs import numcodecs as more

    more.register_codecs(verbose=False)
    names: set[str] = {*codec_registry, *entries}
    of_objects = ("categorize", "json", "msgpack", "pickle", "vlen-")
    refused = {
        name for name in names if not name.startswith(of_objects) and not is_bounded(name, 2)
    }
    assert {name.removeprefix("imagecodecs_") for name in refused} <= {*REFUSED}
    assert not any(is_bounded(f"imagecodecs_{name}", 2) for name in REFUSED)
    assert not any(is_bounded(f"numcodecs.{name}", 3) for name in ("zfpy", "pcodec"))
    tried = {"blosc", "zstd", "lz4", "gzip", "zlib", "bz2", "lzma"}
    assert tried == GENERAL


def refused_image(path: Path, name: str, **settings: object) -> Path:
    """Write an image of version 2 whose first array names a codec."""
    write_image(path, 2, 64)
    about = path / "0" / ".zarray"
    described = json.loads(about.read_bytes())
    described["compressor"] = {"id": f"imagecodecs_{name}", **settings}
    about.write_text(json.dumps(described))
    return path


@pytest.mark.parametrize("name", ["tiff", "gif", "lerc", "zfp", "bmp", "ccittfax4"])
def test_a_codec_that_tells_no_size_is_refused_when_its_slide_is_opened(
    name: str, tmp_path: Path
) -> None:
    path = refused_image(tmp_path / "a.zarr", name)
    with pytest.raises(SlideError, match=f"imagecodecs_{name}', which is not read in a slide"):
        open_slide(path)


def test_a_codec_whose_settings_ask_for_gigabytes_is_not_asked(tmp_path: Path) -> None:
    outcome = coverslip(
        "info", refused_image(tmp_path / "a.zarr", "sz3", shape=[1 << 20, 1 << 20], dtype="f8")
    )
    assert outcome.code == 2
    assert outcome.is_one_sentence, outcome.err
    assert "compressed with 'imagecodecs_sz3'" in outcome.err
    assert outcome.peak_mb < 400


@pytest.mark.parametrize("name", ["S100000000", "|U9", "O", "V16", "<M8[ns]"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_filter_makes_numbers_of_numbers_alone(
    name: str, zarr_format: int, tmp_path: Path
) -> None:
    """Each byte would become a text of a hundred megabytes."""
    path = tmp_path / "a.zarr"
    write_image(path, zarr_format, 64)
    about = path / "0" / ("zarr.json" if zarr_format == 3 else ".zarray")
    described = json.loads(about.read_bytes())
    settings = {"encode_dtype": name, "decode_dtype": "|u1"}
    if zarr_format == 3:
        described["codecs"][:0] = [{"name": "numcodecs.astype", "configuration": settings}]
    else:
        described["filters"] = [{"id": "astype", **settings}]
    about.write_text(json.dumps(described))
    with pytest.raises(SlideError, match="holds values of the type"):
        open_slide(path)


@pytest.mark.parametrize("name", sorted(KEEPING))
def test_a_filter_gives_no_more_than_a_number_for_a_byte(name: str) -> None:
    from imagecodecs import numcodecs as more

    more.register_codecs(verbose=False)
    data = bytes(range(1, 241)) * 8
    number, shape = {"dtype": "<f8"}, {"shape": [len(data) // 8], "dtype": "<f8"}
    settings: dict[str, dict[str, Any]] = {
        "astype": {"encode_dtype": "|u1", "decode_dtype": "<f8"}, "bitround": {"keepbits": 3},
        "byteshuffle": shape, "checksum": {"kind": "crc32"}, "delta": number,
        "fixedscaleoffset": {"offset": 0, "scale": 1, **number, "astype": "|u1"},
        "floatpred": shape, "quantize": {"digits": 1, **number}, "shuffle": {"elementsize": 4},
    }  # fmt: skip
    sizes: list[int] = []
    for known in (name, f"imagecodecs_{name}"):
        if not is_bounded(known, 2) or known in STREAMS:
            continue
        told = settings.get(name, {})
        if known == "imagecodecs_quantize":
            told = {"mode": "bitround", "nsd": 2}
        try:
            codec = numcodecs.get_codec({"id": known, **told})
            given = codec.decode(codec.encode(data) if name in CHECKED else data)
        except ValueError:  # one of the libraries has none of this name
            continue
        sizes.append(ensure_contiguous_ndarray(given).nbytes)
    assert sizes
    assert max(sizes) <= 8 * len(data)


def test_the_head_of_a_jpeg_that_lies_beside_its_chunks_is_looked_at() -> None:
    """Its size may stand there, and a smaller one in the chunk."""
    data = coded("jpeg", 48, 64)
    head = base64.b64encode(data).decode()
    assert unpacked("jpeg", {"header": head}, b"", 64 * 48) is None
    with pytest.raises(ChunkError, match="unpacks to more"):
        unpacked("jpeg", {"header": head}, coded("jpeg", 8, 8), 64 * 48 - 1)


def test_gzip_of_several_parts_is_read_whole() -> None:
    data = gzip.compress(b"one") + gzip.compress(b"two") + bytes(20)
    assert unpacked("gzip", {}, data, HOLDS_BYTES) == b"onetwo"
    with pytest.raises(ChunkError, match="cut short"):
        unpacked("gzip", {}, data[:30], HOLDS_BYTES)


@pytest.mark.parametrize(
    ("zarr_format", "compressors", "chunk", "name"),
    [
        (3, {"name": "zstd", "configuration": {}}, "c/0/0/0", "zstd"),
        (3, {"name": "gzip", "configuration": {}}, "c/0/0/0", "gzip"),
        (2, numcodecs.GZip(), "0.0.0", "gzip"),
        (2, numcodecs.Blosc(), "0.0.0", "blosc"),
    ],
    ids=["zstd", "gzip", "gzip of version 2", "blosc of version 2"],
)
def test_the_reader_unpacks_no_bomb(
    zarr_format: int, compressors: Any, chunk: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, zarr_format, 256, compressors=compressors)
    with closing(open_slide(path)) as source:
        assert source.read_tile(0, 0, 0).any()
    (path / "0" / chunk).write_bytes(bomb_of(name))
    with closing(open_slide(path)) as source, pytest.raises(TileError, match="unpacks to more"):
        source.read_tile(0, 0, 0)


def test_bombs_within_shards_are_not_unpacked_either(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(
        path, 3, 256, shards=(1, 256, 256), compressors={"name": "gzip", "configuration": {}}
    )
    bomb = bomb_of("gzip")
    index = struct.pack("<QQ", 0, len(bomb))
    checksum = struct.pack("<I", google_crc32c.value(index))
    (path / "0" / "c/0/0/0").write_bytes(bomb + index + checksum)
    with closing(open_slide(path)) as source, pytest.raises(TileError, match="unpacks to more"):
        source.read_tile(0, 0, 0)


@pytest.mark.parametrize("packed_twice", [False, True])
def test_filters_of_version_2_unpack_no_bomb_either(packed_twice: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, 2, 64, filters=[numcodecs.Zlib(1)], compressors=numcodecs.GZip(1))
    with closing(open_slide(path)) as source:
        assert source.read_tile(0, 0, 0).any()
    bomb = bomb_of("zlib")
    for chunk in (path / "0").glob("[0-9]*"):  # whichever is read first
        chunk.write_bytes(gzip.compress(zlib.compress(bomb) if packed_twice else bomb))
    if packed_twice:
        described = json.loads((path / "0" / ".zarray").read_bytes())
        described["filters"] *= 2
        (path / "0" / ".zarray").write_text(json.dumps(described))
    with closing(open_slide(path)) as source, pytest.raises(TileError, match="unpacks to more"):
        source.read_tile(0, 0, 0)


@pytest.mark.parametrize("filters", [[], ["delta"], ["delta", "zlib"], ["packbits"], ["astype"]])
@pytest.mark.parametrize("compressor", ["", "zlib", "imagecodecs_lz4", "imagecodecs_jpegxl"])
def test_filters_and_compressors_of_version_2_give_the_same_pixels(
    filters: list[str], compressor: str, tmp_path: Path
) -> None:
    """As zarr itself reads them, which unpacks without bounds."""
    from imagecodecs import numcodecs as more

    more.register_codecs(verbose=False)
    if compressor == "imagecodecs_jpegxl" and filters:
        return  # it takes images
    made = {
        "delta": numcodecs.Delta("u1"), "zlib": numcodecs.Zlib(1),
        "packbits": numcodecs.PackBits(), "astype": numcodecs.AsType("u2", "u1"),
    }  # fmt: skip
    path = tmp_path / "a.zarr"
    packer = numcodecs.get_codec({"id": compressor}) if compressor else None
    write_image(path, 2, 64, filters=[made[name] for name in filters], compressors=packer)
    with closing(open_slide(path)) as source:
        tile = np.asarray(source.read_tile(0, 0, 0))
    pixels = np.random.default_rng(0).integers(0, 255, (3, 64, 64), dtype=np.uint8)
    expected = pixels > 0 if "packbits" in filters else pixels
    assert np.array_equal(tile, np.moveaxis(expected, 0, -1))


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize("name", [".zattrs", "0/.zarray", "0/0.0.0"])
def test_a_pipe_in_a_zarr_holds_up_nothing(name: str, what: str, tmp_path: Path) -> None:
    """Neither its reader nor what tells it from other slides, which is read outside of that."""
    path = tmp_path / "a.zarr"
    write_image(path, 2, 64)
    (path / name).unlink()
    endless(path / name, what)
    outcome = coverslip("info", path, timeout_s=30)
    if name == "0/0.0.0":
        assert outcome.code == 0, outcome.err
    else:
        assert outcome.code == 2
        assert outcome.is_one_sentence, outcome.err


def test_a_description_without_end_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, 2, 64)
    with (path / "0" / ".zarray").open("r+b") as file:
        file.truncate(1 << 36)
    outcome = coverslip("info", path, timeout_s=30)
    assert outcome.code == 2
    assert outcome.is_one_sentence, outcome.err
    assert outcome.peak_mb < 400


def test_a_picture_of_a_million_empty_chunks_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, 2, 64)
    about = path / "0" / ".zarray"
    described = json.loads(about.read_bytes())
    described |= {"shape": [3, 1 << 20, 1 << 20], "chunks": [1, 1024, 1024]}
    about.write_text(json.dumps(described))
    outcome = coverslip("shot", path, "-o", tmp_path / "a.png", timeout_s=30)
    assert outcome.code == 2
    assert outcome.is_one_sentence, outcome.err
    assert "1,048,576 stored tiles" in outcome.err
    assert not (tmp_path / "a.png").exists()


def test_large_chunks_of_several_channels_are_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side_px = 6800
    assert side_px**2 < KEPT_BYTES < 3 * side_px**2
    path = tmp_path / "a.zarr"
    write_image(path, 3, 256, compressors={"name": "zstd", "configuration": {}})
    values = np.ones((1, side_px, side_px), np.uint8)
    for channel in range(3):
        chunk = path / "0" / "c" / str(channel) / "0" / "0"
        chunk.write_bytes(numcodecs.Zstd().encode(values))
    _grow(path, side_px)
    reads: list[object] = []
    read = ZarrArray.read

    def counted(array: ZarrArray, selection: tuple[slice | int, ...]) -> NDArray[Any]:
        reads.append(selection)
        return read(array, selection)

    source = open_ome_zarr(path)
    assert source is not None
    with closing(source):
        monkeypatch.setattr(ZarrArray, "read", counted)
        for column in range(4):
            assert (source.read_tile(0, column, 0) == 1).all()
    assert len(reads) <= 3


def _grow(path: Path, side_px: int) -> None:
    """Let the description say that chunks have another side."""
    described = path / "0" / "zarr.json"
    about = json.loads(described.read_text())
    about["shape"] = [3, side_px, side_px]
    about["chunk_grid"]["configuration"]["chunk_shape"] = [1, side_px, side_px]
    described.write_text(json.dumps(about))


def test_channels_that_no_memory_holds_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, 3, 8)
    _grow(path, 22_000)
    outcome = coverslip("info", path)
    assert outcome.code == 2, outcome
    assert outcome.is_one_sentence, outcome.err
    assert "1,452,000,000 bytes each to decode, too large to hold in memory" in outcome.err
    assert outcome.peak_mb < 500


def test_a_plate_of_wells_without_number_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    wells = [{"path": f"A/{number}"} for number in range(100_000)]
    (path / ".zattrs").write_text(json.dumps({"plate": {"wells": wells}}))
    with pytest.raises(SlideError, match="is a plate of 100,000 wells"):
        open_slide(path)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_of_codecs_without_number_is_refused_at_once(
    zarr_format: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, zarr_format, 64)
    about = path / "0" / ("zarr.json" if zarr_format == 3 else ".zarray")
    described = json.loads(about.read_bytes())
    if zarr_format == 3:
        described["codecs"] += [{"name": "gzip", "configuration": {"level": 1}}] * 50_000
    else:
        described["filters"] = [{"id": "zlib"}] * 50_000
    about.write_text(json.dumps(described))
    with pytest.raises(SlideError, match="more than 64 codecs"):
        open_slide(path)
