"""What a review has come to: its lines taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.recording.review.entries import Decided, Looked, Opened, Redone, Typed, Undone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from viewer.recording.review.entries import Entry


class ReviewState(msgspec.Struct):
    """The verdicts that count, and all else that is needed to go on where one stopped.

    Attributes
    ----------
    decisions
        Verdicts in order of time; of several on one item the last counts.
    undone
        Verdicts that were undone and can be redone, the last undone last.
    typed
        Texts of items that wait for a verdict.
    seconds
        Spent on each item.
    last_item
        That the reviewer was at.
    """

    reviewer: str = ""
    decisions: list[Decided] = msgspec.field(default_factory=list)
    undone: list[Decided] = msgspec.field(default_factory=list)
    typed: dict[str, str] = msgspec.field(default_factory=dict)
    seconds: dict[str, float] = msgspec.field(default_factory=dict)
    last_item: str = ""
    _of_item: dict[str, list[Decided]] = msgspec.field(default_factory=dict)
    """The verdicts on each item that has any, in order of time."""

    def apply(self, entry: Entry) -> None:
        """Take the next line; an undo or redo of nothing changes nothing."""
        if isinstance(entry, Opened):
            self.reviewer = entry.reviewer
        elif isinstance(entry, Undone):
            self._undo()
        elif isinstance(entry, Redone):
            self._redo()
        else:
            self.last_item = entry.item
            if isinstance(entry, Typed):
                self.typed[entry.item] = entry.text
            else:
                self._add_seconds(entry)
                if isinstance(entry, Decided):
                    self.undone.clear()
                    self._decide(entry)

    def verdicts(self) -> dict[str, Decided]:
        """Return the verdict that counts for each decided item."""
        return {item: decisions[-1] for item, decisions in self._of_item.items()}

    def verdict(self, item: str) -> Decided | None:
        """Return the verdict that counts for an item, None while it is open."""
        decisions = self._of_item.get(item)
        return decisions[-1] if decisions else None

    def _add_seconds(self, entry: Decided | Looked) -> None:
        self.seconds[entry.item] = self.seconds.get(entry.item, 0.0) + entry.seconds

    def _decide(self, decision: Decided) -> None:
        self.decisions.append(decision)
        self._of_item.setdefault(decision.item, []).append(decision)
        self.typed.pop(decision.item, None)

    def _undo(self) -> None:
        if not self.decisions:
            return
        decision = self.decisions.pop()
        self.undone.append(decision)
        earlier = self._of_item[decision.item]
        earlier.pop()
        if not earlier:
            del self._of_item[decision.item]
        self.last_item = decision.item
        self.typed.pop(decision.item, None)
        if decision.text and not earlier:
            self.typed[decision.item] = decision.text

    def _redo(self) -> None:
        if self.undone:
            decision = self.undone.pop()
            self.last_item = decision.item
            self._decide(decision)


def standing_of(entries: Iterable[Entry]) -> ReviewState:
    """Return the standing after all these lines."""
    standing = ReviewState()
    for entry in entries:
        standing.apply(entry)
    return standing
