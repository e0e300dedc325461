"""Annotations as label masks: pictures whose values are classes or single regions."""

from __future__ import annotations

import math
import os
from typing import IO, TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import msgspec
import numpy as np
import shapely
import tifffile

from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.problems import Problem, Problems
from viewer.annotations.masks.label_strips import LabelPainter
from viewer.annotations.masks.mask_legend import Label, Legend, legend_path, text_of
from viewer.annotations.masks.png_strips import write_png
from viewer.annotations.masks.tiff_tiles import tiles_of
from viewer.errors import CoverslipError
from viewer.files.atomic_write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation

MASK_SUFFIXES = (".png", ".tif", ".tiff")
MOST_PNG_PX = 1 << 29
"""Readers hold a PNG whole."""
_TILE_PX = 512
_COARSEST_PX = 1024
_EDGE_PX = 0.5
"""A border less far beyond the slide is at its edge."""
_MOST_LABELS_IN_TIFF = 10_000
"""More are only in the legend beside."""
_WORD_BYTES = 8


class MaskError(CoverslipError):
    """A mask that cannot be made as asked; `str()` is one sentence."""


class MaskPlace(msgspec.Struct, frozen=True):
    """The slide that a mask lies on, and how fine it is to be.

    Attributes
    ----------
    slide_px
        Width and height at level 0.
    slide_mpp_um
        Of level 0, in x and y; None where unknown.
    mpp_um
        Of the mask; that of level 0 by default.
    """

    slide_px: tuple[int, int]
    slide_mpp_um: tuple[float, float] | None = None
    mpp_um: float | None = None
    slide: str = ""
    slide_identity: str = ""

    @property
    def scale(self) -> tuple[float, float]:
        """Level-0 pixels per pixel of the mask. Raises MaskError."""
        if self.mpp_um is None:
            return 1.0, 1.0
        if self.slide_mpp_um is None:
            raise MaskError(
                "It is not known how large a pixel of the slide is: tell its um per pixel, or "
                "make the mask without a scale, a pixel for each of the slide's."
            )
        return self.mpp_um / self.slide_mpp_um[0], self.mpp_um / self.slide_mpp_um[1]

    @property
    def size_px(self) -> tuple[int, int]:
        x, y = self.scale
        return max(1, math.ceil(self.slide_px[0] / x)), max(1, math.ceil(self.slide_px[1] / y))

    @property
    def pixel_um(self) -> tuple[float, float] | None:
        if self.mpp_um is not None:
            return self.mpp_um, self.mpp_um
        return self.slide_mpp_um


class Labeled(msgspec.Struct, frozen=True):
    """Regions with the values that they have in a mask."""

    regions: list[BaseGeometry]
    values: list[int]
    labels: list[Label]
    numbers: list[int]
    """Of the annotations, counted from 1, one a region."""

    def painter(self) -> LabelPainter:
        return LabelPainter(self.regions, self.values)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.min_scalar_type(len(self.labels))


def labeled(
    annotations: Iterable[Annotation],
    problems: list[Problem],
    place: MaskPlace,
    *,
    by_instance: bool = False,
) -> Labeled:
    """Give each class a value, or each annotation.

    What leaves no pixel is reported: lines and points, regions off the slide, and those in which no
    middle of a pixel lies; so is what the edge of the slide cuts.
    """
    slide = shapely.box(0, 0, *place.slide_px)
    regions: list[BaseGeometry] = []
    values: list[int] = []
    numbers: list[int] = []
    labels: list[Label] = []
    known: dict[str, int] = {}
    for number, annotation in each_alone(annotations, [], ()):
        geometry = annotation.geometry
        if not isinstance(geometry, shapely.Polygon | shapely.MultiPolygon) or geometry.is_empty:
            problems.append(Problem(number, f"a {geometry.geom_type} has no area"))
            continue
        trouble = _trouble_on(geometry, slide, place.scale)
        if trouble is not None:
            problems.append(Problem(number, trouble))
            continue
        if not shapely.box(*geometry.bounds).within(slide.buffer(_EDGE_PX)):
            problems.append(Problem(number, "the edge of the slide cuts it", is_repaired=True))
        which = annotation.shown_as
        key = str(len(labels)) if by_instance else annotation.class_name
        if key not in known:
            known[key] = len(labels) + 1
            labels.append(
                Label(
                    known[key],
                    annotation.class_name,
                    which.color if which else "",
                    str(annotation.id) if by_instance else "",
                    annotation.name if by_instance else "",
                )
            )
        regions.append(geometry)
        values.append(known[key])
        numbers.append(number)
    return Labeled(regions, values, labels, numbers)


