"""TIFF of any layout, put together byte by byte; what it must look like is worked out with it.

Neither uses the parser or the colors of the viewer: tags and predictors are written by hand.
"""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jpeg_builder import JpegCoding
    from numpy.typing import NDArray

Order = Literal["<", ">"]

_KINDS = {"B": 1, "s": 2, "H": 3, "I": 4, "R": 5, "b": 7, "Q": 16, "S": 13, "T": 18}
"""Types of tags by letters: those of `struct`, text, fractions, bytes, and places of directories.

Of a fraction there are two numbers."""
_WIDTH = {"B": "B", "H": "H", "I": "I", "R": "I", "Q": "Q", "S": "I", "T": "Q"}
_LIST_OF_TILES, _SIZES_OF_TILES = 324, 325
_LIST_OF_STRIPS, _SIZES_OF_STRIPS = 273, 279
_SUB_DIRECTORIES = 330
_SUBSAMPLING = {"444": (1, 1), "422": (2, 1), "420": (2, 2), "411": (4, 1), "440": (1, 2)}

NONE, LZW, JPEG, DEFLATE, PACKBITS = 1, 5, 7, 8, 32773
PNG, LZMA, ZSTD, WEBP, JPEG_2000 = 34933, 34925, 50000, 50001, 34712
GRAY_INVERTED, GRAY, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6


@dataclass
class Directory:
    """One directory with the tiles or strips of its image; b"" is one that is not stored."""

    tags: dict[int, tuple[str, Sequence[int] | bytes]]
    chunks: list[bytes]
    is_tiled: bool
    list_letter: str = "I"
    size_letter: str = "I"
    below: list[Directory] = field(default_factory=list["Directory"])


def write_directories(
    path: Path, directories: Sequence[Directory], order: Order, *, is_big: bool
) -> None:
    """Write a file with a chain of directories, and those below them in SubIFDs."""
    body = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 42 + is_big))
    body += struct.pack(f"{order}HHQ", 8, 0, 0) if is_big else bytes(4)
    first_at = len(body) - (8 if is_big else 4)
    for directory in directories:
        place, following_at = _append(body, directory, order, is_big)
        _put(body, first_at, place, order, is_big)
        first_at = following_at
    path.write_bytes(body)


def _put(body: bytearray, at: int, place: int, order: Order, is_big: bool) -> None:
    struct.pack_into(f"{order}{'Q' if is_big else 'I'}", body, at, place)


def _append(body: bytearray, directory: Directory, order: Order, is_big: bool) -> tuple[int, int]:
    """Append tiles and tags; return where the directory is, and where the next one is named."""
    tags = dict(directory.tags)
    if directory.below:
        places = [_append(body, each, order, is_big)[0] for each in directory.below]
        tags[_SUB_DIRECTORIES] = ("T" if is_big else "S", places)
    offsets: list[int] = []
    for chunk in directory.chunks:
        offsets.append(len(body) if chunk else 0)
        body += chunk + b"\0" * (len(chunk) % 2)
    names = (
        (_LIST_OF_TILES, _SIZES_OF_TILES)
        if directory.is_tiled
        else (_LIST_OF_STRIPS, _SIZES_OF_STRIPS)
    )
    tags[names[0]] = (directory.list_letter, offsets)
    tags[names[1]] = (directory.size_letter, [len(chunk) for chunk in directory.chunks])
    inline = 8 if is_big else 4
    number = "Q" if is_big else "I"
    entries: list[tuple[int, int, int, bytes]] = []
    for code, (letter, values) in sorted(tags.items()):
        if letter in "sb":
            value, count = bytes(values), len(values)
        else:
            value = struct.pack(f"{order}{len(values)}{_WIDTH[letter]}", *values)
            count = len(values) // (2 if letter == "R" else 1)
        if len(value) > inline:
            body += bytes(-len(body) % 8)
            place = struct.pack(f"{order}{number}", len(body))
            body += value
            value = place
        entries.append((code, _KINDS[letter], count, value.ljust(inline, b"\0")))
    body += bytes(-len(body) % 8)
    start = len(body)
    body += struct.pack(f"{order}{'Q' if is_big else 'H'}", len(entries))
    for code, kind, count, value in entries:
        body += struct.pack(f"{order}HH{number}", code, kind, count) + value
    following_at = len(body)
    body += bytes(inline)
    return start, following_at


# Coding


