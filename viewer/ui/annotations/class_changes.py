"""Changes of the list of classes, which drawn annotations follow in all of the reader's sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from viewer.annotations.document import Edit
from viewer.annotations.operations import recolor_class
from viewer.memory.long_list import gathered
from viewer.progress import while_wanted
from viewer.ui.annotations.bulk_edits import MANY
from viewer.ui.annotations.sets.steps import step_in_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from viewer.annotations.annotation import Annotation, AnnotationClass
    from viewer.annotations.palette import Palette, PaletteClass
    from viewer.ui.annotations.bulk_edits import BulkEdits
    from viewer.ui.annotations.sets.slide_sets import SetEntry, SlideSets

_LABEL = "Change classes"


class ClassesChange(NamedTuple):
    """What the editor of the classes changed.

    Attributes
    ----------
    pairs
        Each class that stayed, before and after.
    """

    before: Palette
    after: Palette
    pairs: tuple[tuple[PaletteClass, PaletteClass], ...]

    @classmethod
    def of(
        cls, before: Palette, after: Palette, stayed: Iterable[tuple[str, PaletteClass]]
    ) -> ClassesChange:
        """Return the change; `stayed` gives the former names of the classes that stayed."""
        known = {each.name: each for each in before}
        return cls(before, after, tuple((known[was], now) for was, now in stayed if was in known))

    @property
    def reversed(self) -> ClassesChange:
        """Return what takes it back."""
        return ClassesChange(self.after, self.before, tuple((b, a) for a, b in self.pairs))

    @property
    def renamed(self) -> list[tuple[str, str]]:
        """Return the former names of classes, and their names."""
        return [(a.name, b.name) for a, b in self.pairs if a.name != b.name]

    @property
    def redrawn(self) -> list[tuple[str, AnnotationClass]]:
        """Return the former names of classes that are drawn otherwise, and how they are now."""
        return [
            (a.name, b.annotation_class)
            for a, b in self.pairs
            if a.annotation_class != b.annotation_class
        ]


def change_classes(
    sets: SlideSets,
    changed: Sequence[tuple[str, AnnotationClass]],
    bulk: BulkEdits,
    say: Callable[[str], object],
    turn: Callable[[bool], object],
) -> None:
    """Give annotations of classes, by their former names, the classes as they are now.

    In all sets of the reader's own that are open, as one step to undo with the list of classes,
    which `turn` undoes (True) or changes again (False); which sets cannot be changed, or were not
    opened, is said.
    """
    own = [each for each in sets.entries if each.is_own]
    held = [each for each in own if _count(each, changed)]
    left = [each for each in held if not _is_read_only(each)]
    kept = [each for each in own if not each.is_open or (each in held and each not in left)]
    done: list[SetEntry] = []

    def finish() -> None:
        sets.push_step(step_in_sets(_LABEL, sets, done, bulk, turn))
        if kept and changed:
            labels = ", ".join(each.label for each in kept)
            say(f"Not changed, because locked or hidden: {labels}.")

    def go_on() -> None:
        if not left:
            finish()
            return
        entry = left.pop(0)
        count = _count(entry, changed)
        if entry.annotations is None or not count:  # it was closed or changed meanwhile
            go_on()
            return
        document = entry.annotations.document

        def edit(now: Iterable[Annotation]) -> Edit:
            every = list(while_wanted(now, count))
            steps = [recolor_class(every, which, was) for was, which in changed]
            return Edit(_LABEL, gathered(c for step in steps for c in step.changes))

        def landed(step: Edit) -> None:
            if step.changes:
                done.append(entry)
            go_on()

        if count > MANY:
            bulk.do(document, _LABEL, count, edit, landed, stopped=finish)
        else:
            landed(document.do(edit(document)))

    go_on()


def _count(entry: SetEntry, changed: Sequence[tuple[str, AnnotationClass]]) -> int:
    if entry.annotations is None or not entry.is_open:
        return 0
    counts = entry.annotations.document.class_counts
    return sum(counts[was] for was, _ in changed)


def _is_read_only(entry: SetEntry) -> bool:
    return entry.annotations is not None and entry.annotations.document.is_read_only
