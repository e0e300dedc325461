"""Annotations in the dialects of other tools: both ways, and what is not as it should be."""

from __future__ import annotations

import gzip
import json
import math
import zipfile
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.exchange import FORMATS, read_annotations
from viewer.annotations.qupath import qupath_text, read_qupath_text
from viewer.annotations.reading import AnnotationFileError, Problem

SQUARE = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]


def _read(path: Path) -> tuple[list[Annotation], list[Problem]]:
    problems: list[Problem] = []
    return list(read_annotations(path, problems)), problems


def _feature(geometry: object, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _polygon(rings: object = SQUARE, **members: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": rings, **members}


_places = some.integers(-100_000, 10_000_000).map(lambda value: value / 100)
_points = some.tuples(_places, _places)
_texts = some.text(some.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
_colours = some.integers(0, 0xFFFFFF).map("#{:06x}".format)
_classes = some.builds(
    AnnotationClass, some.lists(_texts.filter(lambda t: t and ":" not in t and t == t.strip()),
                                min_size=1, max_size=2).map(": ".join), _colours,
)  # fmt: skip


def _boxes() -> some.SearchStrategy[shapely.Polygon]:
    sides = some.integers(4, 5000)

    def box(corner: tuple[float, float], width: int, height: int, has_hole: bool):
        x, y = corner
        whole = shapely.box(x, y, x + width, y + height)
        hole = shapely.box(x + 1, y + 1, x + 3, y + 3)
        return whole.difference(hole) if has_hole else whole

    return some.builds(box, _points, sides, sides, some.booleans())


_geometries = some.one_of(
    _points.map(shapely.Point),
    some.lists(_points, min_size=2, max_size=5, unique=True).map(shapely.LineString),
    some.lists(_points, min_size=2, max_size=5, unique=True).map(shapely.MultiPoint),
    _boxes(),
    _boxes().map(lambda box: shapely.MultiPolygon([box, shapely.box(2e5, 2e5, 2e5 + 9, 2e5 + 9)])),
)
_numbers = some.one_of(
    some.floats(allow_nan=False, width=32), some.sampled_from([math.inf, -math.inf])
)
_annotations = some.builds(
    Annotation,
    _geometries,
    some.builds(uuid4),
    some.sampled_from(["annotation", "detection", "cell", "tile"]),
    some.none() | _classes,
    _texts,
    some.none() | _colours,
    some.booleans(),
    some.booleans(),
    some.none() | _boxes(),
    some.dictionaries(_texts, _numbers, max_size=3),
    some.dictionaries(_texts, _texts, max_size=2),
)


@given(drawn=some.lists(_annotations, max_size=4), child=_annotations)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_all_of_an_annotation_comes_back_from_qupaths_geojson(
    drawn: list[Annotation], child: Annotation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("qupath") / "a.geojson"
    parent = Annotation(shapely.box(0, 0, 5, 5), children=(child,))
    assert FORMATS["qupath"].write(path, [*drawn, parent]) == []
    read, problems = _read(path)
    assert problems == []
    for one, other in zip([*drawn, parent, child], [*read, read[-1].children[0]], strict=True):
        one_place, other_place = (shapely.normalize(each.geometry) for each in (one, other))
        assert shapely.equals_exact(one_place, other_place, 0.006)
        assert (one.nucleus is None) == (other.nucleus is None)
        for name in ("id", "kind", "shown_as", "name", "colour", "is_locked", "is_ellipse"):
            assert getattr(one, name) == getattr(other, name), name
        assert dict(one.measurements) == dict(other.measurements)
        assert dict(one.metadata) == dict(other.metadata)


@given(drawn=some.lists(some.builds(Annotation, _boxes(), shown_as=_classes), max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("name", ["asap", "imagescope"])
def test_regions_and_classes_come_back_from_xml(
    drawn: list[Annotation], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    colours: dict[str, str] = {}
    drawn = [
        Annotation(
            each.geometry,
            shown_as=AnnotationClass(
                each.shown_as.name, colours.setdefault(each.shown_as.name, each.shown_as.colour)
            ),
        )
        for each in drawn
        if each.shown_as is not None
    ]
    path = tmp_path_factory.mktemp("xml") / "a.xml"
    lost = FORMATS[name].write(path, drawn)
    read, problems = _read(path)
    assert problems == []

    def told(annotations: list[Annotation]) -> list[tuple[object, ...]]:
        areas = [
            shapely.Polygon(a.geometry.exterior).area if name == "asap" else a.geometry.area
            for a in annotations
        ]
        classes = [(a.shown_as.name, a.shown_as.colour) for a in annotations if a.shown_as]
        return sorted((*which, round(area)) for which, area in zip(classes, areas, strict=True))

    if name == "asap":
        assert told(read) == told(drawn)
        assert len(lost) == sum(bool(each.geometry.interiors) for each in drawn)
    elif not any(a.geometry.intersects(b.geometry) for a in drawn for b in drawn if a is not b):
        assert told(read) == told(drawn)


def test_older_spellings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    old = _feature(
        _polygon(),
        name="A",
        classification={"name": "Tumor", "colorRGB": -3670016},
        measurements=[{"name": "Area", "value": 3}, {"name": "Bad", "value": "NaN"}],
    ) | {"id": "PathDetectionObject"}
    names = _feature(
        _polygon(), object_type="tma_core", color=-16776961,
        classification={"names": ["Stroma", "Positive"], "color": [1, 2, 3, 4]},
    )  # fmt: skip
    path.write_text(
        json.dumps([old, names, _polygon(), _feature(_polygon(), classification="A: B")])
    )
    (first, second, third, fourth), problems = _read(path)
    assert problems == []
    assert (first.kind, first.shown_as) == ("detection", AnnotationClass("Tumor", "#c80000"))
    assert first.measurements["Area"] == 3
    assert math.isnan(first.measurements["Bad"])
    assert (second.kind, second.colour) == ("tmaCore", "#0000ff")
    assert second.shown_as == AnnotationClass("Stroma: Positive", "#010203")
    assert third.geometry.area == 100
    assert fourth.shown_as is not None
    assert fourth.shown_as.name == "A: B"


def test_what_we_do_not_know_survives(tmp_path: Path) -> None:
    feature = _feature(
        _polygon(plane={"c": -1, "z": 2, "t": 0}), objectType="annotation", myLab={"a": [1, None]}
    ) | {"id": str(UUID(int=7)), "bbox": [0, 0, 10, 10]}
    (tmp_path / "a.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )
    read, _ = _read(tmp_path / "a.geojson")
    FORMATS["qupath"].write(tmp_path / "b.geojson", read)
    written = json.loads((tmp_path / "b.geojson").read_text())["features"][0]
    assert written["geometry"]["plane"] == {"c": -1, "z": 2, "t": 0}
    assert written["properties"]["myLab"] == {"a": [1, None]}
    assert written["bbox"] == [0, 0, 10, 10]
    assert written["id"] == str(UUID(int=7))


def test_the_good_is_taken_and_the_bad_told_by_number(tmp_path: Path) -> None:
    bow = [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]
    features = [
        _feature(_polygon()),
        _feature(None),
        _feature(_polygon(bow)),
        _feature(_polygon([[[0, 0]]])),
        3,
        _feature(_polygon(), color=[1, 2]),
        _feature(_polygon(), measurements={"A": "many"}),
        _feature({"type": "Point", "coordinates": [1, 2]}),
        _feature({"type": "Spiral", "coordinates": [1, 2]}),
    ]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    read, problems = _read(path)
    assert len(read) == 3
    assert [p.number for p in problems if not p.is_repaired] == [2, 4, 5, 6, 7, 9]
    assert [p.number for p in problems if p.is_repaired] == [3]
    assert all(each.geometry.is_valid for each in read)
    assert read[1].geometry.area == pytest.approx(50)


def test_open_rings_are_closed_and_it_is_said(tmp_path: Path) -> None:
    ring = [[0, 0], [10, 0], [10, 10], [0, 10]]
    far = [[x + 40, y] for x, y in ring]
    shapes = [
        _polygon([ring]),
        {"type": "MultiPolygon", "coordinates": [[ring], [[*far, far[0]]]]},
        _polygon([ring[:2]]),
    ]
    told = {"type": "FeatureCollection", "features": [_feature(shape) for shape in shapes]}
    (tmp_path / "a.geojson").write_text(json.dumps(told))
    read, problems = _read(tmp_path / "a.geojson")
    assert [each.geometry.area for each in read] == [100, 200]
    assert [(p.number, p.is_repaired) for p in problems] == [(1, True), (2, True), (3, False)]
    assert problems[0].reason == "its outline was not closed"


def test_written_polygons_are_valid_with_two_decimals(tmp_path: Path) -> None:
    # Two corners that meet when they are rounded.
    thin = shapely.Polygon([(0, 0), (10, 0.001), (20, 0), (20, 10), (10, 0.002), (0, 10)])
    FORMATS["qupath"].write(tmp_path / "a.geojson", [Annotation(thin)])
    told = json.loads((tmp_path / "a.geojson").read_text())["features"][0]["geometry"]
    assert shapely.from_geojson(json.dumps(told)).is_valid
    assert told["type"] == "MultiPolygon"


def test_packed_files_are_read(tmp_path: Path) -> None:
    text = json.dumps(_feature(_polygon()))
    (tmp_path / "a.geojson.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inner.geojson", text)
    for name in ("a.geojson.gz", "a.zip"):
        assert len(_read(tmp_path / name)[0]) == 1


def test_asaps_own_words_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        """<?xml version="1.0"?><ASAP_Annotations><Annotations>
        <Annotation Name="A 0" Type="Polygon" PartOfGroup="Tumor" Color="#F4FA58"><Coordinates>
        <Coordinate Order="2" X="10" Y="10"/><Coordinate Order="0" X="0" Y="0"/>
        <Coordinate Order="1" X="10" Y="0"/></Coordinates></Annotation>
        <Annotation Name="dot" Type="Dot" PartOfGroup="None" Color="#00FF00"><Coordinates>
        <Coordinate Order="0" X="3" Y="4"/></Coordinates></Annotation>
        <Annotation Name="none" Type="Polygon" PartOfGroup="None" Color="#00FF00"><Coordinates/>
        </Annotation></Annotations><AnnotationGroups>
        <Group Name="Tumor" PartOfGroup="None" Color="#FF0000"><Attributes/></Group>
        </AnnotationGroups></ASAP_Annotations>"""
    )
    (region, dot), problems = _read(tmp_path / "a.xml")
    assert region.geometry.area == 50
    assert region.shown_as == AnnotationClass("Tumor", "#ff0000")
    assert (dot.geometry.x, dot.colour, dot.name) == (3, "#00ff00", "dot")
    assert [problem.number for problem in problems] == [3]


def test_imagescopes_holes_ellipses_and_rulers_are_read(tmp_path: Path) -> None:
    def region(kind: int, corners: str, negative: int = 0) -> str:
        vertices = "".join(
            f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in (c.split(",") for c in corners.split())
        )
        return (
            f'<Region Id="1" Type="{kind}" Text="" NegativeROA="{negative}">'
            f"<Vertices>{vertices}</Vertices></Region>"
        )

    (tmp_path / "a.xml").write_text(
        '<Annotations MicronsPerPixel="0.5"><Annotation Id="1" Name="Tumor" LineColor="255">'
        f"<Regions>{region(0, '0,0 20,0 20,20 0,20')}{region(0, '5,5 10,5 10,10 5,10', 1)}"
        f"{region(2, '100,100 120,110')}{region(4, '0,0 3,4')}</Regions></Annotation></Annotations>"
    )
    (square, ellipse, ruler), problems = _read(tmp_path / "a.xml")
    assert problems == []
    assert square.geometry.area == 400 - 25
    assert square.shown_as == AnnotationClass("Tumor", "#ff0000")
    assert ellipse.geometry.area == pytest.approx(math.pi * 10 * 5, rel=0.01)
    assert ruler.length_um(0.5) == 2.5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.geojson", "{"),
        ("a.geojson", ""),
        ("a.xml", "<Annotations"),
        ("a.xml", "<other/>"),
        ("a.xml", "<ASAP_Annotations/>"),
        ("a.zip", "no zip"),
        ("a.doc", "text"),
    ],
)
def test_files_that_cannot_be_used_are_told_in_a_sentence(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(AnnotationFileError, match=r"^a\..*\.$"):
        _read(tmp_path / name)


def test_text_holds_annotations_as_a_file_does() -> None:
    square = Annotation(shapely.box(0, 0, 10, 10), name="A", shown_as=AnnotationClass("Tumor"))
    problems: list[Problem] = []
    (read,) = read_qupath_text(qupath_text([square]), problems)
    assert (read.id, read.name, read.shown_as) == (square.id, "A", square.shown_as)
    assert read.geometry.equals(square.geometry)
    assert problems == []
    for text in ("", "centre 5, 7", '{"type":'):
        with pytest.raises(AnnotationFileError, match="no GeoJSON"):
            read_qupath_text(text, problems)
    assert read_qupath_text('{"name": "other"}', problems) == []
    assert [problem.number for problem in problems] == [1]
