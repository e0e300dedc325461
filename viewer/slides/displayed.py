"""The colors of a slide as they are shown before anybody adjusts them.

The profile holds for the pixels of a level. What lies between two levels is averaged of pixels as
they are shown, on the canvas as in pictures beside it: the mean of stored values is another color.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from viewer.slides.region import Beyond, read_region

if TYPE_CHECKING:
    from viewer.geometry import Box
    from viewer.slides.colors.profile import ColorProfile
    from viewer.slides.source import RgbImage, SlideInfo, SlideSource

BY_PROFILE = "sRGB, by the slide's ICC profile"
AS_STORED = "as stored: the slide has no ICC profile"


def displayed(info: SlideInfo, rgb: RgbImage, *, uses_icc: bool = True) -> RgbImage:
    """Return pixels of a level of a slide as they are shown before anybody adjusts it.

    For all pictures beside the canvas: thumbnails, galleries, and what language models, agents and
    datasets are given, by `shown_region`; of label and macro see `displayed_beside`. Pixels that
    are measured or analyzed are the stored ones.
    """
    return _by_profile(info.icc_profile if uses_icc else None, rgb)


def shown_region(
    source: SlideSource,
    box: Box,
    width_px: int,
    height_px: int,
    beyond: Beyond = Beyond.WHITE,
    *,
    smaller_by: str = "box",
) -> RgbImage:
    """Return a box of a slide in the colors of `displayed`; otherwise as `read_region`.

    Raises
    ------
    TileError
        A tile cannot be read.
    """
    colors = partial(displayed, source.info)
    return read_region(
        source, box, width_px, height_px, beyond, smaller_by=smaller_by, colors=colors
    )


def displayed_beside(
    info: SlideInfo, name: str, rgb: RgbImage, *, uses_icc: bool = True
) -> RgbImage:
    """Return the pixels of an associated picture as they are shown.

    By the profile of its own where it has one, else by the slide's if that holds for it.
    """
    profile = info.profiles_beside.get(name, info.icc_profile)
    return _by_profile(profile if uses_icc else None, rgb)


def _by_profile(profile: bytes | None, rgb: RgbImage) -> RgbImage:
    found = changing_profile(profile) if profile else None
    return rgb if found is None else found.to_srgb(rgb)


def colors_given(info: SlideInfo) -> str:
    """Return in words what the colors of `displayed` are."""
    from viewer.slides.colors.profile import profile_problem

    if not info.icc_profile:
        return AS_STORED
    return profile_problem(info.icc_profile) or BY_PROFILE


def stored_colors(info: SlideInfo) -> str:
    """Return in words what the colors of stored pixels are, in files that hold no profile."""
    left_out = "; the slide's ICC profile is left out" if info.icc_profile else ""
    return f"as stored{left_out}"


def changing_profile(profile: bytes) -> ColorProfile | None:
    """Return a profile that can be used and changes colors."""
    from viewer.slides.colors.profile import ColorProfileError, color_profile

    found = color_profile(profile)
    usable = None if isinstance(found, ColorProfileError) else found
    return usable if usable is not None and usable.changes_colors else None
