"""Reading slides: one protocol, OpenSlide for vendors' formats, own readers for TIFF and images."""

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
from viewer.slides.opener import open_slide
from viewer.slides.source import Level, RgbImage, SlideInfo, SlideSource

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
