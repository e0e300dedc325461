"""How large a picture may be that is decoded to memory, by what its file claims."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image, PngImagePlugin

from viewer.limits import (
    COLOR_PROFILE_BYTES,
    IMAGE_BYTES,
    IMAGE_DECODING_BYTES,
    JPEG_PIXELS_PER_BYTE,
    LimitError,
)
from viewer.slides.errors import DamagedSlideError, UnsupportedSlideError
from viewer.slides.readers.image.chunks import is_deep
from viewer.slides.readers.jpeg_2000.colors import jpeg2000_channels

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MOST_BYTES = IMAGE_BYTES.most
"""Of decoded pixels that are held in memory for an image without a pyramid."""

# A PNG of which a color profile or a text takes more is refused; 1 MiB is less than some have.
PngImagePlugin.MAX_TEXT_CHUNK = COLOR_PROFILE_BYTES.most

_pillow_limit_lock = threading.Lock()


@contextmanager
def without_pillow_limit() -> Generator[None]:
    """Lift Pillow's limit of pixels, which holds for all of the program; ours is checked here."""
    with _pillow_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def check_size(path: Path, picture: Image.Image) -> None:
    """Refuse a picture that is opened and not decoded, by what it claims. Raises SlideError."""
    pixels = picture.width * picture.height
    if _memory_bytes(path, picture) > MOST_BYTES:
        raise _too_large(path, pixels)
    if pixels * _decoding_bytes(path, picture) > IMAGE_DECODING_BYTES.most:
        raise _too_large(path, pixels)


def check_claim(path: Path, picture: Image.Image) -> None:
    """Refuse a JPEG that claims more pixels than its bytes can hold. Raises DamagedSlideError."""
    pixels = picture.width * picture.height
    try:
        if picture.format == "JPEG":
            JPEG_PIXELS_PER_BYTE.check(pixels / path.stat().st_size, path.name)
    except LimitError as error:
        raise DamagedSlideError(path, str(error)) from error


def is_large(path: Path, picture: Image.Image) -> bool:
    """Return whether a picture is better read by rows, where that can be, than decoded as one."""
    return picture.width * picture.height * _decoding_bytes(path, picture) > MOST_BYTES


def _memory_bytes(path: Path, picture: Image.Image) -> int:
    return picture.width * picture.height * _bytes_per_pixel(path, picture)


def check_pixels(path: Path, pixels: int, pixel_bytes: int) -> None:
    """Refuse more pixels of so many bytes than are held in memory. Raises SlideError."""
    if pixels * pixel_bytes > MOST_BYTES:
        raise _too_large(path, pixels)


def _too_large(path: Path, pixels: int) -> UnsupportedSlideError:
    return UnsupportedSlideError(
        path,
        f"{path.name} is a single image of {pixels * 3 / 1e9:.1f} GB of pixels without a "
        "pyramid, too large to hold in memory; convert it once to a pyramidal TIFF, for "
        "example with `vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg`.",
    )


def _bytes_per_pixel(path: Path, picture: Image.Image) -> int:
    """Return the memory that a decoded pixel takes."""
    bands = _bands(path, picture)
    if is_deep(path, picture):
        return 2 * (bands + ("transparency" in picture.info))
    if bands == 1:
        return 4 if picture.mode in ("I", "F") else 1
    coefficients = 2 * bands if picture.info.get("progressive") else 0
    return 4 + coefficients  # Pillow keeps colors in four bytes; a progressive JPEG is held twice


def _bands(path: Path, picture: Image.Image) -> int:
    """Return the samples of a decoded pixel; a JPEG 2000 with a palette has those of its colors."""
    channels = jpeg2000_channels(path) if picture.format == "JPEG2000" else None
    return max(len(picture.getbands()), channels.count if channels else 0)


def _decoding_bytes(path: Path, picture: Image.Image) -> int:
    """Return the memory that a pixel takes while it is decoded, as it was measured."""
    if picture.format == "JPEG2000":  # whose decoder has 32 bits for each sample
        return 2 + 6 * _bands(path, picture)
    if picture.format == "WEBP":  # two canvases and two copies, in four bytes
        return 17
    if picture.format == "AVIF":
        return 10
    return 2 * _bytes_per_pixel(path, picture)
