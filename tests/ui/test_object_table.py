"""The table of objects asks for what is in sight, and moves the slide only when it is asked to."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from viewer.cohort.spread import Spread
from viewer.geometry import Size
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.object_style import ObjectStyle
from viewer.overlays.object_table import ObjectTable, object_table
from viewer.overlays.objects import Objects
from viewer.ui.batch.spread_model import SpreadModel
from viewer.ui.overlays.object_table_dialog import ObjectTableModel, ObjectTableView

_MANY = 1_000_000


def _objects(count: int) -> Objects:
    centroids = np.stack([np.arange(count), np.zeros(count)], 1).astype(np.float32)
    points = np.repeat(centroids, 3, 0)
    starts = np.arange(0, 3 * count + 1, 3)
    areas = {"Area um2": np.arange(count, dtype=np.float32)}
    return Objects(points, starts, centroids, np.zeros(count, np.uint8), areas)


def _view(count: int, qtbot: QtBot) -> tuple[QWidget, QLineEdit, ObjectTableView]:
    holder = QWidget()
    qtbot.addWidget(holder)
    other, view = QLineEdit(holder), ObjectTableView(holder)
    layout = QVBoxLayout(holder)
    layout.addWidget(other)
    layout.addWidget(view)
    model = ObjectTableModel(view)
    model.show_table(ObjectTable(_objects(count), np.arange(count), ["Nucleus"], 0.5))
    view.setModel(model)
    holder.resize(600, 400)
    holder.show()
    holder.activateWindow()
    qtbot.waitUntil(holder.isActiveWindow)
    return holder, other, view


def test_of_a_million_objects_only_those_in_sight_are_asked_for(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[int] = set()
    cell = ObjectTable.cell

    def noting(table: ObjectTable, row: int, column: int) -> str | float:
        asked.add(row)
        return cell(table, row, column)

    monkeypatch.setattr(ObjectTable, "cell", noting)
    holder, _, view = _view(_MANY, qtbot)
    view.grab()
    assert holder.isVisible()
    assert 0 < len(asked) < 100
    asked.clear()
    view.scrollToBottom()
    view.grab()
    assert _MANY - 1 in asked
    assert len(asked) < 100
    index = view.model().index(_MANY - 1, 3)
    assert index.data() == "999,999.00"
    assert view.model().headerData(3, Qt.Orientation.Horizontal) == "Area µm²"


def test_rows_come_in_the_order_of_the_names_that_they_show(qtbot: QtBot) -> None:
    """Of classes, which have numbers, and of slides, which have paths."""
    objects = replace(_objects(3), classes=np.array([0, 1, 2], np.uint8))
    found = ObjectMap(BlockGrid(Size(100, 100), 1.0, 100, 0), 0.5)
    found.put(BlockKey(0, 0), objects)
    names = ["Tumor", "immune", "Stroma"]
    for descending, expected in ((False, ["immune", "Stroma", "Tumor"]),
                                 (True, ["Tumor", "Stroma", "immune"])):  # fmt: skip
        table = object_table(found, ObjectStyle(), names, 0, descending=descending)
        assert [table.cell(row, 0) for row in range(3)] == expected
    slides = ["/a/z.svs", "/b/y.svs", "/c/x.svs"]
    values, bins = np.arange(3.0), np.ones(4, np.int64)
    spread = Spread(slides, values, values, None, bins, 0.0, 2.0, 1.0, 3)
    holder = QWidget()
    qtbot.addWidget(holder)
    model = SpreadModel(lambda path: path.stem, holder)
    model.show_spread(spread, "Nuclei")
    model.sort(0)
    assert [model.text(row, 0) for row in range(3)] == ["x", "y", "z"]
    model.sort(0, Qt.SortOrder.DescendingOrder)
    assert [model.text(row, 0) for row in range(3)] == ["z", "y", "x"]


def test_focus_chooses_no_row_and_a_key_or_click_does(qtbot: QtBot) -> None:
    holder, other, view = _view(20, qtbot)
    assert holder.isVisible()
    chosen: list[int] = []
    view.row_chosen.connect(chosen.append)
    other.setFocus()
    view.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(view.hasFocus)
    assert chosen == []
    assert not view.currentIndex().isValid()
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert chosen == [0, 1]
    cell = view.visualRect(view.model().index(4, 1)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert chosen == [0, 1, 4]
    other.setFocus()
    view.setFocus(Qt.FocusReason.TabFocusReason)
    assert chosen == [0, 1, 4]
