# pyright: reportMissingTypeStubs=false
# (wsidicom brings none)
"""DICOM slides that OpenSlide does not read, through wsidicom: planes, channels, other codecs."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from viewer.geometry import Optics
from viewer.limits import LimitError
from viewer.slides.channels import Axes, Channel, distinct_names, usual_color
from viewer.slides.dicom_folder import OPENSLIDE_READS, checked_series
from viewer.slides.errors import DamagedSlideError, UnsupportedSlideError, check_image
from viewer.slides.readers.dicom_files import (
    check_elements,
    frame_format,
    open_files,
    unread_pixels,
)
from viewer.slides.readers.dicom_fragments import frame_data
from viewer.slides.readers.dicom_frames import INVERTED, NATIVE, FrameFormat
from viewer.slides.readers.extras import need
from viewer.slides.readers.plane_windows import ChunkGrid, PlaneWindows
from viewer.slides.readers.planes_source import PlanesSource
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.resolution import scale_doubt
from viewer.slides.source import SlideInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from viewer.slides.dicom_header import DicomHeader
    from viewer.slides.source import RgbImage
    from viewer.slides.tile_windows import Window

_log = logging.getLogger(__name__)

_WSIDICOM_READS = OPENSLIDE_READS.union(
    f"1.2.840.10008.1.2{end}"
    for end in (
        "", ".5", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.110", ".4.111", ".4.112",
        ".4.201", ".4.202", ".4.203",
    )
)  # fmt: skip
"""Also implicit little endian, run-length coding, the JPEG family and JPEG XL."""
_NAMES = {"labels": "label", "overviews": "macro"}
"""What wsidicom calls the images beside the slide, and what OpenSlide does."""
_MOST_ASSOCIATED_PX = 64 << 20
_MOST_LOOKED_AT = 24
"""Tiles of all channels together that tell the ranges of their values."""


def open_dicom(path: Path, image: int | None = None) -> PlanesSource | None:
    """Open a DICOM slide that OpenSlide cannot show as a whole; None for all others.

    Raises
    ------
    SlideError
        It cannot be opened.
    OSError
        It cannot be read.
    """
    if path.is_dir():
        return None
    found = checked_series(path)
    if found is None or not found.needs_more:
        return None
    check_image(path, image)
    unknown = {header.transfer_syntax for _, header in found.volumes} - _WSIDICOM_READS
    if unknown:
        raise UnsupportedSlideError(path, _unknown_codec(path, unknown.pop()))
    for file, header in found.volumes:
        if kind := unread_pixels(header):
            raise UnsupportedSlideError(
                path,
                f"{file.name} is a DICOM slide of {kind}, which cannot be read; ask for it as "
                "DICOM with JPEG or JPEG 2000.",
            )
    need("wsidicom", "dicom", path, "a DICOM slide of a kind that OpenSlide does not read")
    try:
        for file, _ in found.files:
            check_elements(file)
        slide = open_files(found.files)
        _check_files(path, found.files, slide)
        base: Any = slide.pyramid.get(min(slide.pyramid.pyramid_indices))
        instances: list[Any] = list(base.instances.values())
        files = [each.image_data.files[0] for each in instances]
        described = [found for file in files for found in _optical_paths(file)]
        return source_of_slide(path, slide, described, _format_of_file)
    except (OSError, UnsupportedSlideError, DamagedSlideError):
        raise
    except LimitError as error:
        raise UnsupportedSlideError(path, f"{error}.") from error
    except Exception as error:  # a damaged file can make a parser fail in any way
        _log.info("%s cannot be read through wsidicom (%r)", path, error)
        if type(error).__name__ == "WsiDicomNoResolutionError":
            raise UnsupportedSlideError(
                path,
                f"{path.name} is a DICOM slide without a pixel size (PixelSpacing), by which its "
                "levels are told apart; ask for it with one.",
            ) from error
        reason = str(error) or type(error).__name__
        if StopIteration.__name__ in reason:  # as wsidicom looks for it
            reason = "it does not say how large what it shows is: ImagedVolumeWidth"
        raise DamagedSlideError(
            path,
            f"{path.name} is a DICOM slide that cannot be opened ({reason}); it may be damaged or "
            "incomplete, so copy all files of the series again from where they came.",
        ) from error


def _unknown_codec(path: Path, syntax: str) -> str:
    return (
        f"{path.name} is a DICOM slide compressed in a way that cannot be read here (transfer "
        f"syntax {syntax}); ask for it as DICOM with JPEG or JPEG 2000."
    )


def _check_files(path: Path, files: Iterable[tuple[Path, DicomHeader]], slide: Any) -> None:
    """Refuse a slide of which wsidicom left a file out, since it says so in its log alone.

    Of files that lie on the same level but differ in size it keeps the last.
    """
    levels = (slide.pyramid.get(index) for index in slide.pyramid.pyramid_indices)
    instances = (each for level in levels for each in level.instances.values())
    used = {Path(file).name for each in instances for file in each.image_data.files}
    for file, header in files:
        if header.is_volume and file.name not in used:
            raise DamagedSlideError(
                path,
                f"{file.name}, a level of the DICOM slide {path.name}, cannot be read; it may be "
                "damaged or cut short, or not fit the others, so copy it again from where it came.",
            )


class _Stack(msgspec.Struct, frozen=True):
    """The planes of one level: which file holds which focal plane and optical path."""

    grid: ChunkGrid
    planes: dict[tuple[float, str], tuple[Any, FrameFormat]]
    """By micrometers and identifier; image data of wsidicom, and how its frames are stored."""

    def of(self, z_um: float, path: str) -> tuple[Any, FrameFormat, float]:
        """Return what holds a plane, how that is stored, and which of its planes lies nearest."""
        found = [z for z, other in self.planes if other == path]
        if not found:
            raise ChunkError("this level lacks the channel")
        nearest = min(found, key=lambda z: abs(z - z_um))
        return *self.planes[nearest, path], nearest


def _format_of_file(data: Any) -> FrameFormat:
    """Return how the frames of a file are stored, by its own header."""
    size = data.tile_size
    return frame_format(Path(str(data.files[0])), size.width, size.height)


def _format_told(data: Any) -> FrameFormat:
    """Return how frames are stored, by what wsidicom says of them."""
    bits, size = int(data.bits), data.tile_size
    return FrameFormat(
        str(data.transfer_syntax), size.width, size.height, int(data.samples_per_pixel),
        8 if bits <= 8 else 16, bits, str(data.photometric_interpretation),
    )  # fmt: skip


def source_of_slide(
    path: Path,
    slide: Any,
    described: list[OpticalPath],
    format_of: Callable[[Any], FrameFormat] = _format_told,
) -> PlanesSource:
    """Return an open slide of wsidicom as a source, wherever its frames come from.

    Parameters
    ----------
    format_of
        Tells of image data of wsidicom how its frames are stored.
    """
    levels = [slide.pyramid.get(index) for index in sorted(slide.pyramid.pyramid_indices)]
    stacks = [_stack(level, format_of) for level in levels]
    base = levels[0]
    _, stored = next(iter(stacks[0].planes.values()))
    heights = sorted({z for z, _ in stacks[0].planes})
    paths = list(dict.fromkeys(name for _, name in stacks[0].planes))
    is_rgb = stored.is_rgb
    notes: list[str] = []
    if is_rgb and stored.bits_stored > 8 and stored.palette is None:
        notes.append(f"Its colors have {stored.bits_stored} bits a sample; 8 of them are shown.")
    if stored.photometric == INVERTED:
        notes.append("Stored inverted (MONOCHROME1): its values are turned round.")
    if is_rgb and len(paths) > 1:
        notes.append(
            f"This slide was scanned in {len(paths)} ways of lighting; the first is shown."
        )
    reader = _DicomReader(slide, stacks, heights, paths, format_of, is_rgb=is_rgb)
    spacing = (heights[-1] - heights[0]) / (len(heights) - 1) if len(heights) > 1 else None
    axes = Axes(
        () if is_rgb else _channels(paths, described, stored, reader),
        len(heights),
        spacing,
    )
    mpp = base.mpp
    optics = Optics(
        (mpp.width, mpp.height) if mpp is not None else None,
        described[0].objective_power if described else None,
    )
    notes += [doubt] if (doubt := scale_doubt(optics)) else []
    associated = [ours for theirs, ours in _NAMES.items() if getattr(slide, theirs) is not None]
    dataset = next(iter(base.instances.values())).dataset
    info = SlideInfo(
        vendor="dicom",
        reader="wsidicom",
        optics=optics,
        associated=tuple(associated),
        icc_profile=_profile_of(paths[0], described) if is_rgb else None,
        profiles_beside=_profiles_beside(slide),
        properties={
            "dicom.TransferSyntaxUID": stored.syntax,
            "dicom.SeriesInstanceUID": str(dataset.uids.slide.series_instance),
            "dicom.PhotometricInterpretation": stored.photometric,
        },
        notes=tuple(notes),
        axes=axes,
    )
    finest = stacks[0].grid
    return PlanesSource(path, info, tuple(each.grid.level(finest) for each in stacks), reader)


def _stack(level: Any, format_of: Callable[[Any], FrameFormat]) -> _Stack:
    planes: dict[tuple[float, str], tuple[Any, FrameFormat]] = {}
    for instance in level.instances.values():
        _check_places(instance)
        data = instance.image_data
        stored = format_of(data)
        for z in data.focal_planes:
            for name in data.optical_paths:
                planes.setdefault((float(z), str(name)), (data, stored))
    some, _ = next(iter(planes.values()))
    if any(data.tile_size != some.tile_size for data, _ in planes.values()):
        raise ValueError("planes of a level are cut into tiles of different sizes")
    size, tile = some.image_size, some.tile_size
    return _Stack(ChunkGrid(size.width, size.height, tile.width, tile.height), planes)


def _check_places(instance: Any) -> None:
    """Refuse frames beside the grid of tiles, and two in one place, which wsidicom would drop.

    Raises
    ------
    ValueError
        There are such frames.
    """
    from wsidicom.instance.tile_index.sparse_tile_index import SparseTileIndex

    tiles = instance.image_data.tiles
    if not isinstance(tiles, SparseTileIndex):
        return
    frames = 0
    for positions in (dataset.frame_positions for dataset in instance.datasets):
        across, down = (positions.columns - 1), (positions.rows - 1)
        if (across % tiles.tile_size.width).any() or (down % tiles.tile_size.height).any():
            raise ValueError("its tiles do not lie in a grid")
        frames += len(across)
    if sum(np.count_nonzero(each.plane >= 0) for each in tiles.planes.values()) < frames:
        raise ValueError("several of its tiles lie in one place")


class OpticalPath(msgspec.Struct, frozen=True):
    """One way of lighting, which is a channel: how it is called, and its color profile."""

    identifier: str
    name: str
    profile: bytes | None
    objective_power: float | None


def _optical_paths(file: object) -> list[OpticalPath]:
    """Return what a file says of its channels."""
    from viewer.typed_pydicom import header_in

    return optical_paths_of(header_in(Path(str(file))))


def optical_paths_of(dataset: Dataset) -> list[OpticalPath]:
    """Return what a dataset says of its channels."""
    from viewer.typed_pydicom import items_of

    paths: list[OpticalPath] = []
    for item in items_of(dataset, "OpticalPathSequence"):
        wave_nm = item.get("IlluminationWaveLength")
        wave = f"{float(wave_nm):g} nm" if wave_nm else ""
        name = str(item.get("OpticalPathDescription") or "") or wave
        power = item.get("ObjectiveLensPower")
        paths.append(
            OpticalPath(
                str(item.get("OpticalPathIdentifier", "")),
                name,
                item.get("ICCProfile"),
                float(power) if power else None,
            )
        )
    return paths


def _profile_of(path: str, described: list[OpticalPath]) -> bytes | None:
    """Return the profile of an optical path, or of the only one that is described."""
    own = [each.profile for each in described if each.identifier == path]
    return next(iter(own or [each.profile for each in described]), None)


def _profiles_beside(slide: Any) -> dict[str, bytes]:
    """Return the color profiles of pictures beside the slide, as `SlideInfo` has them."""
    found: dict[str, bytes] = {}
    for theirs, ours in _NAMES.items():
        beside = _first_beside(slide, theirs)
        if beside is None:
            continue
        dataset = beside.dataset.as_dataset()
        own = next((each.profile for each in optical_paths_of(dataset) if each.profile), None)
        if own or str(dataset.get("PhotometricInterpretation", "")).startswith("MONOCHROME"):
            found[ours] = own or b""
    return found


def _first_beside(slide: Any, group: str) -> Any:
    """Return the instance that holds the pixels of a picture; None where there is none."""
    images = getattr(slide, group)
    return None if images is None else next(iter(images[0].instances.values()))


def _channels(
    paths: list[str], described: list[OpticalPath], stored: FrameFormat, reader: _DicomReader
) -> tuple[Channel, ...]:
    dtype = stored.dtype
    by_identifier = {each.identifier: each.name for each in described}
    # A gray picture is shown as it is, a channel in the range of its values.
    is_picture = len(paths) == 1 and dtype == "uint8" and not by_identifier.get(paths[0])
    names = distinct_names([by_identifier.get(path) or f"Optical path {path}" for path in paths])
    return tuple(
        Channel(
            name,
            usual_color(name, index, len(paths)),
            dtype,
            (0.0, float(stored.full_scale)) if is_picture else reader.value_range(index),
        )
        for index, name in enumerate(names)
    )


class _DicomReader:
    """Reads windows of a slide; fulfils `PlaneReader`."""

    def __init__(
        self, slide: Any, stacks: list[_Stack], heights: list[float], paths: list[str],
        format_of: Callable[[Any], FrameFormat], *, is_rgb: bool,
    ) -> None:  # fmt: skip
        self._slide = slide
        self._stacks = stacks
        self._heights = heights
        self._paths = paths
        self._format_of = format_of
        self._is_rgb = is_rgb
        self._windows = PlaneWindows([stack.grid for stack in stacks], self._chunk)

    def read(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        return self._windows.read(level, window, channels, z, t)

    def expect(self, windows: Sequence[tuple[int, Window]], channels: tuple[int, ...]) -> None:
        """Have the frames of windows at hand, where they come from a server."""
        frames: dict[tuple[str, int], None] = {}
        expect = None
        for level, window in windows:
            stack = self._stacks[level]
            for name in self._paths[:1] if self._is_rgb else [self._paths[i] for i in channels]:
                data, _, z_um = stack.of(self._heights[0], name)
                expect = getattr(getattr(data, "_client", None), "expect", None)
                if expect is None:
                    return
                for column, row in stack.grid.touched(window):
                    frames |= dict.fromkeys(_frames(data, column, row, z_um, name))
        if expect is not None:
            expect(frames)

    def read_associated(self, name: str) -> RgbImage:
        group = next(theirs for theirs, ours in _NAMES.items() if ours == name)
        instance = _first_beside(self._slide, group)
        size = instance.size
        if size.width * size.height > _MOST_ASSOCIATED_PX:
            raise ChunkError("it is too large")
        data = instance.image_data
        stored = self._format_of(data)
        tile = data.tile_size
        grid = ChunkGrid(size.width, size.height, tile.width, tile.height)
        picture = np.empty((size.height, size.width, 3), np.uint8)
        for row in range(-(-size.height // tile.height)):
            for column in range(-(-size.width // tile.width)):
                left, top, width, height = grid.chunk_window(column, row)
                pixels = _decoded(data, stored, column, row, data.default_z, data.default_path)
                color = pixels if pixels.ndim == 3 else stored.eight_bits(pixels)[..., np.newaxis]
                picture[top : top + height, left : left + width] = color[:height, :width]
        return picture

    def value_range(self, channel: int) -> tuple[float, float]:
        """Return the smallest and largest value of some tiles of the coarsest level, or of all."""
        level = len(self._stacks) - 1
        grid = self._stacks[level].grid
        columns = -(-grid.width_px // grid.chunk_width_px)
        tiles = columns * -(-grid.height_px // grid.chunk_height_px)
        step = -(-tiles // max(1, _MOST_LOOKED_AT // len(self._paths)))
        low, high = np.inf, -np.inf
        for tile in range(step // 2, tiles, step):
            row, column = divmod(tile, columns)
            try:
                values = self._chunk(level, column, row, (channel,), 0, 0)
            except ChunkError as error:
                _log.info("a tile that tells of the range of a channel is missing (%s)", error)
                continue
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        if not low <= high:
            return (0.0, 1.0)
        return (low, high) if high > low else (low, low + 1)

    def close(self) -> None:
        self._windows.clear()
        self._slide.close()

    def _chunk(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        stack = self._stacks[level]
        height = self._heights[z]
        if t:
            raise ChunkError("the slide has one point in time")
        if self._is_rgb:
            data, stored, z_um = stack.of(height, self._paths[0])
            colors = _decoded(data, stored, column, row, z_um, self._paths[0])
            planes = np.moveaxis(colors, 2, 0)[list(channels)]
        else:
            parts: list[NDArray[Any]] = []
            for channel in channels:
                data, stored, z_um = stack.of(height, self._paths[channel])
                parts.append(_decoded(data, stored, column, row, z_um, self._paths[channel]))
            planes = np.stack(parts)
        _, _, width, tall = stack.grid.chunk_window(column, row)
        if planes.shape[1] < tall or planes.shape[2] < width:
            raise ChunkError(f"its data is of the wrong size {planes.shape}")
        return np.ascontiguousarray(planes[:, :tall, :width])


def _frames(data: Any, column: int, row: int, z_um: float, path: str) -> list[tuple[str, int]]:
    """Return the instance and number of the frame of a tile; [] where none is stored."""
    from wsidicom.geometry import Point

    tile = Point(column, row)
    if data.is_sparse(tile, z_um, path):
        return []
    return [(str(data._instance_uid), data.tiles.get_frame_index(tile, z_um, path) + 1)]


def _decoded(
    data: Any, stored: FrameFormat, column: int, row: int, z_um: float, path: str
) -> NDArray[Any]:
    """Return a frame, (height, width) or (height, width, 3). Raises ChunkError."""
    from wsidicom.geometry import Point

    tile = Point(column, row)
    try:
        if data.is_sparse(tile, z_um, path):
            return _blank(stored)
        _check_index(data, tile, z_um, path)
        return stored.decoded(_encoded(data, stored, tile, z_um, path))
    except ChunkError:
        raise
    except Exception as error:  # decoders of many libraries, fed with what the file holds
        raise ChunkError(f"its data is damaged ({error or type(error).__name__})") from error


def _encoded(data: Any, stored: FrameFormat, tile: Any, z_um: float, path: str) -> bytes:
    """Return the code of a frame."""
    reader_of = getattr(data, "_get_reader", None)
    if reader_of is None or stored.syntax in NATIVE:  # from a server, or without fragments
        return data.get_encoded_tile(tile, z_um, path)
    number = data.tiles.get_frame_index(tile, z_um, path)
    return frame_data(reader_of(number), number)


_unindexed: WeakKeyDictionary[object, str] = WeakKeyDictionary()
"""Files of wsidicom whose frames cannot be found, and why."""
_indexing = Lock()


def _check_index(data: Any, tile: Any, z_um: float, path: str) -> None:
    """Raise ChunkError where the frames of a file were looked for before in vain.

    wsidicom keeps where they lie, but not that it did not find them, and would look through a file
    of millions of fragments anew for each tile.
    """
    reader_of = getattr(data, "_get_reader", None)
    if reader_of is None:  # from a server, which is asked for frames by their number
        return
    reader = reader_of(data.tiles.get_frame_index(tile, z_um, path))
    with _indexing:
        if reader in _unindexed:
            raise ChunkError(_unindexed[reader])
        try:
            _ = reader.frame_index
        except Exception as error:
            _unindexed[reader] = f"its frames cannot be found ({error or type(error).__name__})"
            raise ChunkError(_unindexed[reader]) from error


def _blank(stored: FrameFormat) -> NDArray[Any]:
    """Return what a frame that is not stored shows: clear glass in color, nothing in a channel."""
    if stored.is_rgb:
        return np.full((stored.height_px, stored.width_px, 3), 255, np.uint8)
    return np.zeros((stored.height_px, stored.width_px), stored.dtype)
