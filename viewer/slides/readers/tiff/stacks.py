"""The channels, focal planes and time points of a TIFF image, and which page holds which."""

from __future__ import annotations

import copy
import logging
import math
import re
from collections.abc import Callable
from html import unescape
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace
from tifffile import COMPRESSION, TiffPage

from viewer.limits import TIFF_SUB_DIRECTORIES
from viewer.slides.channels import MOST_CHANNELS, too_many_channels
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.ome import length_um
from viewer.slides.resolution import positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tifffile import TiffFile

    from viewer.slides.channels import Color
    from viewer.slides.readers.tiff.ome import OmeChannel, OmeImage

_log = logging.getLogger(__name__)

PageAt = Callable[[int, int, int], TiffPage | None]
"""Gives the page of a channel, focal plane and time point; None where the file has none."""

_QPTIFF = "<PerkinElmer-QPI-ImageDescription"
_QPTIFF_NAMES = ("Biomarker", "Name")
_WHITE = 0xFFFFFF
_S_PER_UNIT = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0, "h": 3600.0}


class StackChannel(msgspec.Struct, frozen=True):
    """What a file says of a channel; an empty name or no color where it says nothing.

    Attributes
    ----------
    parts
        The same of each of its samples, where it says that.
    """

    name: str = ""
    color: Color | None = None
    shown_range: tuple[float, float] | None = None
    parts: tuple[StackChannel, ...] = ()

    def samples(self, count: int) -> tuple[StackChannel, ...]:
        """Return what each of its samples is, of which there are so many."""
        if len(self.parts) == count:
            return self.parts
        if count == 1:
            return (self,)
        return tuple(
            replace(self, name=self.name and f"{self.name} {index + 1}") for index in range(count)
        )


class Stack(msgspec.Struct, frozen=True):
    """What the pages of an image are; by default one page.

    Attributes
    ----------
    channels
        Those in pages of their own; a page may hold several samples besides.
    order
        Axes of alike pages, the slowest first, of "CZT"; empty where the file names each page.
    is_guessed
        Whether the file does not say what its pages are: they are looked through like planes.
    """

    channels: tuple[StackChannel, ...] = (StackChannel(),)
    z_count: int = 1
    z_spacing_um: float | None = None
    t_count: int = 1
    t_interval_s: float | None = None
    order: str = ""
    is_guessed: bool = False

    @property
    def page_count(self) -> int:
        return len(self.channels) * self.z_count * self.t_count

    def pages_in_order(self, pages: Sequence[TiffPage]) -> PageAt:
        """Return where each page of a level stands, of pages that follow each other."""
        counts = {"C": len(self.channels), "Z": self.z_count, "T": self.t_count}

        def page_at(c: int, z: int, t: int) -> TiffPage | None:
            place, index = {"C": c, "Z": z, "T": t}, 0
            for axis in self.order:
                index = index * counts[axis] + place[axis]
            return pages[index] if index < len(pages) else None

        return page_at


def ome_stack(ome: OmeImage) -> Stack:
    """Return the stack that OME-XML tells of."""
    known = ome.channels
    colors = [part.color for channel in known for part in channel.parts or (channel,)]
    # White for all is what programs write that know no colors.
    all_white = len(colors) > 1 and all(color == _WHITE for color in colors)

    def stated(channel: OmeChannel) -> StackChannel:
        color = None if all_white else _rgb(channel.color)
        return StackChannel(channel.name, color, parts=tuple(map(stated, channel.parts)))

    channels = tuple(map(stated, known))
    channels = (channels + (StackChannel(),) * ome.size_c)[: ome.size_c]
    about = ome.attributes
    return Stack(
        channels,
        ome.size_z,
        _length(about, "PhysicalSizeZ", "µm"),
        ome.size_t,
        _time_s(about, "TimeIncrement"),
    )


