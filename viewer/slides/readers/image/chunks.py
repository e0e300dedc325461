"""The pixels of a picture file, decoded to memory, as squares of RGB."""

from __future__ import annotations

import collections
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from PIL import Image

from viewer.limits import open_regular
from viewer.slides.readers.jpeg_2000.code import jpeg2k_decode
from viewer.slides.readers.jpeg_2000.colors import (
    Jpeg2000Channels,
    at_full_scale,
    jpeg2000_channels,
    jpeg2000_depths,
)
from viewer.slides.readers.jpeg_header import read_jpeg_header
from viewer.slides.readers.jpeg_markers import ARITHMETIC
from viewer.slides.readers.sample_colors import (
    ColorModel,
    DisplayRange,
    SampleColors,
    display_range,
    opacity_scale,
    through_cmyk_profile,
    usable_cmyk_profile,
)
from viewer.slides.readers.tiff.jpeg_stream import FRAME_WITHIN_BYTES
from viewer.slides.readers.tiff.overview import LARGE_PX, StripOverview
from viewer.slides.readers.turning import UPRIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

_CHUNK_PX = 512
_OVERVIEW_FACTOR = 8
_REDUCED_BY_PILLOW = ("L", "RGB", "CMYK")
"""Modes whose means are those of the colors; six times as fast as by strips."""
_INDEXED_MODES = ("L", "P")
"""Of 256 colors at most, which are looked up."""
_ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
TGA_DESCRIPTOR_AT = 17
_TGA_FOOTER_BYTES, _TGA_FOOTER_END = 26, b"TRUEVISION-XFILE.\0"
_TGA_ATTRIBUTES_AT = 494
"""In the extension that the footer points to."""
_PNG_BIT_DEPTH_AT = 24
_JPEG_2000_MODES = ("RGB", "RGBA", "I;16", "L", "LA", "P")
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L")
_COLOR_MODELS = {1: ColorModel.GRAY, 2: ColorModel.GRAY, 3: ColorModel.RGB, 4: ColorModel.RGB}


