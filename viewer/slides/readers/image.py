"""Single images without a pyramid, decoded to memory.

PNG, JPEG, JPEG 2000, JPEG XL, AVIF, WebP, GIF, BMP, TGA and the PNM family (PPM, PGM, PBM, PFM).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from viewer.geometry import Optics
from viewer.limits import IMAGE_BYTES, IMAGE_DECODING_BYTES, JPEG_PIXELS_PER_BYTE, LimitError
from viewer.slides.channels import rgb_channels
from viewer.slides.errors import (
    DamagedSlideError,
    TileError,
    UnsupportedSlideError,
    check_image,
)
from viewer.slides.kept_chunks import KeptChunks
from viewer.slides.readers.chunk_windows import KEPT_BYTES, ChunkWindows
from viewer.slides.readers.coded_colors import coded_color_note
from viewer.slides.readers.jpeg_2000 import (
    Jpeg2000Channels,
    at_full_scale,
    check_jpeg_2000,
    jpeg2000_channels,
    jpeg2000_depths,
    jpeg2000_profile,
)
from viewer.slides.readers.jpeg_xl import NOTE as JPEG_XL_NOTE
from viewer.slides.readers.jpeg_xl import jpeg_xl_samples, jpeg_xl_size
from viewer.slides.readers.sample_colors import (
    CMYK_APPROXIMATED,
    CMYK_THROUGH_PROFILE,
    ColorModel,
    DisplayRange,
    SampleColors,
    display_range,
    opacity_scale,
    through_cmyk_profile,
    usable_cmyk_profile,
)
from viewer.slides.readers.tiff.overview import LARGE_PX, StripOverview
from viewer.slides.readers.turning import UPRIGHT, is_orientation
from viewer.slides.source import DescribedSource, Level, RgbImage, SlideInfo

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray


MOST_BYTES = IMAGE_BYTES.most
"""Of decoded pixels that are held in memory for an image without a pyramid."""

_TILE_PX = 256
_CHUNK_PX = 512
_OVERVIEW_FACTOR = 8
_REDUCED_BY_PILLOW = ("L", "RGB", "CMYK")
"""Modes whose means are those of the colors; six times as fast as by strips."""

_INKS_UNKNOWN = (
    "This JPEG does not say whether its inks are stored inverted: shown as if they were, as Adobe "
    "stores them."
)
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "JPEG2000", "AVIF", "PPM")
_TGA_SUFFIXES = (".tga", ".targa", ".icb", ".vda", ".vst")
"""Of a format that nothing else tells apart."""

_JPEG_XL_BYTES_PER_PIXEL = 8
"""Four samples of up to 16 bits; the header is not read as far as their depth."""

_EXIF_ORIENTATION = 274
_ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
_TGA_DESCRIPTOR_AT = 17
_PNG_BIT_DEPTH_AT = 24
_JPEG_2000_MODES = ("RGB", "RGBA", "I;16", "L", "LA", "P")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L")
_COLOR_MODELS = {1: ColorModel.GRAY, 2: ColorModel.GRAY, 3: ColorModel.RGB, 4: ColorModel.RGB}
_pillow_limit_lock = threading.Lock()


def open_image(path: Path, image: int | None = None) -> ImageSource | None:
    """Open a single image, decoded to memory; None where the file is none.

    Raises
    ------
    SlideError
        The image is damaged, or too large for a file without a pyramid.
    OSError
        The file cannot be read.
    """
    try:
        size = jpeg_xl_size(path)
    except ValueError as error:
        raise _damaged(path, error) from error
    if size is not None:
        check_image(path, image)
        return _open_jpeg_xl(path, *size)
    is_tga = path.suffix.lower() in _TGA_SUFFIXES
    try:
        with _without_pillow_limit():
            picture = Image.open(path, formats=(*_FORMATS, "TGA") if is_tga else _FORMATS)
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system; Pillow's own carry no number
        raise _damaged(path, error) from error
    check_image(path, image)
    _check_size(path, picture)
    if picture.format == "JPEG2000":
        check_jpeg_2000(path)
        picture.info["icc_profile"] = jpeg2000_profile(path)  # which Pillow leaves out
    try:
        chunks = _chunks(path, picture)
    except (OSError, SyntaxError, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _damaged(path, error) from error
    kind = picture.format or "image"
    profile = picture.info.get("icc_profile")
    shown = chunks.colors.range if isinstance(chunks, _ArrayChunks) else None
    # Resolution tags of such images are meant for printers: they are no pixel size.
    info = SlideInfo(
        vendor=kind.lower(),
        reader=f"{kind} in memory",
        optics=Optics(),
        icc_profile=profile if isinstance(profile, bytes) and _fits(picture) else None,
        properties={"image.format": kind, "image.mode": picture.mode},
        notes=tuple(_notes(path, picture, shown)),
        display_range=shown,
    )
    return ImageSource(path, chunks, _orientation(picture), info)


def _open_jpeg_xl(path: Path, width_px: int, height_px: int) -> ImageSource:
    if width_px * height_px * _JPEG_XL_BYTES_PER_PIXEL > MOST_BYTES:
        raise UnsupportedSlideError(path, _too_large(path, width_px * height_px))
    try:
        samples, frames = jpeg_xl_samples(path)
    except (ValueError, RuntimeError) as error:
        raise _damaged(path, error) from error
    chunks = _array_chunks(samples)
    shown = chunks.colors.range
    info = SlideInfo(
        vendor="jpegxl",
        reader="JPEG XL in memory",
        optics=Optics(),
        properties={"image.format": "JPEG XL"},
        notes=(*_frames_note(frames), JPEG_XL_NOTE, *_stretch_note(shown)),
        display_range=shown,
    )
    return ImageSource(path, chunks, UPRIGHT, info)


class ImageSource(DescribedSource):
    """An image in memory, cut into tiles.

    Parameters
    ----------
    orientation
        How the stored image is to be turned, 1 to 8.
    """

    def __init__(
        self,
        path: Path,
        chunks: _PillowChunks | _ArrayChunks,
        orientation: int,
        info: SlideInfo,
    ) -> None:
        self._path = path
        self._info = info
        self._kept = KeptChunks(KEPT_BYTES)
        chunks.orientation = orientation
        overview = chunks.overview() if chunks.is_large else None
        self._windows: tuple[ChunkWindows, ...] = tuple(
            ChunkWindows(layer, index, self._kept, orientation, layer.read_rgb)
            for index, layer in enumerate((chunks, overview) if overview else (chunks,))
        )
        width, height = self._windows[0].size_px
        levels = [Level(width, height, 1.0, _TILE_PX, _TILE_PX)]
        if overview is not None:
            across, down = self._windows[1].size_px
            downsample = (width / across + height / down) / 2
            made_of = round(downsample) ** 2
            levels.append(Level(across, down, downsample, _TILE_PX, _TILE_PX, made_of))
        self._levels = tuple(levels)

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        windows = self._windows
        if not windows:
            raise TileError(level, column, row, "the slide has been closed")
        size = self._levels[level].tile_size_px(column, row)
        return windows[level].read(column * _TILE_PX, row * _TILE_PX, *size)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        return rgb_channels(self, (level, column, row), channels, z, t)

    def read_associated(self, name: str) -> RgbImage:
        raise UnsupportedSlideError(self._path, f"{self._path.name} has no picture named {name}.")

    def close(self) -> None:
        self._windows = ()
        self._kept.clear()


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


class _PillowChunks(_MemoryChunks):
    """8-bit images of any mode; Pillow's own memory is the store."""

    def __init__(self, picture: Image.Image, *, has_alpha: bool) -> None:
        super().__init__(*picture.size)
        self._picture = picture
        self._cmyk_profile = _cmyk_profile(picture)
        self._has_alpha = has_alpha

    def read_rgb(self, column: int, row: int) -> RgbImage:
        part = self._picture.crop(self._box(column, row))
        if self._cmyk_profile is not None:
            return through_cmyk_profile(np.asarray(part), self._cmyk_profile)
        if self._has_alpha:
            part.info = self._picture.info
            return _ON_WHITE.rgb(np.asarray(part.convert("RGBA")))
        return np.array(part.convert("RGB"))

    def overview(self) -> _PillowChunks | StripOverview:
        if self._has_alpha or self._picture.mode not in _REDUCED_BY_PILLOW:
            return StripOverview(self)
        reduced = self._picture.reduce(_OVERVIEW_FACTOR)
        reduced.info = self._picture.info
        return _PillowChunks(reduced, has_alpha=False)


