"""GeoJSON as QuPath's strict reader takes it, written without loss."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import numpy as np
import shapely

from viewer.annotations.annotation import by_dimension, repaired
from viewer.annotations.formats.packed_files import packed
from viewer.annotations.formats.problems import Problem
from viewer.colors import rgb_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation

Json = dict[str, Any]

_AT_ONCE = 1000
_DECIMALS = 2
"""QuPath keeps two."""
_GRID_PX = 10.0**-_DECIMALS
_CROSSED = "its edges crossed"


def write_qupath(
    path: Path,
    annotations: Iterable[Annotation],
    beside: Mapping[str, object] | None = None,
    head: Mapping[str, object] | None = None,
) -> list[Problem]:
    """Writes a FeatureCollection; gives what was left out or had to be repaired.

    Packed where the name ends in .gz or .zip.

    Parameters
    ----------
    beside
        Other members of the FeatureCollection; looked at last.
    head
        Members that come before the features.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems: list[Problem] = []
    encode = msgspec.json.Encoder().encode
    with packed(path, ".geojson") as file:
        file.write(b'{"type":"FeatureCollection",')
        for name, value in (head or {}).items():
            file.write(encode(name) + b":" + encode(value) + b",")
        file.write(b'"features":[')
        between = b"\n"
        for feature in _features(annotations, problems):
            file.write(between + encode(feature))
            between = b",\n"
        file.write(b"\n]")
        for name, value in (beside or {}).items():
            file.write(b"," + encode(name) + b":" + encode(value))
        file.write(b"}\n")
    return sorted(problems, key=lambda problem: problem.number)


def qupath_text(annotations: Iterable[Annotation]) -> str:
    """A FeatureCollection; leaves out what has no place left at a hundredth of a pixel."""
    told = {"type": "FeatureCollection", "features": list(_features(annotations, []))}
    return msgspec.json.encode(told).decode()


def _features(annotations: Iterable[Annotation], problems: list[Problem]) -> Iterator[Json]:
    numbered = enumerate(annotations, 1)
    while batch := list(itertools.islice(numbered, _AT_ONCE)):
        whole = [
            (number, part) for number, each in batch for part in _apart(each, number, problems)
        ]
        texts = _quick_texts([annotation.geometry for _, annotation in whole])
        for (number, annotation), text in zip(whole, texts, strict=True):
            feature = _feature(annotation, text, number, problems)
            if feature is not None:
                yield feature


def _apart(annotation: Annotation, number: int, problems: list[Problem]) -> list[Annotation]:
    """Its regions, lines and points, which one feature must not mix."""
    parts = by_dimension(annotation.geometry)
    if parts == [annotation.geometry] or not parts:
        return [annotation]
    if len(parts) > 1:
        reason = "it mixed regions, lines or points, which are now apart"
        problems.append(Problem(number, reason, is_repaired=True))
    return [
        replace(annotation, geometry=part, id=uuid4(), children=())
        if index
        else replace(annotation, geometry=part)
        for index, part in enumerate(parts)
    ]


def _feature(
    annotation: Annotation, text: str | None, number: int, problems: list[Problem]
) -> Json | None:
    try:
        text = text or _careful_text(annotation.geometry, number, problems)
        geometry = _with_members(text, annotation.unknown.get("geometry"), annotation.is_ellipse)
        feature: Json = {"type": "Feature", "id": str(annotation.id), "geometry": geometry}
        if annotation.nucleus is not None:
            nucleus = _quick_texts([annotation.nucleus])[0] or _careful_text(
                annotation.nucleus, number, problems
            )
            beside = annotation.unknown.get("nucleusGeometry")
            feature["nucleusGeometry"] = _with_members(nucleus, beside, is_ellipse=False)
        told = _properties(annotation)
        if annotation.children:
            parts = [p for child in annotation.children for p in _apart(child, number, problems)]
            texts = _quick_texts([part.geometry for part in parts])
            written = [_feature(p, t, number, problems) for p, t in zip(parts, texts, strict=True)]
            told["childObjects"] = [each for each in written if each is not None]
        feature["properties"] = told | _members(annotation.unknown.get("properties"))
        return feature | _members(annotation.unknown.get("feature"))
    except (ValueError, RecursionError, shapely.errors.ShapelyError) as error:
        problems.append(Problem(number, str(error)))
        return None


