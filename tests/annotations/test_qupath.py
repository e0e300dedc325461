"""QuPath's GeoJSON: all that a file may tell comes back, and torn files give what is good."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import zipfile
from pathlib import Path
from uuid import UUID

import pytest
import shapely
from exchange_steps import feature, is_same_place, polygon, read
from hypothesis import given, settings
from hypothesis import strategies as some

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.formats.qupath import read_qupath
from viewer.annotations.formats.qupath_writing import write_qupath

A, B, C = (str(UUID(int=n)) for n in (1, 2, 3))


def _there_and_back(tmp_path: Path, told: object) -> tuple[list[dict], list[Problem]]:
    """The features after reading and writing, and what was said."""
    (tmp_path / "a.geojson").write_text(json.dumps(told))
    annotations, problems = read(tmp_path / "a.geojson")
    lost = write_qupath(tmp_path / "b.geojson", annotations)
    return json.loads((tmp_path / "b.geojson").read_text())["features"], problems + lost


def test_what_qupath_writes_comes_back_word_for_word(tmp_path: Path) -> None:
    ring = [[[0.25, 0.5], [10.0, 0.0], [10.0, 10.01], [0.25, 0.5]]]
    cell = {
        "type": "Feature",
        "id": A,
        "geometry": {"type": "Polygon", "coordinates": ring, "plane": {"c": -1, "z": 2, "t": 1}},
        "nucleusGeometry": {"type": "Polygon", "coordinates": ring, "plane": {"c": 0, "z": 2}},
        "properties": {
            "objectType": "cell",
            "name": "Zelle",
            "color": [1, 2, 3],
            "classification": {"names": ["Stroma", "Positive"], "color": [4, 5, 6]},
            "isLocked": True,
            "measurements": {"A": 1.5, "B": "NaN", "C": "Infinity", "D": "-Infinity"},
            "metadata": {"ANNOTATION_DESCRIPTION": "a\nb"},
            "lab": [1, None, {"x": "y"}],
        },
    }
    core = {
        "type": "Feature",
        "id": B,
        "geometry": {"type": "MultiPoint", "coordinates": [[1.0, 2.0], [3.0, 4.0]]},
        "properties": {
            "objectType": "tmaCore",
            "isMissing": True,
            "classification": {"name": "T", "color": [1, 2, 3, 128], "lab": 1},
            "childObjects": [
                {
                    "type": "Feature",
                    "id": C,
                    "geometry": {"type": "Polygon", "coordinates": ring, "isEllipse": True},
                    "properties": {"objectType": "annotation"},
                    "beside": {"deep": [1]},
                }
            ],
        },
        "bbox": [0, 0, 1, 1],
    }
    features, told = _there_and_back(
        tmp_path, {"type": "FeatureCollection", "features": [cell, core]}
    )
    assert told == []
    assert features == [cell, core]


def test_members_of_the_collection_survive(tmp_path: Path) -> None:
    told = {
        "crs": {"a": "{"}, "type": "FeatureCollection", "features": [feature(polygon())],
        "end": [1],
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(told, indent=2))
    beside: dict[str, object] = {}
    write_qupath(tmp_path / "b.json", read_qupath(tmp_path / "a.json", [], beside), beside)
    written = json.loads((tmp_path / "b.json").read_text())
    assert {key: written[key] for key in ("crs", "type", "end")} == {
        key: told[key] for key in ("crs", "type", "end")
    }
    assert len(written["features"]) == 1


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ({"type": "Feature", "geometry": polygon(), "properties": None}, 1),
        (polygon(), 1),
        ([polygon(), {"type": "Point", "coordinates": [1, 2]}], 2),
        ({"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]]]}, 1),
        ({"type": "FeatureCollection", "features": []}, 0),
        ([], 0),
    ],
)
def test_each_top_level_is_read(tmp_path: Path, told: object, count: int) -> None:
    (tmp_path / "a.json").write_text("\ufeff" + json.dumps(told))
    annotations, problems = read(tmp_path / "a.json")
    assert (len(annotations), problems) == (count, [])


def test_collections_of_geometries_are_taken_apart(tmp_path: Path) -> None:
    far = [[[20, 20], [30, 20], [30, 30], [20, 20]]]
    alike = {"type": "GeometryCollection", "geometries": [polygon(), polygon(far)]}
    mixed = {
        "type": "GeometryCollection",
        "geometries": [{"type": "Point", "coordinates": [1, 2]}, polygon()],
    }
    told = [feature(alike), feature(mixed, name="both") | {"id": A}]
    features, problems = _there_and_back(tmp_path, told)
    assert [each["geometry"]["type"] for each in features] == ["MultiPolygon", "Polygon", "Point"]
    assert [each["properties"].get("name") for each in features] == [None, "both", "both"]
    assert features[1]["id"] == A
    assert [(p.number, p.is_repaired) for p in problems] == [(2, True)]


def test_more_of_the_older_spellings(tmp_path: Path) -> None:
    above = {"name": "Tumor", "colorRGB": -1, "parentClass": None}
    derived = {"name": "Positive", "colorRGB": -16776961, "parentClass": above}
    told = [
        feature(polygon(), type="annotation", classification=derived),
        feature(polygon(), type="vein", children=[feature(polygon())]) | {"id": 17},
        feature(None, objectType="root", childObjects=[feature(polygon(), name="child")]),
        feature(polygon(), measurements={"a": "-INF", "b": "inf", "c": "nan", "d": None}),
    ]
    (tmp_path / "a.json").write_text(json.dumps(told))
    (first, vein, child, measured), problems = read(tmp_path / "a.json")
    assert problems == []
    assert first.shown_as == AnnotationClass("Tumor: Positive", "#0000ff")
    assert vein.unknown["properties"] == {"type": "vein", "foreignId": 17}
    assert len(vein.children) == 1
    assert child.name == "child"
    assert (measured.measurements["a"], measured.measurements["b"]) == (-math.inf, math.inf)
    assert math.isnan(measured.measurements["c"])
    assert math.isnan(measured.measurements["d"])


def test_a_bad_child_costs_only_itself(tmp_path: Path) -> None:
    told = [
        feature(polygon(), childObjects=[feature({"type": "Point"}), feature(polygon(), color=[1])])
    ]
    (tmp_path / "a.json").write_text(json.dumps(told))
    (parent,), problems = read(tmp_path / "a.json")
    assert len(parent.children) == 1
    assert "in it" in str(problems[0])


def test_bare_nan_as_other_tools_write_it(tmp_path: Path) -> None:
    text = json.dumps([feature(polygon(), measurements={"a": math.nan, "b": -math.inf})])
    (tmp_path / "a.json").write_text(text)
    (only,), problems = read(tmp_path / "a.json")
    assert problems == []
    assert math.isnan(only.measurements["a"])
    assert only.measurements["b"] == -math.inf


def test_nothing_that_the_strict_reader_refuses_is_written(tmp_path: Path) -> None:
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    drawn = [
        Annotation(bow, shown_as=AnnotationClass("A:B\nC: ")),
        Annotation(shapely.Polygon([(0, 0), (1e-4, 0), (0, 1e-4)])),
        Annotation(shapely.GeometryCollection([shapely.Point(1, 1), shapely.box(0, 0, 3, 3)])),
        Annotation(shapely.LineString([(0, 0), (1e-4, 0)])),
        Annotation(shapely.Polygon([(0, 0, 5), (10, 0, 5), (10, 10.123456, 5)])),
        Annotation(shapely.LinearRing([(0, 0), (10, 0), (10, 10)])),
        Annotation(shapely.Point(float("nan"), 0)),
        Annotation(shapely.Polygon()),
    ]
    told = write_qupath(tmp_path / "a.geojson", drawn)
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    shapes = [shapely.from_geojson(json.dumps(each["geometry"])) for each in features]
    assert [shape.geom_type for shape in shapes] == [
        "MultiPolygon", "Polygon", "Point", "Polygon", "LineString",
    ]  # fmt: skip
    assert all(shape.is_valid and not shape.has_z for shape in shapes)
    assert features[0]["properties"]["classification"] == {
        "names": ["A", "B C"], "color": [200, 0, 0],
    }  # fmt: skip
    assert "10.12]" in (tmp_path / "a.geojson").read_text()
    assert [p.number for p in told if not p.is_repaired] == [2, 4, 7, 8]
    assert [p.number for p in told if p.is_repaired] == [1, 3]


@pytest.mark.parametrize("name", ["a.geojson.gz", "a.geojson.zip", "a.zip", "a.json.gz"])
def test_packed_files_both_ways(tmp_path: Path, name: str) -> None:
    write_qupath(tmp_path / name, [Annotation(shapely.box(0, 0, 3, 3), name="x")])
    assert [each.name for each in read(tmp_path / name)[0]] == ["x"]
    if name.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert archive.namelist() == ["a.geojson"]


def test_a_torn_packed_file_gives_what_can_be_unpacked(tmp_path: Path) -> None:
    boxes = [Annotation(shapely.box(n, 0, n + 3, 3), name=str(n)) for n in range(20_000)]
    write_qupath(tmp_path / "a.geojson.gz", boxes)
    whole = (tmp_path / "a.geojson.gz").read_bytes()
    (tmp_path / "b.geojson.gz").write_bytes(whole[: len(whole) // 2])
    annotations, problems = read(tmp_path / "b.geojson.gz")
    assert 5_000 < len(annotations) < 15_000
    assert problems
    assert gzip.decompress(whole).endswith(b"]}\n")


def _many(count: int) -> bytes:
    told = {"type": "FeatureCollection", "features": []}
    told["features"] = [
        feature(polygon(), name=f'"{n}" {{}} [\\', objectType="annotation") for n in range(count)
    ]
    return json.dumps(told).encode()


def test_torn_and_spoilt_features_cost_only_themselves(tmp_path: Path) -> None:
    whole = _many(5000)
    starts = [at for at in range(len(whole)) if whole.startswith(b'{"type": "Feature",', at)]
    at = starts[2000]
    spoilt = {
        "a quote less": whole[: at + 1] + whole[at + 2 :],
        "a brace less": whole[: starts[2001] - 3] + whole[starts[2001] - 2 :],
        "a brace more": whole[: at + 1] + b"{" + whole[at + 1 :],
        "cut out": whole[: at + 70] + whole[starts[2003] :],
        "zeros": whole[: at + 50] + bytes(40) + whole[at + 90 :],
    }
    for what, text in spoilt.items():
        (tmp_path / "a.geojson").write_bytes(text)
        annotations, problems = read(tmp_path / "a.geojson")
        assert 4996 <= len(annotations) <= 5000, what
        assert 1 <= len(problems) <= 3, what
        assert annotations[-1].name.startswith('"4999"'), what
    (tmp_path / "a.geojson").write_bytes(whole[: at + 60])
    annotations, problems = read(tmp_path / "a.geojson")
    assert (len(annotations), [p.number for p in problems]) == (2000, [2001])
    (tmp_path / "a.geojson").write_bytes(b"\x00\x01" + whole[2:])
    annotations, problems = read(tmp_path / "a.geojson")
    assert len(annotations) == 5000
    assert "beginning" in problems[0].reason


@given(data=some.data())
@settings(max_examples=150, deadline=None)
def test_spoilt_bytes_raise_nothing_else(
    data: some.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = bytearray(_many(6))
    for _ in range(data.draw(some.integers(1, 4))):
        at = data.draw(some.integers(0, len(whole) - 1))
        match data.draw(some.sampled_from(["set", "cut", "add", "end"])):
            case "set":
                whole[at] = data.draw(some.integers(0, 255))
            case "cut":
                del whole[at : at + data.draw(some.integers(1, 30))]
            case "add":
                whole[at:at] = data.draw(some.binary(max_size=8))
            case _:
                del whole[max(at, 1) :]
        if not whole:
            whole = bytearray(b" ")
    path = tmp_path_factory.mktemp("fuzz") / "a.geojson"
    path.write_bytes(bytes(whole))
    with contextlib.suppress(AnnotationFileError):
        assert all(each.geometry.is_valid for each in read(path)[0])


def test_features_longer_than_a_piece(tmp_path: Path) -> None:
    ring = [(math.cos(a / 1e5) * 1e4, math.sin(a / 1e5) * 1e4) for a in range(0, 628_000, 4)]
    drawn = [Annotation(shapely.Polygon(ring)), Annotation(shapely.box(0, 0, 1, 1))]
    write_qupath(tmp_path / "a.geojson", drawn)
    assert (tmp_path / "a.geojson").stat().st_size > 1 << 21
    (first, second), problems = read(tmp_path / "a.geojson")
    assert problems == []
    assert first.geometry.area == pytest.approx(drawn[0].geometry.area, rel=1e-6)
    assert is_same_place(second.geometry, drawn[1].geometry)
