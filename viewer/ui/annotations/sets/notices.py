"""The banner that tells what is to be known of the files of annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from viewer.annotations.annotation import Annotation
    from viewer.ui.annotations.former_content import FormerContent
    from viewer.ui.annotations.services import KeptSets
    from viewer.ui.annotations.sets.slide_sets import SlideSets
    from viewer.ui.widgets import NoticeBar

_NOT_READ_AGAIN = (
    "Another window or program changed these annotations. They are shown as they were before, and "
    "cannot be changed until they are read again."
)
_NOT_READ = "The annotations of this slide were not read, as that was canceled: none are shown."


class SetNotices:
    """Troubles of any slide come before what is to be known of the one in the active pane.

    Parameters
    ----------
    open_slides
        Gives the sets of all slides that are open.
    former
        Tells what was drawn on what a file held before.
    copy
        Puts it into a set of a slide.
    """

    def __init__(
        self,
        banner: NoticeBar,
        kept: KeptSets,
        open_slides: Callable[[], Iterable[SlideSets]],
        former: FormerContent,
        copy: Callable[[SlideSets, list[Annotation]], object],
    ) -> None:
        self._banner = banner
        self._kept = kept
        self._open_slides = open_slides
        self._former = former
        self._copy = copy
        former.changed.connect(self.show)
        banner.acted.connect(self._act)
        banner.dismiss.clicked.connect(self._take_former)

    def show(self) -> None:
        """Tell what there is to tell now."""
        trouble = next((each.trouble for each in self._open_slides() if each.trouble), "")
        active, sets = self._kept.active, self._kept.active_sets
        notice = active.slide.notice if active is not None else ""
        sentence, kind, button = (trouble, "error", "") if trouble else (notice, "warning", "")
        if not trouble and active is not None and active.slide.is_stale:
            sentence, kind, button = _NOT_READ_AGAIN, "warning", "Read them"
        former = self._former.sentence(sets.slide.identity) if sets is not None else ""
        if not sentence and sets is not None and sets.current.annotations is None:
            sentence, button = _NOT_READ, "Read them"
        if not sentence and sets is not None:
            sentence, button = former, "Copy them here" if former else ""
        if not sentence:
            self._banner.hide()
        elif sentence != self._banner.sentence.text() or self._banner.isHidden():
            self._banner.tell(sentence, kind, button)

    def _take_former(self) -> list[Annotation]:
        """Speak no more of what was drawn on what the file held before."""
        sets = self._kept.active_sets
        is_told = sets is not None and self._former.sentence(sets.slide.identity) == (
            self._banner.sentence.text()
        )
        return self._former.take(sets.slide.identity) if sets is not None and is_told else []

    def _act(self) -> None:
        sets = self._kept.active_sets
        drawn = self._take_former()
        if sets is not None and drawn:
            self._copy(sets, drawn)
            self.show()
        else:
            self._read_current()

    def _read_current(self) -> None:
        """Open what was not read when the slide was opened."""
        sets, active = self._kept.active_sets, self._kept.active
        if active is not None and active.slide.is_stale:
            active.slide.read_again()
        elif sets is not None:
            sets.set_shown(sets.current, True)
            self.show()