class _ArrayChunks(_MemoryChunks):
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


def _chunks(path: Path, picture: Image.Image) -> _PillowChunks | _ArrayChunks:
    """Decode an image. Raises what the decoders raise."""
    deep = _deep_samples(path, picture)
    bits = channels = None
    if deep is None:
        picture.load()
        if picture.mode not in _DEEP_MODES:
            _scale_transparent_gray(path, picture)
            scaled = at_full_scale(path, picture)
            return _PillowChunks(scaled, has_alpha=_has_alpha(path, scaled))
        deep = np.asarray(picture)
    elif picture.format == "JPEG2000":
        channels = jpeg2000_channels(path)
        bits = (channels.palette_bits if channels else 0) or jpeg2000_depths(path).common
    return _array_chunks(deep[..., np.newaxis] if deep.ndim == 2 else deep, bits, channels)


def _array_chunks(
    samples: NDArray[Any], bits: int | None = None, channels: Jpeg2000Channels | None = None
) -> _ArrayChunks:
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
    return _ArrayChunks(samples, colors)


def _has_alpha(path: Path, picture: Image.Image) -> bool:
    """Return whether an image that is decoded holds opacity, in its pixels or in its palette."""
    if picture.format == "TGA" and not _tga_alpha_bits(path):
        return False  # what stands in the place of opacity, often 0, means nothing
    is_in_palette = picture.palette is not None and picture.palette.mode == "RGBA"
    return "transparency" in picture.info or picture.mode in _ALPHA_MODES or is_in_palette


