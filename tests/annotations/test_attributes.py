"""No object is lost for one bad attribute of GeoJSON."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import shapely
from health_checks import ALL_CHECKS
from hypothesis import given, settings
from hypothesis import strategies as st

from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.formats.foreign_values import color_of, flag_of, number_of, parsed_text

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.problems import Problem

RING = [[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]]
SQUARE = {"type": "Polygon", "coordinates": [RING]}


def read(path: Path, told: object) -> tuple[list[Annotation], list[Problem]]:
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    problems: list[Problem] = []
    return list(read_annotations(path, problems)), problems


def of_one(path: Path, **members: Any) -> tuple[Annotation, list[Problem]]:
    feature = {"type": "Feature", "geometry": SQUARE, "properties": {}} | members
    (found,), problems = read(path, {"type": "FeatureCollection", "features": [feature]})
    return found, problems


@pytest.mark.parametrize(
    ("told", "color"),
    [
        ([200, 0, 0], "#c80000"), ([200, 0, 0, 128], "#c80000"), ([0.5, 0, 1], "#8000ff"),
        ([1.0, 0.0, 0.0], "#ff0000"), ([1, 0, 0], "#010000"), ([1, 0, 0, 0.5], "#ff0000"),
        ("#C80000", "#c80000"), ("#c80000ff", "#c80000"), ("#f00", "#ff0000"),
        ("0xFFC80000", "#c80000"), ("rgb(200, 0, 0)", "#c80000"), ("200,0,0", "#c80000"),
        ("[200, 0, 0]", "#c80000"), ("(0.5, 0.0, 1.0)", "#8000ff"), ("red", "#ff0000"),
        (-3670016, "#c80000"), ("-3670016", "#c80000"), (13107200, "#c80000"),
        ({"r": 200, "g": 0, "b": 0}, "#c80000"), (["200", "0", "0"], "#c80000"),
        (None, None), ("", None), ([], None), ({}, None), ([300, -1, 0], "#ff0000"),
    ],
)  # fmt: skip
def test_colors_as_others_spell_them(told: Any, color: str | None) -> None:
    assert color_of(told) == (color, told == [300, -1, 0])


@pytest.mark.parametrize("told", [True, [1], [1, 2], "no color", [None, 1, 2], 1e300, {"a": 1}])
def test_what_is_no_color_says_so(told: Any) -> None:
    with pytest.raises(ValueError, match="is no color"):
        color_of(told)


def test_numbers_and_switches_and_nested_texts() -> None:
    assert [number_of(text) for text in ("2,5", " 2.5 ", "-1e3", True)] == [2.5, 2.5, -1000, 1]
    assert flag_of("True")
    assert flag_of(1)
    assert flag_of("locked")
    assert not (flag_of("false"))
    assert not (flag_of("0"))
    assert not (flag_of(None))
    assert not (flag_of(""))
    assert parsed_text("{'a': None, 'b': nan, 'c': [True]}") == {"a": None, "b": None, "c": [True]}
    assert parsed_text("[np.float64(1.5)]") == [1.5]
    assert parsed_text("{torn") == "{torn"


@pytest.mark.parametrize(
    ("members", "class_name", "color"),
    [
        ('{"name": "Tumor", "color": [200, 0, 0]}', "Tumor", "#c80000"),
        ("{'name': 'Tumor', 'color': [200, 0, 0]}", "Tumor", "#c80000"),
        (["Tumor"], "Tumor", None), ("Tumor: Positive", "Tumor: Positive", None),
        ({"names": ["Tumor", "Positive"], "color": "blue"}, "Tumor: Positive", "#0000ff"),
        ({"name": "Tumor", "color": []}, "Tumor", None), (7, "7", None),
        ([{"name": "Tumor", "color": [0, 0, 255]}], "Tumor", "#0000ff"),
    ],
)  # fmt: skip
def test_classes_of_every_type(
    tmp_path: Path, members: Any, class_name: str, color: str | None
) -> None:
    found, problems = of_one(tmp_path / "a.geojson", properties={"classification": members})
    assert found.shown_as is not None
    assert found.shown_as.name == class_name
    assert color is None or found.shown_as.color == color
    assert problems == []


def test_what_was_not_read_is_told_and_kept_in_the_description(tmp_path: Path) -> None:
    told = {
        "color": [1, 2], "isLocked": "maybe", "classification": True, "metadata": ["by hand"],
        "measurements": {"Area": 5, "Grade": "high", "Probs": [0.1, 0.9], "None": None},
    }  # fmt: skip
    found, problems = of_one(tmp_path / "a.geojson", properties=told, id=["x"])
    assert found.geometry.area == 10_000
    assert found.measurements["Area"] == 5
    assert [found.measurements[f"Probs {n}"] for n in (1, 2)] == [0.1, 0.9]
    said = " ".join(problem.reason for problem in problems)
    for what in ("color", "lock", "class", "metadata", "measurement Grade"):
        assert f"its {what} was not read" in said
    assert {problem.number for problem in problems} == {1}
    assert all(problem.is_repaired for problem in problems)
    assert "measurement Grade: high" in found.description
    assert 'metadata: ["by hand"]' in found.description


@pytest.mark.parametrize("told", [[], "note", 5, ["a"], [{"name": "A"}], '{"name": "A"}', None])
def test_properties_of_another_type(tmp_path: Path, told: Any) -> None:
    found, _ = of_one(tmp_path / "a.geojson", properties=told)
    assert found.geometry.area == 10_000
    assert found.name == ("A" if "A" in json.dumps(told) else "")


@pytest.mark.parametrize(
    ("geometry", "area"),
    [
        ({"type": "MultiPolygon", "coordinates": [[RING], [[[5, 5], [6, 6], [5, 5]]]]}, 10_000),
        ({"type": "Polygon", "coordinates": [RING, [[5, 5], None]]}, 10_000),
        ({"type": "Polygon", "coordinates": [RING, [[10, 10], [20, 10], [20, 20]]]}, 9950),
        ({"type": "MultiPolygon", "coordinates": [RING]}, 10_000),
        ({"type": "Polygon", "coordinates": [[RING]]}, 10_000),
        ({"type": "Polygon", "coordinates": RING}, 10_000),
        ({"type": "polygon", "coordinates": [[[str(v) for v in xy] for xy in RING]]}, 10_000),
        ({"coordinates": [RING]}, 10_000), (json.dumps(SQUARE), 10_000),
        ("POLYGON ((0 0, 100 0, 100 100, 0 100, 0 0))", 10_000),
        ({"type": "GeometryCollection", "geometries": [SQUARE, {"type": "Point"}, 3]}, 10_000),
    ],
)  # fmt: skip
def test_the_rest_of_a_broken_geometry_is_kept(tmp_path: Path, geometry: Any, area: float) -> None:
    found, _ = of_one(tmp_path / "a.geojson", geometry=geometry)
    assert found.geometry.area == area


@pytest.mark.parametrize(
    "coordinates",
    [
        [[{"x": 0, "y": 0}, {"x": 100, "y": 0}, {"x": 100, "y": 100}, {"X": 0, "Y": 100}]],
        [[0, 0, 100, 0, 100, 100, 0, 100]],
        json.dumps([RING]),
        [[[f"{x},0", str(y)] for x, y in RING]],
    ],
)
def test_corners_however_they_are_listed(tmp_path: Path, coordinates: Any) -> None:
    geometry = {"type": "Polygon", "coordinates": coordinates}
    found, _ = of_one(tmp_path / "a.geojson", geometry=geometry)
    assert found.geometry.equals(shapely.box(0, 0, 100, 100))


def test_lists_of_names_and_values_by_any_key(tmp_path: Path) -> None:
    properties = {
        "measurements": [{"key": "A", "value": "1 000,5"}, {"Name": "B", "Value": 2}, {"C": 3}],
        "metadata": [{"key": "a", "value": "b"}, {"name": "c", "value": 4}],
        "classification": {"Name": "Tumor"},
    }
    found, problems = of_one(tmp_path / "a.geojson", properties=properties)
    assert found.measurements == {"A": 1000.5, "B": 2, "C": 3}
    assert found.metadata == {"a": "b", "c": "4"}
    assert found.class_name == "Tumor"
    assert problems == []


@pytest.mark.parametrize("form", ["object", "text", "capital", "alone"])
def test_features_that_are_no_list(tmp_path: Path, form: str) -> None:
    feature = {"type": "Feature", "geometry": SQUARE, "properties": {"name": "n"}}
    document: Any = {
        "object": {"type": "FeatureCollection", "features": {"a": feature, "b": feature}},
        "text": {"type": "FeatureCollection", "features": json.dumps([feature, feature])},
        "capital": {"type": "FeatureCollection", "Features": [feature, feature]},
        "alone": {"Type": "Feature", "Geometry": SQUARE, "Properties": {"name": "n"}},
    }[form]
    found, _ = read(tmp_path / "a.geojson", document)
    assert [each.name for each in found] == ["n"] * (1 if form == "alone" else 2)


def test_a_broken_nucleus_leaves_its_cell(tmp_path: Path) -> None:
    found, problems = of_one(tmp_path / "a.geojson", nucleusGeometry={"type": "Polygon"})
    assert found.geometry.area == 10_000
    assert found.nucleus is None
    assert "its nucleus was left out" in problems[0].reason


def test_places_outside_any_slide_are_no_places(tmp_path: Path) -> None:
    far = {"type": "Point", "coordinates": [1e308, 5]}
    feature = {"type": "Feature", "geometry": far, "properties": {}}
    found, problems = read(tmp_path / "a.geojson", {"features": [feature]})
    assert found == []
    assert "no place on a slide" in problems[0].reason


_JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.lists(st.integers(-5, 400), max_size=5), st.dictionaries(st.text(max_size=4), st.none()),
)  # fmt: skip
_WHOLE = {
    "type": "Feature", "id": "PathDetectionObject", "geometry": SQUARE,
    "properties": {
        "objectType": "annotation", "name": "a", "color": [1, 2, 3], "isLocked": True,
        "classification": {"name": "T", "color": [1, 2, 3]},
        "measurements": [{"name": "A", "value": 1}], "metadata": {"k": "v"}, "childObjects": [],
    },
}  # fmt: skip
_PLACES = [
    ("id",), ("properties",), *(("properties", name) for name in _WHOLE["properties"]),
    ("properties", "classification", "color"), ("properties", "classification", "name"),
    ("properties", "measurements", 0), ("properties", "measurements", 0, "value"),
    ("properties", "metadata", "k"), ("nucleusGeometry",),
]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=ALL_CHECKS)
@given(place=st.sampled_from(_PLACES), junk=_JUNK)
def test_no_attribute_of_any_type_costs_the_object(
    tmp_path: Path, place: tuple[str | int, ...], junk: Any
) -> None:
    feature: Any = copy.deepcopy(_WHOLE)
    holder = feature
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = junk
    found, problems = read(tmp_path / "a.geojson", {"features": [feature]})
    assert len(found) == 1
    assert found[0].geometry.equals(shapely.box(0, 0, 100, 100))
    for problem in problems:
        assert "object has no attribute" not in problem.reason
