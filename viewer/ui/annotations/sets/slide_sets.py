"""The sets of annotations of one slide in one window: which are there, shown and drawn on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import msgspec
from PySide6.QtCore import QObject, Signal

from viewer.ui.annotations.sets.history import SetHistory
from viewer.ui.annotations.slide_annotations import SlideAnnotations

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.document import Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.sets.annotation_set import SetKey, SetKind
    from viewer.annotations.sets.places import AnnotationsPlace
    from viewer.studies.reader_sets import ReaderSet, ReaderSlide
    from viewer.ui.annotations.closing_files import ClosingFiles
    from viewer.ui.annotations.sets.history import Depths, SetStep
    from viewer.ui.background_runner import BackgroundRunner, Task
    from viewer.ui.reading_bar import Reading

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class SetEntry(msgspec.Struct, eq=False):
    """A set as the window has it.

    Attributes
    ----------
    annotations
        The document, once somebody wants to see it.
    opacity
        Of its layers, 0 to 1.
    is_made
        Whether it was made for what was put into it, with which it goes.
    """

    listed: ReaderSet
    is_shown: bool
    annotations: SlideAnnotations | None = None
    opacity: float = 1.0
    is_made: bool = False

    @property
    def label(self) -> str:
        return self.listed.label

    @property
    def is_open(self) -> bool:
        return self.annotations is not None and self.annotations.is_open

    @property
    def is_locked(self) -> bool:
        """Return whether nothing can be drawn in it here."""
        locked = self.annotations is not None and self.annotations.is_locked
        return locked or bool(self.listed.why_locked)

    @property
    def has_annotations(self) -> bool:
        """Return whether it holds any, as far as it was read."""
        return self.annotations is not None and len(self.annotations.document) > 0

    @property
    def is_own(self) -> bool:
        """Return whether the reader may draw in it, once it is not locked."""
        return not self.listed.why_locked


class SlideSets(QObject):
    """What is drawn on a slide, set by set; whoever shows the slide in this window shares it.

    Parameters
    ----------
    slide
        The slide as the reader has it.
    shown
        Which sets were shown or hidden before, by their labels; kept up to date.
    reading
        Begins to show how far the reading of something is, with Cancel.
    """

    changed = Signal()
    """Sets came or went, or are shown or locked otherwise."""
    current_changed = Signal()
    """Strokes go to another set."""
    opened = Signal(object)
    """A SetEntry whose document is there."""
    stepped = Signal(object, object)
    """A SetEntry, and the Edit that was done in it."""
    history_changed = Signal()
    """Another step in a set that is not drawn in can be undone or done again."""
    trouble_changed = Signal()
    failed = Signal(str)
    canceled = Signal(object)
    """A SetEntry whose opening was canceled: it is hidden, and opened where it is shown again."""

    def __init__(
        self,
        slide: ReaderSlide,
        disk: BackgroundRunner,
        closing: ClosingFiles,
        author: Callable[[], str],
        shown: dict[str, bool],
        reading: Callable[[str], Reading],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.slide = slide
        self._disk = disk
        self._closing = closing
        self._author = author
        self._shown = shown
        self._reading = reading
        self._listing: Task | None = None
        self._is_stale = False
        self.current = SetEntry(slide.own, is_shown=True)
        """Where strokes go."""
        self.entries = [self.current]
        self._parked: list[SetEntry] = []
        """Sets that went with what was undone: empty, and open for what is done again."""
        self._removed: list[ReaderSet] = []
        self._history = SetHistory()
        self._open(self.current)
        self.refresh()

    def refresh(self) -> None:
        """Look which sets there are now, in a thread; again after a look that is under way."""
        if self._listing is not None:
            self._is_stale = True
            return
        self._is_stale = False
        listed = self._after_closing(self.slide.sets)
        self._listing = self._disk.run(listed, self._on_listed, self._on_not_listed)

    def adopt(self, slide: ReaderSlide) -> None:
        """Take the name of the reader whose annotations these are; the documents stay open."""
        from viewer.annotations.storage.home_reader import claim_home

        self.slide = slide
        self.entries[0].listed = slide.own
        claimed = self._after_closing(lambda: claim_home(slide.reader))
        self._disk.run(claimed, lambda _: self.refresh())

    @property
    def states_in_sight(self) -> list[tuple[SetKey, DocumentState]]:
        """Return what is drawn in the set that strokes go to, and in all that are shown.

        As snapshots, which are put `together` in a thread.
        """
        return [
            (each.listed.which.key, each.annotations.document.snapshot())
            for each in self.entries
            if (each is self.current or each.is_shown)
            and each.annotations is not None
            and len(each.annotations.document)
        ]

    def at(self, place: AnnotationsPlace) -> SetEntry | None:
        """Return the set of a place, where it is listed."""
        return next((each for each in self.entries if each.listed.place == place), None)

    @property
    def removed(self) -> list[ReaderSet]:
        """Return what was removed since the slide was opened, the last one last."""
        return self._removed.copy()

    def named(self, label: str) -> SetEntry | None:
        """Return the set of a label."""
        return next((each for each in self.entries if each.label == label), None)

    def set_shown(self, entry: SetEntry, shown: bool) -> None:
        """Show or hide a set; it is read when it is first shown."""
        if entry.is_shown != shown:
            entry.is_shown = self._shown[entry.label] = shown
            if shown:
                self._open(entry)
            self.changed.emit()

    def set_locked(self, entry: SetEntry, locked: bool) -> None:
        """Lock one of the reader's own sets, or unlock it."""
        self._open(entry)
        if entry.annotations is not None:
            entry.annotations.set_locked(locked)
            self.changed.emit()

    def make_current(self, entry: SetEntry) -> bool:
        """Let strokes go to a set, which is shown; False where it is not the reader's to change."""
        if not entry.is_own:
            return False
        if entry is not self.current:
            self.current = entry
            entry.is_shown = True
            self._open(entry)
            self.current_changed.emit()
            self.changed.emit()
        return True

    def new(self, name: str, kind: SetKind, source: str = "", *, shown: bool = True) -> SetEntry:
        """Return the reader's set of a name, which is made where there is none."""
        listed = self.slide.new(name, kind, source)
        entry = next((e for e in self.held if e.listed.place == listed.place), None)
        if entry is not None and entry in self._parked:
            self.bring_back(entry)
        if entry is None:
            entry = SetEntry(listed, is_shown=shown)
            self.entries.append(entry)
            self.restore(listed)  # else one that was removed would take what comes now with it
        entry.is_shown = self._shown[entry.label] = entry.is_shown or shown
        self._open(entry)
        self.changed.emit()
        return entry

    def remove(self, entry: SetEntry) -> None:
        """Take a set off the list; it can be brought back, as its files stay."""
        if entry.listed.place == self.slide.own.place:
            return
        if entry is self.current:
            self.make_current(self.entries[0])
        self.entries.remove(entry)
        self._removed.append(entry.listed)
        self._take_off(entry)
        self.changed.emit()

    def park(self, entry: SetEntry) -> None:
        """Take a set off the list that was made for what was undone; it stays open meanwhile."""
        if entry in self.entries[1:]:
            if entry is self.current:
                self.make_current(self.entries[0])
            self.entries.remove(entry)
            self._parked.append(entry)
            self.changed.emit()

    def bring_back(self, entry: SetEntry) -> None:
        """List a set again that was parked."""
        if entry in self._parked:
            self._parked.remove(entry)
            self.entries.append(entry)
            self.changed.emit()

    def forget_empty(self, annotations: SlideAnnotations) -> None:
        """Take a set off the list in which nothing was put after all, unless strokes go to it."""
        for entry in self.entries[1:]:
            is_meant = entry.annotations is annotations and entry is not self.current
            if is_meant and not len(annotations.document):
                self.entries.remove(entry)
                self._leave(entry)
                self.changed.emit()
                self.refresh()  # its files, where it has some, stay

    def restore(self, listed: ReaderSet) -> None:
        """Bring back a set that was removed."""
        from viewer.annotations.sets.listing import restore_set

        self._removed = [each for each in self._removed if each.place != listed.place]
        self._disk.run(
            self._after_closing(lambda: restore_set(listed.which)),
            lambda _: self.refresh(),
            lambda error: self.failed.emit(f"The set cannot be brought back ({error})."),
            keeps="That a set is brought back",
        )

    @property
    def held(self) -> list[SetEntry]:
        """Return all sets whose documents may be open, also those that are not listed."""
        return [*self.entries, *self._parked]

    @property
    def is_saved(self) -> bool:
        """Return whether all that was drawn is on the disk."""
        return all(e.annotations is None or e.annotations.is_saved for e in self.held)

    @property
    def trouble(self) -> str:
        """Return why what is drawn is not on the disk; "" when it is."""
        troubles = (e.annotations.trouble for e in self.held if e.annotations is not None)
        return next(filter(None, troubles), "")

    def leave(self) -> None:
        """Write what is left and let go of all files, in a thread."""
        if self._listing is not None:
            self._listing.cancel()
        self._history.clear()  # it would hold what its steps are about
        for entry in self._parked:
            if not entry.has_annotations:
                self._take_off(entry)
        for entry in self.held:
            self._leave(entry)

    # -----------------------------------------------------------------------------------------

    def next_step(self, *, back: bool) -> SetStep | None:
        """Return what is undone or done again before the next step of the set drawn in, if any."""
        here = self.current.annotations
        if here is None:
            return None
        place, depth = self.current.listed.place, here.document.undo_depth
        return self._history.next(place, depth, back=back)

    def push_step(self, step: SetStep) -> None:
        """Let undo take back what was done just now to a set, or in one that is not drawn in."""
        self._history.push(step, self._depths())
        self.history_changed.emit()

    def turn(self, step: SetStep, *, back: bool, then: Callable[[], object]) -> None:
        """Undo such a step or do it again, and call `then` once that is done."""

        def turned() -> None:
            self._history.turned(step, self._depths(), back=back)
            self.history_changed.emit()
            then()

        step.turn(back, turned)

    def _take_off(self, entry: SetEntry) -> None:
        """Close a set and let no list show it, in a thread."""
        from viewer.annotations.sets.listing import remove_set

        self._leave(entry)
        which = entry.listed.which
        self._disk.run(
            self._after_closing(lambda: remove_set(which)),
            lambda _: None,
            lambda error: self.failed.emit(f"The set cannot be removed ({error})."),
        )

    def _depths(self) -> Depths:
        return {
            each.listed.place: each.annotations.document.undo_depth
            for each in self.held
            if each.annotations is not None
        }

    def _on_set_stepped(self, entry: SetEntry, step: Edit) -> None:
        self._history.follow(entry.listed.place, step)
        self.stepped.emit(entry, step)

    def _after_closing(self, work: Callable[[], _T]) -> Callable[[], _T]:
        return self._closing.after(self.slide.identity, work)

    def _on_not_listed(self, error: Exception) -> None:
        _log.warning("sets cannot be listed", exc_info=error)
        self._on_looked()

    def _on_looked(self) -> None:
        self._listing = None
        if self._is_stale:
            self.refresh()

    def _on_listed(self, found: list[ReaderSet]) -> None:
        self._on_looked()
        held = {each.listed.place for each in self.held}
        there = {each.place for each in found}
        # A set that was just made has no file before its first edit.
        kept = [e for e in self.entries if e.listed.place in there or e.annotations is not None]
        new = [
            SetEntry(each, self._shown.get(each.label, each.is_shown))
            for each in found
            if each.place not in held
        ]
        if new or len(kept) < len(self.entries):
            self.entries = [*kept, *new]
            for entry in new:
                if entry.is_shown:
                    self._open(entry)
            self.changed.emit()

    def _open(self, entry: SetEntry) -> None:
        if entry.annotations is not None:
            return
        listed = entry.listed
        what = "the annotations of this slide"
        if entry is not self.entries[0]:
            what = f'the set "{entry.label}"'
        annotations = SlideAnnotations(
            self.slide.identity, listed.place, self._disk, self._closing, self._author, self,
            listed.why_locked, lambda: self._reading(what),
        )  # fmt: skip
        entry.annotations = annotations
        annotations.opened.connect(lambda: self.opened.emit(entry))
        annotations.opened.connect(self.changed)
        annotations.failed.connect(self.failed)
        annotations.canceled.connect(lambda: self._on_canceled(entry))
        annotations.trouble_changed.connect(self.trouble_changed)
        annotations.stepped.connect(lambda step: self._on_set_stepped(entry, step))

    def _on_canceled(self, entry: SetEntry) -> None:
        self._leave(entry)
        entry.is_shown = False
        self.canceled.emit(entry)
        self.changed.emit()

    def _leave(self, entry: SetEntry) -> None:
        annotations, entry.annotations = entry.annotations, None
        if annotations is not None:
            annotations.leave()
            annotations.deleteLater()
