"""Samples of any kind as 8-bit RGB for the screen: ranges, palettes, inks, transparency."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from viewer.slides.colors.srgb import to_srgb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

CMYK_THROUGH_PROFILE = "CMYK is shown through its ICC profile."
CMYK_APPROXIMATED = "CMYK without a usable ICC profile: its colors are an approximation."

_TABLE_BITS = 16
_PX_AT_ONCE = 1 << 18
"""What is worked on fits into the processor's cache."""
_WHITE_TIMES_255 = np.uint16(255 * 255 + 127)
"""With what rounds it."""
FULL_SCALE_BITS = (8, 10, 12, 14, 16, 32)


class ColorModel(Enum):
    """What the first samples of a pixel are."""

    GRAY = 1
    RGB = 3
    CMYK = 4
    PALETTE = 0

    @property
    def samples(self) -> int:
        return max(self.value, 1)


class DisplayRange(NamedTuple):
    """The stored values that are shown as black and as white."""

    black: float
    white: float


@dataclass(frozen=True)
class SampleColors:
    """How the samples of one image become RGB; see `rgb`.

    Attributes
    ----------
    range
        Shown as black to white; None where the samples are 8-bit colors already.
    is_inverted
        Whether 0 is white.
    alpha
        The index of the sample that holds opacity, if one does.
    is_premultiplied
        Whether colors are stored multiplied by opacity ("associated alpha").
    full_scale
        The sample that means full opacity or full ink.
    palette
        uint8 (entries, 3), for `ColorModel.PALETTE`.
    cmyk_profile
        An ICC profile that says what the inks look like; without one they are multiplied.
    """

    model: ColorModel
    range: DisplayRange | None = None
    is_inverted: bool = False
    alpha: int | None = None
    is_premultiplied: bool = False
    full_scale: float = 255.0
    palette: NDArray[np.uint8] | None = None
    cmyk_profile: bytes | None = None
    _tables: dict[str, NDArray[np.uint8]] = field(
        default_factory=dict[str, Any], compare=False, repr=False
    )

    def rgb(self, samples: NDArray[Any]) -> RgbImage:
        """Return uint8 (height, width, 3) for samples (height, width, samples), on white glass."""
        if self._is_plain(samples):
            return np.ascontiguousarray(samples)
        rgb = np.empty((*samples.shape[:2], 3), np.uint8)
        # In strips: the floats of a large tile would take eight times its memory.
        rows = max(1, _PX_AT_ONCE // max(samples.shape[1], 1))
        for top in range(0, len(samples), rows):
            rgb[top : top + rows] = self._shown(samples[top : top + rows])
        return rgb

    def _shown(self, samples: NDArray[Any]) -> RgbImage:
        if self.alpha is None:
            return self._color(samples)
        opacity = self._opacity(samples[..., self.alpha])
        if self.model is ColorModel.CMYK and self.is_premultiplied:
            # Thin ink is no light that could be added to white: what it was is printed.
            inks = self._scaled(samples[..., :4]).astype(np.uint16)
            whole = np.minimum(inks * np.uint16(255) // np.maximum(opacity, 1), 255)
            return _over_white(self._printed(whole.astype(np.uint8)), opacity)
        color = self._color(samples)
        if self.is_premultiplied:
            return np.minimum(color + (255 - opacity), 255).astype(np.uint8)
        return _over_white(color, opacity)

    def _is_plain(self, samples: NDArray[Any]) -> bool:
        return (
            self.model is ColorModel.RGB
            and samples.dtype == np.uint8
            and samples.shape[2] == 3
            and self.range is None
            and not self.is_inverted
        )

    def _color(self, samples: NDArray[Any]) -> RgbImage:
        match self.model:
            case ColorModel.PALETTE:
                return self._looked_up(samples[..., 0])
            case ColorModel.CMYK:
                return self._printed(self._scaled(samples[..., :4]))
            case ColorModel.GRAY:
                return self._scaled(samples[..., :1])  # broadcast to three channels
            case ColorModel.RGB:
                return self._scaled(samples[..., :3])

    def _looked_up(self, entries: NDArray[Any]) -> RgbImage:
        assert self.palette is not None
        rgb = np.empty((*entries.shape, 3), np.uint8)
        entries = entries.view(np.uint8) if entries.dtype == bool else entries
        for index in range(3):  # far quicker than all three at once
            np.take(self.palette[:, index], entries, out=rgb[..., index], mode="clip")
        return rgb

    def _scaled(self, samples: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the samples from the range's black to its white as 0 to 255."""
        shown = self.range
        if samples.dtype.kind == "b":
            scaled = samples.astype(np.uint8) * np.uint8(255)
        elif shown is None:
            scaled = samples.astype(np.uint8, copy=False)
        elif samples.dtype.kind == "u" and samples.dtype.itemsize * 8 <= _TABLE_BITS:
            scaled = self._table(samples.dtype, shown)[samples]
        else:
            scaled = _stretched(samples, shown)
        return 255 - scaled if self.is_inverted else scaled

    def _table(self, dtype: np.dtype[Any], shown: DisplayRange) -> NDArray[np.uint8]:
        table = self._tables.get(dtype.str)
        if table is None:
            values = np.arange(1 << (8 * dtype.itemsize), dtype=np.float64)
            table = self._tables[dtype.str] = _stretched(values, shown)
        return table

    def _printed(self, inks: NDArray[np.uint8]) -> RgbImage:
        if self.cmyk_profile is not None:
            return through_cmyk_profile(inks, self.cmyk_profile)
        paper = 255 - inks.astype(np.uint16)
        return ((paper[..., :3] * paper[..., 3:] + 127) // 255).astype(np.uint8)

    def _opacity(self, alpha: NDArray[Any]) -> NDArray[np.uint16]:
        """Return opacity from 0 to 255, (height, width, 1)."""
        scale = self.full_scale or 1.0
        if alpha.dtype == np.uint8 and scale == 255:
            return alpha[..., np.newaxis].astype(np.uint16)
        share = np.clip(np.nan_to_num(alpha.astype(np.float64)) / scale, 0, 1)
        return np.rint(share * 255)[..., np.newaxis].astype(np.uint16)


def _over_white(color: NDArray[np.uint8], opacity: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return color with white where it lets it through, rounded: what is darker is subtracted."""
    shown = np.empty_like(color)
    for index in range(color.shape[2]):  # far quicker than all at once
        light = _WHITE_TIMES_255 - (255 - color[..., index]) * opacity[..., 0]
        # Divided by 255, to the last bit.
        light += (light >> 8) + np.uint16(1)
        light >>= 8
        shown[..., index] = light
    return shown


def display_range(
    chunks: Iterable[NDArray[Any]], model: ColorModel, bits: int
) -> DisplayRange | None:
    """Return what to show as black and white, None where samples are shown as they are.

    Colors keep their balance: integers are shown up to the full scale of the fewest usual bits
    that hold them (12-bit cameras store 12 in 16), floats from 0 to 1 or to 255 where they fit.
    Gray values are stretched from the smallest to the largest. Either is a choice for looking at
    the image and measures nothing.

    Parameters
    ----------
    chunks
        Samples of color without alpha, (height, width, samples).
    bits
        Bits per sample that the file declares.
    """
    low, high, kind = np.inf, -np.inf, "u"
    for chunk in chunks:
        kind = chunk.dtype.kind
        if kind == "b" or (kind == "u" and bits <= 8):
            break
        values = chunk[np.isfinite(chunk)] if kind == "f" else chunk
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if kind == "b" or (kind == "u" and bits == 8):
        return None
    if kind == "u" and bits < 8:
        return DisplayRange(0.0, float((1 << bits) - 1))
    if not low <= high:
        return DisplayRange(0.0, 1.0)
    if model is ColorModel.GRAY:
        return DisplayRange(low, high if high > low else low + 1)
    if kind == "f" and low >= 0 and high <= 255:
        return DisplayRange(0.0, 1.0 if high <= 1 else 255.0)
    if kind == "u":
        fewest = next((n for n in (*FULL_SCALE_BITS, bits) if n <= bits and high < 1 << n), bits)
        return DisplayRange(0.0, float((1 << fewest) - 1))
    return DisplayRange(low, high if high > low else low + 1)


def opacity_scale(colors: SampleColors, shown: DisplayRange | None, most: float) -> float:
    """Return the sample that means full opacity, by the largest one found.

    Where colors use a part of their bits, or of what floats hold, so does opacity beside them.

    Parameters
    ----------
    shown
        The display range of the colors.
    """
    stated = colors.full_scale
    if colors.alpha is None or shown is None or most <= 0:
        return stated
    if stated == 1.0:
        return 255.0 if 1 < most <= 255 == shown.white else stated
    highest = max(most, shown.white)
    return next((float((1 << n) - 1) for n in FULL_SCALE_BITS if highest < 1 << n), stated)


def hidden_note(count: int) -> tuple[str, ...]:
    """Return a sentence on samples that are neither colors nor opacity; () for none."""
    if count <= 0:
        return ()
    return (
        ("One more sample is not shown.",)
        if count == 1
        else (f"{count} more samples are not shown.",)
    )


def usable_cmyk_profile(profile: object) -> bytes | None:
    """Return the ICC profile if it says what CMYK inks look like, else None."""
    if not isinstance(profile, bytes) or profile[16:20] != b"CMYK":
        return None
    return None if _cmyk_transform(profile) is None else profile


def through_cmyk_profile(inks: NDArray[np.uint8], profile: bytes) -> RgbImage:
    """Return sRGB, uint8 (height, width, 3), for inks (height, width, 4), 255 for full ink.

    Parameters
    ----------
    profile
        One that `usable_cmyk_profile` gives.
    """
    transform = _cmyk_transform(profile)
    assert transform is not None
    image = Image.fromarray(np.ascontiguousarray(inks), mode="CMYK")
    shown = ImageCms.applyTransform(image, transform)
    assert shown is not None  # only in-place transforms give nothing
    return np.asarray(shown)


@lru_cache(maxsize=8)
def _cmyk_transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """Return the way to sRGB, which threads may share; None for a broken profile."""
    try:
        return to_srgb(profile, "CMYK")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _stretched(values: NDArray[Any], shown: DisplayRange) -> NDArray[np.uint8]:
    numbers = values.astype(np.float64)
    if values.dtype.kind == "f":
        numbers = np.nan_to_num(numbers, nan=shown.black, posinf=shown.white, neginf=shown.black)
    scaled = (numbers - shown.black) * (255 / ((shown.white - shown.black) or 1.0))
    return (np.clip(scaled, 0, 255) + 0.5).astype(np.uint8)