def _tga_alpha_bits(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(_TGA_DESCRIPTOR_AT + 1)[_TGA_DESCRIPTOR_AT] & 0xF


def _scale_transparent_gray(path: Path, picture: Image.Image) -> None:
    """Scale the gray that a PNG of 2 or 4 bits calls transparent, as Pillow scales its pixels."""
    bits, key = _png_bits(path) if picture.format == "PNG" else 8, picture.info.get("transparency")
    if picture.mode == "L" and isinstance(key, int) and bits in (2, 4):
        picture.info["transparency"] = key * 255 // ((1 << bits) - 1)


def _deep_samples(path: Path, picture: Image.Image) -> NDArray[Any] | None:
    """Return the samples of images whose bits Pillow would change."""
    if not _is_deep(path, picture):
        return None
    decode = imagecodecs.png_decode if picture.format == "PNG" else imagecodecs.jpeg2k_decode
    return decode(path.read_bytes())


def _is_deep(path: Path, picture: Image.Image) -> bool:
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
    with path.open("rb") as file:
        return file.read(_PNG_BIT_DEPTH_AT + 1)[_PNG_BIT_DEPTH_AT]


def _orientation(picture: Image.Image) -> int:
    value = picture.getexif().get(_EXIF_ORIENTATION)
    return value if isinstance(value, int) and is_orientation(value) else UPRIGHT


def _cmyk_profile(picture: Image.Image) -> bytes | None:
    return usable_cmyk_profile(picture.info.get("icc_profile")) if picture.mode == "CMYK" else None


def _fits(picture: Image.Image) -> bool:
    """Return whether a profile still speaks of the colors that are made of the image.

    One that is for other colors than the image has is handed on all the same: whoever shows it
    says that it cannot be used.
    """
    return picture.mode not in ("CMYK", "LAB")


def _notes(path: Path, picture: Image.Image, shown: DisplayRange | None) -> Generator[str]:
    yield from _frames_note(getattr(picture, "n_frames", 1))
    if picture.mode == "CMYK":
        has_profile = _cmyk_profile(picture) is not None
        yield CMYK_THROUGH_PROFILE if has_profile else CMYK_APPROXIMATED
        if picture.format == "JPEG" and "adobe" not in picture.info:
            yield _INKS_UNKNOWN
    if note := coded_color_note(path, picture.format, picture.info):
        yield note
    yield from _stretch_note(shown)


def _frames_note(frames: int) -> Generator[str]:
    if frames > 1:
        yield f"Shown: frame 1 of {frames}."


def _stretch_note(shown: DisplayRange | None) -> Generator[str]:
    if shown is not None and shown != (0.0, 65535.0):
        yield f"Stretched for display: values from {shown.black:,.6g} to {shown.white:,.6g}."


@contextmanager
def _without_pillow_limit() -> Generator[None]:
    """Lift Pillow's limit of pixels, which holds for all of the program; ours is checked here."""
    with _pillow_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_size(path: Path, picture: Image.Image) -> None:
    pixels = picture.width * picture.height
    try:
        if picture.format == "JPEG":
            JPEG_PIXELS_PER_BYTE.check(pixels / path.stat().st_size, path.name)
    except LimitError as error:
        raise DamagedSlideError(path, str(error)) from error
    is_too_large = pixels * _bytes_per_pixel(path, picture) > MOST_BYTES
    if is_too_large or pixels * _decoding_bytes(path, picture) > IMAGE_DECODING_BYTES.most:
        raise UnsupportedSlideError(path, _too_large(path, pixels))


def _too_large(path: Path, pixels: int) -> str:
    return (
        f"{path.name} is a single image of {pixels * 3 / 1e9:.1f} GB of pixels without a "
        "pyramid, too large to hold in memory; convert it once to a pyramidal TIFF, for "
        "example with `vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg`."
    )


def _bytes_per_pixel(path: Path, picture: Image.Image) -> int:
    """Return the memory that a decoded pixel takes."""
    bands = _bands(path, picture)
    if _is_deep(path, picture):
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


def _damaged(path: Path, error: Exception) -> DamagedSlideError:
    return DamagedSlideError(
        path,
        f"{path.name} is an image that cannot be decoded ({error}); it may be damaged or cut "
        "short, so copy it again from where it came.",
    )
