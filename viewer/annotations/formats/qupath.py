"""GeoJSON as QuPath writes it, read without loss; older spellings are understood."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import UUID, uuid4

import msgspec
import numpy as np
import shapely

from viewer.annotations.annotation import (
    NO_COLOUR,
    Annotation,
    AnnotationClass,
    Kind,
    by_dimension,
    repaired,
)
from viewer.annotations.formats.json_elements import (
    DamagedHeadError,
    JsonElements,
    Members,
    Torn,
    as_members,
)
from viewer.annotations.formats.packed_files import PieceReader, unpacked
from viewer.annotations.formats.problems import AnnotationFileError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry


Json = dict[str, Any]

_QUOTES = 6
"""In a geometry that has a type and coordinates and nothing else."""
_CORNERS = 3
"""The fewest of a ring."""
_MOST_CLASSES = 10_000
"""That are kept at hand, so that equal ones are one object."""
_KINDS: tuple[Kind, ...] = get_args(Kind)
_OLD_KINDS: dict[str, Kind] = {
    "PathAnnotationObject": "annotation",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tmaCore",
    "tma_core": "tmaCore",
    "PathRootObject": "root",
}
_SPELT_KINDS: dict[str, Kind] = dict(zip(_KINDS, _KINDS, strict=True)) | _OLD_KINDS
_KIND_KEYS = ("objectType", "object_type", "type")
_ALONE = frozenset({"geometry", "coordinates", "geometries"})
"""Members that only a single feature or geometry has."""
_IN_FEATURE = {"type", "id", "geometry", "nucleusGeometry", "properties"}
_IN_GEOMETRY = {"type", "coordinates", "geometries"}
_IN_CLASS = {"name", "names", "color", "colorRGB", "parentClass"}
_IN_PROPERTIES = {
    "name", "color", "classification", "isLocked", "measurements", "metadata",
}  # fmt: skip
_BAD = (
    msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError, IndexError,
    OverflowError, RecursionError, shapely.errors.ShapelyError,
)  # fmt: skip


class _UsualProperties(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    kind: Kind = msgspec.field(name="objectType", default="annotation")
    name: str = ""
    colour: tuple[int, int, int] | None = msgspec.field(name="color", default=None)
    in_class: msgspec.Raw = msgspec.field(name="classification", default=msgspec.Raw(b"null"))
    is_locked: bool = msgspec.field(name="isLocked", default=False)
    measurements: dict[str, float] = {}
    metadata: dict[str, str] = {}


class _UsualFeature(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A feature of nothing but what is usual, which is read several times as fast."""

    type: Literal["Feature"]
    id: UUID
    geometry: msgspec.Raw
    properties: _UsualProperties


_usual_feature = msgspec.json.Decoder(_UsualFeature).decode


def _element(text: bytes) -> _UsualFeature | Members:
    try:
        return _usual_feature(text)
    except (ValueError, RecursionError):
        return as_members(text)


def read_qupath(
    path: Path, problems: list[Problem], beside: Json | None = None
) -> Iterator[Annotation]:
    """Reads a file object by object, with the memory of a few; .gz and .zip are unpacked.

    Parameters
    ----------
    problems
        Takes what was left out or repaired.
    beside
        Takes members of the FeatureCollection that are none of the format; whole at the end.

    Raises
    ------
    AnnotationFileError
        The file is no GeoJSON at all.
    """
    beside = {} if beside is None else beside
    reader = _Features(problems)
    with unpacked(path, "json") as pieces:
        for piece in pieces:
            yield from _read(path.name, piece, reader, beside)


def read_qupath_text(text: str, problems: list[Problem]) -> list[Annotation]:
    """As `read_qupath`, of a text such as the clipboard holds.

    Raises
    ------
    AnnotationFileError
        The text is no GeoJSON.
    """
    piece = PieceReader(io.BytesIO(text.encode(errors="replace")))
    return list(_read("The text", piece, _Features(problems), {}))


