"""A slide whose file changes while it is open: said in the window, and opened again by a click."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import shapely
import tifffile
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, opened_annotations, press, show_slide

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.canvas.canvas import SlideCanvas
from viewer.geometry import Point
from viewer.slides import open_slide
from viewer.slides.held_before import held_before
from viewer.ui.main_window import MainWindow
from viewer.ui.slides.thumbnails import Thumbnails


def _write(path: Path, value: int, side_px: int = 2048) -> None:
    picture = np.full((side_px, side_px, 3), value, np.uint8)
    tifffile.imwrite(path, picture, tile=(256, 256), photometric="rgb", compression="zlib")


def test_it_is_said_and_opened_again(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    path, other = tmp_path / "S-1.tif", tmp_path / "other.tif"
    _write(path, 200)
    _write(other, 50)
    show_slide(window, path, qtbot)
    pane = window.panes.active
    assert not pane.bars.notice.isVisible()
    before = pane.source
    assert before is not None
    identity = before.info.identity
    shutil.move(other, path)
    for x, y in ((150, 150), (1900, 150), (1900, 1900), (150, 1900), (1000, 1000)):
        # Some tiles there were not read ahead.
        pane.canvas.go_to(Point(x, y), 1.0, animated=False)
        qtbot.waitUntil(lambda: pane.canvas.is_sharp)
    qtbot.waitUntil(pane.bars.notice.isVisible)
    assert "S-1.tif was changed on the disk while it was open" in pane.bars.notice.sentence.text()
    qtbot.waitUntil(lambda: pane.canvas.is_sharp)
    colors = np.unique(_pixels(pane.canvas))
    assert 50 not in colors  # nothing of the other slide is shown in this one's name
    with qtbot.waitSignal(pane.opened):
        qtbot.mouseClick(pane.bars.notice.button, Qt.MouseButton.LeftButton)
    assert not pane.bars.notice.isVisible()
    assert pane.source is not None
    assert pane.source.info.identity != identity
    qtbot.waitUntil(lambda: pane.canvas.is_sharp)
    assert 50 in np.unique(_pixels(pane.canvas))


def test_the_picture_in_the_list_is_that_of_the_file_that_was_opened_again(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "S-1.tif"
    _write(path, 200)
    with qtbot.waitSignal(window.panes.active.opened, timeout=20_000):
        window.open_paths([tmp_path])
    model, pane = window.slides.model, window.panes.active

    def gray() -> int:
        image = model.index(0).data(Qt.ItemDataRole.DecorationRole).toImage()
        return image.pixelColor(image.width() // 2, image.height() // 2).getRgb()[0]

    qtbot.waitUntil(lambda: gray() == 200)
    _write(path, 50)
    pane.open(path)  # it is on screen: looks whether it is still the same
    qtbot.waitUntil(pane.bars.notice.isVisible)
    with qtbot.waitSignal(pane.opened):
        qtbot.mouseClick(pane.bars.notice.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: gray() == 50)


def test_a_session_has_no_picture_of_the_slide_that_lies_there_now(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "S-1.tif"
    _write(path, 200)
    with closing(open_slide(path)) as source:
        identity = source.info.identity
    thumbnails = Thumbnails(window)
    for value in (200, 50):
        _write(path, value)
        with qtbot.waitSignal(thumbnails.changed):
            thumbnails.picture(path, identity)
        picture = thumbnails.picture(path, identity).toImage()
        middle = picture.pixelColor(picture.width() // 2, picture.height() // 2).getRgb()
        assert (middle == (200, 200, 200, 255)) == (value == 200)
        if value == 200:
            _write(path, 50)
            with qtbot.waitSignal(thumbnails.changed):
                thumbnails.look_again(path)
    thumbnails.shut_down()


def _pixels(canvas: SlideCanvas) -> np.ndarray:
    image = canvas.grab().toImage()
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    pixels = rows[:, : image.width() * 4].reshape(image.height(), image.width(), 4)
    return pixels[100:-100, 100:-100, 0]


def test_a_slide_that_is_moved_is_shown_on_and_said(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "S-1.tif"
    _write(path, 200, 4096)
    show_slide(window, path, qtbot)
    pane = window.panes.active
    away = path.rename(tmp_path / "S-2.tif")

    def go_to(x: int, y: int) -> None:
        pane.canvas.go_to(Point(x, y), 1.0, animated=False)
        qtbot.waitUntil(lambda: pane.canvas.is_sharp)

    go_to(600, 600)
    qtbot.waitUntil(pane.bars.notice.isVisible)
    said = pane.bars.notice.sentence.text()
    assert said.startswith("S-1.tif is not in its place any more: it was moved, renamed or deleted")
    assert (_pixels(pane.canvas)[:, :300] == 200).all()
    away.rename(path)
    go_to(3600, 3600)
    qtbot.waitUntil(lambda: not pane.bars.notice.isVisible())


def test_what_is_drawn_on_one_slide_is_never_seen_on_the_next(
    window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    """The next slide is on the canvas before it is known which one it is."""
    show_slide(window, sample_slide, qtbot)
    pane = window.panes.active
    left: list[bool] = []
    pane.slide_changed.connect(lambda each: left.append(each.source is None))
    other = tmp_path / "next.tif"
    _write(other, 90)
    show_slide(window, other, qtbot)
    assert left == [True, False]


def test_a_file_of_the_slide_that_comes_later_is_shown_once_it_is_opened_again(
    window: MainWindow,
    tmp_path: Path,
    shared_slide: Callable[[str], Path],
    qtbot: QtBot,
) -> None:
    """A series of DICOM of which the label is copied last."""
    files = sorted(shared_slide("dicom-folder").rglob("*.dcm"))
    last = next(file for file in files if b"LABEL" in file.read_bytes()[:4000])
    for file in files:
        if file is not last:
            shutil.copyfile(file, tmp_path / file.name)
    path = min(tmp_path.glob("*.dcm"))
    show_slide(window, path, qtbot)
    pane = window.panes.active
    assert pane.source is not None
    assert "label" not in pane.source.info.associated
    shutil.copyfile(last, tmp_path / last.name)
    window.open_paths([path])
    qtbot.waitUntil(pane.bars.notice.isVisible)
    assert f"{path.name} was changed on the disk" in pane.bars.notice.sentence.text()
    with qtbot.waitSignal(pane.opened):
        qtbot.mouseClick(pane.bars.notice.button, Qt.MouseButton.LeftButton)
    assert pane.source is not None
    assert "label" in pane.source.info.associated


def _open_again(window: MainWindow, path: Path, qtbot: QtBot) -> None:
    """Open a slide that was changed, and click on what is said of it."""
    pane = window.panes.active
    window.open_paths([path])
    qtbot.waitUntil(pane.bars.notice.isVisible)
    with qtbot.waitSignal(pane.opened):
        qtbot.mouseClick(pane.bars.notice.button, Qt.MouseButton.LeftButton)


def test_what_was_drawn_on_the_file_before_it_changed_is_said_and_copied(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    """A scanner still writes: the whole slide is another than the part that was drawn on."""
    path = tmp_path / "S-1.tif"
    _write(path, 200)
    show_slide(window, path, qtbot)
    annotations = window.annotations
    opened_annotations(window, qtbot).do(adding("Box", [Annotation(shapely.box(10, 10, 60, 60))]))
    assert not annotations.banner.isVisible()
    _write(path, 50)
    _open_again(window, path, qtbot)
    assert len(opened_annotations(window, qtbot).document) == 0
    qtbot.waitUntil(annotations.banner.isVisible)
    assert annotations.banner.sentence.text() == (
        "This file holds something else than when it was last open: what you drew on that "
        "(1 annotation) is kept, and not shown here."
    )
    assert annotations.banner.button.text() == "Copy them here"
    qtbot.mouseClick(annotations.banner.button, Qt.MouseButton.LeftButton)
    sets = annotations.active_sets
    assert sets is not None
    qtbot.waitUntil(lambda: sets.named("Before the file changed") is not None)
    entry = sets.named("Before the file changed")
    assert entry is not None
    assert entry.annotations is not None
    document = entry.annotations.document
    qtbot.waitUntil(lambda: len(document) == 1)
    assert not annotations.banner.isVisible()
    with closing(open_slide(path)) as source:
        assert held_before(source) == source.info.identity  # from now on it is this one
    # What was there before is there again, with its annotations, if the file is put back.
    _write(path, 200)
    _open_again(window, path, qtbot)
    assert len(opened_annotations(window, qtbot).document) == 1


def test_a_change_is_said_in_each_pane_that_shows_the_slide(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path, other = tmp_path / "S-1.tif", tmp_path / "S-2.tif"
    for each in (path, other):
        _write(each, 200)
    show_slide(window, path, qtbot)
    first = window.panes.active
    press(qtbot, window, Qt.Key.Key_Backslash, CTRL)
    second = window.panes.active
    qtbot.waitUntil(lambda: second.source is not None)
    third = window.panes.add_pane()
    show_slide(window, other, qtbot)
    window.panes.activate(second)
    _write(path, 50)
    window.open_paths([path])
    qtbot.waitUntil(second.bars.notice.isVisible)
    qtbot.waitUntil(first.bars.notice.isVisible)  # at rest: it reads nothing by itself
    assert "S-1.tif was changed on the disk" in first.bars.notice.sentence.text()
    assert not third.bars.notice.isVisible()
