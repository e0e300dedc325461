"""What was done to sets as a whole, or in sets that are not drawn in: undone in its turn, too.

The steps of a set are in the history of its document, and strokes go to one set at a time: what
goes to another one, such as an import, would not be undone where it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from viewer.annotations.document import Edit
    from viewer.annotations.sets.places import AnnotationsPlace
    from viewer.ui.annotations.bulk_edits import BulkEdits
    from viewer.ui.annotations.slide_sets import SetEntry, SlideSets

Depths = dict["AnnotationsPlace", int]


class SetStep(msgspec.Struct, eq=False):
    """A step that can be undone and done again.

    Attributes
    ----------
    turn
        Undoes it (True) or does it again (False), perhaps in a thread, and calls what it is given
        once that is done.
    is_possible
        Whether it can be undone (True) or done again (False) at all.
    depths
        How many steps each set could undo when it was done or undone.
    """

    label: str
    turn: Callable[[bool, Callable[[], object]], object]
    is_possible: Callable[[bool, Depths], bool]
    depths: Depths = msgspec.field(default_factory=dict)


def step_in_sets(
    label: str, sets: SlideSets, entries: Iterable[SetEntry], bulk: BulkEdits
) -> SetStep:
    """Return the step of what was done just now in sets, in each as the last step of this label.

    Undone, a set that was made for what was put into it goes, too.
    """
    open_sets = [(each, each.annotations) for each in entries if each.annotations is not None]
    parts = [(entry, held, held.document) for entry, held in open_sets]

    def is_possible(back: bool, depths: Depths) -> bool:
        return all(
            entry.annotations is held
            and document.undo_depth == depths.get(entry.listed.place)
            and (document.undo_label if back else document.redo_label) == label
            for entry, held, document in parts
        )

    def turn(back: bool, then: Callable[[], object]) -> None:
        # One that cannot be changed says so and begins nothing: it comes first.
        left = sorted(parts, key=lambda part: part[2].is_read_only)

        def go_on() -> None:
            if not left:
                then()
                return
            entry, _, document = left.pop()

            def turned() -> None:
                if not back:
                    sets.bring_back(entry)
                elif entry.is_made and not len(document):
                    sets.park(entry)
                go_on()

            bulk.turn(document, None, turned, back=back)

        go_on()

    return SetStep(label, turn, is_possible)


class SetHistory:
    """The steps of the sets of one slide."""

    def __init__(self) -> None:
        self._done: list[SetStep] = []
        self._undone: list[SetStep] = []

    def push(self, step: SetStep, depths: Depths) -> None:
        """Take in what was done just now."""
        step.depths = depths
        self._done.append(step)
        self._undone.clear()

    def clear(self) -> None:
        """Forget all steps, and let go of what they would change."""
        self._done.clear()
        self._undone.clear()

    def follow(self, place: AnnotationsPlace, edit: Edit) -> None:
        """Follow what was done in a set."""
        if edit.is_reset:  # its steps are forgotten
            for step in (*self._done, *self._undone):
                step.depths.pop(place, None)
        elif not edit.turn:
            self._undone.clear()

    def next(self, place: AnnotationsPlace, depth: int, *, back: bool) -> SetStep | None:
        """Return what is undone or done again before the next step of a set; None for nothing.

        Parameters
        ----------
        place, depth
            The set that is drawn in, and how many steps it can undo.
        """
        for step in reversed(self._done if back else self._undone):
            known = step.depths.get(place, 0)
            is_next = depth <= known if back else depth >= known
            if is_next and step.is_possible(back, step.depths):
                return step
        return None

    def turned(self, step: SetStep, depths: Depths, *, back: bool) -> None:
        """Take in that a step was undone or done again."""
        source, target = (self._done, self._undone) if back else (self._undone, self._done)
        if step in source:
            source.remove(step)
            target.append(step)
        step.depths = depths
