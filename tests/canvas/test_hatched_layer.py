"""Hatched patches lie where they belong, whatever the view."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage, QPainter
from pytestqt.qtbot import QtBot

from viewer.canvas.hatched_layer import HatchedLayer
from viewer.canvas.layer import Scene
from viewer.geometry import Box, Optics, Point, Size, View
from viewer.overlays.patch_mask import PatchMask


@pytest.mark.parametrize("rotation_deg", [0.0, 90.0, 33.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_only_the_patches_are_hatched(rotation_deg: float, mirrored: bool, qtbot: QtBot) -> None:
    mask = np.random.default_rng(1).random((6, 8)) < 0.4
    layer = HatchedLayer("no answer")
    layer.show_mask(PatchMask(mask, 100.0))
    assert layer.shown_name == "no answer"
    view = View(Point(400, 300), 2.0, Size(600, 600), rotation_deg, mirrored)
    picture = QImage(600, 600, QImage.Format.Format_RGB32)
    picture.fill(0xFFFFFFFF)
    painter = QPainter(picture)
    layer.paint(painter, Scene(view, Box(0, 0, 750, 600), Optics(), 1.0))
    painter.end()
    for row in range(6):
        for column in range(8):
            # In a quarter of the patch round its middle, away from rounded edges.
            places = [(100 * column + 50 + d, 100 * row + 50) for d in range(-20, 21, 4)]
            if column == 7:
                places = [(x - 25, y) for x, y in places]  # the slide ends in its middle
            at = [view.to_screen(Point(*place)) for place in places]
            colors = {picture.pixelColor(round(p.x), round(p.y)).name() for p in at}
            assert (colors != {"#ffffff"}) == mask[row, column]
            assert not mask[row, column] or "#ffffff" not in colors
    beyond = view.to_screen(Point(775, 50))
    assert picture.pixelColor(round(beyond.x), round(beyond.y)).name() == "#ffffff"


def test_without_patches_nothing_is_shown(qtbot: QtBot) -> None:
    layer = HatchedLayer("no answer")
    layer.show_mask(PatchMask(np.zeros((3, 3), bool), 10.0))
    assert layer.shown_name == ""
