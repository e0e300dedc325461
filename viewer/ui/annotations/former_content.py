"""Annotations on what a file held when it was last open, where it holds something else now."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.ui.annotations.wording import many

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation
    from viewer.studies.reader_sets import ReaderSlide
    from viewer.ui.annotations.closing_files import ClosingFiles
    from viewer.ui.background_runner import BackgroundRunner

_log = logging.getLogger(__name__)


class FormerContent(QObject):
    """Looks for them as a slide is opened, in a thread, and holds them until they are wanted.

    A scanner that still writes, or a file that was replaced, makes another slide of it: what was
    drawn stays with the one that it was drawn on.
    """

    changed = Signal()
    """There is something to be said of a slide."""

    def __init__(self, disk: BackgroundRunner, closing: ClosingFiles, parent: QObject) -> None:
        super().__init__(parent)
        self._disk = disk
        self._closing = closing
        self._drawn: dict[str, list[Annotation]] = {}
        """By the slide that the file holds now."""

    def look(self, slide: ReaderSlide, former: str) -> None:
        """Look what a reader drew on the slide that the file of this one held before."""
        if not former or slide.study is not None:
            return  # a project says by itself that another slide is in the place of its own
        before = replace(slide, identity=former)

        def found(drawn: list[Annotation]) -> None:
            if drawn:
                self._drawn[slide.identity] = drawn
                self.changed.emit()

        self._disk.run(
            self._closing.after(former, lambda: _drawn_on(before)),
            found,
            lambda error: _log.warning("What was drawn before cannot be read (%s)", error),
        )

    def sentence(self, identity: str) -> str:
        """Return what is to be said of a slide; "" for most."""
        drawn = self._drawn.get(identity)
        if not drawn:
            return ""
        return (
            "This file holds something else than when it was last open: what you drew on that "
            f"({many(len(drawn))}) is kept, and not shown here."
        )

    def take(self, identity: str) -> list[Annotation]:
        """Return what was drawn, which is not spoken of any more."""
        return self._drawn.pop(identity, [])


def _drawn_on(slide: ReaderSlide) -> list[Annotation]:
    return [annotation for each in slide.sets() for annotation in each.place.kept()]
