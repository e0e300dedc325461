"""Figures of each class, and their CSV."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import shapely

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.statistics import class_figures, write_statistics

TUMOR = AnnotationClass("Tumor", "#c80000")


def test_classes_are_counted_and_those_without_come_last(tmp_path: Path) -> None:
    held = [
        Annotation(shapely.box(0, 0, 10, 10)),
        Annotation(shapely.box(0, 0, 100, 100), shown_as=TUMOR, measurements={"Objects": 7.0}),
        Annotation(shapely.box(0, 0, 100, 100), shown_as=TUMOR, measurements={"Objects": 5.0}),
        Annotation(shapely.LineString([(0, 0), (0, 50)]), shown_as=AnnotationClass("Margin")),
    ]
    margin, tumor, none = class_figures(held)
    assert (margin.name, margin.area, margin.length, margin.objects) == ("Margin", 0, 50, None)
    assert (tumor.count, tumor.area, tumor.objects) == (2, 20_000, 12)
    assert (margin.perimeter, tumor.perimeter, tumor.length) == (0, 800, 0)
    assert (none.name, none.count) == ("No class", 1)
    path = tmp_path / "classes.csv"
    write_statistics(path, [margin, tumor, none], mpp_um=0.5)
    rows = list(csv.DictReader(path.open()))
    assert rows[1]["Class"] == "Tumor"
    assert float(rows[1]["Area mm2"]) == pytest.approx(20_000 * 0.25 / 1e6)
    assert (rows[1]["Objects"], rows[0]["Objects"]) == ("12", "")
    assert float(rows[0]["Length um"]) == pytest.approx(25)
    assert (float(rows[1]["Perimeter um"]), float(rows[1]["Length um"])) == (400, 0)


def test_rulers_and_regions_of_one_class_are_not_added_up() -> None:
    held = [
        Annotation(shapely.box(0, 0, 100, 50), shown_as=TUMOR),
        Annotation(shapely.LineString([(0, 0), (30, 40)]), shown_as=TUMOR),
        Annotation(shapely.Point(3, 3), shown_as=TUMOR),
    ]
    (oblong,) = class_figures(held, (0.5, 1.0))
    assert (oblong.perimeter, oblong.length) == (300, 50)
    assert (oblong.perimeter_um, oblong.length_um) == (200, pytest.approx(1825**0.5))