def _differences(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return predictor 2: each sample less the one to its left, (height, width, samples)."""
    unsigned = values.view(f"u{values.dtype.itemsize}")
    left = np.zeros_like(unsigned)
    left[:, 1:] = unsigned[:, :-1]
    return (unsigned - left) & unsigned.dtype.type((1 << bits) - 1)


def _octets(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return the bytes of samples of whole bytes, the highest first, (height, samples, bytes)."""
    if bits == 24 and values.dtype.kind == "f":
        # 1 bit of sign, 7 of exponent about 63 and 16 of fraction.
        whole = values.astype(np.float32).view(np.uint32)
        sign, power, fraction = whole >> 31, (whole >> 23) & 255, (whole >> 7) & 0xFFFF
        stored = sign << 23 | (power - 127 + 63) << 16 | fraction
        values = np.where(values == 0, 0, stored).astype(np.uint32)
    octets = np.frombuffer(values.astype(values.dtype.newbyteorder(">")).tobytes(), np.uint8)
    octets = octets.reshape(len(values), -1, values.dtype.itemsize)
    return octets[..., -(bits // 8) :]


def _float_differences(values: NDArray[Any], bits: int) -> bytes:
    """Return predictor 3: rows in planes of bytes, the highest first, each less its neighbor."""
    height, width, samples = values.shape
    octets = _octets(values, bits).reshape(height, width * samples, bits // 8)
    planes = np.moveaxis(octets, 2, 1).reshape(height, -1)
    left = np.zeros_like(planes)
    left[:, samples:] = planes[:, :-samples]
    return (planes - left).tobytes()


def _packed(values: NDArray[Any], bits: int) -> bytes:
    """Return samples of fewer bits than their type, the first in the highest bits, rows padded."""
    rows = values.reshape(len(values), -1).astype(np.uint32)
    shifts = np.arange(bits - 1, -1, -1)
    single = ((rows[..., np.newaxis] >> shifts) & 1).astype(np.uint8)
    return np.packbits(single.reshape(len(rows), -1), axis=1).tobytes()


def _compressed(data: bytes, row_bytes: int, compression: int) -> bytes:
    match compression:
        case 1:
            return data
        case 5:
            return bytes(imagecodecs.lzw_encode(data))
        case 8 | 32946:
            return zlib.compress(data)
        case 32773:
            rows = (data[at : at + row_bytes] for at in range(0, len(data), row_bytes))
            return b"".join(bytes(imagecodecs.packbits_encode(row)) for row in rows)
        case 34925:
            return bytes(imagecodecs.lzma_encode(data))
        case 50000:
            return bytes(imagecodecs.zstd_encode(data))
        case _:
            raise AssertionError(compression)


def _as_picture(values: NDArray[Any], compression: int) -> bytes:
    """Return tiles coded as pictures, without loss."""
    image = values[..., 0] if values.shape[2] == 1 else values
    image = np.ascontiguousarray(image)
    match compression:
        case 34933:
            return bytes(imagecodecs.png_encode(image))
        case 50001:
            return bytes(imagecodecs.webp_encode(image, lossless=True))
        case _:
            return bytes(imagecodecs.jpeg2k_encode(image, codecformat="j2k", reversible=True))


@dataclass
class Layout:
    """How an image is stored; see `directory`."""

    dtype: str
    bits: int
    photometric: int
    compression: int
    predictor: int = 1
    fill_order: int = 1
    tile: tuple[int, int] | None = None
    strip_rows: int = 0
    is_planar: bool = False
    orientation: int = 1
    extra: tuple[int, ...] = ()
    palette: NDArray[np.uint16] | None = None
    list_letter: str = "I"
    states_defaults: bool = True
    jpeg: JpegCoding | None = None

    @property
    def samples_are(self) -> int:
        """Return the photometric kind of decoded samples, which JPEG gives as RGB."""
        is_rgb = self.jpeg is not None and self.photometric == YCBCR and not self.is_planar
        return RGB if is_rgb else self.photometric

    @property
    def is_picture(self) -> bool:
        return self.compression in (PNG, WEBP, JPEG_2000)


def directory(
    values: NDArray[Any],
    layout: Layout,
    order: Order,
    rng: random.Random,
    missing: Callable[[int, int], bool] | None = None,
    subfile_type: int | None = None,
) -> Directory:
    """Return the directory of an image, (height, width, samples).

    Parameters
    ----------
    values
        Where they are coded as JPEG, what that shows of them takes their place.
    missing
        Says of a column and row of tiles whether the file leaves them out.
    """
    height, width, samples = values.shape
    across, down = layout.tile or (width, layout.strip_rows)
    planes = [values[..., n : n + 1] for n in range(samples)] if layout.is_planar else [values]
    chunks: list[bytes] = []
    tables = b""
    for plane in planes:
        for row in range(-(-height // down)):
            for column in range(-(-width // across)):
                if missing is not None and missing(column, row):
                    chunks.append(b"")
                    continue
                stored = plane[
                    row * down : (row + 1) * down, column * across : (column + 1) * across
                ]
                part = stored
                if layout.tile:
                    below, beside = down - part.shape[0], across - part.shape[1]
                    part = np.pad(part, ((0, below), (0, beside), (0, 0)), mode="edge")
                if layout.jpeg is None:
                    chunks.append(_coded(np.ascontiguousarray(part), layout, order))
                    continue
                data, seen = layout.jpeg.coded(part)
                chunks.append(data)
                stored[...] = seen[: stored.shape[0], : stored.shape[1]]
                tables = layout.jpeg.tables(part)
    kind = {"u": 1, "i": 2, "f": 3}[layout.dtype[0]]
    tags: dict[int, tuple[str, Sequence[int] | bytes]] = {
        256: ("I" if rng.random() < 0.5 else "H", [width]),
        257: ("I" if rng.random() < 0.5 else "H", [height]),
        258: ("H", [layout.bits] * samples),
        259: ("H", [layout.compression]),
        262: ("H", [layout.photometric]),
        277: ("H", [samples]),
    }
    if layout.is_planar:
        tags[284] = ("H", [2])
    if subfile_type is not None:
        tags[254] = ("I", [subfile_type])
    if layout.fill_order != 1:
        tags[266] = ("H", [layout.fill_order])
    if layout.orientation != 1:
        tags[274] = ("H", [layout.orientation])
    if layout.predictor != 1:
        tags[317] = ("H", [layout.predictor])
    if layout.palette is not None:
        tags[320] = ("H", layout.palette.T.reshape(-1).tolist())
    if layout.extra:
        tags[338] = ("H", layout.extra)
    if kind != 1 or rng.random() < 0.5:
        tags[339] = ("H", [kind] * samples)
    if layout.tile:
        tags[322], tags[323] = ("H", [across]), ("I", [down])
    else:
        tags[278] = ("I", [down if down < height or rng.random() < 0.5 else (1 << 32) - 1])
    if layout.photometric == YCBCR and (layout.jpeg is None or rng.random() < 0.6):
        tags[530] = ("H", _SUBSAMPLING[layout.jpeg.subsampling if layout.jpeg else "444"])
    if tables:
        tags[347] = ("b", tables)
    defaults: dict[int, tuple[str, Sequence[int] | bytes]] = {
        254: ("I", [0]),
        258: ("H", [1]),
        259: ("H", [NONE]),
        266: ("H", [1]),
        274: ("H", [1]),
        277: ("H", [1]),
        278: ("I", [(1 << 32) - 1]),
        284: ("H", [1]),
        317: ("H", [1]),
    }
    for code, default in defaults.items():
        if layout.states_defaults:
            if code not in (258, 278):
                tags.setdefault(code, default)
        elif tags.get(code) == default:
            del tags[code]
    is_short = layout.list_letter == "I" and max(map(len, chunks)) < 1 << 16
    sizes = rng.choice(("H", "I")) if is_short else layout.list_letter
    return Directory(tags, chunks, layout.tile is not None, layout.list_letter, sizes)


def _coded(part: NDArray[Any], layout: Layout, order: Order) -> bytes:
    if layout.is_picture:
        return _as_picture(part, layout.compression)
    row_bytes = -(-part.shape[1] * part.shape[2] * layout.bits // 8)
    whole_bytes = layout.bits == 8 * part.dtype.itemsize
    stored = _differences(part, layout.bits) if layout.predictor == 2 else part
    if layout.predictor == 3:
        data = _float_differences(part, layout.bits)
    elif layout.bits == 24:
        data = _octets(stored, 24)[..., :: 1 if order == ">" else -1].tobytes()
    elif not whole_bytes:
        data = _packed(stored, layout.bits)
    else:
        data = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    data = _compressed(data, row_bytes, layout.compression)
    if layout.fill_order == 2:
        data = np.packbits(
            np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, 8)[:, ::-1], axis=1
        ).tobytes()
    return data


# What it must look like


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an image as it is to be seen, by the words of TIFF 6."""
    turned = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }
    return np.ascontiguousarray(turned[orientation](image))


def shown_colors(values: NDArray[Any], layout: Layout) -> NDArray[np.float64]:
    """Return the colors of stored samples on white glass, 0 to 255."""
    full = float((1 << layout.bits) - 1) if layout.dtype[0] != "f" else 1.0
    share = values.astype(np.float64) / full
    colors = {CMYK: 4, RGB: 3, YCBCR: 3}.get(layout.samples_are, 1)
    alpha = share[..., colors:][..., :1] if layout.extra in ((1,), (2,)) else 1.0
    match layout.samples_are:
        case 0:
            color = 1 - share[..., :1]
        case 3:
            assert layout.palette is not None
            color = (layout.palette[values[..., 0]] >> 8) / 255
        case 5:
            color = (1 - share[..., :3]) * (1 - share[..., 3:4])
        case 6:
            luma, blue, red = (255 * share[..., n : n + 1] for n in range(3))
            color = np.concatenate(
                [
                    luma + 1.402 * (red - 128),
                    luma - 0.344136 * (blue - 128) - 0.714136 * (red - 128),
                    luma + 1.772 * (blue - 128),
                ],
                axis=2,
            )
            color = np.clip(color, 0, 255) / 255
        case _:
            color = share[..., :colors]
    # Associated colors are multiplied by opacity already.
    over = color * (1 if layout.extra == (1,) else alpha) + 1 - alpha
    return np.broadcast_to(np.clip(over, 0, 1) * 255, (*values.shape[:2], 3))


def reduced(values: NDArray[Any], ratio: float) -> NDArray[Any]:
    """Return a smaller level, of which each pixel is one of the larger."""
    height, width = (max(1, int(side / ratio)) for side in values.shape[:2])
    rows = np.minimum((np.arange(height) + 0.5) * values.shape[0] / height, values.shape[0] - 1)
    columns = np.minimum((np.arange(width) + 0.5) * values.shape[1] / width, values.shape[1] - 1)
    return values[np.ix_(rows.astype(int), columns.astype(int))]
