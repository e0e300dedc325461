"""Samples and codecs of TIFF that cannot be shown, each with a sentence that names what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tifffile import COMPRESSION, PHOTOMETRIC, TIFF

from viewer.slides.errors import UnsupportedSlideError
from viewer.slides.readers.jpeg_2000.code import IN_TIFF
from viewer.slides.readers.jpeg_2000.colors import MOST_BITS
from viewer.slides.readers.tiff.page_tags import bits_per_sample

if TYPE_CHECKING:
    from pathlib import Path

    from tifffile import TiffPage

_BITS, _SAMPLES, _TILES = 258, 277, 324
_HIGH_RANGE = (PHOTOMETRIC.LOGL, PHOTOMETRIC.LOGLUV)


def check_readable(path: Path, page: TiffPage) -> None:
    """Refuse a page of which no tile could be shown.

    Raises
    ------
    UnsupportedSlideError
        It holds samples, or is compressed in a way, that cannot be read.
    """
    if what := _unsaid(page):
        raise UnsupportedSlideError(
            path, f"{path.name} does not say {what}, so it cannot be shown; save it anew."
        )
    if page.compression not in TIFF.DECOMPRESSORS:
        raise UnsupportedSlideError(path, _unknown_compression(path, page.compression))
    if page.photometric in _HIGH_RANGE:
        raise UnsupportedSlideError(
            path,
            f"{path.name} holds colors of high dynamic range (LogLuv, TIFF photometric "
            f"{int(page.photometric)}), which cannot be shown; save it as RGB.",
        )
    if page.compression in IN_TIFF and (bits := bits_per_sample(page)) > MOST_BITS:
        raise UnsupportedSlideError(
            path,
            f"{path.name} holds JPEG 2000 tiles of {bits} bits per sample, which cannot be read "
            f"(up to {MOST_BITS} can); save it with 16 bits.",
        )
    if page.dtype is not None and page.dtype.kind == "c":
        raise UnsupportedSlideError(
            path,
            f"{path.name} holds complex numbers, which cannot be shown; export their magnitude.",
        )
    if isinstance(page.bitspersample, tuple):
        bits = ", ".join(map(str, page.bitspersample))
        raise UnsupportedSlideError(
            path,
            f"{path.name} holds samples of different depth ({bits} bits), which cannot be shown; "
            "save it with 8 bits for each.",
        )
    if page.dtype is None:
        raise UnsupportedSlideError(
            path,
            f"{path.name} holds samples of {page.bitspersample} bits that cannot be shown (TIFF "
            f"SampleFormat {_numbers_of(page.sampleformat)}); save it with 8 or 16 bits.",
        )


def _unsaid(page: TiffPage) -> str:
    """Return which of the tags are missing or of no meaning that tell how samples lie."""
    bits = page.tags.get(_BITS)
    if bits is None and page.bitspersample == 1 and page.samplesperpixel > 1:
        return "how many bits a sample has"
    if bits is not None and bits.count > 1 and _SAMPLES not in page.tags:
        return "how many samples a pixel has"
    if _TILES in page.tags and not page.is_tiled:
        return "how large its tiles are"
    is_known = page.planarconfig in (1, 2)
    return "" if is_known else "whether the colors of a pixel lie together"


def _unknown_compression(path: Path, compression: int) -> str:
    number = int(compression)
    name = next((f"{known.name}, " for known in COMPRESSION if known == number), "")
    return (
        f"{path.name} is a TIFF whose tiles are compressed in a way that cannot be read here "
        f"({name}TIFF compression {number}); convert it to a pyramidal TIFF with JPEG tiles."
    )


def _numbers_of(value: int | tuple[int, ...]) -> str:
    return ", ".join(str(int(each)) for each in (value if isinstance(value, tuple) else (value,)))
