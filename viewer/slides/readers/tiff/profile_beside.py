"""By which color profile a picture beside the slide is shown."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from tifffile import PHOTOMETRIC

from viewer.slides.readers.tiff.metadata import icc_profile

if TYPE_CHECKING:
    from tifffile import TiffPage


class ColorSpace(Enum):
    """What the samples of a page are."""

    RGB = auto()
    GRAY = auto()
    CONVERTED = auto()
    """Inks, L*a*b* and others: what decoding makes of them is sRGB, as well as it can be."""


_SPACES: dict[int, ColorSpace] = {
    PHOTOMETRIC.MINISWHITE: ColorSpace.GRAY,
    PHOTOMETRIC.MINISBLACK: ColorSpace.GRAY,
    PHOTOMETRIC.RGB: ColorSpace.RGB,
    PHOTOMETRIC.PALETTE: ColorSpace.RGB,
    PHOTOMETRIC.YCBCR: ColorSpace.RGB,
}
_COUNTS_OF_COLOR = (3, 4)


def color_space(photometric: int, samples: int) -> ColorSpace:
    """Return what the samples of a page are, by its tags."""
    space = _SPACES.get(photometric, ColorSpace.CONVERTED)
    is_color = photometric == PHOTOMETRIC.MINISBLACK and samples in _COUNTS_OF_COLOR
    return ColorSpace.RGB if is_color else space


def space_of_page(page: TiffPage) -> ColorSpace:
    """Return what the samples of a page are."""
    return color_space(int(page.photometric), page.samplesperpixel)


def profile_beside(space: ColorSpace, slide_space: ColorSpace, own: bytes | None) -> bytes | None:
    """Return the profile for a picture; b"" where none holds, None where the slide's does.

    A profile tells of samples in one color space: that of the slide holds for pictures in the same.
    """
    if space is ColorSpace.CONVERTED:
        return b""
    return own or (None if space is slide_space else b"")


def profiles_beside(pages: dict[str, TiffPage], slide: TiffPage) -> dict[str, bytes]:
    """Return the profiles of pictures that are not shown by the slide's; see `profile_beside`."""
    found = {
        name: profile_beside(space_of_page(page), space_of_page(slide), icc_profile(page))
        for name, page in pages.items()
    }
    return {name: profile for name, profile in found.items() if profile is not None}
