"""What the layer of annotations paints, near and far, and after changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from annotating_steps import Bench
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding, changing, removing
from viewer.annotations.kept_geometry import GEOMETRY_SLOT
from viewer.annotations.storage.packing import packed_all, unpacked_all
from viewer.canvas import annotations_layer
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Point
from viewer.slides import open_slide
from viewer.tiles.cache import TileCache

GREEN = "#00ff00"
RED = "#ff0000"


@pytest.fixture
def bench(qtbot: QtBot, sample_slide: Path) -> Iterator[Bench]:
    canvas = SlideCanvas(TileCache[TilePicture](128 << 20))
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    canvas.set_overview_visible(False)
    canvas.set_scale_bar_visible(False)
    canvas.show()
    source = open_slide(sample_slide)
    canvas.set_source(source, source.info.optics)
    canvas.go_to(Point(1100, 1400), 2.0, animated=False)
    qtbot.waitUntil(lambda: canvas.is_sharp, timeout=20_000)
    yield Bench(canvas)
    canvas.clear()


def add(bench: Bench, *annotations: Annotation) -> None:
    bench.document.do(adding("Draw", annotations))


def box_at(x: float, y: float, side: float = 200.0, color: str = GREEN) -> Annotation:
    return Annotation(shapely.box(x, y, x + side, y + side), color=color)


def read_back(drawn: Sequence[Annotation]) -> list[Annotation]:
    """As a file gives them, with their shapes as bytes."""
    return [each for each in unpacked_all(list(packed_all(drawn))) if each is not None]


def is_near(picture: QImage, at: Point, color: str) -> bool:
    """Whether a pixel within two of a screen position has this color."""
    wanted = QColor(color)
    for dx in range(-2, 3):
        for dy in range(-2, 3):
            seen = picture.pixelColor(round(at.x) + dx, round(at.y) + dy)
            away = max(
                abs(seen.red() - wanted.red()),
                abs(seen.green() - wanted.green()),
                abs(seen.blue() - wanted.blue()),
            )
            if away < 60:
                return True
    return False


@pytest.mark.parametrize(("rotation_deg", "is_mirrored"), [(0, False), (37, False), (90, True)])
def test_borders_lie_where_the_slide_has_them(
    bench: Bench, qtbot: QtBot, rotation_deg: float, is_mirrored: bool
) -> None:
    add(bench, box_at(1000, 1300))
    if is_mirrored:
        bench.canvas.flip_horizontally()
        qtbot.waitUntil(lambda: not bench.canvas.is_moving)
    bench.canvas.rotate_by(-rotation_deg if is_mirrored else rotation_deg)
    qtbot.waitUntil(lambda: bench.canvas.is_sharp, timeout=20_000)
    for pan in (0, 13.7):
        bench.canvas.show_view(bench.canvas.destination.panned(pan, pan / 2), animated=True)
        qtbot.waitUntil(lambda: bench.canvas.is_sharp, timeout=20_000)
        picture = bench.picture()
        for edge in (Point(1000, 1400), Point(1100, 1300), Point(1200, 1450)):
            assert is_near(picture, bench.canvas.view.to_screen(edge), GREEN)
        assert not is_near(picture, bench.canvas.view.to_screen(Point(1100, 1400)), GREEN)


def test_changes_undone_and_hidden_ones_show_at_once(bench: Bench) -> None:
    region = box_at(1000, 1300)
    before = bench.picture()
    add(bench, region)
    drawn = bench.picture()
    assert drawn != before
    moved = replace(region, geometry=shapely.box(1050, 1300, 1250, 1500))
    bench.document.do(changing("Move", [(region, moved)]))
    assert bench.picture() != drawn
    bench.document.undo()
    assert bench.picture() == drawn
    bench.layer.lift([region.id])
    assert bench.picture() == before
    bench.layer.lift([])
    assert bench.picture() == drawn
    bench.layer.show(is_shown=False, is_filled=False, has_names=False)
    assert bench.picture() == before
    bench.layer.show(is_shown=True, is_filled=False, has_names=False)
    bench.document.do(removing("Delete", [region]))
    assert bench.picture() == before


def test_what_is_chosen_locked_filled_or_named_looks_different(bench: Bench) -> None:
    region = replace(box_at(1000, 1300), name="Margin")
    add(bench, region)
    pictures = [bench.picture()]
    bench.selection.choose([region.id])
    pictures.append(bench.picture())
    bench.selection.choose([])
    assert bench.picture() == pictures[0]
    bench.layer.show(is_shown=True, is_filled=True, has_names=False)
    pictures.append(bench.picture())
    bench.layer.show(is_shown=True, is_filled=False, has_names=True)
    pictures.append(bench.picture())
    bench.layer.show(is_shown=True, is_filled=False, has_names=False)
    bench.document.do(changing("Lock", [(region, replace(region, is_locked=True))]))
    pictures.append(bench.picture())
    bench.layer.hover(region.id)
    pictures.append(bench.picture())
    assert all(a != b for i, a in enumerate(pictures) for b in pictures[:i])


def test_points_are_circles_of_one_size_at_every_zoom(bench: Bench) -> None:
    def count() -> int:
        image = bench.picture().convertToFormat(QImage.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
        rgb = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)
        return int(((rgb[..., 1] > rgb[..., 0] + 60) & (rgb[..., 1] > rgb[..., 2] + 60)).sum())

    add(bench, Annotation(shapely.Point(1100, 1400), color=GREEN))
    near = count()
    bench.canvas.go_to(Point(1100, 1400), 6.0, animated=False)
    assert count() == pytest.approx(near, rel=0.3)
    assert near > 40


def test_small_shapes_are_dots_and_a_change_of_zoom_keeps_all_shown(bench: Bench) -> None:
    add(bench, box_at(1100, 1400, 2))
    bench.canvas.go_to(Point(1100, 1400), 8.0, animated=False)
    assert is_near(bench.picture(), bench.canvas.view.to_screen(Point(1101, 1401)), GREEN)
    bench.canvas.go_to(Point(1100, 1400), 0.25, animated=False)
    assert is_near(bench.picture(), bench.canvas.view.to_screen(Point(1100, 1401)), GREEN)


def test_a_hundred_thousand_regions_are_painted_in_frames_and_completely(bench: Bench) -> None:
    numbers = np.random.default_rng(2)
    places = numbers.uniform((0, 0), (2200, 2900), (100_000, 2))
    boxes = shapely.box(places[:, 0], places[:, 1], places[:, 0] + 6, places[:, 1] + 6)
    bench.document.reset([Annotation(shape, color=GREEN) for shape in boxes])
    bench.canvas.go_to(Point(1100, 1400), 6.5, animated=False)
    bench.canvas.repaint()
    assert not bench.canvas.is_finished  # the frame was not held up for all of them
    picture = bench.picture()
    assert bench.canvas.is_finished
    for x, y in places[::1000].tolist():
        at = bench.canvas.view.to_screen(Point(x + 3, y + 3))
        if 5 < at.x < 635 and 5 < at.y < 475:
            assert is_near(picture, at, GREEN)
    # One more on top, and gone again: only its place is painted anew.
    added = box_at(1000, 1300, color=RED)
    add(bench, added)
    assert bench.picture() != picture
    bench.document.undo()
    assert bench.picture() == picture


def test_very_many_specks_look_as_few_do_and_no_geometry_is_made_for_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [(900 + 32 * (n % 20), 900 + 32 * (n // 20)) for n in range(300)]
    drawn = [box_at(x, y, 3, (GREEN, RED)[n % 2]) for n, (x, y) in enumerate(places)]
    large = box_at(1000, 1500, 150.0)
    bench.document.reset([large, *read_back(drawn)])
    ids = [each.id for each in drawn]
    bench.canvas.go_to(Point(1100, 1400), 4.0, animated=False)
    bench.selection.choose(ids[:50])
    few = bench.picture()
    monkeypatch.setattr(annotations_layer, "_SPECKS_AT_ONCE", 20)
    bench.document.reset([large, *read_back(drawn)])
    bench.selection.choose(ids[:50])
    assert bench.picture() == few
    held = [bench.document[id_] for id_ in ids]
    assert all(type(GEOMETRY_SLOT.__get__(each)) is bytes for each in held)
