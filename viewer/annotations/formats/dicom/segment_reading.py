"""Segmentations of slides: the areas of each segment as regions, read strip by strip."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, TYPE_CHECKING

import numpy as np
import shapely
from highdicom.seg import Segmentation, SegmentsOverlapValues
from highdicom.spatial import ImageToReferenceTransformer

from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.formats.dicom.slide_headers import complete_measures, slide_headers
from viewer.annotations.formats.dicom.terms import color_of_lab
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.masks.mask_legend import Label, Legend
from viewer.annotations.masks.mask_reading import Regions
from viewer.colors import class_color
from viewer.limits import ANNOTATIONS_BYTES
from viewer.plain_text import shown_line
from viewer.plurals import percent
from viewer.typed.pydicom import dataset_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.slide_place import SlidePlace

_STRIP_PX = 512
_HALF = 0.5
_SAME = 1e-6


def read_segments(
    file: IO[bytes], name: str, slide: SlidePlace, problems: list[Problem]
) -> Iterator[Annotation]:
    """Read the areas of all segments as regions in level-0 pixels of the slide.

    Raises
    ------
    AnnotationFileError
        It is a segmentation of something else than a slide.
    """
    dataset = dataset_in(file)
    if "TotalPixelMatrixColumns" not in dataset or "ImageOrientationSlide" not in dataset:
        raise AnnotationFileError(f"{name} is a segmentation, but not of a slide.")
    complete_measures(dataset)
    _fill_up(dataset, problems)
    seg = Segmentation.from_dataset(dataset, copy=False)
    affine = _to_level_0(seg, slide, problems)
    labels = _labels(seg, problems)
    is_flat = seg.segmentation_type.value == "LABELMAP" or (
        seg.segmentation_type.value == "BINARY"
        and str(seg.get("SegmentsOverlap") or "") == SegmentsOverlapValues.NO.value
    )
    if seg.segmentation_type.value == "FRACTIONAL":
        reason = "the segmentation holds shares: a pixel of one half or more was taken"
        problems.append(Problem(0, reason, is_repaired=True))
    for numbers in [list(labels)] if is_flat else [[number] for number in labels]:
        regions = Regions(_legend(seg, labels), by_instance=False)
        for top, strip in _strips(seg, numbers, is_flat=is_flat):
            yield from (_placed(each, affine) for each in regions.taken(top, strip))
        yield from (_placed(each, affine) for each in regions.rest())


def _fill_up(dataset: Dataset, problems: list[Problem]) -> None:
    """Add what is missing at the end of the pixels, as background."""
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    pixels = int(dataset.get("NumberOfFrames") or 1) * dataset.Rows * dataset.Columns
    wanted = -(-pixels * int(dataset.BitsAllocated) // 8)
    missing = wanted - len(dataset.PixelData)
    if missing > 0:
        ANNOTATIONS_BYTES.check(wanted, "the segmentation")
        share = percent(missing / wanted)
        problems.append(Problem(0, f"the file is cut short: {share} of its pixels are missing"))
        dataset.PixelData += bytes(missing)


def _strips(
    seg: Segmentation, numbers: list[int], *, is_flat: bool
) -> Iterator[tuple[int, NDArray[np.integer]]]:
    """Yield the first row of each strip, and the numbers of segments in it."""
    rows = int(seg.Rows) * max(1, _STRIP_PX // int(seg.Rows))
    total = int(seg.TotalPixelMatrixRows)
    for top in range(0, total, rows):
        part = seg.get_total_pixel_matrix(
            top, min(top + rows, total), segment_numbers=numbers, combine_segments=is_flat,
            skip_overlap_checks=True, as_indices=True,
        )  # fmt: skip
        if not is_flat:
            part = np.where(part[:, :, 0] >= _HALF, numbers[0], 0).astype(np.uint32)
        if part.any():
            yield top, part


def _labels(seg: Segmentation, problems: list[Problem]) -> dict[int, Label]:
    labels: dict[int, Label] = {}
    for index, number in enumerate(seg.segment_numbers):
        about = seg.get_segment_description(number)
        try:
            color = color_of_lab(about.get("RecommendedDisplayCIELabValue"))
        except ValueError as error:
            problems.append(Problem(0, f"of segment {number}, {error}", is_repaired=True))
            color = None
        name = shown_line(str(about.get("SegmentLabel") or "").strip())
        name = "" if name == NO_CLASS else name or shown_line(f"Segment {number}")
        labels[int(number)] = Label(int(number), name, color or class_color(index))
    return labels


def _legend(seg: Segmentation, labels: dict[int, Label]) -> Legend:
    size = int(seg.TotalPixelMatrixColumns), int(seg.TotalPixelMatrixRows)
    return Legend("classes", size, (1.0, 1.0), None, "", "", size, len(labels), [*labels.values()])


def _placed(annotation: Annotation, affine: NDArray[np.float64]) -> Annotation:
    def moved(places: NDArray[np.float64]) -> NDArray[np.float64]:
        return places @ affine[:, :2].T + affine[:, 2]

    return replace(annotation, geometry=shapely.transform(annotation.geometry, moved))


def _to_level_0(
    seg: Segmentation, slide: SlidePlace, problems: list[Problem]
) -> NDArray[np.float64]:
    """Return (2, 3) from the pixels of the segmentation to those of the slide."""
    headers = slide_headers(slide)
    if headers:
        return _through_the_glass(seg, headers, problems)
    spacing = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    scale = np.ones(2)
    if slide.mpp_um is not None:
        scale = np.array([spacing[1], spacing[0]], np.float64) * 1000 / np.array(slide.mpp_um)
    elif not slide.path:
        reason = "its scale: without its slide, a pixel of it is taken for one of the slide"
        problems.append(Problem(0, reason, is_repaired=True))
    return _exact(np.hstack([np.diag(scale), np.zeros((2, 1))]))


def _through_the_glass(
    seg: Segmentation, headers: list[Dataset], problems: list[Problem]
) -> NDArray[np.float64]:
    if seg.get("FrameOfReferenceUID") != headers[0].get("FrameOfReferenceUID"):
        reason = "the file's frame of reference is not this slide's: it may be of another"
        problems.append(Problem(0, reason, is_repaired=True))
    out = _to_mm(seg)
    for level in headers:
        size = level.TotalPixelMatrixColumns, level.TotalPixelMatrixRows
        is_same_size = size == (seg.TotalPixelMatrixColumns, seg.TotalPixelMatrixRows)
        if is_same_size and np.allclose(_to_mm(level), out, atol=_SAME):
            # Levels lie over one another, though many scanners tell the same corner for all,
            # which by the letter is the middle of a pixel of each.
            whole = headers[0].TotalPixelMatrixColumns, headers[0].TotalPixelMatrixRows
            return np.hstack([np.diag(np.divide(whole, size)), np.zeros((2, 1))])
    back = np.linalg.inv(_to_mm(headers[0]))
    return _exact((back @ out)[:2][:, [0, 1, 3]])


def _to_mm(image: Dataset) -> NDArray[np.float64]:
    """Return (4, 4) from the pixels of an image to its place on the glass."""
    transformer = ImageToReferenceTransformer.for_image(image, for_total_pixel_matrix=True)
    return np.asarray(transformer.affine, np.float64)


def _exact(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without what is lost since a file holds 16 characters of a number."""
    return np.where(np.abs(affine - np.round(affine)) < _SAME, np.round(affine), affine)
