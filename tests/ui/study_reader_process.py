"""A reader of a study in a process of their own, who tells what is seen."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from annotating_steps import drag, line
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox

from viewer.geometry import Point
from viewer.settings import Settings
from viewer.studies.stages import ReaderView
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow
from viewer.ui.projects.question_fields import ChoiceField

_LONG_S = 60.0


class Reader:
    """A window in which one reads."""

    def __init__(self, study: Path, slide: Path, scores: Path, reader: str) -> None:
        self.slide, self.scores = slide, scores
        settings = Settings(reader=reader, consent_utc="2026-01-01T00:00:00+00:00")
        self.window = MainWindow(settings, TileCache(64 << 20))
        self.window.resize(1100, 800)
        self.window.show()
        self.window.open_paths([study])
        self.until(lambda: self.window.projects.opened.is_open)
        self.window.open_paths([slide])
        self.until(lambda: self.window.annotations.active is not None)
        self.until(lambda: self.window.panes.active.canvas.is_sharp)
        questions = self.window.projects.questions.panel
        questions.show()
        self.until(lambda: bool(questions.fields) and reader in questions.who.text())

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait, or end with what was waited for."""
        until = time.monotonic() + _LONG_S
        while not condition():
            line_number = sys._getframe(1).f_lineno
            assert time.monotonic() < until, f"line {line_number}: it did not happen"
            QTest.qWait(20)

    def read(self, place: Point, option: int) -> None:
        """Draw a rectangle at a place and choose an answer; wait until both are on the disk.

        The place is on the slide: each reader's window may show it elsewhere.
        """
        window = self.window
        canvas = window.panes.active.canvas
        before = self.drawn
        QTest.keyClick(canvas, Qt.Key.Key_R)
        ends = (place, Point(place.x + 250, place.y + 190))
        start, end = (QPointF(*canvas.view.to_screen(each)).toPoint() for each in ends)
        drag(canvas, line(start, end))
        self.until(lambda: self.drawn == before + 1)
        panel = window.projects.questions.panel
        pattern = next(iter(panel.fields.values()))
        self.until(pattern.isEnabled)
        assert isinstance(pattern, ChoiceField)
        QTest.mouseClick(
            pattern.buttons.button(option), Qt.MouseButton.LeftButton, pos=QPoint(8, 8)
        )
        self.until(lambda: window.annotations.is_saved)
        self.until(lambda: not window.projects.questions._unkept)

    def tries_ai(self) -> str:
        """Import results of a model; what the window says, or "shown"."""
        window, pane = self.window, self.window.panes.active
        window.overlays.take_results(self.scores, pane)
        hidden = window.projects.study.why_no_ai(pane)
        self.until(lambda: bool(hidden) or bool(window.overlays.all_of(pane)))
        QTest.qWait(100)
        return "shown" if window.overlays.all_of(pane) else window.status.currentMessage()

    def end_stage(self) -> None:
        """As the user does, by the command and its question."""
        window = self.window
        stage = self.view.stage
        window.commands["project.end_stage"].trigger()
        (box,) = [each for each in window.findChildren(QMessageBox) if each.isVisible()]
        (button,) = [each for each in box.buttons() if "End" in each.text()]
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

        self.until(lambda: self.view.stage != stage or self.view.is_over)
        self.until(lambda: window.annotations.active is not None)

    @property
    def view(self) -> ReaderView:
        study = self.window.projects.study
        view = study.view(study.identity_of(self.window.panes.active))
        assert view is not None
        return view

    @property
    def drawn(self) -> int:
        active = self.window.annotations.active
        return -1 if active is None else len(active.document)

    def tell(self) -> None:
        """Print what is seen now."""
        window = self.window
        sets, view = window.annotations.active_sets, self.view
        assert sets is not None
        listed: list[object] = []
        sets.changed.connect(lambda: listed.append(None))
        sets.refresh()
        window.annotations.when_written(lambda: listed.append(None))
        self.until(lambda: bool(listed))
        print(json.dumps({
            "stage": view.stage, "over": view.is_over, "title": window.windowTitle(),
            "sets": [(each.label, each.is_shown) for each in sets.entries],
            "drawn": self.drawn,
            "can draw": window.annotations.can_annotate,
            "answers": window.projects.questions._answers,
            "ai": self.tries_ai(), "told": window.projects.slides.header.stage.text(),
        }), flush=True)  # fmt: skip


def main(study: Path, slide: Path, scores: Path, name: str, stages: int) -> None:
    """Read in each stage; a line on the standard input lets the reader go on."""
    QApplication([])
    reader = Reader(study, slide, scores, name)
    for stage in range(stages):
        reader.read(Point(600 + 400 * stage, 1000), stage)
        reader.tell()
        sys.stdin.readline()
        reader.tell()
        reader.end_stage()
    reader.tell()
    reader.window.close()


if __name__ == "__main__":
    paths = [Path(name) for name in sys.argv[1:4]]
    main(paths[0], paths[1], paths[2], sys.argv[4], int(sys.argv[5]))
