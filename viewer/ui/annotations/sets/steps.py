"""Steps of whole sets that are undone as one: in several of them, and those taken off the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.ui.annotations.sets.history import SetStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from viewer.ui.annotations.bulk_edits import BulkEdits
    from viewer.ui.annotations.sets.history import Depths
    from viewer.ui.annotations.sets.slide_sets import SetEntry, SlideSets


def step_in_sets(
    label: str,
    sets: SlideSets,
    entries: Iterable[SetEntry],
    bulk: BulkEdits,
    also: Callable[[bool], object] | None = None,
) -> SetStep:
    """Return the step of what was done just now in sets, in each as the last step of this label.

    Undone, a set that was made for what was put into it goes, too; done again, it is there again,
    and drawn in where it was when it went. `also` undoes (True) what was done beside, or does it
    again (False), once the sets are turned.
    """
    drawn_in: list[SetEntry] = []
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
                if also is not None:
                    also(back)
                return
            entry, _, document = left.pop()

            def turned() -> None:
                if not back:
                    sets.bring_back(entry)
                    if entry in drawn_in:
                        drawn_in.remove(entry)
                        sets.make_current(entry)
                elif entry.is_made and not len(document):
                    if entry is sets.current:
                        drawn_in.append(entry)
                    sets.park(entry)
                go_on()

            bulk.turn(document, None, turned, back=back)

        go_on()

    return SetStep(label, turn, is_possible)


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
