"""The slide that a file of annotations is of, as far as formats tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.slides.bounds import bounds_px

if TYPE_CHECKING:
    from viewer.slides import SlideSource


class SlidePlace(msgspec.Struct, frozen=True):
    """The slide that annotations lie on.

    Attributes
    ----------
    path
        Absolute, of the slide's file; "" where it is not known.
    name, identity
        What the slide is called, and the key of its content.
    size_px
        Width and height at level 0.
    mpp_um
        um per level-0 pixel in x and y; None where unknown.
    bounds_px
        From where QuPath counts its places, level-0 pixels.
    """

    path: str = ""
    name: str = ""
    identity: str = ""
    size_px: tuple[int, int] = (0, 0)
    mpp_um: tuple[float, float] | None = None
    bounds_px: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, source: SlideSource, mpp_um: tuple[float, float] | None = None) -> SlidePlace:
        """Return that of an open slide, with another pixel size where one is given.

        Raises
        ------
        SlideError
            The file cannot be read any more.
        """
        level, info = source.levels[0], source.info
        return cls(
            str(source.path.absolute()),
            source.path.name,
            info.identity,
            (level.width_px, level.height_px),
            mpp_um or info.optics.mpp_um,
            bounds_px(info),
        )
