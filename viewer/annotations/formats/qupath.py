"""GeoJSON as QuPath writes it, read without loss; older spellings are understood."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import UUID, uuid4

import msgspec
import shapely

from viewer.annotations.annotation import (
    NO_NUMBERS,
    NO_TEXTS,
    Annotation,
    AnnotationClass,
    Kind,
    shared_texts,
    usual_annotation,
)
from viewer.annotations.formats.foreign_values import parsed_text, place_of
from viewer.annotations.formats.json_elements import (
    DamagedHeadError,
    JsonElements,
    Members,
    Torn,
    as_members,
    decoded,
)
from viewer.annotations.formats.loose_geometry import loose_geometry
from viewer.annotations.formats.packed_files import PieceReader, unpacked
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.formats.quick_shapes import PlainGeometry, quick_shapes
from viewer.annotations.formats.qupath_attributes import Attributes, id_of, kind_of
from viewer.annotations.kept_geometry import as_kept
from viewer.annotations.measurement_rows import in_rows, names_of
from viewer.annotations.sound_geometry import by_dimension, is_sound, repaired
from viewer.plain_text import shown_line, shown_text
from viewer.prepared_types import prepared
from viewer.untyped import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry


Json = dict[str, object]
_T = TypeVar("_T")


_MOST_CLASSES = 10_000
"""That are kept at hand, so that equal ones are one object."""
_ALONE = frozenset({"geometry", "coordinates", "geometries"})
"""Members that only a single feature or geometry has."""
_IN_FEATURE = {"type", "id", "geometry", "nucleusGeometry", "properties"}
_IN_GEOMETRY = {"type", "coordinates", "geometries"}
_IN_CLASS = {"name", "names", "color", "colorRGB", "parentClass"}
_IN_PROPERTIES = {
    "name", "color", "classification", "isLocked", "measurements", "metadata",
}  # fmt: skip
_SHORT_BYTES = 1 << 16
_AT_ONCE = 500
"""Features of short files."""
_BAD = (
    msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError, IndexError,
    OverflowError, RecursionError, shapely.errors.ShapelyError,
)  # fmt: skip


class _UsualProperties(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    kind: Kind = msgspec.field(name="objectType", default="annotation")
    name: str = ""
    color: msgspec.Raw = msgspec.Raw(b"null")
    in_class: msgspec.Raw = msgspec.field(name="classification", default=msgspec.Raw(b"null"))
    is_locked: bool = msgspec.field(name="isLocked", default=False)
    measurements: dict[str, float] = {}
    metadata: dict[str, str] = {}


class _UsualFeature(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A feature of nothing but what is usual, which is read several times as fast."""

    type: Literal["Feature"]
    geometry: PlainGeometry
    properties: _UsualProperties
    id: UUID = msgspec.field(default_factory=uuid4)
    nucleus: PlainGeometry | None = msgspec.field(name="nucleusGeometry", default=None)


