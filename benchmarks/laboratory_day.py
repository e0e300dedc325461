"""A user at work in the home of a laboratory: seeded, with stalls and memory written down.

    python -m benchmarks.laboratory_day FOLDER [--minutes N] [--seed N] [--objects N]

FOLDER is made by `benchmarks.laboratory` where it is not there. Prints each stall over 100 ms with
what was done, and the memory each minute; exits with 1 where the window stalled by itself or its
memory grew.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.laboratory import OBJECTS, SESSIONS, SLIDES, Laboratory, make
from benchmarks.laboratory_work import Work
from benchmarks.stalls import close_window, measured, open_window, settle, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.ui.main_window import MainWindow

_STALL_MS = 100.0
_GROWTH_MB = 150.0
_MEASURED = 2 / 3
"""Of the time, at its end, in which memory is to stay as it is."""
_WORK_SHARE = 0.15
"""Of the steps: those of `Work` take long."""
_WARM_STEPS = 60
"""Steps until caches are full and modules are loaded."""


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

    def _open(self) -> None:
        keys = self._window.slides.model.keys
        if keys:
            self._window.slides.open(self._chance.choice(keys))
            pane = self._window.panes.active
            wait(lambda: pane.source is not None or bool(pane.failed_path), 60.0)

    def _open_objects(self) -> None:
        pane = self._window.panes.active
        self._window.open_paths([self._laboratory.drawn_on])
        wait(lambda: pane.path == self._laboratory.drawn_on and pane.source is not None, 60.0)

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
            settle(1.0)
            panels.replay.closed.emit()

    def _move(self) -> None:
        canvas = self._window.panes.active.canvas
        for _ in range(5):
            canvas.zoom_by(self._chance.choice((0.4, 0.8, 1.5, 3.0)))
            settle(0.1)


def spend(window: MainWindow, laboratory: Laboratory, minutes: float, seed: int) -> bool:
    """Do what a user does; return whether the window never stalled and its memory stayed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    day, work = Day(window, laboratory, chance), Work(window, laboratory, chance)
    process = psutil.Process()
    until_s = time.monotonic() + 60 * minutes
    said_s = time.monotonic()
    stalled: Counter[str] = Counter()
    settled_mb = memory_mb = 0.0
    step = 0
    while time.monotonic() < until_s:
        name = chance.choice(list(work.steps if chance.random() < _WORK_SHARE else day.steps))
        with measured() as stalls:
            (day.steps | work.steps)[name]()
            settle(chance.choice((0.1, 0.3, 0.8)))
        # What the window's thread computed itself: on a busy machine it waits for others, too.
        if step >= _WARM_STEPS and stalls.busiest_ms > _STALL_MS:
            stalled[name] += 1
            print(f"{name}: {stalls.longest_ms:.0f} ms, {stalls.busiest_ms:.0f} ms of them its own")
        step += 1
        memory_mb = process.memory_info().rss / 1e6
        is_warm = step >= _WARM_STEPS and time.monotonic() > until_s - 60 * minutes * _MEASURED
        if is_warm and not settled_mb:
            settled_mb = memory_mb
        if time.monotonic() - said_s > 60:
            said_s = time.monotonic()
            print(f"{step} steps, {memory_mb:.0f} MB", flush=True)
    grown_mb = memory_mb - settled_mb
    memory = f"grew by {grown_mb:.0f} MB" if settled_mb else "was watched for too few steps"
    print(f"{step} steps; stalls: {dict(stalled) or 'none'}; memory {memory}")
    return not stalled and bool(settled_mb) and grown_mb < _GROWTH_MB


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