class _MemoryChunks:
    """An image that is whole in memory, in squares."""

    way = "in memory"

    def __init__(self, width_px: int, height_px: int) -> None:
        self.width_px, self.height_px = width_px, height_px
        self.chunk_width_px = self.chunk_height_px = _CHUNK_PX
        self.parts_per_chunk = 1
        self.columns, self.rows = -(-width_px // _CHUNK_PX), -(-height_px // _CHUNK_PX)
        self.orientation = UPRIGHT

    @property
    def is_large(self) -> bool:
        return self.width_px * self.height_px > LARGE_PX

    def _box(self, column: int, row: int) -> tuple[int, int, int, int]:
        left, top = column * _CHUNK_PX, row * _CHUNK_PX
        right = min(left + _CHUNK_PX, self.width_px)
        return left, top, right, min(top + _CHUNK_PX, self.height_px)


class PillowColors:
    """How images of 8-bit samples, or fewer, become RGB, by Pillow.

    Parameters
    ----------
    picture
        Opened, and decoded or not.
    """

    def __init__(self, path: Path, picture: Image.Image) -> None:
        _scale_transparent_gray(path, picture)
        self._info = picture.info
        self._cmyk_profile = cmyk_profile(picture)
        self.has_alpha = _has_alpha(path, picture)
        self._table: SampleColors | None = None

    def rgb(self, part: Image.Image) -> RgbImage:
        """Return uint8 (height, width, 3) for a part of the picture."""
        if self._cmyk_profile is not None:
            return through_cmyk_profile(np.asarray(part), self._cmyk_profile)
        if not self.has_alpha:
            return np.array(part.convert("RGB"))
        if part.mode in _INDEXED_MODES:
            if self._table is None:
                every = Image.frombytes(part.mode, (256, 1), bytes(range(256)))
                if part.palette is not None:
                    every.palette = part.palette.copy()
                    every.palette.dirty = 1
                self._table = SampleColors(ColorModel.PALETTE, palette=self._on_white(every)[0])
            return self._table.rgb(np.asarray(part)[..., np.newaxis])
        return self._on_white(part)

    def _on_white(self, part: Image.Image) -> RgbImage:
        part.info = self._info
        return _ON_WHITE.rgb(np.asarray(part.convert("RGBA")))


class PillowChunks(_MemoryChunks):
    """8-bit images of any mode; Pillow's own memory is the store."""

    range: DisplayRange | None = None
    """As `ArrayChunks`."""

    def __init__(self, picture: Image.Image, colors: PillowColors) -> None:
        super().__init__(*picture.size)
        self._picture = picture
        self._colors = colors

    def read_rgb(self, column: int, row: int) -> RgbImage:
        return self._colors.rgb(self._picture.crop(self._box(column, row)))

    def overview(self) -> PillowChunks | StripOverview:
        if self._colors.has_alpha or self._picture.mode not in _REDUCED_BY_PILLOW:
            return StripOverview(self)
        return PillowChunks(self._picture.reduce(_OVERVIEW_FACTOR), self._colors)


class ArrayChunks(_MemoryChunks):
    """Images of more than 8 bits; samples (height, width, samples).

    Attributes
    ----------
    range
        What is shown as black and white, where that is not all that the bits allow.
    """

    def __init__(self, samples: NDArray[Any], colors: SampleColors) -> None:
        super().__init__(samples.shape[1], samples.shape[0])
        self._samples = samples
        self._colors = colors
        self.range = colors.range

    def read_rgb(self, column: int, row: int) -> RgbImage:
        left, top, right, bottom = self._box(column, row)
        return self._colors.rgb(self._samples[top:bottom, left:right])

    def overview(self) -> StripOverview:
        return StripOverview(self)


_ON_WHITE = SampleColors(ColorModel.RGB, alpha=3)


def decoded(path: Path, picture: Image.Image) -> PillowChunks | ArrayChunks:
    """Decode an image. Raises what the decoders raise."""
    if _is_arithmetic(path, picture):
        with open_regular(path) as file:
            picture = Image.fromarray(imagecodecs.jpeg8_decode(file.read()))
        return PillowChunks(picture, PillowColors(path, picture))
    deep = _deep_samples(path, picture)
    bits = channels = None
    if deep is None:
        picture.load()
        if picture.mode not in DEEP_MODES:
            scaled = at_full_scale(path, picture)
            return PillowChunks(scaled, PillowColors(path, scaled))
        deep = np.asarray(picture)
    elif picture.format == "JPEG2000":
        channels = jpeg2000_channels(path)
        bits = (channels.palette_bits if channels else 0) or jpeg2000_depths(path).common
    return array_chunks(deep[..., np.newaxis] if deep.ndim == 2 else deep, bits, channels)


def array_chunks(
    samples: NDArray[Any], bits: int | None = None, channels: Jpeg2000Channels | None = None
) -> ArrayChunks:
    """Return the chunks of an image in memory, (height, width, samples).

    Parameters
    ----------
    bits
        Of a sample, where they are fewer than its type has.
    channels
        What the file says of its samples; without it two or four end with opacity.
    """
    strips = (samples[top : top + _CHUNK_PX] for top in range(0, len(samples), _CHUNK_PX))
    colors = deep_colors(strips, samples.dtype, samples.shape[2], bits, channels)
    return ArrayChunks(samples, colors)


def deep_colors(
    strips: Iterable[NDArray[Any]],
    dtype: np.dtype[Any],
    count: int,
    bits: int | None = None,
    channels: Jpeg2000Channels | None = None,
) -> SampleColors:
    """Return how samples are shown, as `array_chunks`.

    Parameters
    ----------
    strips
        All of the image, (height, width, samples), gone through once.
    count
        Of the samples of a pixel.
    """
    model = _COLOR_MODELS.get(channels.colors if channels else count, ColorModel.GRAY)
    bits = bits or 8 * dtype.itemsize
    alpha = count - 1 if count in (2, 4) else None
    is_premultiplied = False
    if channels is not None:
        alpha = None if channels.alpha is None or channels.alpha >= count else channels.alpha
        is_premultiplied = channels.is_premultiplied
    most = 0.0

    def without_alpha() -> Iterator[NDArray[Any]]:
        nonlocal most
        for strip in strips:
            if alpha is not None:
                most = max(most, float(strip[..., alpha].max(initial=0)))
            yield strip[..., : model.samples]

    parts = without_alpha()
    shown = display_range(parts, model, bits)
    if alpha is not None:
        collections.deque(parts, maxlen=0)  # what the range did not need
    full = float((1 << bits) - 1) if dtype.kind == "u" else 1.0
    colors = SampleColors(
        model, shown, alpha=alpha, full_scale=full, is_premultiplied=is_premultiplied
    )
    return replace(colors, full_scale=opacity_scale(colors, shown, most))


def _has_alpha(path: Path, picture: Image.Image) -> bool:
    """Return whether an image that is decoded holds opacity, in its pixels or in its palette."""
    if picture.format == "TGA" and not _tga_alpha_bits(path):
        return False  # what stands in the place of opacity, often 0, means nothing
    is_in_palette = picture.palette is not None and picture.palette.mode == "RGBA"
    return "transparency" in picture.info or picture.mode in _ALPHA_MODES or is_in_palette


def _tga_alpha_bits(path: Path) -> int:
    with open_regular(path) as file:
        bits = file.read(TGA_DESCRIPTOR_AT + 1)[TGA_DESCRIPTOR_AT] & 0xF
        file.seek(max(0, file.seek(0, 2) - _TGA_FOOTER_BYTES))
        footer = file.read()
        extension = int.from_bytes(footer[:4], "little")
        if not footer.endswith(_TGA_FOOTER_END) or not extension:
            return bits
        file.seek(extension + _TGA_ATTRIBUTES_AT)
        return 0 if file.read(1) == b"\0" else bits  # it says that there is none after all


def _scale_transparent_gray(path: Path, picture: Image.Image) -> None:
    """Scale the gray that a PNG of 2 or 4 bits calls transparent, as Pillow scales its pixels."""
    bits, key = _png_bits(path) if picture.format == "PNG" else 8, picture.info.get("transparency")
    if picture.mode == "L" and isinstance(key, int) and bits in (2, 4):
        picture.info["transparency"] = key * 255 // ((1 << bits) - 1)


def _deep_samples(path: Path, picture: Image.Image) -> NDArray[Any] | None:
    """Return the samples of images whose bits Pillow would change."""
    if not is_deep(path, picture):
        return None
    decode = imagecodecs.png_decode if picture.format == "PNG" else jpeg2k_decode
    with open_regular(path) as file:
        return decode(file.read())


def _is_arithmetic(path: Path, picture: Image.Image) -> bool:
    """Return whether it is a JPEG in gray or color in arithmetic coding, unknown to Pillow."""
    if picture.format != "JPEG" or picture.mode not in ("L", "RGB"):
        return False
    with open_regular(path) as file:
        return read_jpeg_header(file.read(FRAME_WITHIN_BYTES)).frame in ARITHMETIC


def is_deep(path: Path, picture: Image.Image) -> bool:
    """Return whether it is a PNG of 16 bits, or a JPEG 2000 that is not of 8 or orders channels."""
    if picture.format == "PNG":
        return _png_bits(path) == 16
    if picture.format != "JPEG2000" or picture.mode not in _JPEG_2000_MODES:
        return False
    depths = jpeg2000_depths(path)
    if len(set(depths.bits)) > 1:
        return False  # for which imagecodecs has no type
    is_of_bytes = depths.common == 8 and not depths.is_signed
    return not is_of_bytes or jpeg2000_channels(path) is not None


def _png_bits(path: Path) -> int:
    with open_regular(path) as file:
        return file.read(_PNG_BIT_DEPTH_AT + 1)[_PNG_BIT_DEPTH_AT]


def cmyk_profile(picture: Image.Image) -> bytes | None:
    """Return the profile by which inks become colors; None where there is none to be used."""
    return usable_cmyk_profile(picture.info.get("icc_profile")) if picture.mode == "CMYK" else None