def _trouble_on(
    geometry: BaseGeometry, slide: BaseGeometry, scale: tuple[float, float]
) -> str | None:
    """Return why a region leaves no pixel in a mask; None if it leaves one."""
    on_slide = shapely.clip_by_rect(geometry, *slide.bounds)
    if on_slide.area == 0:
        return "no pixel shows it: it lies outside the slide"
    # A region holds a circle of the radius area / perimeter, and that a pixel's middle.
    if geometry.area / geometry.length > max(scale):
        return None
    x0, y0, x1, y1 = on_slide.bounds
    left, top = math.floor(x0 / scale[0]), math.floor(y0 / scale[1])
    size = math.ceil(x1 / scale[0]) - left, math.ceil(y1 / scale[1]) - top
    alone = LabelPainter([geometry], [1]).painted(left, top, size, scale, np.uint8)
    return None if alone.any() else "no pixel shows it: it is smaller than a pixel"


def _unheard(_: float) -> None:
    """Nobody wants to know how far it is."""


def write_mask(
    path: Path,
    annotations: Iterable[Annotation],
    place: MaskPlace,
    *,
    by_instance: bool = False,
    tell: Callable[[float], None] = _unheard,
) -> tuple[Legend, list[Problem]]:
    """Write a PNG, or an OME-TIFF with a pyramid, and the legend beside it, strip by strip.

    Parameters
    ----------
    tell
        Is called with the share that is done; what it raises stops all.

    Returns
    -------
    tuple
        The legend of the values that pixels have, and what is not in the mask.

    Raises
    ------
    MaskError
        The name tells no format, or the mask does not fit it.
    OSError
        It cannot be written; files that were there are left as they were.
    """
    suffix = path.suffix.lower()
    if suffix not in MASK_SUFFIXES:
        raise MaskError(f"{path.name} does not tell its format: let it end in .png or .ome.tif.")
    problems = Problems()
    painting = labeled(annotations, problems, place, by_instance=by_instance)
    width, height = place.size_px
    legend = Legend(
        "instances" if by_instance else "classes", (width, height), place.scale, place.pixel_um,
        place.slide, place.slide_identity, place.slide_px, len(painting.labels), painting.labels,
        mask=os.urandom(_WORD_BYTES).hex(),
    )  # fmt: skip
    if suffix == ".png" and (width * height > MOST_PNG_PX or len(painting.labels) > 0xFFFF):
        raise MaskError(
            f"A mask of {width} x {height} pixels and {len(painting.labels)} values is too large "
            "for a PNG: choose a name that ends in .ome.tif, or a coarser scale."
        )
    has_value = np.zeros(len(painting.labels) + 1, bool)
    with atomic_write(legend_path(path)) as legend_file, atomic_write(path) as file:
        writer = _MaskWriter(file, painting, legend, has_value, tell)
        if suffix == ".png":
            writer.write_png()
        else:
            writer.write_tiff()
        if not has_value[1:].all():
            legend = _of_what_is_there(legend, has_value)
            if suffix != ".png":
                _replace_legend(file, legend)
        legend_file.write(text_of(legend))
    return legend, problems + _not_there(painting, has_value)


def _of_what_is_there(legend: Legend, has_value: NDArray[np.bool_]) -> Legend:
    labels = [label for label in legend.labels if has_value[label.value]]
    return msgspec.structs.replace(legend, labels=labels, label_count=len(labels))


def _not_there(painting: Labeled, has_value: NDArray[np.bool_]) -> list[Problem]:
    """A problem a value that no pixel has; named by the first annotation that was to have it."""
    first = dict(zip(reversed(painting.values), reversed(painting.numbers), strict=True))
    return [
        Problem(
            first[label.value],
            f"no pixel shows {f'the class {label.class_name}' if not label.id else 'it'}: it lies "
            "outside the slide, is smaller than a pixel or is hidden by smaller ones",
        )
        for label in painting.labels
        if not has_value[label.value]
    ]


