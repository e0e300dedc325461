"""Single images without a pyramid, decoded to memory, or by rows where that would be too much.

PNG, JPEG, JPEG 2000, JPEG XL, AVIF, WebP, GIF, BMP, TGA and the PNM family (PPM, PGM, PBM, PFM).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image, UnidentifiedImageError

from viewer.geometry import Optics
from viewer.limits import LimitError, open_regular
from viewer.slides.channels import rgb_channels
from viewer.slides.errors import (
    DamagedSlideError,
    SlideError,
    TileError,
    UnsupportedSlideError,
    check_image,
)
from viewer.slides.kept_chunks import KeptChunks
from viewer.slides.readers.chunk_windows import KEPT_BYTES, ChunkWindows
from viewer.slides.readers.coded_colors import bmp_profile, coded_color_note, exif_color_note
from viewer.slides.readers.image.chunks import (
    ArrayChunks,
    PillowChunks,
    array_chunks,
    cmyk_profile,
    decoded,
)
from viewer.slides.readers.image.jpeg_xl import NOTE as JPEG_XL_NOTE
from viewer.slides.readers.image.jpeg_xl import JpegXlHeader, jpeg_xl_header, jpeg_xl_samples
from viewer.slides.readers.image.png_rows import exif_in_png
from viewer.slides.readers.image.resolution import picture_mpp_um, picture_pixel_sides
from viewer.slides.readers.image.rows import RowChunks, row_chunks
from viewer.slides.readers.image.size import (
    check_claim,
    check_pixels,
    check_size,
    is_large,
    without_pillow_limit,
)
from viewer.slides.readers.jpeg_2000.chunks import AreaChunks, area_chunks
from viewer.slides.readers.jpeg_2000.code import check_divisions
from viewer.slides.readers.jpeg_2000.colors import check_jpeg_2000, jpeg2000_profile
from viewer.slides.readers.jpeg_markers import check_scans
from viewer.slides.readers.jpeg_profile import INCOMPLETE, joined_profile
from viewer.slides.readers.large_chunks import large_chunks
from viewer.slides.readers.sample_colors import (
    CMYK_APPROXIMATED,
    CMYK_THROUGH_PROFILE,
    DisplayRange,
    hidden_note,
)
from viewer.slides.readers.small_parts import check_parts
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.turning import UPRIGHT, is_orientation
from viewer.slides.resolution import scale_doubt
from viewer.slides.source import DescribedSource, Level, RgbImage, SlideInfo

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile


_TILE_PX = 256

_INKS_UNKNOWN = (
    "This JPEG does not say whether its inks are stored inverted: shown as if they were, as Adobe "
    "stores them."
)
_UNSUPPORTED = "Unsupported "
"""As Pillow begins what it says of rare forms of BMP."""

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "JPEG2000", "AVIF", "PPM")
_CHECKS = {"JPEG": check_scans, "JPEG2000": check_divisions}
_TGA_SUFFIXES = (".tga", ".targa", ".icb", ".vda", ".vst")
"""Of a format that nothing else tells apart."""

_JPEG_XL_LEAST_SAMPLES = 4
"""Gray and color with opacity are counted alike, and samples of up to 16 bits."""
_ONE_OF_ANIMATION = "Shown: the first frame of an animation."

_EXIF_ORIENTATION = 274


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
        header = jpeg_xl_header(path)
    except ValueError as error:
        raise _damaged(path, error) from error
    if header is not None:
        check_image(path, image)
        return _open_jpeg_xl(path, header)
    try:
        check_parts(path)
    except LimitError as error:
        raise DamagedSlideError(path, str(error)) from error
    is_tga = path.suffix.lower() in _TGA_SUFFIXES
    try:
        with without_pillow_limit():
            picture = Image.open(path, formats=(*_FORMATS, "TGA") if is_tga else _FORMATS)
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system; Pillow's own carry no number
        raise _damaged(path, error) from error
    check_image(path, image)
    if picture.format == "MPO":
        picture.format = "JPEG"  # which it is, with others behind it
    check_claim(path, picture)
    if picture.format == "JPEG2000":
        check_jpeg_2000(path)
    picture.info["icc_profile"] = _profile(path, picture)
    try:
        in_parts = _in_parts(path, picture)
        if in_parts is None:
            check_size(path, picture)
        has_scans = in_parts is None or picture.info.get("progressive")
        if has_scans and (check := _CHECKS.get(picture.format or "")):
            with open_regular(path) as file:
                check(file.read())
        chunks = in_parts or decoded(path, picture)
    except (OSError, SyntaxError, ValueError, RuntimeError, ChunkError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _damaged(path, error) from error
    kind = picture.format or "image"
    profile = picture.info["icc_profile"]
    shown = chunks.range
    exif = _exif(path, picture, is_decoded=in_parts is None)
    orientation = _orientation(exif)
    optics = Optics(picture_mpp_um(picture, exif, orientation))
    sides = picture_pixel_sides(picture, exif, orientation)
    info = SlideInfo(
        vendor=kind.lower(),
        reader=f"{kind} {chunks.way}",
        optics=optics,
        icc_profile=profile if _fits(picture) else None,
        properties={"image.format": kind, "image.mode": picture.mode},
        notes=(
            *_notes(path, picture, exif),
            *filter(None, [scale_doubt(optics, sides=sides)]),
            *_stretch_note(shown, chunks),
        ),
        display_range=shown,
    )
    return ImageSource(path, chunks, orientation, info)


def _in_parts(path: Path, picture: ImageFile) -> RowChunks | AreaChunks | None:
    """Return a large picture that is not decoded as one; None where its kind has no parts."""
    if not is_large(path, picture):
        return None
    return area_chunks(path) if picture.format == "JPEG2000" else row_chunks(path, picture)


def _open_jpeg_xl(path: Path, header: JpegXlHeader) -> ImageSource:
    count = max(_JPEG_XL_LEAST_SAMPLES, 3 + header.extra_channels)
    sample_bytes = 2 if header.sample_bits <= 16 else 4
    check_pixels(path, header.width_px * header.height_px, count * sample_bytes)
    try:
        samples = jpeg_xl_samples(path, header)
    except (ValueError, RuntimeError) as error:
        raise _damaged(path, error) from error
    chunks = array_chunks(samples)
    shown = chunks.range
    info = SlideInfo(
        vendor="jpegxl",
        reader="JPEG XL in memory",
        optics=Optics(),
        properties={"image.format": "JPEG XL"},
        notes=(
            *((_ONE_OF_ANIMATION,) if header.is_animation else ()),
            JPEG_XL_NOTE,
            *hidden_note(header.extra_channels - (samples.shape[2] in (2, 4))),
            *_stretch_note(shown, chunks),
        ),
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
        chunks: PillowChunks | ArrayChunks | RowChunks | AreaChunks,
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
        try:
            return windows[level].read(column * _TILE_PX, row * _TILE_PX, *size)
        except ChunkError as error:
            raise TileError(level, column, row, str(error)) from error

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        return rgb_channels(self, (level, column, row), channels, z, t)

    def read_associated(self, name: str) -> RgbImage:
        raise UnsupportedSlideError(self._path, f"{self._path.name} has no picture named {name}.")

    def close(self) -> None:
        self._windows = ()
        self._kept.clear()
        large_chunks().clear()


def _exif(path: Path, picture: Image.Image, *, is_decoded: bool) -> Image.Exif:
    if not is_decoded and picture.format == "PNG" and (data := exif_in_png(path)):
        picture.info["exif"] = data
    # A PNG would decode all of itself, to look for a tag behind the pixels.
    return picture.getexif() if is_decoded else Image.Image.getexif(picture)


def _orientation(exif: Image.Exif) -> int:
    value = exif.get(_EXIF_ORIENTATION)
    return value if isinstance(value, int) and is_orientation(value) else UPRIGHT


def _profile(path: Path, picture: ImageFile) -> bytes | None:
    """Return the color profile, or something that cannot be used where it is damaged."""
    match picture.format:
        case "JPEG":  # of which Pillow joins parts that do not belong together
            segments: list[tuple[str, bytes]] = getattr(picture, "applist", [])
            return joined_profile(data for name, data in segments if name == "APP2")
        case "JPEG2000":  # of this and the next Pillow leaves it out
            return jpeg2000_profile(path)
        case "BMP":
            return bmp_profile(path)
        case _:
            damaged = INCOMPLETE if "icc_profile" in picture.info else None
            return picture.info.get("icc_profile") or damaged


def _fits(picture: Image.Image) -> bool:
    """Return whether a profile still speaks of the colors that are made of the image.

    One that is for other colors than the image has is handed on all the same: whoever shows it
    says that it cannot be used.
    """
    return picture.mode not in ("CMYK", "LAB")


def _notes(path: Path, picture: Image.Image, exif: Image.Exif) -> Generator[str]:
    yield from _frames_note(getattr(picture, "n_frames", 1))
    if picture.mode == "CMYK":
        has_profile = cmyk_profile(picture) is not None
        yield CMYK_THROUGH_PROFILE if has_profile else CMYK_APPROXIMATED
        if picture.format == "JPEG" and "adobe" not in picture.info:
            yield _INKS_UNKNOWN
    note = coded_color_note(path, picture.format, picture.info)
    if not note and not picture.info["icc_profile"] and picture.mode != "CMYK":
        note = exif_color_note(exif)
    if note:
        yield note


def _frames_note(frames: int) -> Generator[str]:
    if frames > 1:
        yield f"Shown: frame 1 of {frames}."


def _stretch_note(
    shown: DisplayRange | None, chunks: PillowChunks | ArrayChunks | RowChunks | AreaChunks
) -> Generator[str]:
    if shown is not None and shown != (0.0, 65535.0):
        is_of_reduced = isinstance(chunks, AreaChunks) and chunks.is_range_of_reduced
        of = ", as a smaller size of the picture has them; those beyond are black or white"
        said = f"values from {shown.black:,.6g} to {shown.white:,.6g}{of if is_of_reduced else ''}"
        yield f"Stretched for display: {said}."


def _damaged(path: Path, error: Exception) -> SlideError:
    if str(error).startswith(_UNSUPPORTED):
        return UnsupportedSlideError(
            path,
            f"{path.name} is an image of a rare form that cannot be read ({error}); save it as "
            "PNG or TIFF.",
        )
    return DamagedSlideError(
        path,
        f"{path.name} is an image that cannot be decoded ({error}); it may be damaged or cut "
        "short, so copy it again from where it came.",
    )
