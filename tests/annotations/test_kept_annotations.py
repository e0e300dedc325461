"""Annotations of large files: kept small, and the same as any other to whoever looks at them."""

from __future__ import annotations

import gc
import json
from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import shapely

from viewer.annotations import operations
from viewer.annotations.annotation import Annotation, AnnotationClass, Stamp
from viewer.annotations.document import Document
from viewer.annotations.formats.exchange import read_all
from viewer.annotations.formats.qupath_writing import write_qupath
from viewer.annotations.kept_geometry import (
    GEOMETRY_SLOT,
    NUCLEUS_SLOT,
    geometries_of,
    nuclei_of,
    wkb_of,
)
from viewer.annotations.measurement_rows import MeasurementRow, in_rows
from viewer.annotations.storage.packing import packed_all, unpacked_all
from viewer.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.annotations.formats.problems import Problem

_COUNT = 600


def _cell(number: int) -> dict[str, object]:
    place = shapely.Point(40 * (number % 30), 40 * (number // 30))
    return {
        "type": "Feature",
        "id": str(UUID(int=number + 1)),
        "geometry": shapely.geometry.mapping(place.buffer(9, quad_segs=4)),
        "nucleusGeometry": shapely.geometry.mapping(place.buffer(4, quad_segs=4)),
        "properties": {
            "objectType": "cell",
            "classification": {"name": "Tumor", "color": [200, 0, 0]},
            "measurements": {"Area um^2": number / 7, "Solidity": 0.5, "Missing": 0.25},
        },
    }


@pytest.fixture(scope="module")
def cells_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cells") / "cells.geojson"
    features = [_cell(number) for number in range(_COUNT)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def _read(path: Path) -> Sequence[Annotation]:
    problems: list[Problem] = []
    found = read_all(path, problems)
    assert problems == []
    return found


def test_cells_are_read_as_bytes_and_rows(cells_file: Path) -> None:
    cells = _read(cells_file)
    assert {type(GEOMETRY_SLOT.__get__(each)) for each in cells} == {bytes}
    assert {type(NUCLEUS_SLOT.__get__(each)) for each in cells} == {bytes}
    assert {type(each.measurements) for each in cells} == {MeasurementRow}
    for number in (0, 299, _COUNT - 1):
        stated: dict[str, Any] = _cell(number)
        assert cells[number].id == UUID(str(stated["id"]))
        assert cells[number].geometry.equals_exact(shapely.geometry.shape(stated["geometry"]))
        nucleus = cells[number].nucleus
        assert nucleus is not None
        assert nucleus.equals_exact(shapely.geometry.shape(stated["nucleusGeometry"]))
        assert cells[number].measurements == stated["properties"]["measurements"]
        assert cells[number].class_name == "Tumor"


def test_who_asks_for_a_geometry_gets_one_and_the_same(cells_file: Path) -> None:
    cell = _read(cells_file)[5]
    assert cell.geometry is cell.geometry
    assert cell.nucleus is cell.nucleus
    assert isinstance(GEOMETRY_SLOT.__get__(cell), shapely.Polygon)


def test_many_geometries_are_made_without_being_kept(cells_file: Path) -> None:
    cells = _read(cells_file)
    drawn = Annotation(shapely.box(0, 0, 5, 5))
    shapes = geometries_of([cells[0], drawn])
    assert shapes[0].equals_exact(_read(cells_file)[0].geometry)
    assert shapes[1] is drawn.geometry
    assert wkb_of([cells[0], drawn]) == [shapes[0].wkb, shapes[1].wkb]
    assert nuclei_of([drawn, cells[0]])[0] is None
    assert type(GEOMETRY_SLOT.__get__(cells[0])) is bytes


def test_they_are_annotations_like_others(cells_file: Path) -> None:
    cell = _read(cells_file)[3]
    made = Annotation(
        cell.geometry, cell.id, "cell", cell.shown_as, nucleus=cell.nucleus,
        measurements=dict(cell.measurements),
    )  # fmt: skip
    assert _read(cells_file)[3] == made
    assert made == _read(cells_file)[3]
    renamed = replace(_read(cells_file)[3], name="x")
    assert (renamed.name, renamed.geometry) == ("x", made.geometry)
    assert renamed != made
    assert repr(_read(cells_file)[3]) == repr(made)
    with pytest.raises(FrozenInstanceError):
        cell.name = "y"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(FrozenInstanceError):
        cell.geometry = made.geometry  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        Annotation()  # pyright: ignore[reportCallIssue]


def test_a_document_of_them_is_searched_and_kept(cells_file: Path) -> None:
    document = Document(_read(cells_file))
    assert len(document.inside(Box(-5, -5, 45, 45))) == 4
    back = unpacked_all([*packed_all(list(document))])
    assert back == list(_read(cells_file))


def test_cells_come_back_from_a_file(cells_file: Path, tmp_path: Path) -> None:
    problems = write_qupath(tmp_path / "again.geojson", _read(cells_file))
    assert problems == []
    first, again = _read(cells_file), _read(tmp_path / "again.geojson")
    for one, other in zip(first, again, strict=True):
        assert one.measurements == other.measurements
        assert one.geometry.equals_exact(other.geometry, 0.01)
        assert one.nucleus is not None
        assert one.nucleus.equals_exact(other.nucleus, 0.01)


def test_two_with_one_id_are_two(cells_file: Path, tmp_path: Path) -> None:
    twice = json.loads(cells_file.read_text())
    twice["features"].append(twice["features"][0])
    path = tmp_path / "twice.geojson"
    path.write_text(json.dumps(twice))
    problems: list[Problem] = []
    found = read_all(path, problems)
    assert len({each.id for each in found}) == _COUNT + 1
    assert [problem.number for problem in problems] == [_COUNT + 1]


def test_features_without_an_id_get_one(cells_file: Path, tmp_path: Path) -> None:
    stated = json.loads(cells_file.read_text())
    for feature in stated["features"]:
        del feature["id"]
    path = tmp_path / "nameless.geojson"
    path.write_text(json.dumps(stated))
    found = _read(path)
    assert len({each.id for each in found}) == _COUNT
    assert type(GEOMETRY_SLOT.__get__(found[0])) is bytes


@pytest.mark.parametrize("damage", ["crossed", "strange name", "nucleus"])
def test_one_that_is_not_as_usual_is_read_beside_the_others(
    cells_file: Path, tmp_path: Path, damage: str
) -> None:
    stated = json.loads(cells_file.read_text())
    odd = stated["features"][7]
    match damage:
        case "crossed":
            odd["geometry"]["coordinates"] = [[[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]]]
        case "strange name":
            odd["properties"]["measurements"] = {"a\x1bb": 4}
        case _:
            odd["nucleusGeometry"] = {"type": "Polygon", "coordinates": [[[0, 0], [1, "x"]]]}
    path = tmp_path / "odd.geojson"
    path.write_text(json.dumps(stated))
    problems: list[Problem] = []
    found = read_all(path, problems)
    assert len(found) == _COUNT
    assert found[7].geometry.is_valid
    assert {problem.number for problem in problems} == (set() if damage == "strange name" else {8})
    if damage == "nucleus":
        assert found[7].nucleus is None
    if damage == "strange name":
        assert list(found[7].measurements.values()) == [4]


def test_rows_are_mappings() -> None:
    stated = [{"a": number / 3, "b": -1.0} for number in range(700)]
    rows = in_rows([*stated, {"c": 1.0}, {}])
    assert rows == [*stated, {"c": 1.0}, {}]
    row = rows[300]
    assert isinstance(row, MeasurementRow)
    assert list(row.items()) == [("a", 100.0), ("b", -1.0)]
    assert (len(row), row["b"], row.get("z"), "a" in row, "z" in row) == (
        2,
        -1.0,
        None,
        True,
        False,
    )
    assert row == {"b": -1.0, "a": 100.0}
    assert row != {"a": 100.0}
    assert dict(row) == {"a": 100.0, "b": -1.0}
    with pytest.raises(KeyError):
        row["z"]
    with pytest.raises(TypeError):
        hash(row)


def test_the_collector_goes_on(cells_file: Path) -> None:
    assert gc.isenabled()
    _read(cells_file)
    assert gc.isenabled()


def test_what_annotations_say_alike_is_kept_once() -> None:
    stamp = Stamp("2026-11-27T00:00:00+00:00", "reader")
    drawn = [Annotation(shapely.box(n, 0, n + 1, 1)) for n in range(20)]
    stamped = [each.stamped(stamp) for each in drawn]
    assert len({id(each.metadata) for each in stamped}) == 1
    assert stamped[0].metadata == {"Created": stamp.at_utc, "Author": "reader"}
    again = [each for each in unpacked_all(list(packed_all(stamped))) if each is not None]
    assert again == stamped
    for name in ("metadata", "measurements", "unknown"):
        assert len({id(getattr(each, name)) for each in again}) == 1, name
    noted = again[0].noted("Description", "alone")
    assert "Description" in noted.metadata
    assert "Description" not in again[0].metadata
    assert "Description" not in again[1].metadata


def test_what_is_said_changes_without_geometries_being_made(cells_file: Path) -> None:
    cells = _read(cells_file)
    tumor, stamp = AnnotationClass("Stroma"), Stamp.now("A")
    changed = [each.stamped(stamp, shown_as=tumor) for each in cells]
    locked = operations.set_locked(changed, locked=True)
    renamed = [each.with_classes_renamed([("Stroma", "Other")]) for each in changed]
    kept_again = unpacked_all(list(packed_all(changed)))
    assert kept_again == changed
    assert kept_again != cells
    assert [change.before for change in locked.changes] == changed
    for held in (cells, changed, renamed, kept_again):
        assert {type(GEOMETRY_SLOT.__get__(each)) for each in held} == {bytes}
        assert {type(NUCLEUS_SLOT.__get__(each)) for each in held} == {bytes}
    assert {each.class_name for each in renamed} == {"Other"}
    assert changed[5] == replace(cells[5], shown_as=tumor, metadata=changed[5].metadata)


def test_annotations_are_alike_whether_their_geometry_was_made_or_not(cells_file: Path) -> None:
    one, other = _read(cells_file)[:2]
    alike = unpacked_all(list(packed_all([one])))[0]
    assert one.geometry.area
    assert alike == one
    assert alike != other
    assert alike != replace(one, geometry=other.geometry)
    assert alike != replace(one, nucleus=None)
    assert one != "another thing"
