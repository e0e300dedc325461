"""A density map asked for in the window: an overlay with values, and its hot spot marked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile
from pytestqt.qtbot import QtBot
from ui_steps import open_dialog, show_slide

from viewer.geometry import Point
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.density import DensityDialog
from viewer.ui.overlays.overlay import Overlay


def test_objects_of_a_file_are_mapped_and_the_densest_place_is_marked(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path, table = tmp_path / "a.tif", tmp_path / "objects.geojson"
    pixels = np.full((600, 800, 3), 235, np.uint8)
    tifffile.imwrite(
        path, pixels, tile=(256, 256), photometric="rgb", resolution=(10000, 10000),
        resolutionunit=3,
    )  # fmt: skip
    middles = [(x, y) for x in range(40, 800, 80) for y in range(40, 600, 80)]
    middles += [(500 + 9 * x, 200 + 9 * y) for x in range(5) for y in range(5)]
    features = [
        {
            "type": "Feature",
            "properties": {"objectType": "detection"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[x - 3, y - 3], [x + 3, y - 3], [x + 3, y + 3], [x - 3, y + 3], [x - 3, y - 3]]
                ],
            },
        }
        for x, y in middles
    ]
    table.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    show_slide(window, path, qtbot)
    window.commands["overlays.density"].trigger()  # says what is needed
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    window.overlays.take_results(table, window.panes.active, "slide")
    qtbot.waitUntil(lambda: window.overlays.in_hand is not None)
    window.commands["overlays.density"].trigger()
    dialog = open_dialog(window, DensityDialog, qtbot)
    assert isinstance(dialog, DensityDialog)
    dialog.radius.setValue(60)
    dialog.area.setValue(0.01)
    dialog.make.click()

    def made() -> list[Overlay]:
        runs = window.overlays.all_of(window.panes.active)
        return [run for run in runs if run.origin.name.startswith("Density of")]

    qtbot.waitUntil(lambda: bool(made()))
    (overlay,) = made()
    active = window.annotations.active
    assert active is not None
    qtbot.waitUntil(lambda: len(active.document) == 1)
    (spot,) = active.document
    middle = spot.geometry.centroid
    assert abs(middle.x - 518) < 56
    assert abs(middle.y - 218) < 56
    assert spot.measurements["Objects"] >= 25
    qtbot.waitUntil(lambda: overlay.result_at(Point(518.0, 218.0)) is not None)
    told = overlay.result_at(Point(518.0, 218.0))
    assert told is not None
    assert "Density of" in told.text
    window.commands["edit.undo"].trigger()
    assert len(active.document) == 0
