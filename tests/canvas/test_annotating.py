"""Every drawing tool by real strokes on the real canvas; undo leaves all as it was."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import shapely
from annotating_steps import (
    ALT,
    CTRL,
    NONE,
    SHIFT,
    Bench,
    begin,
    click,
    double_click,
    drag,
    end,
    hover,
    line,
    mouse,
)
from msgspec.structs import replace
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QFocusEvent, QPointingDevice, QTabletEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QGestureEvent
from pytestqt.qtbot import QtBot
from shape_steps import polygon_of

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.canvas.annotating.brush_tool import BrushTool, EraserTool
from viewer.canvas.annotating.drawing_tool import DrawingTool
from viewer.canvas.annotating.edit_context import BESIDE_SLIDE, EditContext
from viewer.canvas.annotating.points_tool import PointsTool
from viewer.canvas.annotating.polygon_tool import PolygonTool, PolylineTool
from viewer.canvas.annotating.ruler_tool import AngleTool, RulerTool
from viewer.canvas.annotating.select_tool import SelectTool
from viewer.canvas.annotating.shape_tools import EllipseTool, LineTool, RectangleTool
from viewer.canvas.annotating.wand_tool import WandTool
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Point
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache

A, B = QPoint(200, 150), QPoint(420, 330)


@pytest.fixture
def bench(qtbot: QtBot, sample_slide: Path) -> Iterator[Bench]:
    canvas = SlideCanvas(TileCache[TilePicture](128 << 20))
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    canvas.set_overview_visible(False)
    canvas.show()
    source = open_slide(sample_slide)
    canvas.set_source(source, source.info.optics)
    canvas.go_to(Point(1100, 1400), 2.0, animated=False)
    yield Bench(canvas)
    canvas.clear()


@pytest.fixture(params=["upright", "turned", "mirrored"])
def view_bench(request: pytest.FixtureRequest, bench: Bench, qtbot: QtBot) -> Bench:
    """In an upright view, in one turned by 30 degrees, and in a mirrored one turned by 90."""
    if request.param == "turned":
        bench.canvas.rotate_by(30)
    elif request.param == "mirrored":
        bench.canvas.flip_horizontally()
        qtbot.waitUntil(lambda: not bench.canvas.is_moving)
        bench.canvas.rotate_by(-90)
    qtbot.waitUntil(lambda: not bench.canvas.is_moving)
    return bench


def undone(bench: Bench) -> list[Annotation]:
    bench.document.undo()
    return list(bench.document)


def square(bench: Bench, a: QPoint = A, b: QPoint = B, **more: object) -> Annotation:
    """A polygon with five corners that is put in the document; upright on the screen."""
    corners = [
        a,
        QPoint((a.x() + b.x()) // 2, a.y()),
        QPoint(b.x(), a.y()),
        b,
        QPoint(a.x(), b.y()),
    ]
    shape = shapely.Polygon([bench.slide(corner) for corner in corners])
    annotation = Annotation(shape, **more)  # type: ignore[arg-type]
    bench.document.do(adding("Draw", [annotation]))
    return annotation


def test_a_rectangle_is_as_upright_as_the_screen(view_bench: Bench) -> None:
    bench = view_bench
    bench.desk.current_class = AnnotationClass("Tumor", "#c80000")
    bench.take(RectangleTool(bench.desk))
    drag(bench.canvas, line(A, B))
    drawn = bench.only()
    assert drawn.class_name == "Tumor"
    assert drawn.author == "A"
    on_screen = [
        bench.canvas.view.to_screen(Point(*at)) for at in polygon_of(drawn.geometry).exterior.coords
    ]
    assert {(round(x), round(y)) for x, y in on_screen} == {
        (x, y) for x in (A.x(), B.x()) for y in (A.y(), B.y())
    }
    assert list(bench.selection) == [drawn.id]
    assert any("µm²" in text for text in bench.measures)
    assert bench.measures[-1] == ""
    assert undone(bench) == []


def test_an_ellipse_fills_its_box_and_shift_makes_a_circle(view_bench: Bench) -> None:
    bench = view_bench
    bench.take(EllipseTool(bench.desk))
    drag(bench.canvas, line(A, B))
    area = (B.x() - A.x()) * (B.y() - A.y()) * math.pi / 4 * bench.canvas.view.downsample**2
    assert bench.only().geometry.area == pytest.approx(area, rel=0.01)
    assert bench.only().is_ellipse == (bench.canvas.view.rotation_deg != 30)
    bench.document.undo()
    drag(bench.canvas, line(A, B), SHIFT)
    side = max(B.x() - A.x(), B.y() - A.y()) * bench.canvas.view.downsample
    assert bench.only().geometry.area == pytest.approx(side**2 * math.pi / 4, rel=0.01)


def test_a_line_keeps_to_steps_with_shift(view_bench: Bench) -> None:
    bench = view_bench
    bench.take(LineTool(bench.desk))
    drag(bench.canvas, line(A, A + QPoint(150, 9)), SHIFT)
    ends = [bench.canvas.view.to_screen(Point(*at)) for at in bench.only().geometry.coords]
    assert ends[0].y == pytest.approx(ends[1].y, abs=0.01)
    assert undone(bench) == []


def test_a_click_or_a_drag_without_width_draws_no_rectangle(bench: Bench) -> None:
    for tool in (RectangleTool(bench.desk), EllipseTool(bench.desk)):
        bench.take(tool)
        click(bench.canvas, A)
        drag(bench.canvas, line(A, A + QPoint(0, 120)))
        drag(bench.canvas, line(A, A + QPoint(120, 0)))
    assert len(bench.document) == 0


CORNERS = [QPoint(150, 120), QPoint(400, 140), QPoint(380, 350), QPoint(160, 330)]


@pytest.mark.parametrize("closing", ["double click", "enter", "first corner"])
def test_a_polygon_by_corners(view_bench: Bench, closing: str) -> None:
    bench = view_bench
    bench.take(PolygonTool(bench.desk))
    for corner in CORNERS[:3]:
        click(bench.canvas, corner)
    if closing == "double click":
        double_click(bench.canvas, CORNERS[3])
    else:
        click(bench.canvas, CORNERS[3])
        if closing == "enter":
            QTest.keyClick(bench.canvas, Qt.Key.Key_Return)
        else:
            click(bench.canvas, CORNERS[0] + QPoint(3, -2))
    expected = shapely.Polygon([bench.slide(corner) for corner in CORNERS])
    assert bench.only().geometry.equals_exact(expected, 0.01, normalize=True)
    assert undone(bench) == []


def test_backspace_takes_back_corners_and_escape_all(bench: Bench) -> None:
    tool = bench.take(PolygonTool(bench.desk))
    for corner in CORNERS:
        click(bench.canvas, corner)
    QTest.keyClick(bench.canvas, Qt.Key.Key_Backspace)
    QTest.keyClick(bench.canvas, Qt.Key.Key_Return)
    expected = shapely.Polygon([bench.slide(corner) for corner in CORNERS[:3]])
    assert bench.only().geometry.equals_exact(expected, 0.01, normalize=True)
    for corner in CORNERS[:2]:
        click(bench.canvas, corner)
    assert tool.is_busy
    QTest.keyClick(bench.canvas, Qt.Key.Key_Escape)
    assert not tool.is_busy
    assert len(bench.document) == 1


def circle(middle: QPoint, radius: float, steps: int = 60) -> list[QPoint]:
    angles = [2 * math.pi * step / steps for step in range(steps + 1)]
    return [
        middle + QPoint(round(radius * math.cos(a)), round(radius * math.sin(a))) for a in angles
    ]


def test_a_polygon_dragged_is_freehand(view_bench: Bench) -> None:
    bench = view_bench
    bench.take(PolygonTool(bench.desk))
    drag(bench.canvas, circle(QPoint(300, 240), 100))
    expected = math.pi * (100 * bench.canvas.view.downsample) ** 2
    assert bench.only().geometry.area == pytest.approx(expected, rel=0.03)
    assert undone(bench) == []


def test_a_polyline_ends_with_a_double_click(bench: Bench) -> None:
    bench.take(PolylineTool(bench.desk))
    click(bench.canvas, CORNERS[0])
    click(bench.canvas, CORNERS[1])
    double_click(bench.canvas, CORNERS[2])
    assert bench.only().geometry.geom_type == "LineString"
    assert len(bench.only().geometry.coords) == 3
    assert any("µm" in text for text in bench.measures)


def test_a_brush_paints_as_wide_as_it_is(view_bench: Bench) -> None:
    bench = view_bench
    bench.options.brush_px = 40
    bench.take(BrushTool(bench.desk))
    drag(bench.canvas, line(A, A + QPoint(150, 0)))
    k = bench.canvas.view.downsample
    expected = (150 * 40 + math.pi * 20**2) * k**2
    assert bench.only().geometry.area == pytest.approx(expected, rel=0.03)
    assert undone(bench) == []


def test_a_stroke_inside_what_is_chosen_adds_else_a_new_region_is_made(bench: Bench) -> None:
    bench.take(BrushTool(bench.desk))
    drag(bench.canvas, line(A, A + QPoint(100, 0)))
    before = bench.only()
    drag(bench.canvas, line(A + QPoint(50, 0), A + QPoint(50, 150)))
    grown = bench.only()
    assert grown.id == before.id
    assert grown.geometry.area > before.geometry.area * 1.5
    drag(bench.canvas, line(QPoint(500, 100), QPoint(560, 100)))
    assert len(bench.document) == 2
    bench.selection.choose([grown.id])
    drag(bench.canvas, line(QPoint(500, 400), QPoint(560, 400)), SHIFT)
    assert len(bench.document) == 2
    assert bench.document[grown.id].geometry.geom_type == "MultiPolygon"
    for _ in range(4):
        bench.document.undo()
    assert len(bench.document) == 0


def test_alt_and_the_eraser_take_away_and_never_from_what_is_locked(bench: Bench) -> None:
    region = square(bench)
    bench.selection.choose([region.id])
    bench.take(BrushTool(bench.desk))
    middle = QPoint(310, 240)
    drag(bench.canvas, line(middle, middle + QPoint(30, 0)), ALT)
    assert len(polygon_of(bench.only().geometry).interiors) == 1
    assert undone(bench) == [region]
    bench.selection.choose([])
    bench.options.brush_px = 900
    bench.take(EraserTool(bench.desk))
    drag(bench.canvas, line(middle, middle + QPoint(30, 0)))
    assert len(bench.document) == 0
    assert undone(bench) == [region]
    locked = square(bench, is_locked=True)
    bench.document.undo()
    bench.document.undo()
    bench.document.redo()
    bench.document.do(adding("Draw", [locked]))
    bench.selection.choose([locked.id])
    drag(bench.canvas, line(middle, middle + QPoint(30, 0)))
    assert bench.document[locked.id] == locked


def test_new_regions_spare_others_where_asked(bench: Bench) -> None:
    other = square(bench, is_locked=True)
    bench.options.avoid_overlap = True
    bench.take(RectangleTool(bench.desk))
    drag(bench.canvas, line(QPoint(310, 100), QPoint(600, 400)))
    (new,) = [each for each in bench.document if each.id != other.id]
    assert new.geometry.intersection(other.geometry).area == pytest.approx(0, abs=1e-6)
    assert bench.document[other.id] == other
    drag(bench.canvas, line(QPoint(220, 160), QPoint(280, 300)))
    assert len(bench.document) == 2
    assert "covered" in bench.said[-1]


def test_corners_jump_to_borders_where_asked(bench: Bench) -> None:
    other = square(bench)
    bench.options.snapping = True
    bench.take(LineTool(bench.desk))
    drag(bench.canvas, line(QPoint(100, 240), QPoint(A.x() - 6, 240)))
    (new,) = [each for each in bench.document if each.id != other.id]
    assert new.geometry.distance(other.geometry) == pytest.approx(0, abs=1e-6)


def wheel(bench: Bench, at: QPoint, notches: int, keys: Qt.KeyboardModifier) -> None:
    event = QWheelEvent(
        QPointF(at),
        QPointF(bench.canvas.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        keys,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(bench.canvas, event)


def test_the_brush_grows_by_wheel_and_keeps_its_size_on_the_screen_or_on_the_slide(
    bench: Bench,
) -> None:
    bench.take(BrushTool(bench.desk))
    hover(bench.canvas, A)
    before, view = bench.options.brush_px, bench.canvas.view
    wheel(bench, A, 1, CTRL)
    assert bench.options.brush_px > before
    assert bench.canvas.view == view
    bench.options.brush_px = 40
    areas: list[float] = []
    for on_slide in (False, True):
        bench.options.brush_on_slide = on_slide
        for downsample in (2.0, 4.0):
            bench.canvas.go_to(Point(1100, 1400), downsample, animated=False)
            click(bench.canvas, A)
            areas.append(bench.only().geometry.area)
            bench.document.undo()
    assert areas[1] == pytest.approx(4 * areas[0], rel=0.05)
    assert areas[3] == pytest.approx(areas[2], rel=0.05)


# Strokes that are interrupted ------------------------------------------------------------------


def lose_focus(bench: Bench) -> None:
    QApplication.sendEvent(bench.canvas, QFocusEvent(QEvent.Type.FocusOut))


Make = Callable[[Bench], object]


@pytest.mark.parametrize(
    "make",
    [
        lambda bench: BrushTool(bench.desk),
        lambda bench: PolygonTool(bench.desk),
        lambda bench: RectangleTool(bench.desk),
    ],
)
def test_a_stroke_is_kept_when_it_is_interrupted_and_goes_on_as_one_step(
    bench: Bench, make: Make
) -> None:
    bench.take(make(bench))  # type: ignore[arg-type]
    way = circle(QPoint(300, 240), 100)
    begin(bench.canvas, way[:40])
    lose_focus(bench)
    kept = bench.only()
    assert kept.geometry.length > 0
    for place in way[40:-3]:
        mouse(bench.canvas, QEvent.Type.MouseMove, place)
    end(bench.canvas, way[-4])
    assert bench.only().id == kept.id
    assert bench.only().geometry != kept.geometry
    assert undone(bench) == []


def test_a_rest_keeps_the_stroke_and_escape_takes_it_back(bench: Bench, qtbot: QtBot) -> None:
    region = square(bench)
    bench.selection.choose([region.id])
    bench.take(BrushTool(bench.desk))
    begin(bench.canvas, line(QPoint(310, 240), QPoint(600, 240)))
    qtbot.waitUntil(lambda: bench.only() != region)
    QTest.keyClick(bench.canvas, Qt.Key.Key_Escape)
    assert bench.only() == region
    assert bench.document.undo_label == "Draw"
    end(bench.canvas, QPoint(600, 240))
    assert bench.only() == region


def test_a_polygon_under_way_is_a_line_when_all_is_kept(bench: Bench) -> None:
    tool = bench.take(PolygonTool(bench.desk))
    for corner in CORNERS[:3]:
        click(bench.canvas, corner)
    tool.keep()
    assert bench.only().geometry.geom_type == "LineString"
    tool.put_down()
    assert bench.only().geometry.geom_type == "Polygon"
    assert undone(bench) == []


def test_space_moves_the_slide_within_a_polygon(bench: Bench) -> None:
    tool = bench.take(PolygonTool(bench.desk))
    click(bench.canvas, CORNERS[0])
    before = bench.canvas.view.center
    QTest.keyPress(bench.canvas, Qt.Key.Key_Space)
    drag(bench.canvas, line(A, B))
    QTest.keyRelease(bench.canvas, Qt.Key.Key_Space)
    assert bench.canvas.view.center != before
    assert tool.is_busy
    for corner in CORNERS[1:]:
        click(bench.canvas, corner)
    QTest.keyClick(bench.canvas, Qt.Key.Key_Return)
    assert len(polygon_of(bench.only().geometry).exterior.coords) == 5


def test_nothing_is_drawn_where_another_window_draws(bench: Bench) -> None:
    bench.document.is_read_only = True
    for tool in (BrushTool(bench.desk), RectangleTool(bench.desk), PolygonTool(bench.desk)):
        bench.take(tool)
        drag(bench.canvas, circle(QPoint(300, 240), 80))
        assert not tool.is_busy
    assert len(bench.document) == 0
    assert "Another window" in bench.said[-1]


# Choosing and editing --------------------------------------------------------------------------


def test_a_click_chooses_the_smallest_shift_adds_and_nothing_lets_go(view_bench: Bench) -> None:
    bench = view_bench
    large = square(bench)
    small = square(bench, QPoint(260, 200), QPoint(320, 260))
    bench.take(SelectTool(bench.desk))
    click(bench.canvas, QPoint(290, 230))
    assert set(bench.selection) == {small.id}
    click(bench.canvas, QPoint(400, 310), SHIFT)
    assert set(bench.selection) == {small.id, large.id}
    click(bench.canvas, QPoint(290, 230), SHIFT)
    assert set(bench.selection) == {large.id}
    click(bench.canvas, QPoint(600, 60))
    assert set(bench.selection) == set()
    assert list(bench.document) == [large, small]


def test_a_drag_moves_what_is_chosen_and_not_what_is_locked(view_bench: Bench) -> None:
    bench = view_bench
    region = square(bench)
    locked = square(bench, QPoint(450, 350), QPoint(560, 440), is_locked=True)
    bench.selection.choose([region.id, locked.id])
    bench.take(SelectTool(bench.desk))
    drag(bench.canvas, line(QPoint(310, 240), QPoint(350, 200)))
    moved = bench.document[region.id].geometry
    delta = bench.canvas.view.slide_delta(40, -40)
    assert moved.centroid.x - region.geometry.centroid.x == pytest.approx(delta.x)
    assert moved.centroid.y - region.geometry.centroid.y == pytest.approx(delta.y)
    assert bench.document[locked.id] == locked
    assert undone(bench) == [region, locked]


def test_corners_are_dragged_added_and_removed(view_bench: Bench) -> None:
    bench = view_bench
    region = square(bench)
    bench.selection.choose([region.id])
    bench.take(SelectTool(bench.desk))
    drag(bench.canvas, line(B, B + QPoint(60, 50)))
    assert bench.only().geometry.area > region.geometry.area
    corners = {(round(p.x()), round(p.y())) for p in map(bench.screen, points_of(bench.only()))}
    assert (B.x() + 60, B.y() + 50) in corners
    assert undone(bench) == [region]
    double_click(bench.canvas, QPoint(A.x(), 240))
    assert len(points_of(bench.only())) == 6
    click(bench.canvas, QPoint(A.x(), 240), ALT)
    assert len(points_of(bench.only())) == 5
    hover(bench.canvas, A)
    QTest.keyClick(bench.canvas, Qt.Key.Key_Delete)
    assert len(points_of(bench.only())) == 4
    for _ in range(3):
        bench.document.undo()
    assert list(bench.document) == [region]


def points_of(annotation: Annotation) -> list[Point]:
    return [Point(*at) for at in polygon_of(annotation.geometry).exterior.coords[:-1]]


def test_a_rectangle_is_resized_and_turned_by_its_handles(view_bench: Bench) -> None:
    bench = view_bench
    bench.take(RectangleTool(bench.desk))
    drag(bench.canvas, line(A, B))
    drawn = bench.only()
    tool = bench.take(SelectTool(bench.desk))
    assert isinstance(tool, SelectTool)
    drag(bench.canvas, line(B, B + QPoint(40, 30)))
    bigger = bench.only().geometry
    k = bench.canvas.view.downsample
    expected = (B.x() + 40 - A.x()) * (B.y() + 30 - A.y()) * k**2
    assert bigger.area == pytest.approx(expected, rel=0.01)
    bench.document.undo()
    turner = tool._grips_now()[1].places(bench.canvas.view)[-1]  # type: ignore[index]
    start = bench.screen(Point(*turner))
    drag(bench.canvas, line(start, start + QPoint(80, 60)))
    turned = bench.only().geometry
    assert turned.area == pytest.approx(drawn.geometry.area, rel=1e-6)
    assert not turned.equals(drawn.geometry)
    assert undone(bench) == [drawn]


def test_an_ellipse_stays_one_while_it_is_resized(bench: Bench) -> None:
    bench.take(EllipseTool(bench.desk))
    drag(bench.canvas, line(A, B))
    bench.take(SelectTool(bench.desk))
    drag(bench.canvas, line(QPoint(B.x(), 240), QPoint(B.x() + 50, 240)))
    x0, _, x1, _ = bench.only().geometry.bounds
    assert x1 - x0 == pytest.approx((B.x() + 50 - A.x()) * 2, abs=2)
    assert bench.only().is_ellipse


def test_a_band_chooses_what_lies_within(view_bench: Bench) -> None:
    bench = view_bench
    inside = square(bench, QPoint(200, 150), QPoint(260, 210))
    also = square(bench, QPoint(300, 250), QPoint(340, 300))
    square(bench, QPoint(380, 200), QPoint(600, 400))
    bench.take(SelectTool(bench.desk))
    drag(bench.canvas, line(QPoint(150, 100), QPoint(450, 350)))
    assert set(bench.selection) == {inside.id, also.id}
    assert len(bench.document) == 3


def test_escape_gives_up_a_drag_then_lets_go(bench: Bench) -> None:
    region = square(bench)
    bench.selection.choose([region.id])
    bench.take(SelectTool(bench.desk))
    begin(bench.canvas, line(QPoint(310, 240), QPoint(400, 300)))
    QTest.keyClick(bench.canvas, Qt.Key.Key_Escape)
    end(bench.canvas, QPoint(400, 300), NONE)
    assert bench.only() == region
    QTest.keyClick(bench.canvas, Qt.Key.Key_Escape)
    assert set(bench.selection) == set()


# The wand, points and measures -----------------------------------------------------------------


def test_the_wand_takes_tissue_and_a_drag_takes_more(view_bench: Bench, qtbot: QtBot) -> None:
    bench = view_bench
    bench.canvas.go_to(Point(1100, 1250), 1.2, animated=False)
    qtbot.waitUntil(lambda: bench.canvas.is_sharp, timeout=20_000)
    bench.take(WandTool(bench.desk, bench.canvas.picture_around))
    start = bench.screen(Point(1250, 1150))
    click(bench.canvas, start)
    once = bench.only().geometry
    circle_area = math.pi * (75 * 1.2) ** 2
    assert 0.02 * circle_area < once.area < circle_area
    assert once.distance(shapely.Point(1250, 1150)) < 20
    bench.document.undo()
    drag(bench.canvas, line(start, start + QPoint(40, -60)))
    assert bench.only().geometry.area > 1.2 * once.area
    assert undone(bench) == []


def test_the_wand_sees_the_slide_without_what_is_drawn_on_it(bench: Bench, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: bench.canvas.is_sharp, timeout=20_000)
    before = bench.canvas.picture_around(Point(310, 240), 149)
    square(bench)
    bench.picture()
    assert bench.canvas.picture_around(Point(310, 240), 149) == before


def test_the_wheel_sets_how_much_the_wand_takes(bench: Bench) -> None:
    bench.take(WandTool(bench.desk, bench.canvas.picture_around))
    before = bench.options.wand_sensitivity
    wheel(bench, A, 2, CTRL)
    assert bench.options.wand_sensitivity > before


def test_points_are_counted_in_one_annotation(view_bench: Bench) -> None:
    bench = view_bench
    bench.take(PointsTool(bench.desk))
    for place in (A, B, QPoint(300, 300)):
        click(bench.canvas, place)
    assert shapely.get_num_geometries(bench.only().geometry) == 3
    assert bench.measures[-1] == "Points: 3"
    click(bench.canvas, B, ALT)
    assert len(shapely.get_parts(bench.only().geometry)) == 2
    for _ in range(4):
        bench.document.undo()
    assert len(bench.document) == 0


def test_a_ruler_stays_on_the_slide_with_its_length(view_bench: Bench) -> None:
    bench = view_bench
    bench.desk.current_class = AnnotationClass("Tumor", "#c80000")
    bare = bench.picture()
    tool = bench.take(RulerTool(bench.desk))
    drag(bench.canvas, line(A, A + QPoint(120, 90)))
    length_um = 150 * bench.canvas.view.downsample * bench.desk.calibration.mean_pixel
    assert f"{length_um:,.1f} µm" in bench.measures[-1]
    assert bench.only().measurements["Length um"] == pytest.approx(length_um)
    assert bench.only().length_um(bench.canvas.optics.mpp_um or 0) == pytest.approx(length_um)
    assert not bench.only().class_name
    QTest.keyClick(bench.canvas, Qt.Key.Key_Return)
    assert len(bench.document) == 1
    tool.put_down()
    bench.canvas.remove_layer(tool)
    bench.take(RectangleTool(bench.desk))
    bench.selection.choose([])
    label = A + QPoint(120 + 20, 90 - 20)
    shown = bench.picture()
    assert shown.pixelColor(label) != bare.pixelColor(label)
    assert undone(bench) == []
    assert bench.picture().pixelColor(label) == bare.pixelColor(label)
    bench.document.redo()
    assert bench.picture() == shown


def test_a_ruler_under_way_is_cleared_by_escape(bench: Bench) -> None:
    tool = bench.take(RulerTool(bench.desk))
    click(bench.canvas, A)
    assert tool.is_busy
    QTest.keyClick(bench.canvas, Qt.Key.Key_Escape)
    assert not tool.is_busy
    assert len(bench.document) == 0


def test_a_ruler_is_measured_anew_when_its_end_is_moved(view_bench: Bench) -> None:
    bench = view_bench
    bench.take(RulerTool(bench.desk))
    drag(bench.canvas, line(A, A + QPoint(160, 120)))
    long_um = bench.only().measurements["Length um"]
    bench.take(SelectTool(bench.desk))
    drag(bench.canvas, line(A + QPoint(160, 120), A + QPoint(80, 60)))
    moved = bench.only()
    expected = moved.geometry.length * bench.desk.calibration.mean_pixel
    assert expected == pytest.approx(long_um / 2, rel=0.02)
    assert moved.measurements["Length um"] == pytest.approx(expected)
    bench.document.undo()
    assert bench.only().measurements["Length um"] == long_um


def test_an_angle_is_measured(view_bench: Bench) -> None:
    bench = view_bench
    bench.take(AngleTool(bench.desk))
    corner = QPoint(300, 300)
    for place in (corner + QPoint(100, 0), corner, corner - QPoint(0, 100)):
        click(bench.canvas, place)
    assert "90.0°" in bench.measures[-1]
    assert bench.only().measurements["Angle deg"] == pytest.approx(90)


def test_lengths_are_in_pixels_where_the_slide_tells_no_scale(bench: Bench) -> None:
    bench.desk.calibration = PixelCalibration()
    bench.take(RulerTool(bench.desk))
    drag(bench.canvas, line(A, A + QPoint(100, 0)))
    assert "200.0 px" in bench.measures[-1]


# Beside the slide and unseen -------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda bench: BrushTool(bench.desk),
        lambda bench: RectangleTool(bench.desk),
        lambda bench: PointsTool(bench.desk),
        lambda bench: RulerTool(bench.desk),
    ],
    ids=["brush", "rectangle", "points", "ruler"],
)
def test_nothing_is_drawn_on_the_gray_beside_the_slide(
    bench: Bench, make: Callable[[Bench], DrawingTool]
) -> None:
    bench.desk = on_slide(bench)
    bench.canvas.show_any_view(replace(bench.canvas.view, center=Point(-2000, -2000)))
    bench.take(make(bench))
    drag(bench.canvas, line(A, A + QPoint(60, 40)))
    assert len(bench.document) == 0
    assert BESIDE_SLIDE in bench.said


def test_a_press_shows_hidden_annotations_before_anything_is_drawn(bench: Bench) -> None:
    shown: list[bool] = []
    bench.desk = on_slide(bench, lambda _classes: shown.append(True))
    bench.desk.is_hidden = True
    bench.take(PolygonTool(bench.desk))
    click(bench.canvas, A)
    assert shown
    assert len(bench.document) == 0


def on_slide(
    bench: Bench, show: Callable[[frozenset[str]], object] = lambda _: None
) -> EditContext:
    """What the tools work on, told where the slide ends."""
    slide = bench.canvas.slide_box
    return EditContext(
        bench.document, bench.selection, bench.options, bench.said.append, show=show, slide=slide
    )


# Pens and fingers ------------------------------------------------------------------------------


def pen(bench: Bench, kind: QEvent.Type, at: QPoint, pressure: float) -> None:
    """A pen's event and the mouse's that Qt makes of it where it is not taken."""
    device = QPointingDevice.primaryPointingDevice()
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    held = none if kind == QEvent.Type.TabletRelease else left
    place = QPointF(at)
    event = QTabletEvent(kind, device, place, place, pressure, 0, 0, 0, 0, 0, NONE, left, held)
    QApplication.sendEvent(bench.canvas, event)
    assert not event.isAccepted() or kind == QEvent.Type.TabletMove
    kinds = {
        QEvent.Type.TabletPress: QEvent.Type.MouseButtonPress,
        QEvent.Type.TabletMove: QEvent.Type.MouseMove,
        QEvent.Type.TabletRelease: QEvent.Type.MouseButtonRelease,
    }
    mouse(bench.canvas, kinds[kind], at)


def test_the_pressure_of_a_pen_scales_the_brush(bench: Bench) -> None:
    bench.options.brush_px = 80
    bench.take(BrushTool(bench.desk))
    areas: list[float] = []
    for pressure in (0.5, 1.0):
        pen(bench, QEvent.Type.TabletPress, A, pressure)
        pen(bench, QEvent.Type.TabletMove, A + QPoint(60, 0), pressure)
        pen(bench, QEvent.Type.TabletRelease, A + QPoint(60, 0), 0.0)
        areas.append(bench.only().geometry.area)
        bench.document.undo()
    assert areas[1] > 2 * areas[0]


def test_a_second_finger_gives_up_the_stroke_and_moves_the_slide(bench: Bench) -> None:
    tool = bench.take(BrushTool(bench.desk))
    begin(bench.canvas, line(A, A + QPoint(30, 0)))
    assert tool.is_busy
    # Qt sends one without gestures to nobody.
    bench.canvas.eventFilter(bench.canvas, QGestureEvent([]))
    assert not tool.is_busy
    end(bench.canvas, A)
    assert len(bench.document) == 0


# Anything in any order -------------------------------------------------------------------------

TOOLS: list[Callable[[Bench], DrawingTool]] = [
    lambda bench: SelectTool(bench.desk),
    lambda bench: RectangleTool(bench.desk),
    lambda bench: EllipseTool(bench.desk),
    lambda bench: PolygonTool(bench.desk),
    lambda bench: PolylineTool(bench.desk),
    lambda bench: BrushTool(bench.desk),
    lambda bench: EraserTool(bench.desk),
    lambda bench: WandTool(bench.desk, bench.canvas.picture_around),
    lambda bench: PointsTool(bench.desk),
    lambda bench: RulerTool(bench.desk),
    lambda bench: AngleTool(bench.desk),
]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_hands_do_is_undone_to_the_beginning(bench: Bench, seed: int) -> None:
    """Strokes of all tools, broken off, undone and redone within, in no order."""
    chance = random.Random(seed)
    first = [square(bench), square(bench, QPoint(60, 60), QPoint(150, 140), is_locked=True)]
    tool = bench.take(SelectTool(bench.desk))

    def place() -> QPoint:
        return QPoint(chance.randrange(20, 620), chance.randrange(20, 460))

    def act() -> None:
        nonlocal tool
        match chance.randrange(12):
            case 0 | 1:
                tool.put_down()
                bench.canvas.remove_layer(tool)
                tool = bench.take(chance.choice(TOOLS)(bench))
            case 2 | 3 | 4:
                drag(bench.canvas, line(place(), place(), 5), chance.choice([NONE, SHIFT, ALT]))
            case 5:
                click(bench.canvas, place(), chance.choice([NONE, SHIFT, ALT]))
            case 6:
                double_click(bench.canvas, place())
            case 7:
                begin(bench.canvas, line(place(), place(), 4))
                chance.choice([tool.keep, tool.give_up, bench.document.undo])()
                end(bench.canvas, place())
            case 8:
                keys = [Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Backspace]
                QTest.keyClick(bench.canvas, chance.choice(keys))
            case 9:
                bench.document.undo()
            case 10:
                bench.document.redo()
            case _:
                bench.options.avoid_overlap = chance.random() < 0.3
                bench.options.snapping = chance.random() < 0.3
                bench.canvas.repaint()

    most = 0
    for _ in range(120):
        act()
        most = max(most, len(bench.document))
        assert bench.document.get(first[1].id) in (None, first[1])  # it is locked
        assert all(each.geometry.is_valid and not each.geometry.is_empty for each in bench.document)
    assert most > 3
    tool.put_down()
    while bench.document.undo() is not None:
        pass
    assert len(bench.document) == 0
    while bench.document.redo() is not None:
        pass
    assert bench.picture() == bench.picture()
