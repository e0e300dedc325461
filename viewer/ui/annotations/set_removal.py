"""Sets that are taken off the list: which may, how that is undone, and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.ui.annotations.set_history import SetStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.ui.annotations.set_history import Depths
    from viewer.ui.annotations.slide_sets import SetEntry, SlideSets


def may_go(entry: SetEntry) -> bool:
    """Return whether the reader may remove a set: each but the first of their own."""
    # Not above: the window would load with it what names slides by their content.
    from viewer.annotations.sets.annotation_set import MY_ANNOTATIONS

    return entry.is_own and entry.listed.which.key.name != MY_ANNOTATIONS


def removed(sets: SlideSets, entry: SetEntry) -> SetStep:
    """Remove a set, and return the step that undo takes back."""
    listed = entry.listed

    def is_possible(back: bool, _depths: Depths) -> bool:
        return listed in sets.removed if back else sets.at(listed.place) is not None

    def turn(back: bool, then: Callable[[], object]) -> None:
        again = sets.at(listed.place)
        if back:
            sets.restore(listed)
        elif again is not None:
            sets.remove(again)
        then()

    sets.remove(entry)
    return SetStep(f"Remove {entry.label}", turn, is_possible)


def removed_names(sets: SlideSets) -> set[str]:
    """Return the names of sets that were removed since the slide was opened."""
    return {each.which.key.name for each in sets.removed}


def free_name(sets: SlideSets, name: str) -> str:
    """Return a name that no set of the slide has, also none that was removed."""
    taken = {each.listed.which.key.name for each in sets.held} | removed_names(sets)
    if name not in taken:
        return name
    stem = name.rstrip("0123456789 ")
    return next(f"{stem} {n}" for n in range(2, 10_000) if f"{stem} {n}" not in taken)
