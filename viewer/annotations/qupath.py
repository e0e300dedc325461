"""GeoJSON as QuPath writes it, both ways and without loss; older spellings are read."""

from __future__ import annotations

import gzip
import math
import mmap
import zipfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID, uuid4

import msgspec
import shapely
from shapely.geometry import mapping

from viewer.annotations.annotation import NO_COLOUR, Annotation, AnnotationClass, Kind, repaired
from viewer.annotations.reading import AnnotationFileError, Problem
from viewer.colours import rgb_of
from viewer.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

Json = dict[str, Any]
Members = dict[str, msgspec.Raw]
"""Of a feature, not decoded: the coordinates go to shapely as they are, which is quick."""

_members_of = msgspec.json.Decoder(Members).decode
_QUOTES = 6
"""In a geometry that has a type and coordinates and nothing else."""

_CORNERS = 3
"""The fewest of a ring."""
_GRID_PX = 0.01
"""QuPath keeps two decimals."""
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
_NOT_NUMBERS = {"nan": math.nan, "infinity": math.inf, "inf": math.inf}
_IN_FEATURE = {"type", "id", "geometry", "nucleusGeometry", "properties"}
_IN_GEOMETRY = {"type", "coordinates", "geometries"}
_IN_PROPERTIES = {
    "objectType", "object_type", "type", "name", "color", "colorRGB", "classification",
    "isLocked", "measurements", "metadata", "childObjects", "children",
}  # fmt: skip


def read_qupath(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    """Reads a file object by object; .gz and .zip are unpacked.

    Parameters
    ----------
    problems
        Takes what was left out or repaired.

    Raises
    ------
    AnnotationFileError
        The file is no GeoJSON at all.
    """
    with _bytes(path) as data:
        try:
            yield from _each(data, problems)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AnnotationFileError(f"{path.name} is no GeoJSON: {error}.") from error


def read_qupath_text(text: str, problems: list[Problem]) -> list[Annotation]:
    """As `read_qupath`, of a text such as the clipboard holds.

    Raises
    ------
    AnnotationFileError
        The text is no GeoJSON.
    """
    try:
        return list(_each(text.encode(errors="replace"), problems))
    except msgspec.MsgspecError as error:
        raise AnnotationFileError(f"The text is no GeoJSON: {error}.") from error


def qupath_text(annotations: Iterable[Annotation]) -> str:
    """A FeatureCollection; leaves out what has no place left at a hundredth of a pixel."""
    features: list[Json] = []
    for annotation in annotations:
        with suppress(ValueError):
            features.append(_feature(annotation))
    told = {"type": "FeatureCollection", "features": features}
    return msgspec.json.encode(told).decode()


def write_qupath(path: Path, annotations: Iterable[Annotation]) -> list[Problem]:
    """Writes a FeatureCollection that QuPath's strict reader takes; gives what was left out.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems: list[Problem] = []
    encoder = msgspec.json.Encoder()
    with whole_file(path) as part, part.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        is_first = True
        for number, annotation in enumerate(annotations, 1):
            try:
                feature = _feature(annotation)
            except ValueError as error:
                problems.append(Problem(number, str(error)))
                continue
            file.write(b"\n" if is_first else b",\n")
            file.write(encoder.encode(feature))
            is_first = False
        file.write(b"\n]}\n")
    return problems


# Reading -------------------------------------------------------------------------------------


@contextmanager
def _bytes(path: Path) -> Generator[Any]:
    """The text of a file; mapped rather than read, since files of a million objects are large."""
    try:
        if path.suffix.lower() == ".gz":
            yield gzip.decompress(path.read_bytes())
        elif path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if n.lower().endswith(("json", "geojson"))]
                if not names:
                    raise AnnotationFileError(f"{path.name} holds no GeoJSON.")
                yield archive.read(names[0])
        else:
            with path.open("rb") as file:
                if not path.stat().st_size:
                    raise AnnotationFileError(f"{path.name} is empty.")
                # It is let go of with the last feature that lies in it.
                yield memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise AnnotationFileError(f"{path.name} cannot be read ({error}).") from error


class _Top(msgspec.Struct):
    type: str | None = None
    features: list[msgspec.Raw] | None = None


def _features(data: Any) -> list[Any]:
    """The features of a collection, an array, a single feature or a bare geometry."""
    if bytes(data[:64]).lstrip()[:1] == b"[":
        return msgspec.json.decode(data, type=list[msgspec.Raw])
    top = msgspec.json.decode(data, type=_Top)
    return top.features if top.features is not None else [bytes(data)]


def _each(data: Any, problems: list[Problem]) -> Iterator[Annotation]:
    """Raises msgspec's errors where the whole is no GeoJSON."""
    for number, each in enumerate(_features(data), 1):
        try:
            annotation, repair = _annotation(_members_of(each))
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError,
                IndexError, shapely.errors.ShapelyError) as error:  # fmt: skip
            problems.append(Problem(number, str(error) or type(error).__name__))
            continue
        if repair:
            problems.append(Problem(number, repair, is_repaired=True))
        yield annotation


