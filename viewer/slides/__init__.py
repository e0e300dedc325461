"""Reading slides: one protocol, OpenSlide for vendors' formats, own readers for TIFF and images."""

from typing import TYPE_CHECKING

from viewer.slides.errors import (
    DamagedSlideError,
    IncompleteSlideError,
    NoSuchImageError,
    SlideAccessError,
    SlideError,
    SlideIsFolderError,
    SlideNotFoundError,
    TileError,
    UnsupportedSlideError,
)
from viewer.slides.source import Level, RgbImage, SlideInfo, SlideSource

if TYPE_CHECKING:
    from viewer.slides.opener import open_slide

__all__ = [
    "DamagedSlideError",
    "IncompleteSlideError",
    "Level",
    "NoSuchImageError",
    "RgbImage",
    "SlideAccessError",
    "SlideError",
    "SlideInfo",
    "SlideIsFolderError",
    "SlideNotFoundError",
    "SlideSource",
    "TileError",
    "UnsupportedSlideError",
    "open_slide",
]


def __getattr__(name: str) -> object:
    # The readers and their decoders are loaded by the first who opens a slide, not by everyone who
    # needs an error or a type of this room.
    if name == "open_slide":
        from viewer.slides.opener import open_slide

        return open_slide
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
