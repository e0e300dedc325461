"""Plain TIFF and OME-TIFF as slides."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from tifffile import TiffFile, TiffFileError

from viewer.limits import TILE_BYTES, TILE_PIECES, open_regular
from viewer.slides.channels import as_channels
from viewer.slides.composites import composite, first_displays
from viewer.slides.errors import (
    DamagedSlideError,
    SlideError,
    TileError,
    UnsupportedSlideError,
    check_image,
    damaged_image,
)
from viewer.slides.kept_chunks import KeptChunks
from viewer.slides.readers.chunk_windows import KEPT_BYTES, ChunkWindows, tile_pieces
from viewer.slides.readers.coded_colors import colorimetry_note
from viewer.slides.readers.large_chunks import large_chunks
from viewer.slides.readers.sample_colors import ColorModel
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.files import TiffFiles
from viewer.slides.readers.tiff.lacking_levels import LEVELS_LEFT_OUT, lacking_levels
from viewer.slides.readers.tiff.layout import TiffImage, tiff_images
from viewer.slides.readers.tiff.level import LevelChunks
from viewer.slides.readers.tiff.metadata import (
    icc_profile,
    pixel_sides,
    profile_note,
    raw_resolution_um,
    tiff_properties,
)
from viewer.slides.readers.tiff.overview import StripOverview, overview_of
from viewer.slides.readers.tiff.page_colors import (
    WHOLE_LEVEL_PX,
    PageColors,
    in_own_colors,
    page_colors,
    sample_note,
    stretch_note,
    with_likely_fourth,
    with_range,
)
from viewer.slides.readers.tiff.page_repairs import repaired
from viewer.slides.readers.tiff.page_tags import state_photometric
from viewer.slides.readers.tiff.profile_beside import profiles_beside
from viewer.slides.readers.tiff.refusals import check_readable
from viewer.slides.readers.tiff.stack_axes import ImageStack, hidden_channels, stack_axes
from viewer.slides.readers.tiff.tile_lists import cut_note
from viewer.slides.readers.turning import UPRIGHT, upright_size
from viewer.slides.remote.ranged import ranges_of
from viewer.slides.resolution import scale_doubt
from viewer.slides.source import DescribedSource, ImageEntry, Level, RgbImage, SlideInfo
from viewer.slides.tiff_words import TIFF_MAGIC

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from viewer.geometry import Optics
    from viewer.slides.readers.jpeg_tiles import DirectTiles, TilePlaces

_log = logging.getLogger(__name__)

_STORED_TILE_PX = range(128, 2049)
"""Tile sides of a file that are good units of work; others are cut anew."""

_OWN_TILE_PX = 256
_MOST_ASSOCIATED_PX = 64 << 20
_NO_PROFILE = "The slide's ICC profile is left out: channels have colors of their own."
_ASSOCIATED = ("label", "macro", "overview", "thumbnail")


def is_tiff(path: Path) -> bool:
    """Return whether the file begins like a TIFF or BigTIFF. Raises OSError."""
    with open_regular(path) as file:
        return file.read(4) in TIFF_MAGIC


@contextmanager
def open_tiff_file(path: Path) -> Generator[TiffFile]:
    """Open a TIFF by tifffile, wherever it lies; of one on a server its bytes are at hand."""
    if ranges_of(path) is None:
        with TiffFile(path) as tiff:
            yield tiff
    else:
        with open_regular(path) as file, TiffFile(file, name=path.name) as tiff:
            yield tiff


def open_tiff(path: Path, image: int | None = None) -> TiffSource | None:
    """Open a TIFF of any layout; None for other files.

    Parameters
    ----------
    image
        Which of the file's images, counted from 0 in the file's order; None for the largest.

    Raises
    ------
    SlideError
        The file begins like a TIFF, but cannot be read.
    OSError
        The file cannot be read.
    """
    if not is_tiff(path):
        return None
    try:
        with ExitStack() as opened:
            tiff = opened.enter_context(open_tiff_file(path))
            tiff.filehandle.set_lock(True)
            source = _source(path, tiff, TiffFiles(path, opened), image)
            if source.info.axes.has_pages:
                # Directories of its planes are read when they are looked at, by any thread.
                source.keep_open(tiff, opened.pop_all())
            return source
    except (OSError, SlideError):
        raise
    except Exception as error:  # a damaged file can make the parser fail in any way
        _log.info("%s cannot be read as a TIFF (%r)", path, error)
        # What Python says of a value that it did not expect tells the user nothing.
        reason = f" ({error})" if isinstance(error, (TiffFileError, ChunkError)) else ""
        raise DamagedSlideError(
            path,
            f"{path.name} is a TIFF file that cannot be read{reason}; it may be damaged or cut "
            "short, so copy it again from where it came.",
        ) from error


def _source(path: Path, tiff: TiffFile, files: TiffFiles, wanted: int | None) -> TiffSource:
    images = tiff_images(tiff, files)
    entries = tuple(_entry(index, image) for index, image in enumerate(images))
    check_image(path, wanted, len(images))
    largest = max(range(len(images)), key=lambda i: images[i].rank)
    # Of an image set in several files the first to be seen is one that this file has a part of.
    first = max(range(len(images)), key=lambda i: (_is_here(images[i]), images[i].rank))
    chosen = first if wanted is None else wanted
    image = images[chosen]
    for stored in image.levels:
        for each in stored.pages:
            state_photometric(each)
    page = image.levels[0].page
    check_readable(path, page)
    levels, colors = _shown_levels(path, image, files)
    if lacking := lacking_levels(levels):
        kept = [index for index in range(len(levels)) if index not in lacking]
        levels, stored = [levels[index] for index in kept], [image.levels[index] for index in kept]
        image = replace(image, levels=tuple(stored), hidden=(*image.hidden, LEVELS_LEFT_OUT))
    is_cmyk = colors.samples.model is ColorModel.CMYK
    shown = None if is_cmyk else colors.samples.range  # how much ink there is is no stretch
    optics = _upright_optics(image.optics, levels[0].orientation)
    stack = ImageStack(image, levels, colors.samples, files)
    axes = stack_axes(image, stack.samples, stack.planes, shown)
    is_channels = len(axes.channels) > 1
    if is_channels:
        shown = None
    profile = icc_profile(page)
    notes = (
        *image.hidden,
        cut_note(repaired(page) for level in image.levels for page in level.pages),
        sample_note(page),
        *(() if is_channels else (*colors.notes, stretch_note(page, colors.samples))),
        *(hidden_channels(image.stack, len(image.levels[0].pages)) if axes.is_rgb else ()),
        scale_doubt(optics, raw_resolution_um(page), _upright_sides(page, levels[0].orientation)),
        profile_note([level.page for level in image.levels]),
        _NO_PROFILE if is_channels and profile else "",
        "" if axes.channels or profile else colorimetry_note(page),
    )
    beside = {name: other for other in images if (name := _associated_name(other, image))}
    info = SlideInfo(
        vendor="ome-tiff" if tiff.is_ome else "tiff",
        reader="direct TIFF",
        optics=optics,
        associated=tuple(beside),
        icc_profile=None if is_cmyk or is_channels else profile,
        profiles_beside=profiles_beside(
            {name: other.levels[0].page for name, other in beside.items()}, page
        ),
        properties=tiff_properties(page) | _ome_properties(image),
        notes=tuple(note for note in notes if note),
        images=entries if len(entries) > 1 else (),
        image=chosen,
        part="" if chosen == largest else f"image {chosen}",
        display_range=shown,
        axes=axes,
    )
    flat = levels if stack.samples or axes.has_planes else _with_overview(levels)
    return TiffSource(path, files, flat, info, beside, stack)


def _upright_sides(page: TiffPage, orientation: int) -> tuple[float, float] | None:
    """Return width and height of a pixel as it is seen, in any unit."""
    found = pixel_sides(page)
    return None if found is None else upright_size(orientation, *found)


def _upright_optics(optics: Optics, orientation: int) -> Optics:
    """Return the scale along the axes of the image as it is seen; tags tell that of stored ones."""
    if optics.mpp_um is None:
        return optics
    x_um, y_um = optics.mpp_um
    return replace(optics, mpp_um=upright_size(orientation, x_um, y_um))


def _shown_levels(
    path: Path, image: TiffImage, files: TiffFiles
) -> tuple[list[LevelChunks], PageColors]:
    """Return the chunks of each level with the colors of all.

    Raises
    ------
    UnsupportedSlideError
        A single tile or strip is too large to hold in memory, or they are too small.
    """
    levels = [LevelChunks(level.pages, files, level.mask) for level in image.levels]
    for level in levels:
        if level.decoding_bytes > TILE_BYTES.most:
            sentence = TILE_BYTES.sentence(path.name, level.decoding_bytes)
            raise UnsupportedSlideError(path, _to_be_converted(sentence))
        size = (level.width_px, level.height_px)
        pieces = tile_pieces(size, (level.chunk_width_px, level.chunk_height_px))
        if pieces > TILE_PIECES.most:
            sentence = TILE_PIECES.sentence(path.name, pieces)
            raise UnsupportedSlideError(path, _to_be_converted(sentence))
    page = image.levels[0].page
    finest, coarsest = levels[0], levels[-1]
    colors = page_colors(image.levels[0].pages, has_stains=image.has_stains)
    colors = with_likely_fourth(colors, coarsest, image.levels[-1].page)
    is_small = finest.width_px * finest.height_px <= WHOLE_LEVEL_PX
    samples = with_range(colors.samples, finest if is_small else coarsest, page)
    for stored, level in zip(image.levels, levels, strict=True):
        # Shapes have shown that levels lie as the finest does, whether their own tag says so.
        level.orientation = finest.orientation
        level.colors = in_own_colors(stored.pages, samples)
    return levels, replace(colors, samples=samples)


def _with_overview(levels: list[LevelChunks]) -> list[LevelChunks | StripOverview]:
    """Return the levels, with one made here where tiles of wide strips could not be halved."""
    overview = overview_of(levels)
    if overview is None:
        return [*levels]
    return [
        levels[0],
        overview,
        *(level for level in levels[1:] if level.width_px < overview.width_px),
    ]


def _is_here(image: TiffImage) -> bool:
    """Return whether any plane of an image lies in the file that is open."""
    return image.ome is None or bool(image.ome.planes) or not image.ome.beside


def _entry(index: int, image: TiffImage) -> ImageEntry:
    width, height = image.levels[0].size_px
    return ImageEntry(index, image.name, width, height, len(image.levels))


def _associated_name(image: TiffImage, shown: TiffImage) -> str:
    name = image.plain_name
    return name if name in _ASSOCIATED and image is not shown else ""


def _ome_properties(image: TiffImage) -> dict[str, str]:
    if image.ome is None:
        return {}
    return {f"ome.{name}": value for name, value in image.ome.attributes.items()}


def _to_be_converted(sentence: str) -> str:
    return (
        f"{sentence}; convert it once to a pyramidal TIFF, for "
        "example with "
        "`vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg`."
    )


class TiffSource(DescribedSource):
    """A TIFF of any layout; tiles of a useful size come straight from the file."""

    def __init__(
        self,
        path: Path,
        files: TiffFiles,
        levels: Sequence[LevelChunks | StripOverview],
        info: SlideInfo,
        beside: Mapping[str, TiffImage],
        stack: ImageStack,
    ) -> None:
        self._path = path
        self._files: TiffFiles | None = files
        self._chunks = tuple(levels)
        self._info = info
        self._beside = beside
        self._tiff: TiffFile | None = None
        self._opened = ExitStack()
        self._stack = stack
        self._displays = tuple(each for each in first_displays(info.axes) if each.shown)
        self._kept = stack.kept
        self._windows = tuple(
            ChunkWindows(level, index, self._kept, level.orientation, level.read_rgb)
            for index, level in enumerate(levels)
        )
        self._levels = tuple(_levels(levels, [window.size_px for window in self._windows]))

    @property
    def direct_tiles(self) -> list[DirectTiles | None]:
        """Return where the tiles of each level lie that are plain JPEG; None for other levels."""
        return [
            level.direct_tiles
            if isinstance(level, LevelChunks) and _is_direct(level) and not self._stack.lacks_first
            else None
            for level in self._chunks
        ]

    @property
    def tile_places(self) -> list[list[TilePlaces]]:
        """Return where the stored tiles of each level lie, whatever their coding; [] if unknown."""
        return [level.places if isinstance(level, LevelChunks) else [] for level in self._chunks]

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        grid, chunks = self._levels[level], self._chunks[level]
        if self._files is None:
            raise TileError(level, column, row, "the slide has been closed")
        axes = self._info.axes
        if not axes.is_rgb:
            values = self.read_channels(level, column, row, axes.first_shown)
            return composite(values, self._displays)
        if self._stack.lacks_first:
            raise TileError(level, column, row, "the file does not hold this plane")
        try:
            if _is_direct(chunks):
                return chunks.read_rgb(column, row)
            left, top = column * grid.tile_width_px, row * grid.tile_height_px
            return self._windows[level].read(left, top, *grid.tile_size_px(column, row))
        except ChunkError as error:
            raise TileError(level, column, row, str(error)) from error

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        grid, axes = self._levels[level], self._info.axes
        if self._files is None:
            raise TileError(level, column, row, "the slide has been closed")
        if axes.is_rgb and not (z or t):
            return as_channels(self.read_tile(level, column, row), channels)
        left, top = column * grid.tile_width_px, row * grid.tile_height_px
        window = (left, top, *grid.tile_size_px(column, row))
        try:
            if axes.is_rgb:
                chunks = self._chunks[level]
                assert isinstance(chunks, LevelChunks)  # a slide with planes has no overview
                return as_channels(self._stack.read_rgb(level, chunks, z, t, window), channels)
            return self._stack.planes.read(level, channels, z, t, window)
        except ChunkError as error:
            raise TileError(level, column, row, str(error)) from error

    def read_associated(self, name: str) -> RgbImage:
        image = self._beside.get(name)
        if image is None or self._files is None:
            raise DamagedSlideError(self._path, f"{self._path.name} has no picture named {name}.")
        try:
            levels, _ = _shown_levels(self._path, image, self._files)
            width, height = image.levels[0].size_px
            if width * height > _MOST_ASSOCIATED_PX:
                raise ChunkError("it is too large")
            return _whole(levels[0])
        except ChunkError as error:
            raise damaged_image(self._path, name, error) from error

    def keep_open(self, tiff: TiffFile, opened: ExitStack) -> None:
        """Take over the parser's file, which `close` closes."""
        self._tiff, self._opened = tiff, opened

    def close(self) -> None:
        # Reads under way hold the file; it closes when the last of them lets go.
        self._files = None
        self._kept.clear()
        large_chunks().clear()
        if self._tiff is not None:
            with self._tiff.filehandle.lock:
                self._opened.close()