def _annotation(feature: Members) -> tuple[Annotation, str]:
    """The annotation, and what had to be repaired of its geometry, if anything."""
    if "geometry" not in feature and "coordinates" in feature:
        feature = {"geometry": msgspec.Raw(msgspec.json.encode(feature))}
    geometry, beside, repair = _geometry(feature.get("geometry"))
    told: Json = _decoded(feature.get("properties")) or {}
    nucleus = feature.get("nucleusGeometry")
    children = told.get("childObjects", told.get("children")) or []
    id_ = _decoded(feature.get("id"))
    return (
        Annotation(
            geometry,
            _id(id_),
            _kind(id_, told),
            _class(told.get("classification")),
            str(told.get("name") or ""),
            _colour(told.get("color", told.get("colorRGB"))),
            bool(told.get("isLocked", False)),
            bool(beside.pop("isEllipse", False)),
            None if nucleus is None else _geometry(nucleus)[0],
            _measurements(told.get("measurements")),
            {str(name): str(value) for name, value in (told.get("metadata") or {}).items()},
            tuple(_annotation(_as_members(child))[0] for child in children),
            _unknown(feature, told, beside),
        ),
        repair,
    )


def _decoded(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)


def _as_members(told: object) -> Members:
    return _members_of(msgspec.json.encode(told))


def _unknown(feature: Members, told: Json, beside: Json) -> dict[str, object]:
    unknown: dict[str, object] = {}
    if not feature.keys() <= _IN_FEATURE:
        unknown["feature"] = {k: _decoded(v) for k, v in feature.items() if k not in _IN_FEATURE}
    if not told.keys() <= _IN_PROPERTIES:
        unknown["properties"] = {k: v for k, v in told.items() if k not in _IN_PROPERTIES}
    if beside:
        unknown["geometry"] = beside
    return unknown


def _geometry(raw: msgspec.Raw | None) -> tuple[BaseGeometry, Json, str]:
    """The geometry, members of it that are none of its place, and what was repaired."""
    text = b"" if raw is None else bytes(raw)
    if text in (b"", b"null"):
        raise ValueError("it has no geometry")
    beside: Json = {}
    if text.count(b'"') != _QUOTES:
        told = msgspec.json.decode(text)
        beside = {k: v for k, v in told.items() if k not in _IN_GEOMETRY}
    geometry, repair = _shape(text)
    if geometry.is_empty:
        raise ValueError("its geometry is empty")
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


def _id(told: Any) -> UUID:
    try:
        return UUID(str(told))
    except ValueError:
        return uuid4()


def _kind(id_: Any, told: Json) -> Kind:
    """By the newest spelling; files of version 0.2 tell it in place of an id."""
    spelled = (told.get(name) for name in ("objectType", "object_type", "type"))
    for name in (*spelled, id_):
        if name in _KINDS:
            return name
        if isinstance(name, str) and name in _OLD_KINDS:
            return _OLD_KINDS[name]
    return "annotation"


def _class(told: Any) -> AnnotationClass | None:
    if not told:
        return None
    if isinstance(told, str):
        return AnnotationClass(told)
    name = told.get("name") or ": ".join(told.get("names") or [])
    if not name:
        return None
    return AnnotationClass(name, _colour(told.get("color", told.get("colorRGB"))) or NO_COLOUR)


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
    if isinstance(value, str):
        text = value.lower()
        if text.lstrip("+-") not in _NOT_NUMBERS:
            raise ValueError(f'"{value}" is no measurement')
        return -_NOT_NUMBERS[text[1:]] if text.startswith("-") else _NOT_NUMBERS[text.lstrip("+")]
    return math.nan if value is None else float(value)


# Writing -------------------------------------------------------------------------------------


def _feature(annotation: Annotation) -> Json:
    unknown = annotation.unknown
    geometry = _written(annotation.geometry) | _members(unknown.get("geometry"))
    if annotation.is_ellipse:
        geometry["isEllipse"] = True
    told: Json = {"objectType": annotation.kind}
    if annotation.name:
        told["name"] = annotation.name
    if annotation.colour is not None:
        told["color"] = rgb_of(annotation.colour)
    if annotation.shown_as is not None:
        names = annotation.shown_as.name.split(": ")
        which = {"name": names[0]} if len(names) == 1 else {"names": names}
        told["classification"] = which | {"color": rgb_of(annotation.shown_as.colour)}
    if annotation.is_locked:
        told["isLocked"] = True
    if annotation.measurements:
        told["measurements"] = {n: _spelled(v) for n, v in annotation.measurements.items()}
    if annotation.metadata:
        told["metadata"] = dict(annotation.metadata)
    if annotation.children:
        told["childObjects"] = [_feature(child) for child in annotation.children]
    feature: Json = {"type": "Feature", "id": str(annotation.id), "geometry": geometry}
    if annotation.nucleus is not None:
        feature["nucleusGeometry"] = _written(annotation.nucleus)
    feature["properties"] = told | _members(unknown.get("properties"))
    return feature | _members(unknown.get("feature"))


def _members(held: object) -> Json:
    return held if isinstance(held, dict) else {}


def _written(geometry: BaseGeometry) -> Json:
    """With two decimals, and valid with them."""
    on_grid = shapely.set_precision(geometry, _GRID_PX)
    if on_grid.is_empty:
        raise ValueError("nothing is left of it at a hundredth of a pixel")
    if on_grid.geom_type == "GeometryCollection":
        on_grid = repaired(on_grid)
    told = mapping(on_grid)
    return {"type": told["type"], "coordinates": _rounded(told["coordinates"])}


def _rounded(values: Any) -> Any:
    if isinstance(values, float | int):
        return round(float(values), 2)
    return [_rounded(value) for value in values]


def _spelled(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