class _UsualCollection(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A short file of usual features, which is read at once."""

    type: Literal["FeatureCollection"]
    features: list[_UsualFeature]


_usual_collection = msgspec.json.Decoder(prepared(_UsualCollection)).decode
_usual_feature = msgspec.json.Decoder(prepared(_UsualFeature)).decode
_usual_features = msgspec.json.Decoder(prepared(list[_UsualFeature])).decode
_plain_geometry = msgspec.json.Decoder(prepared(PlainGeometry)).decode


def _element(text: bytes) -> _UsualFeature | Members:
    try:
        return _usual_feature(text)
    except (ValueError, RecursionError):
        return as_members(text)


def _all_usual(text: bytes) -> list[_UsualFeature | Members]:
    return [*_usual_features(text)]


def read_qupath(
    path: Path, problems: list[Problem], beside: Json | None = None
) -> Iterator[Annotation]:
    """Read a file object by object, with the memory of a few; .gz and .zip are unpacked.

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
    short: list[_UsualFeature | Members | Torn] = []
    """Of one short file after the other: a batch takes a hundred times as long as one of it."""
    with unpacked(path, "json") as pieces:
        for piece in pieces:
            begin = _begin_of(piece)
            features = _whole(begin, piece)
            if features is not None:
                short += features
            if short and (features is None or len(short) >= _AT_ONCE):
                yield from reader.taken(short)
                short = []
            if features is None:
                yield from _read(path.name, piece, reader, beside, begin)
        if short:
            yield from reader.taken(short)


def read_qupath_text(text: str, problems: list[Problem]) -> list[Annotation]:
    """Do as `read_qupath` with a text such as the clipboard holds.

    Raises
    ------
    AnnotationFileError
        The text is no GeoJSON.
    """
    piece = PieceReader(io.BytesIO(text.encode(errors="replace")), "the text")
    return list(_read("The text", piece, _Features(problems), {}))


def _begin_of(piece: PieceReader) -> bytes:
    """Return the first bytes of a file, all of a short one."""
    begin = b""
    while len(begin) <= _SHORT_BYTES and (more := piece(_SHORT_BYTES + 1 - len(begin))):
        begin += more
    return begin


def _whole(text: bytes, piece: PieceReader) -> list[_UsualFeature] | None:
    """Return the features of a short file; None where it is longer, or not as usual."""
    if len(text) > _SHORT_BYTES or piece.trouble:
        return None
    try:
        return _usual_collection(text).features
    except (ValueError, RecursionError):
        return None


def _read(
    name: str, piece: PieceReader, reader: _Features, beside: Json, begin: bytes = b""
) -> Iterator[Annotation]:
    elements = JsonElements[_UsualFeature | Members](piece, _element, _all_usual, begin)
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
        self._spelt_colors: dict[bytes, str | None] = {b"null": None}
        self._plain_names: set[tuple[str, ...]] = set()

    def tell(self, reason: str, *, is_repaired: bool = False) -> None:
        self._problems.append(Problem(self._number, reason, is_repaired))

    def taken(self, batch: list[_UsualFeature | Members | Torn]) -> Iterator[Annotation]:
        shapes = quick_shapes([_plain(element) for element in batch])
        kept, nuclei = as_kept(shapes), _quick_nuclei(batch)
        measured = in_rows([_measured(element) for element in batch])
        for index, element in enumerate(batch):
            self._number += 1
            shape = shapes[index]
            if isinstance(element, Torn):
                self.tell(element.reason)
                continue
            try:
                if isinstance(element, dict):
                    yield from self._annotations(element, shape)
                    continue
                usual = self._usual(element, kept[index], nuclei[index], measured[index])
                if usual is not None:
                    yield usual
                else:
                    yield from self._annotations(_as_members(element), shape)
            except _BAD as error:
                self.tell(_said(error))

    def _usual(
        self,
        feature: _UsualFeature,
        shape: BaseGeometry | None,
        nucleus: BaseGeometry | None,
        measurements: Mapping[str, float],
    ) -> Annotation | None:
        """Return None where an attribute is not spelled as usual, or says more than we hold."""
        if shape is None or (nucleus is None and feature.nucleus is not None):
            return None
        read = feature.properties
        spelt, spelt_color = bytes(read.in_class), bytes(read.color)
        if spelt not in self._spelt_classes and not self._knows_class(spelt):
            return None
        if spelt_color not in self._spelt_colors and not self._knows_color(spelt_color):
            return None
        metadata = NO_TEXTS
        if not self._has_plain_names(measurements):
            return None
        if read.metadata:
            shown = ((name, shown_text(text)) for name, text in read.metadata.items())
            metadata = shared_texts(tuple(shown))
        return usual_annotation(
            shape, feature.id, read.kind, self._spelt_classes[spelt],
            shown_line(read.name) if read.name else "", self._spelt_colors[spelt_color],
            read.is_locked, nucleus, measurements, metadata,
        )  # fmt: skip

    def _has_plain_names(self, measurements: Mapping[str, float]) -> bool:
        names = names_of(measurements)
        if names in self._plain_names:
            return True
        if not all(name == shown_line(name) for name in names):
            return False
        if len(self._plain_names) < _MOST_CLASSES:
            self._plain_names.add(names)
        return True

    def _knows_class(self, spelt: bytes) -> bool:
        in_class = decoded(spelt)
        if isinstance(in_class, list) or _beside_class(in_class):
            return False
        return self._learn(spelt, self._spelt_classes, lambda read: read.class_(in_class))

    def _knows_color(self, spelt: bytes) -> bool:
        color = decoded(spelt)
        return self._learn(spelt, self._spelt_colors, lambda read: read.color(color))

    def _learn(
        self, spelt: bytes, known: dict[bytes, _T], read: Callable[[Attributes], _T]
    ) -> bool:
        """Return whether there is nothing to tell of this spelling, which is then known."""
        trouble: list[str] = []
        found = read(Attributes(trouble.append))
        if trouble or len(known) > _MOST_CLASSES:
            return False
        known[spelt] = found
        return True

    def _mend(self, reason: str) -> None:
        self.tell(reason, is_repaired=True)

    def _annotations(self, feature: Members, shape: BaseGeometry | None) -> list[Annotation]:
        """Return one, as a rule; more where it mixed dimensions or has no place but children."""
        if "geometry" not in feature:
            feature = _lowered(feature)
        if "features" in feature and "geometry" not in feature:
            return self._collection(feature)
        if "geometry" not in feature and ("coordinates" in feature or "geometries" in feature):
            feature = {"geometry": msgspec.Raw(msgspec.json.encode(feature))}
        read = Attributes(self._mend)
        stated = read.properties(_decoded(feature.get("properties")))
        if isinstance(stated.get("classification"), str):
            stated = stated | {"classification": parsed_text(stated["classification"])}
        stated_id = _decoded(feature.get("id"))
        id_, is_foreign = id_of(stated_id)
        kind, kind_key = kind_of(stated_id, stated)
        children = self._children(stated)
        beside: Json = {}
        if shape is None:
            place = _decoded(feature.get("geometry"))
            if place is None and "bbox" not in feature:
                if not children or kind != "root":
                    self.tell("it has no geometry")
                return children
            try:
                shape, beside = self._geometry(place)
            except _BAD as error:
                shape = self._box(feature, error)
        nucleus, nucleus_beside = self._nucleus(feature.get("nucleusGeometry"))
        annotation = Annotation(
            shape,
            id_,
            kind,
            self._class(read, stated.get("classification")),
            read.name(stated.get("name")),
            read.color(stated.get("color", stated.get("colorRGB"))),
            read.flag(stated.get("isLocked"), "lock"),
            read.flag(beside.pop("isEllipse", False), "mark of an ellipse"),
            nucleus,
            read.measurements(stated.get("measurements")),
            read.metadata(stated.get("metadata")),
            tuple(children),
            _unknown(feature, stated, kind_key, stated_id if is_foreign else None)
            | ({"geometry": beside} if beside else {})
            | ({"nucleusGeometry": nucleus_beside} if nucleus_beside else {}),
        )
        return self._apart(annotation)

    def _collection(self, feature: Members) -> list[Annotation]:
        """Of a FeatureCollection in the place of a feature."""
        found: list[Annotation] = []
        inner = parsed_text(_decoded(feature["features"]))
        if is_mapping(inner) and inner and "geometry" not in inner:
            inner = [*inner.values()]
        for each in inner if is_list(inner) else [inner]:
            try:
                found += self._annotations(_as_members(each), None)
            except _BAD as error:
                self.tell(f"a feature in it: {_said(error)}")
        return found

    def _box(self, feature: Members, error: Exception) -> BaseGeometry:
        """Return the box that a feature tells beside its geometry, where that is of no use."""
        box = _decoded(feature.get("bbox"))
        if not is_list(box) or len(box) not in (4, 6):
            raise error
        half = len(box) // 2
        x0, y0, x1, y1 = (place_of(value) for value in (*box[:2], *box[half : half + 2]))
        if x0 == x1 or y0 == y1:
            raise error
        self._mend(f"{_said(error)}, so the box around it was taken")
        return shapely.box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))

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

    def _children(self, stated: Json) -> list[Annotation]:
        taken: list[Annotation] = []
        inner = parsed_text(stated.get("childObjects", stated.get("children")))
        if is_mapping(inner):
            inner = [inner]
        for child in inner if is_list(inner) else []:
            try:
                taken += self._annotations(_as_members(child), None)
            except _BAD as error:
                self.tell(f"an object in it: {_said(error)}")
        return taken

    def _nucleus(self, raw: msgspec.Raw | None) -> tuple[BaseGeometry | None, Json]:
        stated = _decoded(raw)
        if stated is None:
            return None, {}
        try:
            return self._geometry(stated, "of its nucleus, ")
        except _BAD as error:
            self._mend(f"its nucleus was left out: {_said(error)}")
            return None, {}

    def _geometry(self, stated: object, of: str = "") -> tuple[BaseGeometry, Json]:
        """Return the geometry, and members of it that are none of its place."""
        stated = parsed_text(stated)
        beside: Json = {}
        if is_mapping(stated):
            beside = {k: v for k, v in stated.items() if k not in _IN_GEOMETRY}
            if "coordinates" not in stated and "geometries" not in stated:
                beside.pop("geometry", None)
        geometry = loose_geometry(stated, lambda reason: self._mend(of + reason))
        if geometry.is_empty:
            raise ValueError("its geometry is empty")
        if not is_sound(geometry):
            self._mend(f"{of}its edges crossed")
            geometry = repaired(geometry)
        return geometry, beside

    def _class(self, read: Attributes, stated: object) -> AnnotationClass | None:
        found = read.class_(stated)
        if found is None or len(self._classes) > _MOST_CLASSES:
            return found
        return self._classes.setdefault(found, found)


