"""Nothing vanishes when the place of annotations changes; no pixel size is slipped in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import shapely
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from ui_steps import opened_annotations, show_slide

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.geometry import Optics
from viewer.settings import Settings
from viewer.ui.main_window import MainWindow
from viewer.ui.slides.pixel_size_dialog import PixelSizeDialog


def draw(window: MainWindow, x: float, qtbot: QtBot) -> None:
    opened_annotations(window, qtbot).do(
        adding("Box", [Annotation(shapely.box(x, 10, x + 50, 60))])
    )
    qtbot.waitUntil(lambda: window.annotations.is_saved)


def count(window: MainWindow, qtbot: QtBot) -> int:
    return len(opened_annotations(window, qtbot).document)


def test_annotations_are_taken_along_to_and_fro(
    make_window: Callable[..., MainWindow], sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    slide = tmp_path / "slide.svs"
    slide.write_bytes(sample_slide.read_bytes())
    for round_number, beside in enumerate((False, True, False, True)):
        window = make_window(Settings(reader="a", annotations_beside=beside))
        show_slide(window, slide, qtbot)
        assert count(window, qtbot) == round_number
        draw(window, 10.0 + 100 * round_number, qtbot)
        if round_number:
            assert "kept in" in opened_annotations(window, qtbot).slide.notice
        window.close()


@pytest.fixture
def dialog(qtbot: QtBot) -> PixelSizeDialog:
    dialog = PixelSizeDialog("slide.svs", Optics())
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


@pytest.mark.parametrize("typed", ["", "0", "-1", "1e9", "nan", "abc", "0.04", "21"])
def test_no_size_is_taken_that_nobody_can_mean(
    dialog: PixelSizeDialog, typed: str, qtbot: QtBot
) -> None:
    qtbot.keyClicks(dialog.size_um, typed)
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert dialog.problem.text()


def test_a_size_is_taken_as_typed(dialog: PixelSizeDialog, qtbot: QtBot) -> None:
    qtbot.keyClicks(dialog.size_um, "0,2527 µm")
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert not dialog.isVisible()
    assert dialog.mpp_um == pytest.approx(0.2527)


def test_an_unusual_size_is_asked_again(dialog: PixelSizeDialog, qtbot: QtBot) -> None:
    qtbot.keyClicks(dialog.size_um, "8")
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert dialog.isVisible()
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert not dialog.isVisible()
    assert dialog.mpp_um == 8.0
