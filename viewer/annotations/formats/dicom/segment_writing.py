"""Annotations as a Segmentation: a segment a class, in tiles where there is any of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import shapely
from highdicom import (
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
)
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.spatial import PixelToReferenceTransformer
from highdicom.uid import UID

from viewer.annotations.annotation import NO_CLASS, NO_COLOR
from viewer.annotations.formats.dicom.bulk_writing import DEVICE, UTF_8
from viewer.annotations.formats.dicom.slide_headers import SLICE_MM
from viewer.annotations.formats.dicom.terms import CATEGORY, concept_of, lab_of, label_of
from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.masks.label_masks import MaskPlace, labeled
from viewer.annotations.masks.label_strips import LabelPainter
from viewer.typed.pydicom import items_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.annotations.masks.label_masks import Labeled
    from viewer.annotations.masks.mask_legend import Label

_TILE_PX = 512
_SERIES_NUMBER = 1001
_MOST_FLAT_PX = 1 << 30
_MOST_STACKED_PX = 1 << 27
"""Of segments that overlap, all together: highdicom takes eight bytes for each."""


def segmentation_of(
    annotations: Iterable[Annotation],
    source: Dataset,
    slide: SlidePlace,
    mpp_um: float | None,
    problems: list[Problem],
) -> Dataset:
    """Return the file's content; what it cannot hold goes to `problems`.

    Raises
    ------
    AnnotationFileError
        The pixel size is unknown, nothing has an area, or it is too much at this scale.
    """
    spacing_mm = _spacing_mm(source)
    place = MaskPlace(slide.size_px, (spacing_mm[1] * 1000, spacing_mm[0] * 1000), mpp_um)
    drawn = [each for _, each in each_alone(annotations, problems, ("color",))]
    painting = labeled(drawn, problems, place)
    if not painting.labels:
        raise AnnotationFileError("there are no regions that leave a pixel in a segmentation.")
    frames = _Frames(painting, place)
    scale = place.scale
    measures = PixelMeasuresSequence((spacing_mm[0] * scale[1], spacing_mm[1] * scale[0]), SLICE_MM)
    orientation = [float(value) for value in source.ImageOrientationSlide]
    origin = _origin_mm(source, orientation, spacing_mm, scale)
    to_mm = PixelToReferenceTransformer(origin, orientation, measures[0].PixelSpacing)
    positions = [
        PlanePositionSequence("SLIDE", to_mm(np.array([corner]))[0], (corner[0] + 1, corner[1] + 1))
        for corner in frames.corners
    ]
    seg = Segmentation(
        [source],
        frames.painted(),
        "BINARY",
        [_description(number, label) for number, label in enumerate(painting.labels, 1)],
        str(UID()),
        _SERIES_NUMBER,
        str(UID()),
        1,
        *DEVICE,
        content_label="SEGMENTATION",
        content_description="Annotations drawn or kept in Coverslip",
        pixel_measures=measures,
        plane_orientation=PlaneOrientationSequence("SLIDE", orientation),
        plane_positions=positions,
        dimension_organization_type="TILED_SPARSE",
        specific_character_set=UTF_8,
        series_description="Segmentation",
    )
    # Tiles reach beyond the slide: its size is that of the slide all the same.
    seg.TotalPixelMatrixColumns, seg.TotalPixelMatrixRows = place.size_px
    return seg


def _spacing_mm(source: Dataset) -> tuple[float, float]:
    """From row to row and from column to column."""
    groups = items_of(source, "SharedFunctionalGroupsSequence")
    measures = items_of(groups[0], "PixelMeasuresSequence") if groups else ()
    if not measures or not measures[0].get("PixelSpacing"):
        raise AnnotationFileError(
            "a DICOM segmentation needs the pixel size, which is unknown: choose Edit > Set pixel "
            "size (on the command line, --slide-mpp)."
        )
    down, right = measures[0].PixelSpacing
    return float(down), float(right)


def _origin_mm(
    source: Dataset,
    orientation: list[float],
    spacing_mm: tuple[float, float],
    scale: tuple[float, float],
) -> tuple[float, float, float]:
    """Return the middle of the first pixel: that of a wider pixel lies further in."""
    stated = source.TotalPixelMatrixOriginSequence[0]
    first = np.array(
        [float(stated.get(f"{axis}OffsetInSlideCoordinateSystem") or 0) for axis in "XYZ"]
    )
    along, down = np.array(orientation[:3]), np.array(orientation[3:])
    x, y = (scale[0] - 1) / 2 * spacing_mm[1], (scale[1] - 1) / 2 * spacing_mm[0]
    moved = first + along * x + down * y
    return float(moved[0]), float(moved[1]), float(moved[2])


def _description(number: int, label: Label) -> SegmentDescription:
    return SegmentDescription(
        number,
        label_of(label.class_name) or NO_CLASS,
        CATEGORY,
        concept_of(label.class_name),
        "MANUAL",
        display_color=lab_of(label.color or NO_COLOR),
    )


class _Frames:
    """The tiles in which there is any region, painted for highdicom."""

    def __init__(self, painting: Labeled, place: MaskPlace) -> None:
        self._painters: list[LabelPainter] = []
        self._scale = place.scale
        self._shape = tuple(min(_TILE_PX, side) for side in reversed(place.size_px))
        shapes = np.array(painting.regions, dtype=object)
        values = np.array(painting.values)
        for label in painting.labels:
            regions = shapes[values == label.value].tolist()
            self._painters.append(LabelPainter(regions, [1] * len(regions)))
        self.corners = self._touched(shapes, place.size_px)

    def _touched(
        self, shapes: NDArray[np.object_], size_px: tuple[int, int]
    ) -> list[tuple[int, int]]:
        """Column and row of the first pixel of each tile that a region meets."""
        height, width = self._shape
        x, y = (
            axis.ravel()
            for axis in np.meshgrid(
                np.arange(math.ceil(size_px[0] / width)) * width,
                np.arange(math.ceil(size_px[1] / height)) * height,
            )
        )
        boxes = shapely.box(
            x * self._scale[0], y * self._scale[1],
            (x + width) * self._scale[0], (y + height) * self._scale[1],
        )  # fmt: skip
        met = np.unique(shapely.STRtree(boxes).query(shapes, predicate="intersects")[1])
        return list(zip(x[met].tolist(), y[met].tolist(), strict=True))

    def painted(self) -> NDArray[np.integer]:
        """(tiles, height, width) of segments' numbers, or with an axis of segments that overlap.

        Raises
        ------
        AnnotationFileError
            It is too much for the memory.
        """
        shape = (len(self.corners), *self._shape)
        self._check(math.prod(shape), _MOST_FLAT_PX)
        segments = len(self._painters)
        flat = np.zeros(shape, np.min_scalar_type(segments))
        for index, corner in enumerate(self.corners):
            for number, painter in enumerate(self._painters, 1):
                tile = self._tile(painter, corner)
                if (flat[index][tile] != 0).any():
                    return self._stacked((*shape, segments))
                flat[index][tile] = number
        return flat

    def _stacked(self, shape: tuple[int, ...]) -> NDArray[np.integer]:
        self._check(math.prod(shape), _MOST_STACKED_PX)
        stacked = np.zeros(shape, np.uint8)
        for index, corner in enumerate(self.corners):
            for number, painter in enumerate(self._painters):
                stacked[index, :, :, number] = self._tile(painter, corner)
        return stacked

    def _tile(self, painter: LabelPainter, corner: tuple[int, int]) -> NDArray[np.bool_]:
        height, width = self._shape
        return painter.painted(*corner, (width, height), self._scale, np.uint8) > 0

    @staticmethod
    def _check(pixels: int, most: int) -> None:
        if pixels > most:
            raise AnnotationFileError(
                "the regions are too large for a segmentation at this scale: make its pixels "
                "larger (on the command line, --mpp 2)."
            )