def _plain(element: _UsualFeature | Members | Torn) -> PlainGeometry | None:
    """Return the geometry where it has a type and coordinates and nothing else."""
    if isinstance(element, _UsualFeature):
        return element.geometry
    raw = element.get("geometry") if isinstance(element, dict) else None
    if raw is None:
        return None
    try:
        return _plain_geometry(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _quick_nuclei(
    batch: Sequence[_UsualFeature | Members | Torn],
) -> list[BaseGeometry | None]:
    """Return the nuclei of cells as they are kept; None for all else, and what is not as usual."""
    stated = [each.nucleus if isinstance(each, _UsualFeature) else None for each in batch]
    return as_kept(quick_shapes(stated)) if any(stated) else [None] * len(batch)


def _measured(element: _UsualFeature | Members | Torn) -> Mapping[str, float]:
    usual = element.properties.measurements if isinstance(element, _UsualFeature) else None
    return usual or NO_NUMBERS


def _decoded(raw: msgspec.Raw | None) -> object:
    return None if raw is None else decoded(raw)


def _as_members(stated: object) -> Members:
    return msgspec.json.decode(msgspec.json.encode(stated), type=prepared(Members))


def _lowered(feature: Members) -> Members:
    """With the members that a feature has by their usual names, however they are capitalized."""
    usual = {name.lower(): name for name in (*_IN_FEATURE, *_ALONE, "features")}
    return {usual.get(name.lower(), name): value for name, value in feature.items()}


def _unknown(
    feature: Members, stated: Json, kind_key: str, foreign_id: object
) -> dict[str, object]:
    unknown: dict[str, object] = {}
    if not feature.keys() <= _IN_FEATURE:
        unknown["feature"] = {k: _decoded(v) for k, v in feature.items() if k not in _IN_FEATURE}
    if stated.keys() - _IN_PROPERTIES != {kind_key} or foreign_id is not None:
        known = _IN_PROPERTIES | {kind_key}
        known.add("childObjects" if "childObjects" in stated else "children")
        if "color" not in stated:
            known.add("colorRGB")
        kept = {k: v for k, v in stated.items() if k not in known}
        if foreign_id is not None:
            kept["foreignId"] = foreign_id
        if kept:
            unknown["properties"] = kept
    in_class = stated.get("classification")
    beside = _beside_class(in_class)
    found = Attributes(lambda _: None).class_(in_class) if beside else None
    if found is not None:
        unknown["classification"] = {found.name: beside}
    return unknown


def _beside_class(stated: object) -> Json:
    """Return what it tells that a class does not hold: other members, and how opaque it is."""
    if not is_mapping(stated):
        return {}
    beside = {k: v for k, v in stated.items() if k not in _IN_CLASS}
    if _has_alpha(stated.get("color")):
        beside["color"] = stated["color"]
    return beside


def _has_alpha(color: object) -> bool:
    return is_list(color) and len(color) == 4


def _said(error: BaseException) -> str:
    """In the words of those who read it: our own, or that it cannot be read."""
    return str(error) if type(error) is ValueError and str(error) else "it cannot be read"
