"""A user at work in the home of a laboratory: seeded, with stalls and memory written down.

    python -m benchmarks.laboratory_day FOLDER [--minutes N] [--seed N] [--objects N]

FOLDER is made by `benchmarks.laboratory` where it is not there. Prints the memory after each step
and its peak, each stall over 100 ms with what was done, and whether memory stayed flat; exits with
1 where the window stalled by itself, its memory grew or a step did not come about.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from benchmarks.laboratory import OBJECTS, SESSIONS, SLIDES, Laboratory, make
from benchmarks.laboratory_memory import (
    AT_REST,
    MemoryWatch,
    Taken,
    growth,
    table,
    wait_for_rest,
)
from benchmarks.laboratory_work import Work
from benchmarks.stalls import close_window, measured, open_in, open_window, settle, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.stalls import Stalls
    from viewer.ui.main_window import MainWindow

_STALL_MS = 100.0
_GROWTH_MB = 100.0
"""At rest, from the first half of what is measured to the second."""
_PEAK_GROWTH = 0.15
"""Of the highest peak: edits of a million overlap with the writing of others as it comes."""
_WORK_SHARE = 0.15
"""Of the steps: those of `Work` take long."""
_REST_EVERY = 25
"""Steps until all is put away: what is held until then hangs on what was done last."""
_WARM_STEPS = 60
"""Steps until modules are loaded; caches are full after a third of the time."""


class Day:
    """What the user may do next, each as likely as the others."""

    def __init__(self, window: MainWindow, laboratory: Laboratory, chance: random.Random) -> None:
        self._window, self._laboratory, self._chance = window, laboratory, chance
        self.steps: dict[str, Callable[[], None]] = {
            "open a slide": self._open,
            "scroll the slides": self._scroll_slides,
            "search a slide": self._search,
            "change a state": self._change_state,
            "scroll the sessions": self._scroll_sessions,
            "filter the sessions": self._filter_sessions,
            "select sessions": self._select_sessions,
            "replay": self._replay,
            "move about": self._move,
            "open the slide of the objects": self._open_objects,
        }

    def touch(self) -> None:
        """Move the mouse, as whoever does something: else the user would be away all the time."""
        place = QPointF(1.0, 1.0)
        none = Qt.MouseButton.NoButton, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
        moved = QMouseEvent(QEvent.Type.MouseMove, place, place, *none)
        QApplication.sendEvent(self._window, moved)

    def put_away(self) -> None:
        """Open another slide, and wait until what was held of the one before is freed."""
        sets = self._window.annotations.active_sets
        if sets is not None:
            wait(lambda: sets.is_saved)
        self._open()
        wait_for_rest(settle)

    def _open(self) -> None:
        keys = self._window.slides.model.keys
        if keys:
            key, pane = self._chance.choice(keys), self._window.panes.active
            open_in(pane, lambda: self._window.slides.open(key), 60.0)

    def _open_objects(self) -> None:
        path, pane = self._laboratory.drawn_on, self._window.panes.active
        open_in(pane, lambda: self._window.open_paths([path]), 60.0)

    def _scroll_slides(self) -> None:
        self._window.slides.show()
        bar = self._window.slides.view.verticalScrollBar()
        for _ in range(10):
            bar.setValue(self._chance.randint(0, bar.maximum()))
            settle(0.05)

    def _search(self) -> None:
        self._window.slides.search.setText(self._chance.choice(["", "case 00", "0042", "9"]))

    def _change_state(self) -> None:
        from viewer.studies.project import STATES, changing_slide

        opened = self._window.projects.opened
        slide = self._chance.choice(opened.project.slides)
        opened.change(changing_slide(slide.identity, state=self._chance.choice(STATES)))

    def _scroll_sessions(self) -> None:
        panel = self._window.recording.panels.sessions
        panel.show()
        bar = panel.list.verticalScrollBar()
        for _ in range(10):
            bar.setValue(self._chance.randint(0, bar.maximum()))
            settle(0.05)

    def _filter_sessions(self) -> None:
        texts = ["", "case-0001", "simulated", "2026-01"]
        self._window.recording.panels.sessions.filter.setText(self._chance.choice(texts))
        settle(0.3)

    def _select_sessions(self) -> None:
        sessions = self._window.recording.panels.sessions.list
        if self._chance.random() < 0.5:
            sessions.selectAll()
        else:
            sessions.clearSelection()

    def _replay(self) -> None:
        panels = self._window.recording.panels
        listed = panels.sessions.model.listing.sessions
        if listed:
            panels.start_replay(self._chance.choice(listed).folder)
            wait(panels.replay.isVisible, 60.0)
            settle(1.0)
            panels.replay.closed.emit()

    def _move(self) -> None:
        canvas = self._window.panes.active.canvas
        for _ in range(5):
            canvas.zoom_by(self._chance.choice((0.4, 0.8, 1.5, 3.0)))
            settle(0.1)


def spend(window: MainWindow, laboratory: Laboratory, minutes: float, seed: int) -> bool:
    """Do what a user does; return whether all came about without a stall and memory stayed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    day, work = Day(window, laboratory, chance), Work(window, laboratory, chance)
    steps = day.steps | work.steps | {AT_REST: day.put_away}
    until_s = time.monotonic() + 60 * minutes
    late = 0
    stalled: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    taken: list[Taken] = []
    with MemoryWatch() as watch:
        while time.monotonic() < until_s:
            name = chance.choice(list(work.steps if chance.random() < _WORK_SHARE else day.steps))
            if len(taken) % _REST_EVERY == _REST_EVERY - 1:
                name = AT_REST
            with measured() as stalls:
                try:
                    day.touch()
                    steps[name]()
                except TimeoutError:
                    traceback.print_exc()
                    failed[name] += 1
                settle(chance.choice((0.1, 0.3, 0.8)))
            taken.append(watch.taken(name))
            print(_line(len(taken), taken[-1], stalls), flush=True)
            late += stalls.longest_ms > _STALL_MS
            # What the window's thread computed itself: on a busy machine it waits for others, too.
            if len(taken) > _WARM_STEPS and stalls.busiest_ms > _STALL_MS:
                stalled[name] += 1
    settled = taken[max(_WARM_STEPS, len(taken) // 3) :]
    print(table(settled))
    print(f"{len(taken)} steps, {late} with a stall over {_STALL_MS:.0f} ms by the clock")
    print(f"stalls of over {_STALL_MS:.0f} ms of the window's own: {dict(stalled) or 'none'}")
    print(f"what did not come about: {dict(failed) or 'nothing'}")
    return _is_flat(settled) and not stalled and not failed


def _line(number: int, taken: Taken, stalls: Stalls) -> str:
    said = f"{number:4} {taken.step:34}{taken.after_mb:6.0f} MB, peak {taken.peak_mb:6.0f} MB,"
    said += f" {stalls.took_s:6.1f} s"
    if stalls.longest_ms > _STALL_MS:
        said += f"; stall {stalls.longest_ms:.0f} ms, {stalls.busiest_ms:.0f} ms of them its own"
    return said


def _is_flat(taken: Sequence[Taken]) -> bool:
    grown = growth(taken)
    if grown is None:
        print("memory was looked at too seldom to tell whether it stays")
        return False
    most_peak_mb = _PEAK_GROWTH * max(each.peak_mb for each in taken)
    is_flat = grown.at_rest_mb < _GROWTH_MB and grown.peak_mb < most_peak_mb
    print(
        f"memory {'stayed flat' if is_flat else 'GREW'}: from the first half to the second, each "
        f"with {grown.rests} rests or more, it went by {grown.at_rest_mb:+.0f} MB at rest (max. "
        f"{_GROWTH_MB:.0f}), the highest peak by {grown.peak_mb:+.0f} MB (max. {most_peak_mb:.0f})"
    )
    print(f"Python's memory in use at rest: {grown.blocks:+,} blocks; an object takes five")
    return is_flat


def main() -> None:
    """Make the home where it is missing, and work in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--slides", type=int, default=SLIDES)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    given = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    laboratory = Laboratory(given.folder, given.sessions, given.slides, given.objects)
    make(laboratory)
    window = open_window()
    window.projects.open(laboratory.project)
    wait(lambda: len(window.slides.model.keys) > 0)
    is_well = spend(window, laboratory, given.minutes, given.seed)
    close_window(window)
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