def _whole(level: LevelChunks) -> RgbImage:
    kept = KeptChunks(KEPT_BYTES)
    windows = ChunkWindows(level, 0, kept, level.orientation, level.read_rgb)
    return windows.read(0, 0, *windows.size_px)


def _is_direct(chunks: LevelChunks | StripOverview) -> bool:
    return (
        chunks.orientation == UPRIGHT
        and chunks.chunk_width_px in _STORED_TILE_PX
        and chunks.chunk_height_px in _STORED_TILE_PX
    )


def _levels(
    chunks: Sequence[LevelChunks | StripOverview], sizes: Sequence[tuple[int, int]]
) -> list[Level]:
    width, height = sizes[0]
    levels: list[Level] = []
    for level, (level_width, level_height) in zip(chunks, sizes, strict=True):
        tile = (
            (level.chunk_width_px, level.chunk_height_px)
            if _is_direct(level)
            else (_OWN_TILE_PX, _OWN_TILE_PX)
        )
        # The mean of both sides, as OpenSlide has it, since levels are rounded to whole pixels.
        downsample = (width / level_width + height / level_height) / 2
        made_of = level.factor**2 if isinstance(level, StripOverview) else 1
        levels.append(Level(level_width, level_height, downsample, *tile, made_of))
    return levels