def _properties(annotation: Annotation) -> Json:
    told: Json = {"objectType": annotation.kind}
    if annotation.name:
        told["name"] = annotation.name
    if annotation.color is not None:
        told["color"] = rgb_of(annotation.color)
    if annotation.shown_as is not None:
        beside = _members(annotation.unknown.get("classification"))
        which = _classification(
            annotation.shown_as.name,
            rgb_of(annotation.shown_as.color),
            _members(beside.get(annotation.shown_as.name)),
        )
        if which:
            told["classification"] = which
    if annotation.is_locked:
        told["isLocked"] = True
    if annotation.measurements:
        told["measurements"] = {n: _spelled(v) for n, v in annotation.measurements.items()}
    if annotation.metadata:
        told["metadata"] = dict(annotation.metadata)
    return told


def _classification(name: str, rgb: list[int], beside: Json) -> Json:
    """Always with a color; the parts of a name never hold what divides them."""
    parts = name.replace("\r", " ").replace("\n", " ").split(":")
    names = [part.strip() for part in parts if part.strip()]
    if not names:
        return {}
    with_alpha = beside.get("color")
    is_same = isinstance(with_alpha, list) and with_alpha[:3] == rgb
    which: Json = {"name": names[0]} if len(names) == 1 else {"names": names}
    return beside | which | {"color": with_alpha if is_same else rgb}


def _members(held: object) -> Json:
    return held if isinstance(held, dict) else {}


def _with_members(text: str, members: object, is_ellipse: bool) -> object:
    beside = _members(members) | ({"isEllipse": True} if is_ellipse else {})
    if not beside:
        return msgspec.Raw(text)
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw]) | beside


def _quick_texts(geometries: list[BaseGeometry]) -> list[str | None]:
    """As GeoJSON with two decimals; None for what is not valid with them."""
    rounded = _rounded(np.array(geometries, dtype=object))
    is_sound = _is_sound(rounded)
    rounded[~is_sound] = None
    texts: list[str] = shapely.to_geojson(rounded).tolist()
    return [text or None for text in texts]


def _careful_text(geometry: BaseGeometry, number: int, problems: list[Problem]) -> str:
    """Repaired before and after it is laid on the grid. Raises ValueError."""
    if not all(math.isfinite(value) for value in geometry.bounds):
        raise ValueError("it has no place, or its coordinates are no numbers")
    if isinstance(geometry, shapely.LinearRing):
        geometry = shapely.LineString(geometry)
    if not geometry.is_valid:
        geometry = repaired(geometry)
        problems.append(Problem(number, _CROSSED, is_repaired=True))
    on_grid = shapely.set_precision(shapely.force_2d(geometry), _GRID_PX)
    if on_grid.is_empty:
        raise ValueError("nothing is left of it at a hundredth of a pixel")
    on_grid = _rounded(by_dimension(on_grid)[0])
    if not _is_sound(on_grid):
        on_grid = _rounded(shapely.set_precision(repaired(on_grid), _GRID_PX))
    if not _is_sound(on_grid):
        raise ValueError("its edges cross when it is laid on hundredths of pixels")
    return shapely.to_geojson(on_grid)


def _rounded(geometries: Any) -> Any:
    return shapely.transform(geometries, lambda places: np.round(places, _DECIMALS))


def _is_sound(geometries: Any) -> Any:
    kinds = shapely.get_type_id(geometries)
    return (
        shapely.is_valid(geometries)
        & ~shapely.is_empty(geometries)
        & (kinds != shapely.GeometryType.GEOMETRYCOLLECTION)
        & (kinds != shapely.GeometryType.LINEARRING)
    )


def _spelled(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
