"""Steps in several sets, or in one that is not drawn in, which are undone as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.ui.annotations.set_history import SetStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from viewer.ui.annotations.bulk_edits import BulkEdits
    from viewer.ui.annotations.set_history import Depths
    from viewer.ui.annotations.slide_sets import SetEntry, SlideSets


def step_in_sets(
    label: str,
    sets: SlideSets,
    entries: Iterable[SetEntry],
    bulk: BulkEdits,
    also: Callable[[bool], object] = lambda _: None,
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
