"""How many pixels a coded image says that it has, before anything is decoded."""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING

from viewer.slides.readers.image.jpeg_xl import jpeg_xl_header_in
from viewer.slides.readers.jpeg_2000.code import IN_TIFF as JPEG_2000_IN_TIFF
from viewer.slides.readers.jpeg_2000.code import check_divisions
from viewer.slides.readers.jpeg_2000.colors import SIZE_MARKER, boxes, depths_of_code
from viewer.slides.readers.jpeg_header import read_jpeg_header
from viewer.slides.readers.jpeg_markers import check_scans
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from tifffile import TiffPage

_WEBP_HEAD_BYTES = 30
_WEBP_SIDE = 0x3FFF
_JPEG_XR_MARK, _SHORT_HEADER = b"WMPHOTO\0", 0x80
_JPEG_XR_WIDTH, _JPEG_XR_HEIGHT, _JPEG_XR_CODE = 0xBC80, 0xBC81, 0xBCC0
_SHORT = 3
"""The type of a tag of 16 bits."""
_JPEG_2000_HEAD_BYTES = 100
"""Within which the bits of all components stand."""
_AVIF_SIZE = re.compile(rb"ispe\x00{4}(.{4})(.{4})", re.DOTALL)
_AVIF_TRACK = re.compile(rb"tkhd(?:\x00.{75}|\x01.{87})(.{4})(.{4})", re.DOTALL)

SIZED = frozenset(
    {
        "apng", "avif", "htj2k", "jpeg", "jpeg2k", "jpegls", "jpegxl", "jpegxr", "ljpeg", "png",
        "qoi", "spng", "webp",
    }
)  # fmt: skip
"""The codecs whose images say it."""

_OF_TIFF = {
    **dict.fromkeys(JPEG_2000_IN_TIFF, "jpeg2k"), **dict.fromkeys((7, 33007, 34892), "jpeg"),
    22610: "jpegxr", 34934: "jpegxr", 34927: "webp", 50001: "webp", 34933: "png",
    50002: "jpegxl", 52546: "jpegxl",
}  # fmt: skip
"""By compressions of TIFF."""
_MOST_TIMES = 4
"""How many times its tile an image may be: writers fill tiles up to whole blocks of their codec."""


def check_page(page: TiffPage) -> None:
    """Do as `check_tiff_tile` for all tiles or strips of a directory of a TIFF."""
    rows = min(page.rowsperstrip, page.imagelength)
    size_px = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, rows)
    file = page.parent.filehandle
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        if size:
            file.seek(offset)
            data = file.read(size)
            check_tiff_tile(page.compression, data, *size_px, len(page.extrasamples))


def check_tiff_tile(
    compression: int, data: bytes, width_px: int, height_px: int, extra_samples: int
) -> None:
    """Do as `check_coded_size` for a tile or strip of a TIFF in whatever it is coded.

    Raises ChunkError also of a JPEG 2000 that is divided too finely, as `check_divisions` does, and
    of a JPEG of too many scans, as `check_scans` does.
    """
    name = _OF_TIFF.get(compression)
    if name is not None:
        check_coded_size(name, data, width_px, height_px, extra_samples)
    if name == "jpeg2k":
        check_divisions(data)
    elif name == "jpeg":
        check_scans(data)


def check_coded_size(
    name: str, data: bytes, width_px: int, height_px: int, extra_samples: int = 0
) -> None:
    """Refuse an image of a codec in `SIZED` that claims to be far larger than its tile.

    Parameters
    ----------
    extra_samples
        Of a pixel of the tile, beside gray or color.

    Raises
    ------
    ChunkError
        It does, or it tells no size, or it is an animation, of which all frames would be decoded.
    """
    pixels = coded_pixels(name, data)
    if pixels is None:
        raise ChunkError("its data is damaged (its header tells no size)")
    tile_px = width_px * height_px
    channels = 1 + extra_samples if name == "jpegxl" else 1
    if pixels > _MOST_TIMES * tile_px * channels:
        raise ChunkError(f"its data claims {pixels:,} pixels where the tile has {tile_px:,}")
    if name == "jpegxl":
        header = jpeg_xl_header_in(io.BytesIO(data))
        if header is not None and header.is_animation:
            raise ChunkError("its data is an animation, where a tile has one picture")


