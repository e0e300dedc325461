"""Microscopy Bulk Simple Annotations: groups of shapes of one class and type, read one by one."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import numpy as np
import shapely
from highdicom.ann import AnnotationGroup, Measurements
from highdicom.spatial import ReferenceToImageTransformer
from highdicom.uid import UID

from viewer.annotations.annotation import DESCRIPTION, NO_CLASS, Annotation, AnnotationClass
from viewer.annotations.formats.dicom.slide_headers import slide_headers
from viewer.annotations.formats.dicom.terms import (
    SCHEME,
    color_of_lab,
    concept_of,
    measurement_name,
)
from viewer.annotations.formats.foreign_values import MOST_PX
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.sound_geometry import repaired
from viewer.colors import class_color
from viewer.plain_text import shown_line, shown_text
from viewer.typed.pydicom import items_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.formats.slide_place import SlidePlace

    Mapping2D = Callable[[NDArray[np.float64]], NDArray[np.float64]]
    Tell = Callable[[str], object]

_BAD = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, OSError, EOFError,
    struct.error, shapely.errors.ShapelyError,
)  # fmt: skip
_FEWEST = {"POINT": 1, "POLYLINE": 2, "POLYGON": 3, "RECTANGLE": 4, "ELLIPSE": 4}
_POINTS_OF_ELLIPSE = 64
_AT_ONCE = 10_000
_UUID_ROOT = "2.25."


def read_groups(
    ann: Dataset, name: str, slide: SlidePlace, problems: list[Problem]
) -> Iterator[Annotation]:
    """Read the annotations of all groups in level-0 pixels of the slide.

    Raises
    ------
    AnnotationFileError
        They are in mm on the glass, and no DICOM slide tells where its pixels lie there.
    """
    if not ann.get("AnnotationGroupSequence"):
        raise AnnotationFileError(f"{name} holds no group of annotations: it may be cut short.")
    dimensions, to_level_0 = _mapping(ann, name, slide, problems)
    classes: dict[str, AnnotationClass] = {}
    before = 0
    for number, item in enumerate(ann.AnnotationGroupSequence, 1):

        def tell(reason: str, number: int = number, first: int = before + 1) -> None:
            problems.append(Problem(first, f"of group {number}, {reason}", is_repaired=True))

        measured = _measured(item, tell)
        try:
            group = _group(item, number, dimensions, tell)
            pieces = [np.asarray(each) for each in group.get_graphic_data(dimensions)]
        except _BAD as error:
            reason = f"group {number} as a whole cannot be read: {error}"
            problems.append(Problem(before + 1, reason))
            before += int(item.get("NumberOfAnnotations") or 1)
            continue
        yield from _annotations(group, pieces, measured, to_level_0, before, problems, classes)
        before += len(pieces)


# Where they lie ------------------------------------------------------------------------------


def _mapping(
    ann: Dataset, name: str, slide: SlidePlace, problems: list[Problem]
) -> tuple[str, Mapping2D]:
    """Return the type of the coordinates, and what brings them to level 0."""
    headers = slide_headers(slide)
    stated = str(ann.get("AnnotationCoordinateType") or "2D").strip().upper()
    if stated != "3D":
        return "2D", _from_pixels(ann, headers, problems)
    if not headers:
        raise AnnotationFileError(
            f"{name} holds places in mm on the glass, and only its DICOM slide tells where its "
            "pixels lie there: import it on that slide (--slide on the command line)."
        )
    frame, own = ann.get("FrameOfReferenceUID"), headers[0].get("FrameOfReferenceUID")
    if frame is not None and own is not None and frame != own:
        reason = "the file's frame of reference is not this slide's: it may be of another"
        problems.append(Problem(0, reason, is_repaired=True))
    transformer = ReferenceToImageTransformer.for_image(headers[0], for_total_pixel_matrix=True)
    affine = np.asarray(transformer.affine)[:2]
    return "3D", lambda places: places @ affine[:, :3].T + affine[:, 3]


def _from_pixels(ann: Dataset, headers: list[Dataset], problems: list[Problem]) -> Mapping2D:
    """Of the image that the file refers to, which may be another level."""
    referred = (ann.get("ReferencedImageSequence") or [None])[0]
    if not headers or referred is None:
        return lambda places: places
    wanted = referred.get("ReferencedSOPInstanceUID")
    level = next((each for each in headers if each.get("SOPInstanceUID") == wanted), None)
    if level is None:
        reason = "the file refers to another image than this slide: its places were taken as pixels"
        problems.append(Problem(0, reason, is_repaired=True))
        return lambda places: places
    whole = headers[0]
    scale = np.array(
        [whole.TotalPixelMatrixColumns / level.TotalPixelMatrixColumns,
         whole.TotalPixelMatrixRows / level.TotalPixelMatrixRows]
    )  # fmt: skip
    offset = np.zeros(2)
    if str(ann.get("PixelOriginInterpretation") or "").strip().upper() == "FRAME":
        frame = int(np.ravel(referred.get("ReferencedFrameNumber") or 1)[0]) - 1
        row, column = divmod(frame, -(-level.TotalPixelMatrixColumns // level.Columns))
        offset = np.array([column * level.Columns, row * level.Rows], np.float64)
    return lambda places: (places + offset) * scale


# What a group says ---------------------------------------------------------------------------


def _group(item: Dataset, number: int, dimensions: str, tell: Tell) -> AnnotationGroup:
    """Return the group as highdicom reads it.

    What is missing beside its shapes is put in its place.
    """
    per_place = 2 if dimensions == "2D" or "CommonZCoordinateValue" in item else 3
    count = _coordinates_cut_to_whole(item, per_place, tell)
    graphic = str(item.get("GraphicType") or "").strip().upper()
    if graphic not in _FEWEST:
        graphic = _likely_graphic(item, count)
        tell(f"the type of its shapes was not read and taken for {graphic}")
        item.GraphicType = graphic
    if graphic in ("POLYGON", "POLYLINE"):
        item.NumberOfAnnotations = len(item.LongPrimitivePointIndexList) // 4
    else:
        each = _FEWEST[graphic]
        item.NumberOfAnnotations = count // each
        _cut(item, count // each * each * per_place)
    if str(item.get("AnnotationGroupGenerationType") or "") not in (
        "AUTOMATIC", "SEMIAUTOMATIC", "MANUAL",
    ):  # fmt: skip
        item.AnnotationGroupGenerationType = "MANUAL"
    for key, value in (
        ("AnnotationGroupNumber", number), ("AnnotationGroupUID", str(UID())),
        ("AnnotationGroupLabel", ""), ("AnnotationAppliesToAllOpticalPaths", "YES"),
        ("AnnotationAppliesToAllZPlanes", "YES"),
    ):  # fmt: skip
        if key not in item:
            setattr(item, key, value)
    for key, value in (
        ("AnnotationPropertyCategoryCodeSequence", concept_of("Category")),
        ("AnnotationPropertyTypeCodeSequence", concept_of("")),
    ):
        code = (item.get(key) or [None])[0]
        if code is None or not all(
            code.get(each) for each in ("CodeMeaning", "CodingSchemeDesignator")
        ):
            setattr(item, key, [value])
    item.pop("AnnotationGroupAlgorithmIdentificationSequence", None)
    item.pop("AnatomicRegionSequence", None)
    item.pop("PrimaryAnatomicStructureSequence", None)
    return AnnotationGroup.from_dataset(item, copy=False)


def _likely_graphic(item: Dataset, count: int) -> str:
    """By how many places each shape has. Raises ValueError where that does not tell."""
    if item.get("LongPrimitivePointIndexList"):
        return "POLYGON"
    shapes = int(item.get("NumberOfAnnotations") or 0)
    if shapes and count == shapes:
        return "POINT"
    if shapes and count == 4 * shapes:
        return "RECTANGLE"
    raise ValueError("it does not tell what its shapes are")


def _coordinates_cut_to_whole(item: Dataset, per_place: int, tell: Tell) -> int:
    """Return how many places a group has; a torn one at the end is left out."""
    key, size = _coordinates(item)
    data = getattr(item, key)
    whole = len(data) // (size * per_place)
    if len(data) - whole * size * per_place >= size:
        tell("its last place is torn and was left out")
    _cut(item, whole * per_place)
    return whole


def _cut(item: Dataset, values: int) -> None:
    key, size = _coordinates(item)
    setattr(item, key, getattr(item, key)[: values * size])


def _coordinates(item: Dataset) -> tuple[str, int]:
    """Return the name of the attribute that holds the coordinates, and the bytes of one."""
    if "DoublePointCoordinatesData" in item:
        return "DoublePointCoordinatesData", 8
    if "PointCoordinatesData" not in item:
        raise ValueError("it has no coordinates")
    return "PointCoordinatesData", 4


def _measured(item: Dataset, tell: Tell) -> list[tuple[str, Measurements]]:
    """Measurements by name, taken out of the group so that a broken one costs no shape."""
    found: list[tuple[str, Measurements]] = []
    items = items_of(item, "MeasurementsSequence")
    for each in items:
        try:
            measured = Measurements.from_dataset(each, copy=False)
            found.append((measurement_name(measured.name, measured.unit), measured))
        except _BAD as error:
            tell(f"a measurement was not read: {error}")
    if items:
        del item.MeasurementsSequence
    return found


def _annotations(
    group: AnnotationGroup,
    pieces: list[NDArray[np.float64]],
    measured: list[tuple[str, Measurements]],
    to_level_0: Mapping2D,
    before: int,
    problems: list[Problem],
    classes: dict[str, AnnotationClass],
) -> Iterator[Annotation]:
    def tell(reason: str) -> None:
        problems.append(Problem(before + 1, f"of its group, {reason}", is_repaired=True))

    shown_as, color = _class(group, classes, tell)
    name, metadata = _texts(group)
    columns = _columns(measured, len(pieces), tell)
    is_found = group.algorithm_type.value == "AUTOMATIC"
    graphic = group.graphic_type.value
    own_id = _own_id(group) if len(pieces) == 1 else None
    quick = _quick_shapes(graphic, pieces, to_level_0)
    for index, (piece, shape) in enumerate(zip(pieces, quick, strict=True)):
        number = before + index + 1
        is_ellipse = False
        try:
            if shape is None:
                shape, is_ellipse = _shape(graphic, to_level_0(piece))
            if not shape.is_valid:
                shape = repaired(shape)
                problems.append(Problem(number, "its edges crossed", is_repaired=True))
        except _BAD as error:
            problems.append(Problem(number, str(error)))
            continue
        yield Annotation(
            shape,
            own_id or uuid4(),
            "detection" if is_found else "annotation",
            shown_as,
            name,
            color,
            is_ellipse=is_ellipse,
            measurements=_measurements_of(index, columns),
            metadata=metadata,
        )


def _class(
    group: AnnotationGroup, classes: dict[str, AnnotationClass], tell: Tell
) -> tuple[AnnotationClass | None, str | None]:
    """Return the class, and the color of the group where it is another than that of its class."""
    try:
        color = color_of_lab(group.get("RecommendedDisplayCIELabValue"))
    except ValueError as error:
        tell(f"the color was not read: {error}")
        color = None
    name = shown_line(str(group.label or "").strip())
    if not name and group.annotated_property_type.scheme_designator != SCHEME:
        name = shown_line(str(group.annotated_property_type.meaning))
    if name in ("", NO_CLASS):
        return None, color
    if name not in classes:
        classes[name] = AnnotationClass(name, color or class_color(len(classes)))
    return classes[name], None if color == classes[name].color else color


def _texts(group: AnnotationGroup) -> tuple[str, dict[str, str]]:
    """Return the name and the notes: what describes a group of ours is the name of those in it."""
    text = shown_text(str(group.get("AnnotationGroupDescription") or "").strip())
    is_ours = group.annotated_property_type.scheme_designator == SCHEME
    if is_ours:
        return shown_line(text), {}
    return "", {DESCRIPTION: text} if text else {}


def _columns(
    measured: list[tuple[str, Measurements]], count: int, tell: Tell
) -> dict[str, list[float | None]]:
    columns: dict[str, list[float | None]] = {}
    for name, each in measured:
        try:
            values = _values(each, count)
        except _BAD:
            tell(f"the measurement {name} was not read: its values do not fit the shapes")
            continue
        # The shortest decimals that give the same single precision: 97.3, not 97.30000305.
        exact: list[float] = values.astype(str).astype(np.float64).tolist()
        is_missing = np.isnan(values).tolist()
        columns[name] = [None if gone else v for v, gone in zip(exact, is_missing, strict=True)]
    return columns


def _measurements_of(index: int, columns: dict[str, list[float | None]]) -> dict[str, float]:
    values = ((name, column[index]) for name, column in columns.items())
    return {name: value for name, value in values if value is not None}


def _values(measured: Measurements, count: int) -> NDArray[np.float32]:
    """Raise ValueError where there are not as many as shapes, which numpy might put up with."""
    item = measured.MeasurementValuesSequence[0]
    indices = item.get("AnnotationIndexList")
    wanted = count if indices is None else len(indices) // 4
    if len(item.FloatingPointValues) != 4 * wanted:
        raise ValueError("its values do not fit the shapes")
    return measured.get_values(count)


def _own_id(group: AnnotationGroup) -> UUID | None:
    """That which the number of a group stands for."""
    text = str(group.get("AnnotationGroupUID") or "")
    if not text.startswith(_UUID_ROOT) or not text[len(_UUID_ROOT) :].isdecimal():
        return None
    value = int(text[len(_UUID_ROOT) :])
    return UUID(int=value) if value < 1 << 128 else None


# Shapes --------------------------------------------------------------------------------------


def _quick_shapes(
    graphic: str, pieces: list[NDArray[np.float64]], to_level_0: Mapping2D
) -> list[BaseGeometry | None]:
    """Return the polygons that are as they should be, made all at once.

    None for those to look at.
    """
    shapes: list[BaseGeometry | None] = [None] * len(pieces)
    if graphic != "POLYGON":
        return shapes
    usual = [index for index, piece in enumerate(pieces) if len(piece) >= _FEWEST[graphic]]
    for begin in range(0, len(usual), _AT_ONCE):
        part = usual[begin : begin + _AT_ONCE]
        closed = [each for index in part for each in (pieces[index], pieces[index][:1])]
        places = to_level_0(np.concatenate(closed).astype(np.float64))
        owners = np.repeat(np.arange(len(part)), [len(pieces[index]) + 1 for index in part])
        is_place = (np.abs(places) < MOST_PX).all(1)
        places[~is_place] = 0
        rings = shapely.linearrings(places, indices=owners)
        made = np.asarray(shapely.polygons(rings), object)
        sound = np.asarray(shapely.is_valid(made), bool)
        sound[owners[~is_place]] = False
        for index, shape, is_sound in zip(part, made, sound, strict=True):
            shapes[index] = shape if is_sound else None
    return shapes


def _shape(graphic: str, places: NDArray[np.float64]) -> tuple[BaseGeometry, bool]:
    """Raise ValueError where it is none."""
    if len(places) < _FEWEST[graphic]:
        raise ValueError(f"a {graphic} of {len(places)} places")
    if not np.all(np.abs(places) < MOST_PX):
        raise ValueError("its coordinates are no places on a slide")
    if graphic == "POINT":
        return shapely.Point(*places[0]), False
    if graphic == "POLYLINE":
        return shapely.LineString(places), False
    if graphic == "ELLIPSE":
        return _ellipse(places)
    if len({(x, y) for x, y in places.tolist()}) < 3:
        raise ValueError("its outline has fewer than three corners")
    return shapely.Polygon(places), False


def _ellipse(places: NDArray[np.float64]) -> tuple[BaseGeometry, bool]:
    """From the ends of its axes; one that lies askew is an outline of many corners."""
    center = places.mean(0)
    along, across = (places[1] - places[0]) / 2, (places[3] - places[2]) / 2
    turns = np.linspace(0, 2 * np.pi, _POINTS_OF_ELLIPSE, endpoint=False)[:, None]
    shape = shapely.Polygon(center + np.cos(turns) * along + np.sin(turns) * across)
    if not shape.area:
        raise ValueError("its ellipse has no area")
    is_upright = np.isclose(along, 0, atol=1e-6).any() and np.isclose(across, 0, atol=1e-6).any()
    return shape, bool(is_upright)
