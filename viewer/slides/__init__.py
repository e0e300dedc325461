"""Reading slides: one protocol, OpenSlide for every format, a direct path for tiled TIFF."""

from viewer.slides.errors import (
    DamagedSlideError,
    IncompleteSlideError,
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
