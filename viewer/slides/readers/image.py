"""Pictures that are no pyramid: PNG, JPEG, BMP, WebP and small TIFF, decoded once to memory."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tifffile import PHOTOMETRIC, TiffFile, TiffPage

from viewer.geometry import Optics
from viewer.slides.errors import (
    DamagedSlideError,
    SlideError,
    TileError,
    UnsupportedSlideError,
)
from viewer.slides.readers.rgb_from import rgb_from
from viewer.slides.readers.tiff import is_tiff
from viewer.slides.readers.tiff_metadata import icc_profile, tiff_optics, tiff_properties
from viewer.slides.source import Level, RgbImage, SlideInfo

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

MOST_BYTES = 1_200_000_000
"""Of decoded pixels that are held in memory for a picture without a pyramid."""

_TILE_PX = 256
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
_PLAIN_MODES = ("1", "L", "LA", "RGB", "RGBA", "I", "I;16", "I;16B", "F")
_pillow_limit_lock = threading.Lock()


def open_image(path: Path) -> ImageSource | None:
    """The picture, whole in memory; None where the file is no picture.

    Raises
    ------
    SlideError
        The picture is damaged, or too large for a file without a pyramid.
    OSError
        The file cannot be read.
    """
    if is_tiff(path):
        return _open_tiff(path)
    try:
        with _without_pillow_limit():
            image = Image.open(path, formats=_FORMATS)
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system; Pillow's own carry no number
        raise _damaged(path, error) from error
    with image:
        _check_size(path, image.width * image.height * max(3, len(image.getbands())))
        kind = image.format or "picture"
        try:
            pixels = _rgb_of_pillow(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise _damaged(path, error) from error
        # Resolution tags of such pictures are meant for printers: they are no pixel size.
        info = SlideInfo(
            vendor=kind.lower(),
            reader=f"{kind} in memory",
            optics=Optics(),
            icc_profile=_rgb_profile(image),
            properties={"image.format": kind, "image.mode": image.mode},
        )
    return ImageSource(path, pixels, info)


class ImageSource:
    """A picture in memory, cut into tiles; `pixels` is uint8 (height, width, 3)."""

    def __init__(self, path: Path, pixels: RgbImage, info: SlideInfo) -> None:
        self._path = path
        self._pixels: RgbImage | None = pixels
        self._info = info
        height, width = pixels.shape[:2]
        self._levels = (Level(width, height, 1.0, _TILE_PX, _TILE_PX),)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def info(self) -> SlideInfo:
        return self._info

    @property
    def levels(self) -> tuple[Level, ...]:
        return self._levels

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        pixels = self._pixels
        if pixels is None:
            raise TileError(level, column, row, "the slide has been closed")
        x_px, y_px = column * _TILE_PX, row * _TILE_PX
        return pixels[y_px : y_px + _TILE_PX, x_px : x_px + _TILE_PX].copy()

    def read_associated(self, name: str) -> RgbImage:
        raise UnsupportedSlideError(self._path, f"{self._path.name} has no picture named {name}.")

    def close(self) -> None:
        self._pixels = None


def _open_tiff(path: Path) -> ImageSource:
    try:
        with TiffFile(path) as tiff:
            page = tiff.series[0].keyframe.aspage()
            _check_size(path, max(page.nbytes, page.imagewidth * page.imagelength * 3))
            pixels = _rgb_of_tiff(path, page)
            info = SlideInfo(
                vendor="ome-tiff" if tiff.is_ome else "tiff",
                reader="TIFF in memory",
                optics=tiff_optics(tiff),
                icc_profile=icc_profile(page),
                properties=tiff_properties(tiff),
            )
    except (SlideError, OSError):
        raise
    except Exception as error:  # a spoilt file can make the parser fail in any way
        raise _damaged(path, error) from error
    return ImageSource(path, pixels, info)


def _rgb_of_tiff(path: Path, page: TiffPage) -> RgbImage:
    """The first plane as uint8 (height, width, 3)."""
    photometric = page.photometric
    is_jpeg = page.compression in (6, 7)
    if photometric == PHOTOMETRIC.SEPARATED or (photometric == PHOTOMETRIC.YCBCR and not is_jpeg):
        with _without_pillow_limit():
            image = Image.open(path, formats=("TIFF",))
        with image:
            return _rgb_of_pillow(image)
    pixels: NDArray[Any] = page.asarray()
    if photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        return rgb_from(np.moveaxis(page.colormap[:, pixels], 0, -1) // 257)
    if page.planarconfig == 2:
        pixels = np.moveaxis(pixels, 0, -1)
    if page.imagedepth > 1:
        pixels = pixels[0]
    if photometric == PHOTOMETRIC.MINISWHITE:
        return 255 - rgb_from(pixels)
    return rgb_from(pixels)


def _rgb_of_pillow(image: Image.Image) -> RgbImage:
    upright = ImageOps.exif_transpose(image)
    if "transparency" in upright.info:
        upright = upright.convert("RGBA")
    elif upright.mode not in _PLAIN_MODES:
        upright = upright.convert("RGB")
    return rgb_from(np.asarray(upright))


def _rgb_profile(image: Image.Image) -> bytes | None:
    """The ICC profile, where it tells about RGB and so still fits what was made of the picture."""
    profile = image.info.get("icc_profile")
    is_rgb = isinstance(profile, bytes) and profile[16:20] == b"RGB "
    return profile if is_rgb else None


@contextmanager
def _without_pillow_limit() -> Generator[None]:
    """Pillow refuses at a size of its own, for all of the program; ours is checked here."""
    with _pillow_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_size(path: Path, size_bytes: int) -> None:
    if size_bytes > MOST_BYTES:
        raise UnsupportedSlideError(
            path,
            f"{path.name} is a single picture of {size_bytes / 1e9:.1f} GB of pixels without a "
            "pyramid, too large to hold in memory; convert it once to a pyramidal TIFF, for "
            "example with `vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg`.",
        )


def _damaged(path: Path, error: Exception) -> DamagedSlideError:
    return DamagedSlideError(
        path,
        f"{path.name} is a picture that cannot be decoded ({error}); it may be damaged or cut "
        "short, so copy it again from where it came.",
    )
