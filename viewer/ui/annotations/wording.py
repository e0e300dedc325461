"""Words that several of the commands say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.plurals import plural
from viewer.ui.annotations.shown import kind_of

if TYPE_CHECKING:
    from viewer.annotations.selection import Selection
    from viewer.ui.annotations.sets.slide_sets import SlideSets

NO_REGION = "Select the region first: draw one (R, P, B), or click one (S)."
LOCKED = "Locked annotations stay as they are (Ctrl+K unlocks)."


def many(count: int) -> str:
    """Return a number of annotations."""
    return plural(count, "annotation")


def where_others_are(sets: SlideSets | None) -> str:
    """Say that the set in hand is empty while others hold annotations; "" where none does."""
    if sets is None or not any(each.has_annotations for each in sets.entries):
        return ""
    return (
        f"{sets.current.label} is empty: click another set under Sets to work on its annotations."
    )


def selection_sentence(selection: Selection) -> str:
    """Say what is selected, e.g. "Polygon selected: Tumor, margin"; "" for nothing."""
    if len(selection) != 1:
        return f"{many(len(selection))} selected" if len(selection) else ""
    annotation = selection.annotations[0]
    names = ", ".join(filter(None, (annotation.class_name, annotation.name)))
    return f"{kind_of(annotation)} selected{': ' if names else ''}{names}"
