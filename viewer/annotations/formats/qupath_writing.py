"""GeoJSON as QuPath's strict reader takes it, written without loss."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
import numpy as np
import shapely

from viewer.annotations.formats.collector_rest import collector_at_rest
from viewer.annotations.formats.json_elements import members_of
from viewer.annotations.formats.packed_files import packed
from viewer.annotations.formats.problems import Problem, Problems
from viewer.annotations.kept_geometry import array_of, geometries_of, nuclei_of
from viewer.annotations.shape_numbers import (
    hole_counts,
    laid_on_grid,
    place_counts,
    type_ids,
)
from viewer.annotations.sound_geometry import by_dimension, repaired
from viewer.colors import rgb_of
from viewer.untyped import mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation, AnnotationClass

Json = dict[str, object]

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
    """Write a FeatureCollection; return what was left out or had to be repaired.

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
    problems = Problems()
    encoder = msgspec.json.Encoder()
    with collector_at_rest(), packed(path, ".geojson") as file:
        file.write(b'{"type":"FeatureCollection",')
        for name, value in (head or {}).items():
            file.write(encoder.encode(name) + b":" + encoder.encode(value) + b",")
        file.write(b'"features":[')
        between = b"\n"
        features = _features(annotations, problems)
        while batch := list(itertools.islice(features, _AT_ONCE)):
            # A line each: texts hold no end of a line but as an escape.
            file.write(between + encoder.encode_lines(batch).strip().replace(b"\n", b",\n"))
            between = b",\n"
        file.write(b"\n]")
        for name, value in (beside or {}).items():
            file.write(b"," + encoder.encode(name) + b":" + encoder.encode(value))
        file.write(b"}\n")
    return sorted(problems, key=lambda problem: problem.number)


def qupath_text(annotations: Iterable[Annotation]) -> str:
    """Return a FeatureCollection; leaves out what has no place left at a hundredth of a pixel."""
    stated = {"type": "FeatureCollection", "features": list(_features(annotations, []))}
    return msgspec.json.encode(stated).decode()


def _features(annotations: Iterable[Annotation], problems: list[Problem]) -> Iterator[Json]:
    numbered = enumerate(annotations, 1)
    while batch := list(itertools.islice(numbered, _AT_ONCE)):
        yield from _features_of(batch, problems)


def _features_of(batch: list[tuple[int, Annotation]], problems: list[Problem]) -> Iterator[Json]:
    """Yield the features of some annotations, each with its number."""
    shapes = geometries_of(each for _, each in batch)
    if (type_ids(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION).any():
        batch = [
            (number, part) for number, each in batch for part in _apart(each, number, problems)
        ]
        shapes = geometries_of(each for _, each in batch)
    quick = _quick_geometries(shapes)
    nuclei = nuclei_of(each for _, each in batch)
    quick_nuclei = _quick_geometries(nuclei) if nuclei.any() else [None] * len(batch)
    for (number, annotation), shape, nucleus in zip(batch, quick, quick_nuclei, strict=True):
        feature = _feature(annotation, shape, nucleus, number, problems)
        if feature is not None:
            yield feature


def _apart(annotation: Annotation, number: int, problems: list[Problem]) -> list[Annotation]:
    """Return its regions, lines and points, which one feature must not mix."""
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
    annotation: Annotation,
    quick: Json | None,
    quick_nucleus: Json | None,
    number: int,
    problems: list[Problem],
) -> Json | None:
    try:
        geometry = quick or _careful_geometry(annotation.geometry, number, problems)
        beside = annotation.unknown
        if beside or annotation.is_ellipse:
            geometry = _with_members(geometry, beside.get("geometry"), annotation.is_ellipse)
        feature: Json = {"type": "Feature", "id": annotation.id, "geometry": geometry}
        nucleus = quick_nucleus
        if nucleus is None and annotation.nucleus is not None:
            nucleus = _careful_geometry(annotation.nucleus, number, problems)
        if nucleus is not None:
            members = beside.get("nucleusGeometry")
            feature["nucleusGeometry"] = _with_members(nucleus, members, is_ellipse=False)
        properties = _properties(annotation)
        feature["properties"] = properties
        if annotation.children:
            properties["childObjects"] = _children(annotation, number, problems)
        if beside:
            properties |= mapping_of(beside.get("properties"))
            feature |= mapping_of(beside.get("feature"))
        return feature
    except (ValueError, RecursionError, shapely.errors.ShapelyError) as error:
        problems.append(Problem(number, str(error)))
        return None


def _children(annotation: Annotation, number: int, problems: list[Problem]) -> list[Json]:
    return list(_features_of([(number, child) for child in annotation.children], problems))