def alike_stack(tiff: TiffFile, pages: Sequence[TiffPage], colors: int, *, has_end: bool) -> Stack:
    """Return what pages of the same kind are, by what the file says; else focal planes.

    Parameters
    ----------
    colors
        How many of them make one page of color; 1 where each stands for itself.
    has_end
        Whether the chain of the file's directories ends, so that all of it can be looked through.
    """
    count = len(pages)
    if count > 1 and _QPTIFF in pages[0].description[:1000]:
        return Stack(tuple(_qptiff_channel(page.description) for page in pages), order="C")
    about = tiff.imagej_metadata if tiff.is_imagej else None
    stack = _imagej_stack(about) if about else None
    if not about and has_end:
        stack = _series_stack(tiff, pages[0])
    if stack is not None and (stack.page_count == count or count == 1):
        return stack
    if colors > 1 and count % colors == 0:
        return Stack((StackChannel(),) * colors, count // colors, order="ZC")
    return Stack(z_count=count, order="Z", is_guessed=count > 1)


def pages_behind(tiff: TiffFile, page: TiffPage, count: int) -> list[TiffPage]:
    """Return planes that lie behind the one page that a file describes, itself first.

    ImageJ writes large stacks so. Fewer come where the file is too short for all, and the page
    alone where its data is compressed or in pieces.
    """
    offsets, sizes = tuple(page.dataoffsets), tuple(page.databytecounts)
    item = page.dtype.itemsize if page.dtype is not None else 0
    plane_bytes = page.imagewidth * page.imagelength * page.samplesperpixel * item
    is_whole = (
        page.compression == COMPRESSION.NONE
        and not page.is_tiled
        and sum(sizes) == plane_bytes > 0
        and all(a + size == b for a, size, b in zip(offsets, sizes, offsets[1:], strict=False))
    )
    if not is_whole:
        return [page]
    fitting = (tiff.filehandle.size - offsets[0]) // plane_bytes
    pages = [page]
    for number in range(1, min(count, fitting)):
        behind = copy.copy(page)
        behind.dataoffsets = tuple(offset + number * plane_bytes for offset in offsets)
        pages.append(behind)
    return pages


def _imagej_stack(about: dict[str, Any]) -> Stack | None:
    counts = [about.get(axis, 1) for axis in ("channels", "slices", "frames")]
    if not all(isinstance(count, int) and count > 0 for count in counts):
        return None
    channels, planes, times = counts
    if channels > MOST_CHANNELS:
        raise ChunkError(f"it tells of {too_many_channels(channels)}")
    images = about.get("images", 1)
    if channels * planes * times == 1 and isinstance(images, int):
        planes = max(images, 1)
    spacing, unit = about.get("spacing"), about.get("zunit", about.get("unit", ""))
    interval = about.get("finterval")
    return Stack(
        tuple(_imagej_channel(about, channel) for channel in range(channels)),
        planes,
        length_um(float(spacing), str(unit)) if isinstance(spacing, (int, float)) else None,
        times,
        float(interval) if isinstance(interval, (int, float)) and interval > 0 else None,
        order="TZC",
    )


def _imagej_channel(about: dict[str, Any], channel: int) -> StackChannel:
    color = shown = None
    try:
        # Tables are uint8 (3, 256); ranges follow each other in one tuple.
        last = about["LUTs"][channel][:, -1]
        color = int(last[0]), int(last[1]), int(last[2])
    except (KeyError, TypeError, ValueError, IndexError):
        color = None
    try:
        ranges: Any = about["Ranges"]
        low, high = float(ranges[2 * channel]), float(ranges[2 * channel + 1])
        shown = (low, high) if math.isfinite(high - low) and low < high else None
    except (KeyError, TypeError, ValueError, IndexError):
        shown = None
    return StackChannel("", color, shown)


def _series_stack(tiff: TiffFile, page: TiffPage) -> Stack | None:
    """Return the stack of the series that tifffile finds the page in; None where it finds none."""
    if len(page.subifds or ()) > TIFF_SUB_DIRECTORIES.most:
        return None  # tifffile would look at each
    try:
        series = next(
            each
            for each in tiff.series
            if any(p is not None and p.index == page.index for p in each.pages[:1])
        )
        axes, shape = series.axes, series.shape
    except Exception as error:  # as any parser of damaged files
        _log.info("no series of pages (%r)", error)
        return None
    counts = {"C": 1, "Z": 1, "T": 1}
    order, is_guessed = "", False
    for axis, size in zip(axes, shape, strict=False):
        if axis in "YXS":
            break
        if axis not in "CZT":
            axis, is_guessed = "Z", is_guessed or size > 1
        if axis in order:
            return None
        counts[axis] = size
        order += axis
    return Stack(
        (StackChannel(),) * counts["C"],
        counts["Z"],
        t_count=counts["T"],
        order=order,
        is_guessed=is_guessed,
    )


def _qptiff_channel(description: str) -> StackChannel:
    name = color = None
    for tag in _QPTIFF_NAMES:
        found = re.search(rf"<{tag}>([^<]*)</{tag}>", description)
        name = name or (unescape(found[1]).strip() if found else None)
    found = re.search(
        r"<Color>\s*(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*(\d{1,9})\s*</Color>", description
    )
    if found:
        red, green, blue = (min(int(part), 255) for part in found.groups())
        color = (red, green, blue)
    return StackChannel(name or "", color)


def _rgb(color: int | None) -> Color | None:
    if color is None or color == 0:  # black shows nothing, so it is no choice
        return None
    return (color >> 16) & 255, (color >> 8) & 255, color & 255


def _length(about: dict[str, str], name: str, unit: str) -> float | None:
    value = positive(about.get(name))
    return None if value is None else length_um(value, about.get(f"{name}Unit", unit))


def _time_s(about: dict[str, str], name: str) -> float | None:
    value, unit = positive(about.get(name)), about.get(f"{name}Unit", "s")
    factor = _S_PER_UNIT.get(unit)
    return None if value is None or factor is None or not math.isfinite(value) else value * factor
