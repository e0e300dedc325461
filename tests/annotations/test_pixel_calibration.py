"""Lengths, areas and angles where pixels are not square, against arithmetic done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from shape_steps import polygon_of

from viewer.annotations import shape_editing
from viewer.annotations.annotation import Annotation
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.annotations.simplifying import simplified
from viewer.geometry import Point

OBLONG = PixelCalibration((0.25, 0.5))


def test_a_length_counts_each_axis_in_its_own_pixels() -> None:
    across, down = shapely.LineString([(0, 0), (400, 0)]), shapely.LineString([(0, 0), (0, 400)])
    assert OBLONG.length_of(across) == 100.0
    assert OBLONG.length_of(down) == 200.0
    assert OBLONG.distance(Point(0, 0), Point(300, 200)) == math.hypot(75, 100)
    assert OBLONG.lengths(np.array([across, down])).tolist() == [100.0, 200.0]
    assert Annotation(shapely.box(0, 0, 400, 400)).length_um((0.25, 0.5)) == 600.0
    assert Annotation(shapely.box(0, 0, 400, 400)).area_um2((0.25, 0.5)) == 20_000.0


def test_an_angle_is_that_on_the_slide() -> None:
    corner = Point(10, 10)
    assert OBLONG.angle_deg(Point(110, 10), corner, Point(110, 110)) == pytest.approx(
        math.degrees(math.atan(2)), abs=1e-9
    )
    assert OBLONG.angle_deg(Point(110, 10), corner, Point(10, -50)) == pytest.approx(90)


def test_pixels_of_unknown_size_are_the_unit() -> None:
    unknown = PixelCalibration.of(None)
    assert (unknown.unit, unknown.length(3, 4)) == ("px", 5.0)
    assert unknown.length_text(200) == "200.0 px"
    assert unknown.area_text(1234.4) == "1,234 px²"
    assert PixelCalibration.of(0.5) == PixelCalibration((0.5, 0.5))


@pytest.mark.parametrize("power", range(-1, 9))
def test_no_figure_is_a_thousandth_off_as_it_is_told(power: int) -> None:
    calibration = PixelCalibration.of(0.25)
    for value in (1.0004 * 10.0**power, 3.3333 * 10.0**power, 9.9996 * 10.0**power):
        for text, unit in (
            (calibration.length_text(value), {"µm": 1.0, "mm": 1e3}),
            (calibration.area_text(value), {"µm²": 1.0, "mm²": 1e6}),
        ):
            number, name = text.replace(",", "").split()
            assert float(number) * unit[name] == pytest.approx(value, rel=1e-3)


def test_growing_and_simplifying_are_in_micrometers_on_both_axes() -> None:
    grown = shape_editing.grown(shapely.box(100, 100, 200, 200), 10.0, OBLONG)
    assert grown.bounds == pytest.approx((60, 80, 240, 220))
    # 8 px up are 4 um, 8 px aside 2 um: only the second moves no border by 3 um.
    spiked = shapely.Polygon([(0, 0), (50, -8), (100, 0), (108, 50), (100, 100), (0, 100)])
    left = polygon_of(simplified(spiked, 3.0, OBLONG))
    assert (50.0, -8.0) in left.exterior.coords
    assert (108.0, 50.0) not in left.exterior.coords


def test_a_brush_is_round_on_the_slide() -> None:
    x0, y0, x1, y1 = shape_editing.brush_mark([Point(50, 50)], 10.0, OBLONG).bounds
    assert (x1 - x0, y1 - y0) == pytest.approx((80, 40))