def _properties(annotation: Annotation) -> Json:
    stated: Json = {"objectType": annotation.kind}
    if annotation.name:
        stated["name"] = annotation.name
    if annotation.color is not None:
        stated["color"] = rgb_of(annotation.color)
    if annotation.shown_as is not None:
        which = _usual_classification(annotation.shown_as)
        if annotation.unknown:
            beside = mapping_of(annotation.unknown.get("classification"))
            which = _classification(
                annotation.shown_as, mapping_of(beside.get(annotation.shown_as.name))
            )
        if which:
            stated["classification"] = which
    if annotation.is_locked:
        stated["isLocked"] = True
    if annotation.measurements:
        stated["measurements"] = _spelled_out(annotation.measurements)
    if annotation.metadata:
        stated["metadata"] = dict(annotation.metadata)
    return stated


@lru_cache(1024)
def _usual_classification(which: AnnotationClass) -> Json:
    return _classification(which, {})


def _classification(which: AnnotationClass, beside: Json) -> Json:
    """Always with a color; the parts of a name never hold what divides them."""
    parts = which.name.replace("\r", " ").replace("\n", " ").split(":")
    names = [part.strip() for part in parts if part.strip()]
    if not names:
        return {}
    rgb, with_alpha = rgb_of(which.color), beside.get("color")
    is_same = isinstance(with_alpha, list) and with_alpha[:3] == rgb
    named: Json = {"name": names[0]} if len(names) == 1 else {"names": names}
    return beside | named | {"color": with_alpha if is_same else rgb}


def _with_members(geometry: Json, members: object, is_ellipse: bool) -> Json:
    beside = mapping_of(members) | ({"isEllipse": True} if is_ellipse else {})
    return geometry | beside


def _quick_geometries(geometries: NDArray[np.object_]) -> list[Json | None]:
    """As GeoJSON with two decimals; None for what is not valid with them."""
    rounded = shapely.transform(geometries, _rounded)
    is_sound = _is_sound(rounded)
    is_of_one_ring = is_sound & (type_ids(rounded) == shapely.GeometryType.POLYGON)
    is_of_one_ring &= hole_counts(rounded) == 0
    found: list[Json | None] = [None] * len(geometries)
    # Numbers go to the encoder as they are: GEOS's own writer takes several times as long.
    plain = rounded[is_of_one_ring]
    places = shapely.get_coordinates(plain).tolist()
    stops = np.cumsum(place_counts(plain))
    begin = 0
    for index, stop in zip(np.flatnonzero(is_of_one_ring).tolist(), stops.tolist(), strict=True):
        found[index] = {"type": "Polygon", "coordinates": [places[begin:stop]]}
        begin = stop
    others = np.flatnonzero(is_sound & ~is_of_one_ring)
    for index, text in zip(others.tolist(), shapely.to_geojson(rounded[others]), strict=True):
        found[index] = _decoded(text)
    return found


def _decoded(text: str) -> Json:
    return {**members_of(text)}


def _careful_geometry(geometry: BaseGeometry, number: int, problems: list[Problem]) -> Json:
    """Repaired before and after it is laid on the grid. Raises ValueError."""
    if not all(math.isfinite(value) for value in geometry.bounds):
        raise ValueError("it has no place, or its coordinates are no numbers")
    if isinstance(geometry, shapely.LinearRing):
        geometry = shapely.LineString(geometry)
    if not geometry.is_valid:
        geometry = repaired(geometry)
        problems.append(Problem(number, _CROSSED, is_repaired=True))
    on_grid = laid_on_grid(geometry, _GRID_PX)
    if on_grid.is_empty:
        raise ValueError("nothing is left of it at a hundredth of a pixel")
    on_grid = shapely.transform(by_dimension(on_grid)[0], _rounded)
    if not _is_sound(array_of([on_grid])).all():
        on_grid = shapely.transform(laid_on_grid(repaired(on_grid), _GRID_PX), _rounded)
    if not _is_sound(array_of([on_grid])).all():
        raise ValueError("its edges cross when it is laid on hundredths of pixels")
    return _decoded(shapely.to_geojson(on_grid))


def _rounded(places: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(places, _DECIMALS)


def _is_sound(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    kinds = type_ids(geometries)
    return (
        shapely.is_valid(geometries)
        & ~shapely.is_empty(geometries)
        & (kinds != shapely.GeometryType.GEOMETRYCOLLECTION)
        & (kinds != shapely.GeometryType.LINEARRING)
    )


def _spelled_out(measurements: Mapping[str, float]) -> Mapping[str, float | str]:
    numbers = dict(measurements.items())
    if math.isfinite(sum(numbers.values())):
        return numbers
    return {name: _spelled(value) for name, value in numbers.items()}


def _spelled(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