def _replace_legend(file: IO[bytes], legend: Legend) -> None:
    """In the OME-XML of a mask, whose legend was written before it was painted."""
    file.seek(0)
    with tifffile.TiffFile(file, mode="r+") as tiff:
        tag = tiff.pages.first.tags["ImageDescription"]
        description = escape(_ome_of(legend)["Description"], {'"': "&quot;"})
        before, _, rest = tag.value.partition("<Description>")
        _, _, behind = rest.partition("</Description>")
        tag.overwrite(f"{before}<Description>{description}</Description>{behind}".encode())


class _MaskWriter(msgspec.Struct, frozen=True):
    """Writes a mask strip by strip, each painted when its turn comes."""

    file: IO[bytes]
    painting: Labeled
    legend: Legend
    has_value: NDArray[np.bool_]
    """Set for each value that a pixel of the finest level has."""
    tell: Callable[[float], None]

    def write_png(self) -> None:
        size, scale = self.legend.size_px, self.legend.scale
        per_m = round(1e6 / self.legend.mpp_um[0]) if self.legend.mpp_um else None
        strips = self._strips(self.painting.painter(), size, scale, self.tell)
        legend = self.legend.without_labels  # which of them are there is known at the end
        write_png(self.file, size, strips, per_m, msgspec.json.encode(legend).decode())

    def write_tiff(self) -> None:
        painter, dtype = self.painting.painter(), self.painting.dtype
        width, height = self.legend.size_px
        halvings = max(0, math.ceil(math.log2(max(width, height) / _COARSEST_PX)))
        common: dict[str, Any] = {
            "dtype": dtype, "tile": (_TILE_PX, _TILE_PX), "compression": "zlib",
            "photometric": "minisblack",
        }  # fmt: skip
        whole, begun = sum(0.25**level for level in range(halvings + 1)), 0.0
        is_big = width * height * dtype.itemsize > 1 << 31
        with tifffile.TiffWriter(self.file, ome=True, bigtiff=is_big) as writer:
            for level in range(halvings + 1):
                size = max(1, width >> level), max(1, height >> level)
                scale = (
                    self.legend.scale[0] * width / size[0],
                    self.legend.scale[1] * height / size[1],
                )
                first = {"subifds": halvings, "metadata": _ome_of(self.legend)}
                of_level: dict[str, Any] = common | ({"subfiletype": 1} if level else first)
                share = 0.25**level / whole
                strips = self._strips(
                    painter, size, scale,
                    lambda part, begun=begun, share=share: self.tell(begun + part * share),
                    is_finest=level == 0,
                )  # fmt: skip
                tiles = tiles_of(strips, _TILE_PX)
                writer.write(tiles, shape=(size[1], size[0]), **of_level)
                begun += share

    def _strips(
        self,
        painter: LabelPainter,
        size: tuple[int, int],
        scale: tuple[float, float],
        tell: Callable[[float], None],
        *,
        is_finest: bool = True,
    ) -> Iterator[NDArray[np.unsignedinteger]]:
        width, height = size
        for top in range(0, height, _TILE_PX):
            tell(top / height)
            rows = min(_TILE_PX, height - top)
            strip = painter.painted(0, top, (width, rows), scale, self.painting.dtype)
            if is_finest:
                self.has_value[strip[strip > 0]] = True
            yield strip


def _ome_of(legend: Legend) -> dict[str, Any]:
    """Return what the OME-XML tells: the scale, and the legend as its description."""
    if legend.label_count > _MOST_LABELS_IN_TIFF:
        legend = legend.without_labels
    metadata: dict[str, Any] = {"axes": "YX", "Description": msgspec.json.encode(legend).decode()}
    if legend.mpp_um:
        metadata |= {
            "PhysicalSizeX": legend.mpp_um[0], "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": legend.mpp_um[1], "PhysicalSizeYUnit": "µm",
        }  # fmt: skip
    return metadata
