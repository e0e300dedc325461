"""What was done to sets as a whole, or in sets that are not drawn in: undone in its turn, too.

The steps of a set are in the history of its document, and strokes go to one set at a time: what
goes to another one, such as an import, would not be undone where it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.document import Edit
    from viewer.annotations.sets.places import AnnotationsPlace

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
