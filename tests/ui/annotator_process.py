"""An annotator at work in a process of its own, for the tests that kill it."""

from __future__ import annotations

import sys
from pathlib import Path

from annotating_steps import begin, drag, line
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow


def main(slide: Path) -> None:
    """Opens a slide and draws for ever; tells how many regions are on the disk."""
    QApplication([])
    window = MainWindow(Settings(), TileCache(64 << 20))
    window.resize(1000, 700)
    window.show()
    window.open_paths([slide])
    while window.annotations.active is None or not window.panes.active.canvas.is_sharp:
        QTest.qWait(20)
    canvas = window.panes.active.canvas
    here = window.annotations.active
    for number in range(10_000):
        x, y = 120 + 97 * (number % 7), 80 + 83 * (number // 7 % 6)
        here.selection.choose([])
        tool = (Qt.Key.Key_B, Qt.Key.Key_R, Qt.Key.Key_W)[number % 3]
        QTest.keyClick(canvas, tool)
        drag(canvas, line(QPoint(x, y), QPoint(x + 60, y + 45)))
        while not window.annotations.is_saved:
            QTest.qWait(5)
        print(len(here.document), flush=True)
        # The next stroke is under way when the process is killed.
        QTest.keyClick(canvas, Qt.Key.Key_B)
        begin(canvas, line(QPoint(x, y + 20), QPoint(x + 40, y + 60)))
        QTest.qWait(20)
        QTest.keyClick(canvas, Qt.Key.Key_Escape)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
