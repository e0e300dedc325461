"""What readers corrected: outlines of nuclei, and the areas in which all of them are outlined."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely
from msgspec.structs import replace

from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.overlapping import meeting, pairs_alike
from viewer.annotations.sound_geometry import repaired
from viewer.inference.teaching.errors import (
    ContradictionError,
    NoMarksError,
    OffSlideError,
    TeachingError,
)
from viewer.inference.teaching.marked_slides import files_of_slides, is_shared, unnamed_slides
from viewer.inference.teaching.marks import (
    annotations_for,
    check_named,
    check_on_slide,
    names_slide,
    slide_of,
)
from viewer.limits import LimitError
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.origins import Origin
    from viewer.slides.source import SlideSource

AREA_CLASSES = ("Corrected*", "Corrected", "Region*", "Region", "Training")
"""Regions of these classes say where all nuclei are outlined and nothing else is; the latter three
as QuPath and its extensions name them."""
_MOST_UM2 = 1700.0
"""Of a nucleus, as of those that the network finds."""
_LEAST_UM2 = 4.0
_SAME = 0.5
"""Two outlines whose intersection is more of their union are of one nucleus."""


class Corrections(msgspec.Struct, frozen=True):
    """The corrected outlines of one slide.

    Attributes
    ----------
    outlines
        Of nuclei, level-0 pixels.
    areas
        In which all nuclei are outlined, so that what else is found there is wrong; none where
        nobody said so, and only the outlines themselves teach.
    notes
        Sentences on what was left out.
    """

    outlines: tuple[shapely.Polygon, ...]
    areas: tuple[shapely.Polygon, ...] = ()
    notes: tuple[str, ...] = ()


class CorrectedSlide(msgspec.Struct, frozen=True):
    """A slide and what was corrected on it.

    Attributes
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    """

    source: SlideSource
    place: SlidePlace
    mpp_um: float
    corrections: Corrections


def corrections_of(
    annotations: Iterable[Annotation], place: SlidePlace, mpp_um: float
) -> Corrections:
    """Return what annotations of a slide say of its nuclei.

    A region of one of `AREA_CLASSES` is a corrected area, any other region as large as a nucleus is
    the outline of one, whatever its class; of one with several parts each part is.

    Raises
    ------
    TeachingError
        They teach nothing, lie beside the slide or contradict each other; one sentence says why.
    """
    areas: list[shapely.Polygon] = []
    outlines: list[shapely.Polygon] = []
    others = 0
    for each in annotations:
        if each.kind != "annotation":
            continue
        shape = each.geometry if each.geometry.is_valid else repaired(each.geometry)
        regions = _regions_of(shape)
        if each.class_name in AREA_CLASSES:
            areas += regions
            continue
        nuclei = [part for part in regions if _LEAST_UM2 <= part.area * mpp_um**2 <= _MOST_UM2]
        outlines += nuclei
        others += not nuclei
    frame = shapely.box(0, 0, *place.size_px)
    check_on_slide(outlines, place, "outlines")
    on_slide = _regions_of(shapely.intersection(np.array(areas, dtype=object), frame))
    if areas and not on_slide:
        raise OffSlideError(
            f"The corrected area lies outside {place.name}: give the slide that it was drawn on."
        )
    notes: list[str] = []
    if others:
        what = plural(others, "annotation is", "annotations are")
        teach = "teaches" if others == 1 else "teach"
        notes.append(f"{place.name}: {what} no outline of a nucleus and {teach} nothing.")
    if not on_slide and outlines:
        notes.append(
            f"{place.name}: no region of the class {AREA_CLASSES[0]} says where all nuclei are "
            "outlined, so that deleted ones teach nothing."
        )
    elif on_slide:
        inside = _within(on_slide, outlines)
        if beside := len(outlines) - len(inside):
            lie = plural(beside, "outline lies", "outlines lie")
            teach = "teaches" if beside == 1 else "teach"
            notes.append(f"{place.name}: {lie} outside the corrected area and {teach} nothing.")
        outlines = inside
    _check_contradictions(outlines)
    return Corrections(tuple(outlines), tuple(on_slide), tuple(notes))


def read_corrections(
    slides: Sequence[Path],
    files: Sequence[Path],
    origin: Origin | None = None,
    mpp_um: float | None = None,
) -> list[tuple[Path, Corrections]]:
    """Read what was corrected on slides, from files of annotations of any known format.

    Parameters
    ----------
    files
        As `marked_slides` takes them.
    mpp_um
        Micrometers per level-0 pixel of slides that tell none.

    Raises
    ------
    SlideError, AnnotationFileError
        A file cannot be read.
    TeachingError
        Nothing is to be learned; one sentence says why.
    """
    from viewer.slides import open_slide
    from viewer.slides.calibration import known_mpp_um, no_pixel_size

    places: list[tuple[SlidePlace, float]] = []
    for path in slides:
        with closing(open_slide(path)) as source:
            scale = mpp_um or known_mpp_um(source)
            if scale is None:
                raise TeachingError(no_pixel_size(path.name))
            places.append((SlidePlace.of(source), scale))
    found: list[tuple[Path, Corrections]] = []
    each_file = files_of_slides(slides, files)
    for path, file, (place, scale) in zip(slides, each_file, places, strict=True):
        annotations, lost = annotations_for(file, place, origin)
        if not is_shared(each_file):
            check_named(file, map(slide_of, annotations), path)
        elif not all(map(slide_of, annotations)):
            raise unnamed_slides(each_file)
        own = [each for each in annotations if names_slide(slide_of(each), path)]
        made = corrections_of(own, place, scale)
        notes = (f"{file.name}: {lost}.", *made.notes) if lost else made.notes
        found.append((path, replace(made, notes=notes)))
    if not any(each.outlines for _, each in found):
        why = "; ".join(note.rstrip(".") for _, each in found for note in each.notes)
        raise NoMarksError(
            f"{files[0].name} holds no outlines of nuclei{f' ({why})' if why else ''}: make "
            "regions of what the model found, and correct them."
        )
    return found


def _regions_of(shapes: BaseGeometry | NDArray[np.object_]) -> list[shapely.Polygon]:
    """Return the parts of shapes that have an area."""
    parts = shapely.get_parts(shapes).tolist()
    return [part for part in parts if isinstance(part, shapely.Polygon) and part.area > 0]


def _within(
    areas: Sequence[shapely.Polygon], outlines: Sequence[shapely.Polygon]
) -> list[shapely.Polygon]:
    """Return the outlines whose middles lie in an area. Raises TeachingError."""
    middles = shapely.centroid(np.array(outlines, dtype=object))
    within = met_by_areas(np.array(areas, dtype=object), middles)
    return [outlines[index] for index in within]


def met_by_areas(areas: NDArray[np.object_], shapes: NDArray[np.object_]) -> list[int]:
    """Return the numbers of the shapes that meet a corrected area. Raises TeachingError."""
    is_met = np.zeros(len(shapes), bool)
    try:
        for _, some in meeting(areas, shapes, "The corrected areas"):
            is_met[some] = True
    except LimitError as error:
        raise TeachingError(str(error)) from error
    return np.flatnonzero(is_met).tolist()


def _check_contradictions(outlines: Sequence[shapely.Polygon]) -> None:
    """Raise ContradictionError where one nucleus has two outlines."""
    shapes = np.array(outlines, dtype=object)
    try:
        one, _, iou = pairs_alike(shapes, np.arange(len(outlines)), _SAME, "The outlines")
    except LimitError as error:
        raise TeachingError(str(error)) from error
    twice = np.flatnonzero(iou > _SAME)
    if len(twice):
        x, y = outlines[int(one[twice[0]])].centroid.coords[0]
        more = "" if len(twice) == 1 else f", and {len(twice) - 1:,} more"
        raise ContradictionError(
            f"The outlines contradict each other: the nucleus at {x:,.0f}, {y:,.0f} px has two"
            f"{more}; delete one of them."
        )
