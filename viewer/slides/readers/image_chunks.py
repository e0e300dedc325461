"""The pixels of a picture file, decoded to memory, as squares of RGB."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np

from viewer.limits import open_regular
from viewer.slides.readers.jpeg_2000 import (
    Jpeg2000Channels,
    at_full_scale,
    jpeg2000_channels,
    jpeg2000_depths,
)
from viewer.slides.readers.jpeg_2000_code import jpeg2k_decode
from viewer.slides.readers.sample_colors import (
    ColorModel,
    SampleColors,
    display_range,
    opacity_scale,
    through_cmyk_profile,
    usable_cmyk_profile,
)
from viewer.slides.readers.tiff.overview import LARGE_PX, StripOverview
from viewer.slides.readers.turning import UPRIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

    from viewer.slides.source import RgbImage

_CHUNK_PX = 512
_OVERVIEW_FACTOR = 8
_REDUCED_BY_PILLOW = ("L", "RGB", "CMYK")
"""Modes whose means are those of the colors; six times as fast as by strips."""
_ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
_TGA_DESCRIPTOR_AT = 17
_PNG_BIT_DEPTH_AT = 24
_JPEG_2000_MODES = ("RGB", "RGBA", "I;16", "L", "LA", "P")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L")
_COLOR_MODELS = {1: ColorModel.GRAY, 2: ColorModel.GRAY, 3: ColorModel.RGB, 4: ColorModel.RGB}


class _MemoryChunks:
    """An image that is whole in memory, in squares."""

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


class PillowChunks(_MemoryChunks):
    """8-bit images of any mode; Pillow's own memory is the store."""

    def __init__(self, picture: Image.Image, *, has_alpha: bool) -> None:
        super().__init__(*picture.size)
        self._picture = picture
        self._cmyk_profile = cmyk_profile(picture)
        self._has_alpha = has_alpha

    def read_rgb(self, column: int, row: int) -> RgbImage:
        part = self._picture.crop(self._box(column, row))
        if self._cmyk_profile is not None:
            return through_cmyk_profile(np.asarray(part), self._cmyk_profile)
        if self._has_alpha:
            part.info = self._picture.info
            return _ON_WHITE.rgb(np.asarray(part.convert("RGBA")))
        return np.array(part.convert("RGB"))

    def overview(self) -> PillowChunks | StripOverview:
        if self._has_alpha or self._picture.mode not in _REDUCED_BY_PILLOW:
            return StripOverview(self)
        reduced = self._picture.reduce(_OVERVIEW_FACTOR)
        reduced.info = self._picture.info
        return PillowChunks(reduced, has_alpha=False)


class ArrayChunks(_MemoryChunks):
    """Images of more than 8 bits; samples (height, width, samples)."""

    def __init__(self, samples: NDArray[Any], colors: SampleColors) -> None:
        super().__init__(samples.shape[1], samples.shape[0])
        self._samples = samples
        self.colors = colors

    def read_rgb(self, column: int, row: int) -> RgbImage:
        left, top, right, bottom = self._box(column, row)
        return self.colors.rgb(self._samples[top:bottom, left:right])

    def overview(self) -> StripOverview:
        return StripOverview(self)


_ON_WHITE = SampleColors(ColorModel.RGB, alpha=3)


def as_rgb(pixels: NDArray[np.uint8]) -> RgbImage:
    """Return gray or color of 8 bits as RGB; of two or four samples the last is opacity."""
    if pixels.shape[2] < 3:
        gray = np.repeat(pixels[..., :1], 3, axis=2)
        pixels = np.concatenate([gray, pixels[..., 1:]], axis=2)
    return _ON_WHITE.rgb(pixels) if pixels.shape[2] == 4 else pixels


def decoded(path: Path, picture: Image.Image) -> PillowChunks | ArrayChunks:
    """Decode an image. Raises what the decoders raise."""
    deep = _deep_samples(path, picture)
    bits = channels = None
    if deep is None:
        picture.load()
        if picture.mode not in _DEEP_MODES:
            _scale_transparent_gray(path, picture)
            scaled = at_full_scale(path, picture)
            return PillowChunks(scaled, has_alpha=_has_alpha(path, scaled))
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
    count = samples.shape[2]
    model = _COLOR_MODELS.get(channels.colors if channels else count, ColorModel.GRAY)
    bits = bits or 8 * samples.dtype.itemsize
    strips = (
        samples[top : top + _CHUNK_PX, :, : model.samples]
        for top in range(0, len(samples), _CHUNK_PX)
    )
    shown = display_range(strips, model, bits)
    full = float((1 << bits) - 1) if samples.dtype.kind == "u" else 1.0
    alpha = count - 1 if count in (2, 4) else None
    is_premultiplied = False
    if channels is not None:
        alpha = None if channels.alpha is None or channels.alpha >= count else channels.alpha
        is_premultiplied = channels.is_premultiplied
    colors = SampleColors(
        model, shown, alpha=alpha, full_scale=full, is_premultiplied=is_premultiplied
    )
    if alpha is not None:
        most = float(samples[..., alpha].max(initial=0))
        colors = replace(colors, full_scale=opacity_scale(colors, shown, most))
    return ArrayChunks(samples, colors)


def _has_alpha(path: Path, picture: Image.Image) -> bool:
    """Return whether an image that is decoded holds opacity, in its pixels or in its palette."""
    if picture.format == "TGA" and not _tga_alpha_bits(path):
        return False  # what stands in the place of opacity, often 0, means nothing
    is_in_palette = picture.palette is not None and picture.palette.mode == "RGBA"
    return "transparency" in picture.info or picture.mode in _ALPHA_MODES or is_in_palette


def _tga_alpha_bits(path: Path) -> int:
    with open_regular(path) as file:
        return file.read(_TGA_DESCRIPTOR_AT + 1)[_TGA_DESCRIPTOR_AT] & 0xF


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
