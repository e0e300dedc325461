"""What is reviewed: the actions of a session, each with its draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.recording.export.reading import Reading
    from viewer.recording.review.entries import Draft
    from viewer.recording.trace import Action


class ReviewItem(msgspec.Struct, frozen=True):
    """An action with what there is to judge.

    Attributes
    ----------
    key
        As `item_key`.
    number
        Counts from 1 within the session, as in exports.
    note
        What the reader wrote meanwhile, "" where nothing.
    """

    key: str
    number: int
    action: Action
    draft: Draft | None = None
    note: str = ""


def item_key(action: Action) -> str:
    """Name an action by what it is, not by its number: `<10x-inspect>@12340-15900`.

    A verdict holds for this command from this to that millisecond of the session; were the rules
    for actions changed, it would no longer be taken for one on another action.
    """
    return f"{action.command}@{round(action.start_s * 1000)}-{round(action.end_s * 1000)}"


def items_of(reading: Reading, drafts: Mapping[str, Draft]) -> list[ReviewItem]:
    """Return the actions of a reading in order of time, with the drafts for them by key."""
    items: list[ReviewItem] = []
    for index, action in enumerate(reading.actions):
        key = item_key(action)
        items.append(ReviewItem(key, index + 1, action, drafts.get(key), reading.notes_of(index)))
    return items
