"""No error of ours leaves a method that Qt calls: on CPython 3.11 it could end the process."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PySide6.QtGui import QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from ui_steps import SHIFT, press, rest

import viewer.canvas
import viewer.ui
from viewer.canvas.canvas import SlideCanvas
from viewer.canvas.layer import LayerOrder, Scene
from viewer.canvas.qt_guard import GUARD_MARK
from viewer.ui.main_window import MainWindow


def classes_of_qt() -> Iterator[type]:
    """All classes of ours that Qt may call into."""
    for room in (viewer.canvas, viewer.ui):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            for found in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(found) and found.__module__ == module.name and is_of_qt(found):
                    yield found


def is_of_qt(kind: type) -> bool:
    return any(base.__module__.startswith("PySide6") for base in kind.__mro__)


def overrides(kind: type) -> Iterator[tuple[str, object]]:
    """Methods of Qt that a class, or a mixin of ours before Qt's class, answers in Python."""
    of_qt = [base for base in kind.__mro__ if base.__module__.startswith(("PySide6", "Shiboken"))]
    names = {name for base in of_qt for name in vars(base) if not name.startswith("__")}
    for name in sorted(names):
        holder = next(base for base in kind.__mro__ if name in vars(base))
        if holder.__module__.startswith("viewer.") and inspect.isfunction(vars(holder)[name]):
            yield name, vars(holder)[name]


def test_every_override_of_a_qt_method_is_guarded(qapp: QApplication) -> None:
    found = [(kind, name, method) for kind in classes_of_qt() for name, method in overrides(kind)]
    assert len(found) > 60
    unguarded = [
        f"{kind.__module__}.{kind.__qualname__}.{name}"
        for kind, name, method in found
        if not getattr(method, GUARD_MARK, False)
    ]
    assert unguarded == []


def test_the_general_event_handler_is_overridden_nowhere(qapp: QApplication) -> None:
    """Filters and narrow handlers do: what they raise is not below a Python `event()`."""
    found = {f"{kind.__qualname__}" for kind in classes_of_qt() if "event" in dict(overrides(kind))}
    assert found == set()


class FailingLayer:
    """Fails as C code does, with the painter turned and saved once too often."""

    def paint(self, painter: QPainter, scene: Scene) -> bool | None:  # noqa: ARG002
        painter.save()
        painter.rotate(30)
        return [][0]


class LastLayer:
    def __init__(self) -> None:
        self.turns: list[bool] = []

    def paint(self, painter: QPainter, scene: Scene) -> bool | None:  # noqa: ARG002
        self.turns.append(painter.transform().isRotating())
        return False


def test_a_layer_that_fails_leaves_the_others_and_is_said_once(
    slide_window: MainWindow, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    window, canvas = slide_window, slide_window.panes.active.canvas
    last = LastLayer()
    canvas.add_layer(FailingLayer(), LayerOrder.OBJECTS)
    canvas.add_layer(last, LayerOrder.TOOLS)
    with caplog.at_level(logging.ERROR):
        qtbot.waitUntil(lambda: len(last.turns) >= 1)
        qtbot.waitUntil(lambda: "IndexError" in window.status.currentMessage())
        window.status.clearMessage()
        canvas.repaint()
        canvas.repaint()
    qtbot.waitUntil(lambda: len(last.turns) >= 3)
    QCoreApplication.sendPostedEvents()  # as which the window hears of a failure
    assert not any(last.turns)
    assert window.status.currentMessage() == ""
    (record,) = [record for record in caplog.records if "FailingLayer" in record.getMessage()]
    assert record.exc_info is not None
    assert record.exc_info[0] is IndexError


@pytest.mark.parametrize(
    "kind",
    [QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.ShortcutOverride],
)
def test_an_error_of_c_code_in_a_handler_is_no_end(
    slide_window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, kind: QEvent.Type
) -> None:
    window, canvas = slide_window, slide_window.panes.active.canvas

    def fail(_canvas: SlideCanvas, event: QEvent) -> bool:
        return event.type() == kind and next(iter([]))

    monkeypatch.setattr(SlideCanvas, "handle_event", fail)
    for _ in range(20):
        QTest.keyClick(canvas, Qt.Key.Key_Left)
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    qtbot.waitUntil(lambda: "StopIteration" in window.status.currentMessage())


def test_closing_goes_on_where_a_part_of_it_fails(
    slide_window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = slide_window
    ended: list[str] = []
    monkeypatch.setattr(window.annotations, "shut_down", lambda: [][0])
    monkeypatch.setattr(window.recording, "shut_down", lambda: ended.append("recording"))
    window.close()
    assert ended == ["recording"]


def test_handles_of_the_selected_rectangle_may_all_lie_off_screen(
    slide_window: MainWindow, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    window, canvas = slide_window, slide_window.panes.active.canvas
    press(qtbot, window, Qt.Key.Key_R)
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(canvas, left, pos=QPoint(200, 150))
    QTest.mouseMove(canvas, QPoint(300, 250))
    QTest.mouseMove(canvas, QPoint(400, 300))
    QTest.mouseRelease(canvas, left, pos=QPoint(400, 300))
    press(qtbot, window, Qt.Key.Key_S)
    press(qtbot, window, Qt.Key.Key_7)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down):
        press(qtbot, window, key, SHIFT)
    rest(window, qtbot)
    canvas.repaint()
    qtbot.waitUntil(lambda: canvas.is_finished)
    assert not [record for record in caplog.records if record.exc_info]
