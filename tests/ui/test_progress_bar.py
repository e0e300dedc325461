"""A step of a progress bar paints no more than the bar, and with all else."""

from __future__ import annotations

from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QProgressBar, QWidget
from pytestqt.qtbot import QtBot

from viewer.ui.widgets import ProgressBar


class _Beside(QWidget):
    """Counts how often it is painted."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.paints = 0
        self.setMinimumSize(50, 50)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        self.paints += 1


def _paints_after_a_step(qtbot: QtBot, kind: type[QProgressBar]) -> tuple[int, int]:
    """Return how often what is beside a bar was painted within a step, and after it."""
    window = QWidget()
    qtbot.addWidget(window)
    beside, bar = _Beside(window), kind(window)
    layout = QHBoxLayout(window)
    layout.addWidget(beside)
    layout.addWidget(bar)
    window.show()
    qtbot.waitUntil(lambda: beside.paints > 0)
    QApplication.processEvents()
    before = beside.paints
    beside.update()
    bar.setValue(30)
    within = beside.paints - before
    beside.update()
    qtbot.waitUntil(lambda: beside.paints > before + within)
    QApplication.processEvents()
    assert bar.value() == 30
    return within, beside.paints - before


def test_what_is_beside_is_painted_once(qtbot: QtBot) -> None:
    assert _paints_after_a_step(qtbot, QProgressBar) == (1, 2)
    assert _paints_after_a_step(qtbot, ProgressBar) == (0, 1)
