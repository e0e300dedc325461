# pyright: reportMissingTypeStubs=false
# (fastslide brings none)
"""iSyntax of Philips, and VSI of Olympus with its ETS data, through fastslide."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.geometry import Optics
from viewer.slides.channels import Axes, Channel, distinct_names, usual_color
from viewer.slides.errors import DamagedSlideError, NoSuchImageError, check_image
from viewer.slides.files.vsi_folders import is_vsi, overview_note
from viewer.slides.readers.extras import need
from viewer.slides.readers.planes_source import PlanesSource
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.resolution import scale_doubt
from viewer.slides.source import ImageEntry, Level, SlideInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage
    from viewer.slides.tile_windows import Window

_log = logging.getLogger(__name__)

_KINDS = {
    ".isyntax": ("philips", "an iSyntax slide of Philips"),
    ".i2syntax": ("philips", "an iSyntax slide of Philips"),
    ".vsi": ("olympus", "a VSI slide of Olympus"),
}
_TILE_PX = 512
_RANGE_PX = 512


def is_vendor_kind(path: Path) -> bool:
    """Return whether the file is called as slides that `open_vendor` takes."""
    return path.suffix.lower() in _KINDS


def open_vendor(path: Path, image: int | None = None) -> PlanesSource | None:
    """Open an iSyntax or VSI slide; None for all others.

    Raises
    ------
    SlideError
        It cannot be opened.
    """
    vendor, kind = _KINDS.get(path.suffix.lower(), ("", ""))
    if not vendor or path.is_dir():
        return None
    need("fastslide", "vendor", path, kind)
    return open_with_fastslide(path, image, vendor)


def open_with_fastslide(path: Path, image: int | None, vendor: str) -> PlanesSource:
    """Open any slide that fastslide reads.

    Raises
    ------
    SlideError
        It cannot be opened.
    """
    from fastslide import FastSlide

    try:
        slide = FastSlide.from_file_path(str(path))
        views: list[Any] = [slide.images[index] for index in range(len(slide.images))]
        return _source(path, slide, views, image, vendor)
    except NoSuchImageError:
        raise
    except Exception as error:  # the library's own classes
        _log.info("%s cannot be read by fastslide (%r)", path, error)
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = said.removeprefix(f"Failed to open slide '{path}': ")[:200]
        raise DamagedSlideError(
            path,
            f"{path.name} cannot be opened ({reason}); it may be damaged or incomplete: copy it "
            "again with all its files, or export it as OME-TIFF with the scanner's program.",
        ) from error


def _source(
    path: Path, slide: Any, views: list[Any], image: int | None, vendor: str
) -> PlanesSource:
    primary = int(slide.images.primary_index)
    chosen = primary if image is None else image
    check_image(path, chosen, len(views))
    view = views[chosen]
    reader = _FastReader(slide, view)
    entries = tuple(
        ImageEntry(
            index,
            each.name or f"Image {index + 1}",
            each.dimensions[0],
            each.dimensions[1],
            each.level_count,
        )
        for index, each in enumerate(views)
    )
    x_um, y_um = view.mpp
    optics = Optics((x_um, y_um) if x_um > 0 and y_um > 0 else None, None)
    notes = (overview_note(path) if is_vsi(path) else "", scale_doubt(optics))
    info = SlideInfo(
        vendor=vendor,
        reader="fastslide",
        optics=optics,
        associated=tuple(slide.associated_images.keys()),
        images=entries if len(entries) > 1 else (),
        image=chosen,
        notes=tuple(filter(None, notes)),
        part="" if chosen == primary else f"image {chosen}",
        axes=Axes(
            reader.channels(), view.z_count, view.z_spacing_um, view.t_count, view.t_interval_s
        ),
    )
    levels = tuple(
        Level(width, height, float(downsample), _TILE_PX, _TILE_PX)
        for (width, height), downsample in zip(
            view.level_dimensions, view.level_downsamples, strict=True
        )
    )
    return PlanesSource(path, info, levels, reader)


class _FastReader:
    """Reads windows of one image; fulfils `PlaneReader`."""

    def __init__(self, slide: Any, view: Any) -> None:
        self._slide: Any = slide
        self._view: Any = view
        first = self._pixels(view.level_count - 1, (0, 0, 1, 1), 0, 0)
        self._dtype = first.dtype
        self._is_rgb = first.dtype == np.uint8 and first.shape[0] in (3, 4)
        self._count = first.shape[0]

    def channels(self) -> tuple[Channel, ...]:
        """Return the channels; none of a slide in color."""
        if self._is_rgb:
            return ()
        told = [dict(each) for each in self._view.channel_metadata][: self._count]
        told += [{}] * (self._count - len(told))
        names = distinct_names([str(each.get("name") or "") for each in told])
        channels: list[Channel] = []
        for index, (name, each) in enumerate(zip(names, told, strict=True)):
            color = tuple(int(part) for part in each.get("color") or ())
            channels.append(
                Channel(
                    name,
                    (color[0], color[1], color[2])
                    if len(color) == 3 and any(color)
                    else usual_color(name, index, self._count),
                    self._dtype.name,
                    self._value_range(index),
                )
            )
        return tuple(channels)

    def read(
        self, level: int, window: Window, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        return self._pixels(level, window, z, t)[list(channels)]

    def read_associated(self, name: str) -> RgbImage:
        try:
            found: Any = self._slide.associated_images[name].to_interleaved().numpy()
        except Exception as error:
            raise ChunkError(str(error) or type(error).__name__) from error
        picture = np.atleast_3d(found)
        return picture[..., :3] if picture.shape[2] >= 3 else picture[..., :1].repeat(3, axis=2)

    def close(self) -> None:
        self._slide = self._view = None

    def _value_range(self, channel: int) -> tuple[float, float]:
        level = self._view.level_count - 1
        width, height = self._view.level_dimensions[level]
        wide, tall = min(width, _RANGE_PX), min(height, _RANGE_PX)
        window = ((width - wide) // 2, (height - tall) // 2, wide, tall)
        values = self._pixels(level, window, 0, 0)[channel]
        low, high = float(values.min()), float(values.max())
        return (low, high) if high > low else (low, low + 1)

    def _pixels(self, level: int, window: Window, z: int, t: int) -> NDArray[Any]:
        """Return values of all channels, (channels, height, width). Raises ChunkError."""
        view = self._view
        if view is None:
            raise ChunkError("the slide has been closed")
        left, top, width, height = window
        try:
            region = view.read_region((left, top), level, (width, height), z, t)
            pixels = np.asarray(region.to_separate().numpy())
        except Exception as error:  # the library's own classes
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ChunkError(f"its data is damaged ({reason[:200]})") from error
        return pixels[np.newaxis] if pixels.ndim == 2 else pixels