def _read(name: str, piece: PieceReader, reader: _Features, beside: Json) -> Iterator[Annotation]:
    elements = JsonElements(piece, _element)
    try:
        beside |= elements.array_begins("features", _ALONE)
    except DamagedHeadError as error:
        if not elements.next_feature():
            why = piece.trouble or error
            raise AnnotationFileError(f"{name} is no GeoJSON: {why}.") from error
        reader.tell(f"the beginning of the file: {error}")
    for batch in elements.batches():
        yield from reader.taken(batch)
    if piece.trouble:
        reader.tell(f"what comes behind it cannot be unpacked ({piece.trouble})")
    beside |= elements.members_behind()
    for known in ("type", "features"):
        beside.pop(known, None)


class _Features:
    """Turns features into annotations; counts them, and notes what is wrong with one."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._number = 0
        self._classes: dict[AnnotationClass, AnnotationClass] = {}
        self._spelt_classes: dict[bytes, AnnotationClass | None] = {b"null": None}

    def tell(self, reason: str, *, is_repaired: bool = False) -> None:
        self._problems.append(Problem(self._number, reason, is_repaired))

    def taken(self, batch: list[_UsualFeature | Members | Torn]) -> Iterator[Annotation]:
        shapes = _quick_shapes(batch)
        for element, shape in zip(batch, shapes, strict=True):
            self._number += 1
            if isinstance(element, Torn):
                self.tell(element.reason)
                continue
            try:
                if isinstance(element, dict):
                    yield from self._annotations(element, shape)
                    continue
                usual = None if shape is None else self._usual(element, shape)
                if usual is not None:
                    yield usual
                else:
                    yield from self._annotations(_as_members(element), shape)
            except _BAD as error:
                self.tell(str(error) or type(error).__name__)

    def _usual(self, feature: _UsualFeature, shape: BaseGeometry) -> Annotation | None:
        """None where its class tells more than a class holds."""
        told = feature.properties
        spelt = bytes(told.in_class)
        if spelt not in self._spelt_classes:
            in_class = msgspec.json.decode(spelt)
            if _beside_class(in_class) or len(self._spelt_classes) > _MOST_CLASSES:
                return None
            self._spelt_classes[spelt] = self._class(in_class)
        return Annotation(
            shape,
            feature.id,
            told.kind,
            self._spelt_classes[spelt],
            told.name,
            None if told.colour is None else _colour(list(told.colour)),
            told.is_locked,
            measurements=told.measurements,
            metadata=told.metadata,
        )

    def _annotations(self, feature: Members, shape: BaseGeometry | None) -> list[Annotation]:
        """One, as a rule; more where it mixed dimensions or has no place but children."""
        if "geometry" not in feature and ("coordinates" in feature or "geometries" in feature):
            feature = {"geometry": msgspec.Raw(msgspec.json.encode(feature))}
        told: Json = _decoded(feature.get("properties")) or {}
        told_id = _decoded(feature.get("id"))
        id_, is_foreign = _id(told_id)
        kind, kind_key = _kind(told_id, told)
        children = self._children(told)
        place = bytes(feature.get("geometry", b"null"))
        if place == b"null":
            if not children or kind != "root":
                self.tell("it has no geometry")
            return children
        beside: Json = {}
        if shape is None:
            shape, beside, repair = _geometry(place)
            if repair:
                self.tell(repair, is_repaired=True)
        nucleus, nucleus_beside = self._nucleus(feature.get("nucleusGeometry"))
        annotation = Annotation(
            shape,
            id_,
            kind,
            self._class(told.get("classification")),
            str(told.get("name") or ""),
            _colour(told.get("color", told.get("colorRGB"))),
            bool(told.get("isLocked", False)),
            bool(beside.pop("isEllipse", False)),
            nucleus,
            _measurements(told.get("measurements")),
            _metadata(told.get("metadata")),
            tuple(children),
            _unknown(feature, told, kind_key, told_id if is_foreign else None)
            | ({"geometry": beside} if beside else {})
            | ({"nucleusGeometry": nucleus_beside} if nucleus_beside else {}),
        )
        return self._apart(annotation)

    def _apart(self, annotation: Annotation) -> list[Annotation]:
        first, *others = by_dimension(annotation.geometry)
        if not others:
            is_as_it_was = first is annotation.geometry
            return [annotation if is_as_it_was else replace(annotation, geometry=first)]
        self.tell("it mixed regions, lines or points, which are now apart", is_repaired=True)
        return [
            replace(annotation, geometry=first),
            *(replace(annotation, geometry=g, id=uuid4(), children=()) for g in others),
        ]

    def _children(self, told: Json) -> list[Annotation]:
        taken: list[Annotation] = []
        for child in told.get("childObjects", told.get("children")) or []:
            try:
                taken += self._annotations(_as_members(child), None)
            except _BAD as error:
                self.tell(f"an object in it: {error or type(error).__name__}")
        return taken

    def _nucleus(self, raw: msgspec.Raw | None) -> tuple[BaseGeometry | None, Json]:
        if raw is None or bytes(raw) == b"null":
            return None, {}
        nucleus, beside, repair = _geometry(bytes(raw))
        if repair:
            self.tell(f"of its nucleus, {repair}", is_repaired=True)
        return nucleus, beside

    def _class(self, told: Any) -> AnnotationClass | None:
        found = _class(told)
        if found is None or len(self._classes) > _MOST_CLASSES:
            return found
        return self._classes.setdefault(found, found)


def _quick_shapes(batch: list[_UsualFeature | Members | Torn]) -> list[BaseGeometry | None]:
    """The geometries that are as they should be, all at once; None for those to look at."""
    texts = [_plain(element) for element in batch]
    shapes = shapely.from_geojson(np.array(texts, dtype=object), on_invalid="ignore")
    is_sound = (
        shapely.is_valid(shapes)
        & ~shapely.is_empty(shapes)
        & ~shapely.has_z(shapes)
        & (shapely.get_type_id(shapes) != shapely.GeometryType.GEOMETRYCOLLECTION)
    )
    shapes[~is_sound] = None
    return shapes.tolist()


def _plain(element: _UsualFeature | Members | Torn) -> bytes | None:
    """The text of a geometry with a type and coordinates and nothing else."""
    if isinstance(element, Torn):
        return None
    raw = element.get("geometry") if isinstance(element, dict) else element.geometry
    text = b"" if raw is None else bytes(raw)
    return text if text.count(b'"') == _QUOTES else None


def _decoded(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)


def _as_members(told: object) -> Members:
    return msgspec.json.decode(msgspec.json.encode(told), type=Members)


def _unknown(feature: Members, told: Json, kind_key: str, foreign_id: Any) -> dict[str, object]:
    unknown: dict[str, object] = {}
    if not feature.keys() <= _IN_FEATURE:
        unknown["feature"] = {k: _decoded(v) for k, v in feature.items() if k not in _IN_FEATURE}
    if told.keys() - _IN_PROPERTIES != {kind_key} or foreign_id is not None:
        known = _IN_PROPERTIES | {kind_key}
        known.add("childObjects" if "childObjects" in told else "children")
        if "color" not in told:
            known.add("colorRGB")
        kept = {k: v for k, v in told.items() if k not in known}
        if foreign_id is not None:
            kept["foreignId"] = foreign_id
        if kept:
            unknown["properties"] = kept
    in_class = told.get("classification")
    beside = _beside_class(in_class)
    found = _class(in_class) if beside else None
    if found is not None:
        unknown["classification"] = {found.name: beside}
    return unknown


def _beside_class(told: Any) -> Json:
    """What it tells that a class does not hold: other members, and how opaque it is."""
    if not isinstance(told, dict):
        return {}
    beside = {k: v for k, v in told.items() if k not in _IN_CLASS}
    if _has_alpha(told.get("color")):
        beside["color"] = told["color"]
    return beside


def _has_alpha(colour: Any) -> bool:
    return isinstance(colour, list) and len(colour) == 4


def _geometry(text: bytes) -> tuple[BaseGeometry, Json, str]:
    """The geometry, members of it that are none of its place, and what was repaired."""
    beside: Json = {}
    if text.count(b'"') != _QUOTES:
        told = msgspec.json.decode(text)
        beside = {k: v for k, v in told.items() if k not in _IN_GEOMETRY}
    geometry, repair = _shape(text)
    if geometry.is_empty:
        raise ValueError("its geometry is empty")
    if geometry.has_z:
        geometry, repair = shapely.force_2d(geometry), "its third coordinates were dropped"
    if geometry.is_valid:
        return geometry, beside, repair
    if not all(math.isfinite(value) for value in geometry.bounds):
        raise ValueError("its coordinates are no numbers")
    return repaired(geometry), beside, "its edges crossed"


def _shape(text: bytes) -> tuple[BaseGeometry, str]:
    try:
        return shapely.from_geojson(text), ""
    except shapely.errors.ShapelyError:
        told = msgspec.json.decode(text)
        closed = _closed(told)
        if closed == told:
            raise
        return shapely.from_geojson(msgspec.json.encode(closed)), "its outline was not closed"


def _closed(told: Json) -> Json:
    """The geometry with the first corner of each ring as its last, too, as the format wants."""

    def close(ring: list[Any]) -> list[Any]:
        return ring if len(ring) < _CORNERS or ring[0] == ring[-1] else [*ring, ring[0]]

    match told["type"]:
        case "Polygon":
            rings = [close(ring) for ring in told["coordinates"]]
            return told | {"coordinates": rings}
        case "MultiPolygon":
            polygons = [[close(ring) for ring in rings] for rings in told["coordinates"]]
            return told | {"coordinates": polygons}
        case "GeometryCollection":
            return told | {"geometries": [_closed(each) for each in told["geometries"]]}
        case _:
            return told


def _id(told: Any) -> tuple[UUID, bool]:
    """An id, a new one where what the file tells is none; whether that is then lost."""
    try:
        return UUID(told), False
    except (ValueError, AttributeError, TypeError):
        return uuid4(), told is not None and told not in _OLD_KINDS


def _kind(id_: Any, told: Json) -> tuple[Kind, str]:
    """By the newest spelling, and its member; files of version 0.2 tell it in place of an id."""
    for key in _KIND_KEYS:
        name = told.get(key)
        if isinstance(name, str) and name in _SPELT_KINDS:
            return _SPELT_KINDS[name], key
    if isinstance(id_, str) and id_ in _OLD_KINDS:
        return _OLD_KINDS[id_], _KIND_KEYS[0]
    return "annotation", _KIND_KEYS[0]


def _class(told: Any) -> AnnotationClass | None:
    if not told:
        return None
    if isinstance(told, str):
        told = {"name": told}
    names = told.get("names") or _lineage(told)
    parts = [part.strip() for name in names for part in str(name).split(":")]
    name = ": ".join(part for part in parts if part)
    if not name:
        return None
    return AnnotationClass(name, _colour(told.get("color", told.get("colorRGB"))) or NO_COLOUR)


def _lineage(told: Json) -> list[str]:
    """Old files tell a derived class by the one that it comes from."""
    above = told.get("parentClass")
    return [*(_lineage(above) if isinstance(above, dict) else ()), str(told.get("name") or "")]


def _colour(told: Any) -> str | None:
    """From [r, g, b] or [r, g, b, alpha], or one packed integer."""
    if isinstance(told, bool) or told is None:
        return None
    if isinstance(told, int):
        return f"#{told & 0xFFFFFF:06x}"
    if not isinstance(told, list) or len(told) not in (3, 4):
        raise ValueError("its colour is neither an integer nor three numbers")
    return "#{:02x}{:02x}{:02x}".format(*(int(value) & 255 for value in told[:3]))


def _measurements(told: Any) -> dict[str, float]:
    pairs = (
        told.items() if isinstance(told, dict) else [(e["name"], e["value"]) for e in told or []]
    )
    return {str(name): _number(value) for name, value in pairs}


def _number(value: Any) -> float:
    """Python reads "NaN", "Infinity" and "-inf" in any case as QuPath does."""
    try:
        return math.nan if value is None else float(value)
    except ValueError as error:
        raise ValueError(f'"{value}" is no measurement') from error


def _metadata(told: Any) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (told or {}).items()
    }
