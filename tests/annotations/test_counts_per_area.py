"""Counts per area: frames of a known size, fields that overlap, and their files."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import shapely

from viewer.annotations.annotation import Annotation
from viewer.annotations.counting.frame import (
    AREAS_MM2,
    SHAPES,
    CountingError,
    CountingFrame,
    Shape,
)
from viewer.annotations.counting.table import write_counts
from viewer.annotations.counting.tally import (
    AREA,
    FIELD,
    LOOK_ALIKE,
    MITOSIS,
    Tally,
    counted_annotations,
    is_other_scale,
    layout_of,
    new_field,
    summary_of,
    with_counts,
)
from viewer.annotations.document import Document, adding, removing
from viewer.annotations.formats.qupath import read_qupath
from viewer.annotations.formats.qupath_writing import write_qupath
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.annotations.storage.packing import packed, unpacked
from viewer.geometry import Box, Point

SLIDE = Box(0, 0, 40_000, 60_000)
OBLONG = PixelCalibration((0.25, 0.5))
SQUARE = PixelCalibration((0.25, 0.25))


def laid_out(
    frame: CountingFrame, x: float, y: float, number: int, calibration: PixelCalibration = SQUARE
) -> Annotation:
    placed = frame.placed(Point(x, y), SLIDE, calibration)
    return new_field(frame, placed, calibration, number, "A")


def mark(x: float, y: float, shown_as=MITOSIS) -> Annotation:
    return Annotation(shapely.Point(x, y), shown_as=shown_as)


@pytest.mark.parametrize("calibration", [SQUARE, OBLONG])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("area_mm2", [*AREAS_MM2, 0.785])
def test_a_frame_has_its_area_and_is_even_on_the_tissue(
    area_mm2: float, shape: Shape, calibration: PixelCalibration
) -> None:
    frame = CountingFrame(area_mm2, shape)
    outline = frame.outline(Point(20_000, 30_000), calibration)
    assert calibration.area_of(outline) / 1e6 == pytest.approx(area_mm2, rel=1e-9)
    x0, y0, x1, y1 = outline.bounds
    width_um, height_um = (x1 - x0) * calibration.pixel[0], (y1 - y0) * calibration.pixel[1]
    assert width_um == pytest.approx(height_um, rel=1e-9)
    across = 2 * math.sqrt(area_mm2 / math.pi) if shape == "circle" else math.sqrt(area_mm2)
    assert width_um == pytest.approx(1000 * across, rel=1e-3)


def test_a_high_power_field_is_as_wide_as_that_of_an_eyepiece() -> None:
    assert CountingFrame(0.2375).side_mm == pytest.approx(0.55, abs=1e-3)
    assert CountingFrame(0.1959).side_mm == pytest.approx(0.50, abs=1e-3)


@pytest.mark.parametrize("area_mm2", [0.0, -1.0, math.nan, math.inf, 1e9])
def test_an_area_that_is_none_is_refused(area_mm2: float) -> None:
    with pytest.raises(CountingError, match="mm²"):
        CountingFrame(area_mm2)


def test_without_a_pixel_size_nothing_is_guessed() -> None:
    with pytest.raises(CountingError, match="Pixel size unknown"):
        CountingFrame().placed(Point(100, 100), SLIDE, PixelCalibration(None))


def test_a_frame_is_moved_onto_the_slide_whole() -> None:
    placed = CountingFrame(1.0).placed(Point(0, 60_000), SLIDE, OBLONG)
    assert placed.is_whole
    assert placed.area_mm2 == pytest.approx(1.0)
    x0, _, _, y1 = placed.outline.bounds
    assert (x0, y1) == (pytest.approx(0, abs=1e-6), pytest.approx(60_000))


def test_of_a_frame_that_does_not_fit_the_part_on_the_slide_counts() -> None:
    small = Box(0, 0, 2000, 8000)  # 0.5 mm wide
    placed = CountingFrame(1.0, "square").placed(Point(1000, 4000), small, SQUARE)
    assert not placed.is_whole
    assert placed.area_mm2 == pytest.approx(0.5 * 1.0)
    field = new_field(CountingFrame(1.0, "square"), placed, SQUARE, 1, "")
    assert field.measurements[AREA] == pytest.approx(0.5)
    assert summary_of([field]).area_mm2 == pytest.approx(0.5)


def test_areas_that_overlap_and_what_lies_in_them_count_once() -> None:
    frame = CountingFrame(1.0, "square")  # 4000 px
    first, second = laid_out(frame, 10_000, 10_000, 1), laid_out(frame, 13_000, 10_000, 2)
    held = [
        first,
        second,
        mark(9000, 10_000),
        mark(11_500, 10_000),  # in both
        mark(14_000, 10_000),
        mark(14_000, 10_100, LOOK_ALIKE),
        mark(30_000, 30_000),  # in none
    ]
    summary = summary_of(held)
    assert [each.counts["Mitosis"] for each in summary.fields] == [2, 2]
    assert summary.counts == {"Mitosis": 3, "Non-mitosis": 1}
    assert summary.area_mm2 == pytest.approx(1.75)
    assert summary.per_mm2("Mitosis") == pytest.approx(3 / 1.75)
    assert len(counted_annotations(held)) == len(held) - 1


def test_points_of_one_annotation_are_told_apart() -> None:
    field = laid_out(CountingFrame(1.0, "square"), 10_000, 10_000, 1)
    points = Annotation(shapely.MultiPoint([(9000, 9000), (10_000, 10_000), (30_000, 0)]))
    assert summary_of([points, field]).counts == {"No class": 2}


def test_the_area_of_a_field_stays_the_one_that_was_used() -> None:
    field = laid_out(CountingFrame(0.2375), 10_000, 10_000, 1)
    (counted,) = summary_of([field]).fields
    assert counted.area_mm2 == pytest.approx(0.2375)
    assert not is_other_scale(counted, (0.25, 0.25))
    assert is_other_scale(counted, (0.5, 0.5))
    assert is_other_scale(counted, None)


def test_a_tally_follows_what_is_done_and_undone() -> None:
    document = Document()
    changes: list[int] = []
    tally = Tally(document, lambda: changes.append(1))
    field = laid_out(CountingFrame(), 10_000, 10_000, tally.next_number)
    document.do(adding("Field", [field]))
    marks = [mark(10_000, 10_000), mark(10_100, 10_000)]
    for each in marks:
        document.do(adding("Count", [each]))
    assert tally.summary.counts == {"Mitosis": 2}
    document.undo()
    assert tally.summary.counts == {"Mitosis": 1}
    document.redo()
    document.do(removing("Delete", [marks[0]]))
    assert tally.summary.counts == {"Mitosis": 1}
    assert tally.marks_in(tally.summary.fields[0]) == [marks[1]]
    document.do(removing("Delete", [document[field.id]]))
    assert tally.summary.fields == ()
    assert tally.field_at(Point(10_000, 10_000)) is None
    document.reset([field, mark(10_000, 10_000)])
    assert tally.summary.counts == {"Mitosis": 1}
    assert tally.next_number == 2
    seen = len(changes)
    document.do(adding("Else", [Annotation(shapely.box(0, 0, 10, 10))]))
    assert len(changes) == seen
    tally.close()
    document.do(adding("Count", [mark(1, 1)]))
    assert len(changes) == seen


def test_a_damaged_layout_costs_the_field_alone() -> None:
    field = laid_out(CountingFrame(), 10_000, 10_000, 1)
    for text in ("{", "[]", '{"shape": "circle", "area_mm2": 1, "mpp_um": [0, 0.25]}'):
        broken = replace(field, metadata={"Counting field": text})
        assert layout_of(broken) is None
        assert summary_of([broken, mark(10_000, 10_000)]).fields == ()


def test_fields_and_marks_come_back_from_the_store_and_from_geojson(tmp_path: Path) -> None:
    held = [
        laid_out(CountingFrame(0.2375), 10_000, 10_000, 1, OBLONG),
        mark(10_000, 10_000),
        mark(10_050, 10_000, LOOK_ALIKE),
    ]
    kept = [unpacked(packed(each)) for each in held]
    path = tmp_path / "counts.geojson"
    assert write_qupath(path, with_counts(held)) == []
    for back in (kept, list(read_qupath(path, []))):
        summary = summary_of(back)
        assert summary.counts == {"Mitosis": 1, "Non-mitosis": 1}
        assert summary.area_mm2 == pytest.approx(0.2375, rel=1e-5)
        assert summary.fields[0].layout.mpp_um == (0.25, 0.5)
        assert summary.fields[0].field.is_locked
    feature = json.loads(path.read_text())["features"][0]["properties"]
    assert feature["measurements"]["Num Mitosis"] == 1
    assert feature["measurements"][AREA] == pytest.approx(0.2375)
    assert feature["classification"]["name"] == FIELD.name


def test_the_table_has_a_row_a_field_and_one_of_all(tmp_path: Path) -> None:
    frame = CountingFrame(1.0, "square")
    odd = msgspec.structs.replace(MITOSIS, name="=1+1")
    held = [
        laid_out(frame, 10_000, 10_000, 1),
        laid_out(frame, 13_000, 10_000, 2),
        mark(11_500, 10_000),
        mark(9_000, 10_000, odd),
    ]
    path = tmp_path / "counts.csv"
    write_counts(path, summary_of(held))
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert [row["Field"] for row in rows] == ["Field 1", "Field 2", "Total"]
    assert [row["Area mm2"] for row in rows] == ["1.0", "1.0", "1.75"]
    assert [row["Mitosis"] for row in rows] == ["1", "1", "1"]
    assert float(rows[-1]["Mitosis per mm2"]) == pytest.approx(1 / 1.75, abs=1e-4)
    assert "'=1+1" in rows[0]  # no spreadsheet takes it for a formula
