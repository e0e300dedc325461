"""What tests of files of annotations share: things to draw, and reading with problems."""

from __future__ import annotations

import math
from pathlib import Path
from uuid import uuid4

import shapely
from hypothesis import strategies as some
from shape_steps import polygon_of
from shapely.geometry.base import BaseGeometry

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.formats.problems import Problem
from viewer.plain_text import shown_line

SQUARE = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]


def read(path: Path) -> tuple[list[Annotation], list[Problem]]:
    problems: list[Problem] = []
    return list(read_annotations(path, problems)), problems


def feature(geometry: object, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def polygon(rings: object = SQUARE, **members: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": rings, **members}


def is_same_place(one: BaseGeometry, other: BaseGeometry, tolerance: float = 0.006) -> bool:
    return bool(shapely.equals_exact(shapely.normalize(one), shapely.normalize(other), tolerance))


places = some.integers(-100_000, 10_000_000).map(lambda value: value / 100)
points = some.tuples(places, places)
texts = some.text(some.characters(exclude_categories=["Cs", "Cc"]), max_size=12).filter(
    lambda text: shown_line(text) == text  # as names are read that others may have written
)
colors = some.integers(0, 0xFFFFFF).map("#{:06x}".format)
class_names = some.lists(
    texts.filter(lambda t: t not in ("", "None") and ":" not in t and t == t.strip()),
    min_size=1,
    max_size=2,
).map(": ".join)
classes = some.builds(AnnotationClass, class_names, colors)


def boxes() -> some.SearchStrategy[shapely.Polygon]:
    sides = some.integers(4, 5000)

    def box(
        corner: tuple[float, float], width: int, height: int, has_hole: bool
    ) -> shapely.Polygon:
        x, y = corner
        whole = shapely.box(x, y, x + width, y + height)
        hole = shapely.box(x + 1, y + 1, x + 3, y + 3)
        return polygon_of(whole.difference(hole)) if has_hole else whole

    return some.builds(box, points, sides, sides, some.booleans())


lines = some.lists(points, min_size=2, max_size=5, unique=True).map(shapely.LineString)
geometries = some.one_of(
    points.map(shapely.Point),
    lines,
    some.lists(points, min_size=2, max_size=5, unique=True).map(shapely.MultiPoint),
    boxes(),
    boxes().map(lambda box: shapely.MultiPolygon([box, shapely.box(2e5, 2e5, 2e5 + 9, 2e5 + 9)])),
)
numbers = some.one_of(
    some.floats(allow_nan=False, width=32), some.sampled_from([math.inf, -math.inf])
)
annotations = some.builds(
    Annotation,
    geometries,
    some.builds(uuid4),
    some.sampled_from(["annotation", "detection", "cell", "tile", "tmaCore"]),
    some.none() | classes,
    texts,
    some.none() | colors,
    some.booleans(),
    some.booleans(),
    some.none() | boxes(),
    some.dictionaries(texts, numbers, max_size=3),
    some.dictionaries(texts, texts, max_size=2),
)
