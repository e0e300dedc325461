"""Tissue microarrays: cores found, their grid corrected, ids read, tables written."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tma_slides import MPP_UM, ArrayPlan, array_picture, write_array

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import Document, adding, changing
from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.formats.qupath_writing import write_qupath
from viewer.annotations.shape_editing import ellipse
from viewer.annotations.tma.core_ids import read_core_ids
from viewer.annotations.tma.cores import (
    CASE_ID,
    TmaGrid,
    cores_of,
    grid_of,
    is_missing,
    marking,
    replacing,
    with_missing,
)
from viewer.annotations.tma.dearraying import DearrayOptions, FoundArray, array_in, dearray
from viewer.annotations.tma.labels import LabelScheme, NoCoresError, TmaError, label_scheme
from viewer.annotations.tma.table import write_core_table
from viewer.geometry import Point
from viewer.slides import open_slide
from viewer.slides.glass import overview_classes


def found_in(plan: ArrayPlan, options: DearrayOptions | None = None) -> FoundArray:
    picture, places = array_picture(plan)
    found = array_in(overview_classes(picture).is_tissue, options or DearrayOptions())
    assert isinstance(found, FoundArray), found
    assert (found.rows, found.columns) == (plan.rows, plan.columns)
    assert found.diameter_px == pytest.approx(plan.diameter, rel=0.1)
    for core in found.cores:
        at = places[core.row, core.column]
        away = np.hypot(core.x_px - at[0], core.y_px - at[1])
        assert away <= 0.3 * plan.diameter, (core, at)
        assert core.is_missing == ((core.row, core.column) in plan.missing)
    return found


@pytest.mark.parametrize(
    "plan",
    [
        ArrayPlan(),
        ArrayPlan(turn_deg=8, missing=[(0, 0), (2, 3)], torn=[(1, 1), (3, 5)], faint=[(3, 2)]),
        ArrayPlan(turn_deg=-24, missing=[(1, 2)]),
        ArrayPlan(touching=[(1, 2), (3, 0)], missing=[(0, 5)]),
        ArrayPlan(spacing=66, diameter=60),
        ArrayPlan(rows=5, columns=12, bend_px=30, diameter=44, spacing=60),
        ArrayPlan(rows=1, columns=6),
        ArrayPlan(missing=[(0, column) for column in range(1, 6)]),
        ArrayPlan(faint=[(row, column) for row in range(4) for column in range(6)]),
    ],
    ids=["plain", "turned", "far", "touching", "tight", "bent", "row", "sparse", "faint"],
)
def test_cores_are_found_in_rows_and_columns(plan: ArrayPlan) -> None:
    found_in(plan)


def test_a_row_without_cores_is_said_and_put_in_where_the_rows_are_given() -> None:
    plan = ArrayPlan(rows=5, missing=[(2, column) for column in range(6)])
    picture, _ = array_picture(plan)
    tissue = overview_classes(picture).is_tissue
    found = array_in(tissue, DearrayOptions())
    assert isinstance(found, FoundArray)
    assert found.rows == 4
    assert "Between rows B and C there is room for another" in found.notes[0]
    found_in(plan, DearrayOptions(rows=5))
    fewer = array_in(tissue, DearrayOptions(rows=3))
    assert isinstance(fewer, FoundArray)
    assert fewer.rows == 3
    assert fewer.notes[0] == "4 rows were found, 3 are kept: those with most cores."


def test_a_slide_without_an_array_is_one_sentence(tmp_path: Path) -> None:
    write_array(tmp_path / "section.tif", ArrayPlan(rows=1, columns=1, diameter=160))
    source = open_slide(tmp_path / "section.tif")
    with pytest.raises(NoCoresError, match=r"^section.tif: no TMA cores were found"):
        dearray(source)
    with pytest.raises(TmaError, match="A core cannot be 90000 µm across"):
        dearray(source, DearrayOptions(diameter_um=90_000.0), 0.499)
    with pytest.raises(TmaError, match=r"pixel size of .* is unknown"):
        dearray(source, DearrayOptions(diameter_um=900.0))
    source.close()
    pair, _ = array_picture(ArrayPlan(rows=1, columns=2))
    tissue = overview_classes(pair).is_tissue
    assert isinstance(array_in(tissue, DearrayOptions()), str)
    assert isinstance(array_in(tissue, DearrayOptions(), 60.0), FoundArray)
    blank = np.zeros((400, 500), bool)
    assert isinstance(array_in(blank, DearrayOptions()), str)
    specks = np.random.default_rng(3).random((400, 500)) < 0.02
    assert isinstance(array_in(specks, DearrayOptions()), str)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (DearrayOptions(columns=20), "20 columns"),
        (DearrayOptions(rows=1, columns=1), "1 row and 1 column"),
        (DearrayOptions(rows=40), "40 rows"),
        (DearrayOptions(rows=200, columns=200), "200 rows and 200 columns"),
    ],
)
def test_a_grid_that_does_not_fit_is_told_from_a_slide_without_cores(
    options: DearrayOptions, asked: str, tmp_path: Path
) -> None:
    write_array(tmp_path / "array.tif", ArrayPlan(rows=2, columns=3))
    source = open_slide(tmp_path / "array.tif")
    with pytest.raises(TmaError) as raised:
        dearray(source, options)
    source.close()
    assert not isinstance(raised.value, NoCoresError)
    assert str(raised.value) == (
        "array.tif: 6 cores in 2 rows and 3 columns were found, which do not fit the "
        f"{asked} asked for: correct the grid, or leave it to be found."
    )


def test_a_given_diameter_is_that_of_the_cores(tmp_path: Path) -> None:
    places = write_array(tmp_path / "array.tif", ArrayPlan())
    source = open_slide(tmp_path / "array.tif")
    found = dearray(source, DearrayOptions(diameter_um=140.0), MPP_UM)
    source.close()
    assert found.diameter_px == pytest.approx(70.0)
    assert (found.rows, found.columns, found.present) == (4, 6, 24)
    first = found.cores[0]
    assert np.hypot(first.x_px - places[0, 0][0], first.y_px - places[0, 0][1]) < 6


# Labels --------------------------------------------------------------------------------------


def test_labels_count_in_letters_and_numbers_both_ways() -> None:
    assert [LabelScheme().name(0, 0), LabelScheme().name(27, 11)] == ["A-1", "AB-12"]
    scheme = label_scheme("J-A", "1-8", "column")
    assert [scheme.name(0, 0), scheme.name(9, 7)] == ["1-J", "8-A"]
    assert scheme.place("3-I") == (1, 2)
    assert LabelScheme().place("b7") == (1, 6)
    assert LabelScheme().place("tumor") is None
    with pytest.raises(TmaError, match="do not reach so far"):
        scheme.name(10, 0)
    for rows, columns, order in (("A-3", "1", "row"), ("?", "1", "row"), ("A", "1", "both")):
        with pytest.raises(TmaError):
            label_scheme(rows, columns, order)


# The grid ------------------------------------------------------------------------------------


def grid_document(rows: int = 3, columns: int = 4) -> Document:
    found = found_in(ArrayPlan(rows=rows, columns=columns, turn_deg=6))
    return Document(cores_of(found, LabelScheme()))


def grid(document: Document) -> TmaGrid:
    return grid_of(document.cores)


def names(document: Document) -> list[str]:
    return [core.name for *_, core in grid(document)]


def test_rows_and_columns_are_added_and_removed_and_all_is_undone() -> None:
    document = grid_document()
    before = list(document)
    document.do(grid(document).with_line("row", 3))
    assert (grid(document).rows, names(document)[-1]) == (4, "D-4")
    a, b, c = (grid(document).cores[row, 0].geometry.centroid for row in (1, 2, 3))
    assert c.x - b.x == pytest.approx(b.x - a.x, abs=6)
    assert c.y - b.y == pytest.approx(b.y - a.y, abs=6)
    document.do(grid(document).with_line("column", 1))
    assert (grid(document).columns, names(document)[:5]) == (
        5, ["A-1", "A-2", "A-3", "A-4", "A-5"],
    )  # fmt: skip
    document.do(grid(document).without_line("row", 0))
    assert (grid(document).rows, names(document)[0]) == (3, "A-1")
    assert (
        grid(document)
        .cores[0, 0]
        .geometry.equals(next(each for each in before if each.name == "B-1").geometry)
    )
    for _ in range(3):
        document.undo()
    assert list(document) == before


def test_a_name_of_its_own_is_kept_and_labels_are_renewed() -> None:
    document = grid_document()
    own = grid(document).cores[1, 1]
    document.do(changing("Name", [(own, replace(own, name="Control"))]))
    document.do(grid(document).with_line("row", 0))
    assert grid(document).cores[2, 1].name == "Control"
    assert grid(document).cores[2, 0].name == "C-1"
    document.do(grid(document).relabeled(label_scheme("4-1", "A-D", "column")))
    assert names(document)[:2] == ["A-4", "B-4"]
    assert names(document)[-1] == "D-1"
    assert grid(document).labels == label_scheme("4-1", "A-D", "column")


def test_missing_cores_are_marked_and_found_ones_replace_all_others() -> None:
    document = grid_document()
    cores = document.cores[:2]
    document.do(marking(cores, missing=True))
    assert grid(document).present == 10
    document.do(marking(document.cores[:1], missing=False))
    assert [is_missing(core) for core in document.cores[:2]] == [False, True]
    assert document.cores[0] == cores[0]
    drawn = Annotation(ellipse(Point(0, 0), Point(9, 9)))
    document.do(adding("Draw", [drawn]))
    document.do(replacing(grid(document), []))
    assert (list(document), document.cores) == ([drawn], [])
    document.undo()
    assert len(document.cores) == 12


def test_cores_of_a_file_are_placed_by_where_they_lie(tmp_path: Path) -> None:
    cores = cores_of(found_in(ArrayPlan(turn_deg=9, missing=[(1, 1)])), LabelScheme())
    bare = [Annotation(core.geometry, kind="tmaCore", name="x", is_ellipse=True) for core in cores]
    again = grid_of(reversed(bare))
    assert (again.rows, again.columns, len(again)) == (4, 6, 24)
    for row, column, core in again:
        assert core.geometry.equals(cores[row * 6 + column].geometry)
    assert len(grid_of([bare[0], bare[0]])) <= 2
    assert grid_of([]).rows == 0


def test_cores_go_to_qupath_and_back_without_loss(tmp_path: Path) -> None:
    cores = cores_of(found_in(ArrayPlan(missing=[(0, 0)])), LabelScheme())
    cores[1] = cores[1].noted(CASE_ID, "P 7")
    path = tmp_path / "cores.geojson"
    write_qupath(path, cores)
    first, second, *_ = json.loads(path.read_text())["features"]
    assert first["properties"]["objectType"] == "tmaCore"
    assert [each["properties"]["isMissing"] for each in (first, second)] == [True, False]
    assert second["properties"]["metadata"]["Case ID"] == "P 7"
    back = list(read_annotations(path, []))
    assert [each.id for each in back] == [each.id for each in cores]
    assert [is_missing(each) for each in back] == [is_missing(each) for each in cores]
    assert [each.metadata for each in back] == [each.metadata for each in cores]
    assert with_missing(back[0], missing=False).color is None


# Ids and tables ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Core,Case ID\nA-1,P1\nC-4,P2\n", {(0, 0): "P1", (2, 3): "P2"}),
        ("\ufeffName;Patient\na1;P1\nB02;P2\n", {(0, 0): "P1", (1, 1): "P2"}),
        ("Row\tColumn\tCase\nA\t2\tP1\n2\t1\tP2\n", {(0, 1): "P1", (1, 0): "P2"}),
        ("A-1,P1\nB-2,P2\n", {(0, 0): "P1", (1, 1): "P2"}),
        (",1,2,3,4\nA,P1,,,\nB,,P2,,\nC,,,,P3\n", {(0, 0): "P1", (1, 1): "P2", (2, 3): "P3"}),
        ("P1\tP2\tP3\tP4\n\tP5\t\t\nP6\t\t\tP7\n", {(0, 1): "P2", (1, 1): "P5", (2, 3): "P7"}),
    ],
    ids=["list", "semicolons", "rows", "bare", "map", "bare map"],
)
def test_ids_are_read_from_lists_and_maps(
    text: str, expected: dict[tuple[int, int], str], tmp_path: Path
) -> None:
    document = grid_document()
    path = tmp_path / "ids.txt"
    path.write_text(text, encoding="utf-8")
    document.do(read_core_ids(path, grid(document)).edit(grid(document)))
    cores = grid(document).cores
    assert {at: cores[at].metadata.get(CASE_ID) for at in expected} == expected


@pytest.mark.parametrize("header", ["core,id\n", ""], ids=["list", "bare"])
def test_a_core_that_a_table_has_twice_is_said(header: str, tmp_path: Path) -> None:
    document = grid_document()
    path = tmp_path / "ids.csv"
    path.write_text(f"{header}A-1,P1\nB-1,P2\na01,P3\n")
    read = read_core_ids(path, grid(document))
    assert read.problems == ("1 core has more than one row, and the last counts: A-1.",)
    document.do(read.edit(grid(document)))
    assert grid(document).cores[0, 0].metadata[CASE_ID] == "P3"


def test_a_table_says_what_is_missing_and_of_no_core(tmp_path: Path) -> None:
    document = grid_document()
    path = tmp_path / "ids.csv"
    path.write_text("core,missing,Diagnosis\nA-1,yes,none\nZ-9,no,x\nB-1,no,=cancer\n")
    read = read_core_ids(path, grid(document))
    assert read.problems == ("1 core is not on this slide and left out: Z-9.",)
    document.do(read.edit(grid(document)))
    assert is_missing(grid(document).cores[0, 0])
    assert grid(document).cores[1, 0].metadata["Diagnosis"] == "=cancer"
    out = tmp_path / "table.csv"
    write_core_table(out, grid(document), (2.0, 2.0))
    rows = list(csv.DictReader(out.open(newline="")))
    assert (rows[0]["Core"], rows[0]["Missing"], rows[4]["Diagnosis"]) == (
        "A-1",
        "true",
        "'=cancer",
    )
    again = grid_document()
    again.do(read_core_ids(out, grid(again)).edit(grid(again)))
    assert grid(again).cores[1, 0].metadata["Diagnosis"] == "=cancer"
    assert is_missing(grid(again).cores[0, 0])
    for text, why in (("", "is empty"), ("a,b,c\n1,2,3\n", "holds no ids of these cores")):
        path.write_text(text)
        with pytest.raises(TmaError, match=why):
            read_core_ids(path, grid(document))
    with pytest.raises(TmaError, match="cannot be read"):
        read_core_ids(tmp_path / "nowhere.csv", grid(document))
