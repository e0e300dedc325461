"""The dialog that goes to a coordinate."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from viewer.geometry import Optics, Point
from viewer.ui.slides.go_to_dialog import GoToDialog


@pytest.fixture
def dialog(qtbot: QtBot) -> GoToDialog:
    made = GoToDialog(Point(1234.5678, 987.6), (5000, 4000), Optics((0.2527, 0.5)))
    qtbot.addWidget(made)
    return made


def _there_and_back(dialog: GoToDialog) -> None:
    for index in (1, 0):
        dialog.unit.setCurrentIndex(index)


def test_a_coordinate_keeps_its_digits_through_a_change_of_unit(dialog: GoToDialog) -> None:
    _there_and_back(dialog)
    assert dialog.point == (1234.5678, 987.6)
    dialog.x_box.setValue(100.1)
    for _ in range(20):
        _there_and_back(dialog)
    assert dialog.x_box.value() == 100.1
    assert dialog.point == (100.1, 987.6)


def test_micrometers_are_those_of_each_axis(dialog: GoToDialog) -> None:
    dialog.unit.setCurrentIndex(1)
    dialog.x_box.setValue(252.7)
    dialog.y_box.setValue(50.25)
    assert dialog.point == pytest.approx((1000.0, 100.5))
    dialog.unit.setCurrentIndex(0)
    assert (dialog.x_box.value(), dialog.y_box.value()) == (1000.0, 100.5)