def coded_pixels(name: str, data: bytes) -> int | None:
    """Return the pixels of an image of a codec in `SIZED`; None where it does not say them.

    Of several frames they are those of one. Each channel of JPEG XL beside gray or color, of which
    there can be hundreds, counts as as many more.
    """
    try:
        match name:
            case "jpeg" | "ljpeg" | "jpegls":
                return _of_jpeg(data)
            case "jpeg2k" | "htj2k":
                return _of_jpeg_2000(data)
            case "png" | "spng" | "apng" if data[12:16] == b"IHDR":
                return _area(*struct.unpack_from(">2I", data, 16))
            case "qoi" if data[:4] == b"qoif":
                return _area(*struct.unpack_from(">2I", data, 4))
            case "webp":
                return _of_webp(data)
            case "avif":
                return _of_avif(data)
            case "jpegxl":
                header = jpeg_xl_header_in(io.BytesIO(data))
                if header is None:
                    return None
                return _area(header.width_px, header.height_px) * (1 + header.extra_channels)
            case "jpegxr":
                return _of_jpeg_xr(data)
            case _:
                return None
    except (struct.error, ValueError, IndexError):  # cut short
        return None


def sample_bits(name: str, data: bytes) -> int:
    """Return how many bits a sample of JPEG, JPEG-LS, JPEG 2000 or JPEG XL has; 0 if unknown."""
    match name:
        case "jpeg" | "jpegls":
            return read_jpeg_header(data).precision_bits
        case "jpeg2k":
            at = max(data.find(SIZE_MARKER), 0)
            return max(depths_of_code(data[at : at + _JPEG_2000_HEAD_BYTES]).bits, default=0)
        case "jpegxl":
            header = jpeg_xl_header_in(io.BytesIO(data))
            return 0 if header is None else header.sample_bits
        case _:
            return 0


def _area(width: int, height: int) -> int:
    return width * height


def _of_jpeg(data: bytes) -> int | None:
    header = read_jpeg_header(data)
    return header.height_px * header.width_px if header.frame else None


def _of_jpeg_2000(data: bytes) -> int | None:
    at: int | None = 0
    if not data.startswith(SIZE_MARKER):
        found = boxes(io.BytesIO(data), 0, len(data))
        at = next((start for kind, start, _ in found if kind == b"jp2c"), None)
    if at is None or not data.startswith(SIZE_MARKER, at):
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    return max(0, right - left) * max(0, bottom - top)


def _of_webp(data: bytes) -> int | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < _WEBP_HEAD_BYTES:
        return None
    match data[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            width, height = (bits & _WEBP_SIDE) + 1, (bits >> 14 & _WEBP_SIDE) + 1
        case b"VP8 ":
            width, height = (side & _WEBP_SIDE for side in struct.unpack_from("<2H", data, 26))
        case _:
            return None
    return width * height


def _of_avif(data: bytes) -> int | None:
    """Return the largest of all images and tracks, of which a decoder chooses."""
    sizes = [struct.unpack(">2I", b"".join(found.groups())) for found in _AVIF_SIZE.finditer(data)]
    for found in _AVIF_TRACK.finditer(data):
        width, height = struct.unpack(">2I", b"".join(found.groups()))
        sizes.append((width >> 16, height >> 16))
    return max((width * height for width, height in sizes), default=None)


def _of_jpeg_xr(data: bytes) -> int | None:
    """Return what the code says, or the container where that is more."""
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    stated: dict[int, int] = {}
    for entry in range(count):
        tag, kind, _, value = struct.unpack_from("<HHII", data, directory + 2 + 12 * entry)
        stated[tag] = value & 0xFFFF if kind == _SHORT else value
    at = stated.get(_JPEG_XR_CODE, len(data))
    if not data.startswith(_JPEG_XR_MARK, at):
        return None
    is_short = data[at + 10] & _SHORT_HEADER
    width, height = struct.unpack_from(">2H" if is_short else ">2I", data, at + 12)
    tagged = stated.get(_JPEG_XR_WIDTH, 0) * stated.get(_JPEG_XR_HEIGHT, 0)
    return max((width + 1) * (height + 1), tagged)
