"""Slides that a pane is asked for, opened in threads: the one asked for last comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from viewer.slides.source import gone_of
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.slides.opened_slide import OpenedSlide, note_opened, recognized, source_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.slides.source import SlideSource

_PATIENCE_MS = 3000
_THREADS = 8
"""More than one, so that a slide on a dead drive does not hold up the next."""


class SlideRequest(msgspec.Struct, frozen=True):
    """What a pane is asked for.

    Attributes
    ----------
    image
        Which image of a file that holds several; None for the largest.
    others
        Slides of the same field, shown with it as channels of one slide.
    """

    path: Path
    image: int | None = None
    others: tuple[Path, ...] = ()


class SlideOpening(QObject):
    """Opens a slide at a time; an earlier opening under way is given up.

    Attributes
    ----------
    request
        What was asked for last, shown or not yet.
    has_failed
        Whether it did not open.
    """

    read = Signal(object)
    """The SlideSource: it can be shown."""
    recognized = Signal(object)
    """The OpenedSlide, with what is kept of it, a moment later."""
    lost = Signal()
    """What was read is gone, before it was recognized; `failed` says why."""
    failed = Signal(object)
    """Why the slide is not there: an Exception."""
    waiting = Signal()
    """Nothing has come for some seconds."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.request: SlideRequest | None = None
        self.has_failed = False
        self._turns = 0
        self._begun_turn = 0
        self._reading: Task | None = None
        self._recognition: Task | None = None
        self._background = BackgroundRunner("open slide", _THREADS, self)
        self._patience = QTimer(self, singleShot=True, interval=_PATIENCE_MS)
        self._patience.timeout.connect(self.waiting)

    @property
    def is_under_way(self) -> bool:
        """Return whether a slide is read, or not recognized yet."""
        return self._reading is not None or self._recognition is not None

    def take_turn(self) -> int:
        """Return the turn of a slide that is asked for now and is opened a while later."""
        self._turns += 1
        return self._turns

    def begin_turn(self, turn: int | None) -> bool:
        """Return whether it is still the turn of a slide: none asked for later has begun."""
        turn = self.take_turn() if turn is None else turn
        if turn < self._begun_turn:
            return False
        self._begun_turn = turn
        return True

    def ask_for(self, request: SlideRequest) -> None:
        """Give up what is under way: this is wanted now."""
        self.give_up()
        self.has_failed = False
        self.request = request

    def begin(self) -> None:
        """Read what is asked for, in a thread."""
        request = self.request
        assert request is not None
        self._patience.start()
        self._reading = self._background.run(
            lambda: source_of(request.path, request.image, request.others),
            self._on_read,
            self._on_failed,
            _close_late,
        )

    def recognize(self, source: SlideSource, reader: str) -> None:
        """Find out in a thread which slide it is, and what is kept of it."""
        request = self.request
        assert request is not None

        def work() -> OpenedSlide:
            from viewer.studies.worklist import usual_place

            # The window asks for it next, and would wait for what that loads at first.
            usual_place(request.path.name)
            slide = recognized(source, reader)
            note_opened(slide)
            return slide

        self._recognition = self._background.run(work, self._on_recognized, self._on_not_recognized)

    def check_unchanged(
        self,
        source: SlideSource,
        unchanged: Callable[[], object],
        changed: Callable[[Exception], object],
    ) -> None:
        """Read a tile in a thread: a file that was replaced since it was opened says so.

        `unchanged` is called in the thread, `changed` in this one, also with what it raises.
        """

        def check() -> None:
            source.read_tile(len(source.levels) - 1, 0, 0)
            unchanged()

        self._background.run(check, lambda _: None, changed)

    def check_gone(
        self,
        source: SlideSource,
        told: Callable[[str], object],
        changed: Callable[[Exception], object],
    ) -> None:
        """Read a tile in a thread: what was gone for a moment may be back, or be another file.

        `told` is called with what is to be said of files that are gone; "" where none is.
        """

        def check() -> str:
            source.read_tile(len(source.levels) - 1, 0, 0)
            return gone_of(source)

        self._background.run(check, told, changed)

    def give_up(self) -> None:
        """Read no more of a slide that is not there yet."""
        self._patience.stop()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def forget(self) -> None:
        """Find nothing more out of a slide that is there."""
        if self._recognition is not None:
            self._recognition.cancel()
            self._recognition = None

    def shut_down(self) -> None:
        """End the threads, for good."""
        self.give_up()
        self.forget()
        self._background.close()

    def _on_read(self, source: SlideSource) -> None:
        self._patience.stop()
        self._reading = None
        self.read.emit(source)

    def _on_recognized(self, slide: OpenedSlide) -> None:
        self._recognition = None
        self.recognized.emit(slide)

    def _on_not_recognized(self, error: Exception) -> None:
        """The file was replaced, or its drive is gone, since it was opened a moment ago."""
        self._recognition = None
        self.lost.emit()
        self._on_failed(error)

    def _on_failed(self, error: Exception) -> None:
        self._patience.stop()
        self._reading = None
        self.has_failed = True
        self.failed.emit(error)


def _close_late(source: SlideSource) -> None:
    source.close()
