"""Annotations in the dialects of other tools: both ways, and what is not as it should be."""

from __future__ import annotations

import gzip
import json
import math
import zipfile
from pathlib import Path
from uuid import UUID

import pytest
import shapely
from exchange_steps import annotations, boxes, classes, feature, polygon, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from shape_steps import point_of, polygon_of

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.exchange import FORMATS
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.formats.qupath import read_qupath_text
from viewer.annotations.formats.qupath_writing import qupath_text


@given(drawn=some.lists(annotations, max_size=4), child=annotations)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_all_of_an_annotation_comes_back_from_qupaths_geojson(
    drawn: list[Annotation], child: Annotation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("qupath") / "a.geojson"
    parent = Annotation(shapely.box(0, 0, 5, 5), children=(child,))
    assert FORMATS["qupath"].write(path, [*drawn, parent]) == []
    found, problems = read(path)
    assert problems == []
    for one, other in zip([*drawn, parent, child], [*found, found[-1].children[0]], strict=True):
        one_place, other_place = (shapely.normalize(each.geometry) for each in (one, other))
        assert shapely.equals_exact(one_place, other_place, 0.006)
        assert (one.nucleus is None) == (other.nucleus is None)
        for name in ("id", "kind", "shown_as", "name", "color", "is_locked", "is_ellipse"):
            assert getattr(one, name) == getattr(other, name), name
        assert dict(one.measurements) == dict(other.measurements)
        assert dict(one.metadata) == dict(other.metadata)


@given(drawn=some.lists(some.builds(Annotation, boxes(), shown_as=classes), max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("name", ["asap", "imagescope"])
def test_regions_andclasses_come_back_from_xml(
    drawn: list[Annotation], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    colors: dict[str, str] = {}
    drawn = [
        Annotation(
            each.geometry,
            shown_as=AnnotationClass(
                each.shown_as.name, colors.setdefault(each.shown_as.name, each.shown_as.color)
            ),
        )
        for each in drawn
        if each.shown_as is not None
    ]
    path = tmp_path_factory.mktemp("xml") / "a.xml"
    lost = FORMATS[name].write(path, drawn)
    found, problems = read(path)
    assert problems == []

    def told(annotations: list[Annotation]) -> list[tuple[object, ...]]:
        areas = [
            shapely.Polygon(polygon_of(a.geometry).exterior).area
            if name == "asap"
            else a.geometry.area
            for a in annotations
        ]
        classes = [(a.shown_as.name, a.shown_as.color) for a in annotations if a.shown_as]
        return sorted((*which, round(area)) for which, area in zip(classes, areas, strict=True))

    if name == "asap":
        assert told(found) == told(drawn)
        assert len(lost) == sum(bool(polygon_of(each.geometry).interiors) for each in drawn)
    elif not any(a.geometry.intersects(b.geometry) for a in drawn for b in drawn if a is not b):
        assert told(found) == told(drawn)


def test_older_spellings_areread(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    old = feature(
        polygon(),
        name="A",
        classification={"name": "Tumor", "colorRGB": -3670016},
        measurements=[{"name": "Area", "value": 3}, {"name": "Bad", "value": "NaN"}],
    ) | {"id": "PathDetectionObject"}
    names = feature(
        polygon(), object_type="tma_core", color=-16776961,
        classification={"names": ["Stroma", "Positive"], "color": [1, 2, 3, 4]},
    )  # fmt: skip
    path.write_text(json.dumps([old, names, polygon(), feature(polygon(), classification="A: B")]))
    (first, second, third, fourth), problems = read(path)
    assert problems == []
    assert (first.kind, first.shown_as) == ("detection", AnnotationClass("Tumor", "#c80000"))
    assert first.measurements["Area"] == 3
    assert math.isnan(first.measurements["Bad"])
    assert (second.kind, second.color) == ("tmaCore", "#0000ff")
    assert second.shown_as == AnnotationClass("Stroma: Positive", "#010203")
    assert third.geometry.area == 100
    assert fourth.shown_as is not None
    assert fourth.shown_as.name == "A: B"


def test_what_we_do_not_know_survives(tmp_path: Path) -> None:
    told = feature(
        polygon(plane={"c": -1, "z": 2, "t": 0}), objectType="annotation", myLab={"a": [1, None]}
    ) | {"id": str(UUID(int=7)), "bbox": [0, 0, 10, 10]}
    (tmp_path / "a.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [told]})
    )
    found, _ = read(tmp_path / "a.geojson")
    FORMATS["qupath"].write(tmp_path / "b.geojson", found)
    written = json.loads((tmp_path / "b.geojson").read_text())["features"][0]
    assert written["geometry"]["plane"] == {"c": -1, "z": 2, "t": 0}
    assert written["properties"]["myLab"] == {"a": [1, None]}
    assert written["bbox"] == [0, 0, 10, 10]
    assert written["id"] == str(UUID(int=7))


def test_the_good_is_taken_and_the_bad_told_by_number(tmp_path: Path) -> None:
    bow = [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]
    features = [
        feature(polygon()),
        feature(None),
        feature(polygon(bow)),
        feature(polygon([[[0, 0]]])),
        3,
        feature(polygon(), color=[1, 2]),
        feature(polygon(), measurements={"A": "many"}),
        feature({"type": "Point", "coordinates": [1, 2]}),
        feature({"type": "Spiral", "coordinates": [1, 2]}),
    ]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    found, problems = read(path)
    assert len(found) == 5
    assert [p.number for p in problems if not p.is_repaired] == [2, 4, 5, 9]
    assert [p.number for p in problems if p.is_repaired] == [3, 6, 7]
    assert all(each.geometry.is_valid for each in found)
    assert found[1].geometry.area == pytest.approx(50)


def test_open_rings_are_closed_and_it_is_said(tmp_path: Path) -> None:
    ring = [[0, 0], [10, 0], [10, 10], [0, 10]]
    far = [[x + 40, y] for x, y in ring]
    shapes = [
        polygon([ring]),
        {"type": "MultiPolygon", "coordinates": [[ring], [[*far, far[0]]]]},
        polygon([ring[:2]]),
    ]
    told = {"type": "FeatureCollection", "features": [feature(shape) for shape in shapes]}
    (tmp_path / "a.geojson").write_text(json.dumps(told))
    found, problems = read(tmp_path / "a.geojson")
    assert [each.geometry.area for each in found] == [100, 200]
    assert [(p.number, p.is_repaired) for p in problems] == [(1, True), (2, True), (3, False)]
    assert problems[0].reason == "its outline was not closed"


def test_written_polygons_are_valid_with_two_decimals(tmp_path: Path) -> None:
    # Two corners that meet when they are rounded.
    thin = shapely.Polygon([(0, 0), (10, 0.001), (20, 0), (20, 10), (10, 0.002), (0, 10)])
    FORMATS["qupath"].write(tmp_path / "a.geojson", [Annotation(thin)])
    told = json.loads((tmp_path / "a.geojson").read_text())["features"][0]["geometry"]
    assert shapely.from_geojson(json.dumps(told)).is_valid
    assert told["type"] == "MultiPolygon"


def test_packed_files_areread(tmp_path: Path) -> None:
    text = json.dumps(feature(polygon()))
    (tmp_path / "a.geojson.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inner.geojson", text)
    for name in ("a.geojson.gz", "a.zip"):
        assert len(read(tmp_path / name)[0]) == 1


def test_asaps_own_words_areread(tmp_path: Path) -> None:
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
    (region, dot), problems = read(tmp_path / "a.xml")
    assert region.geometry.area == 50
    assert region.shown_as == AnnotationClass("Tumor", "#ff0000")
    assert (point_of(dot.geometry).x, dot.color, dot.name) == (3, "#00ff00", "dot")
    assert [problem.number for problem in problems] == [3]


def test_imagescopes_holes_ellipses_and_rulers_areread(tmp_path: Path) -> None:
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
    (square, ellipse, ruler), problems = read(tmp_path / "a.xml")
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
        read(tmp_path / name)


def test_text_holds_annotations_as_a_file_does() -> None:
    square = Annotation(shapely.box(0, 0, 10, 10), name="A", shown_as=AnnotationClass("Tumor"))
    problems: list[Problem] = []
    (found,) = read_qupath_text(qupath_text([square]), problems)
    assert (found.id, found.name, found.shown_as) == (square.id, "A", square.shown_as)
    assert found.geometry.equals(square.geometry)
    assert problems == []
    for text in ("", "center 5, 7", '{"type":'):
        with pytest.raises(AnnotationFileError, match="no GeoJSON"):
            read_qupath_text(text, problems)
    assert read_qupath_text('{"name": "other"}', problems) == []
    assert [problem.number for problem in problems] == [1]
