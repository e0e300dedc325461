"""Figures of a review: how many drafts stood, and what judging costs against typing."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

    from viewer.recording.review.entries import Decided
    from viewer.recording.review.verdicts import Reviewed


class ReviewFigures(msgspec.Struct, frozen=True):
    """What a review comes to.

    Attributes
    ----------
    accepted, edited
        Drafts that went out as they were, and changed.
    written
        Rationales without a draft, typed or dictated.
    rejected, skipped, open
        Items of which nothing goes out: judged bad, not judged, not yet reached.
    judging_s, writing_s
        Mean seconds on an item that had a draft (accepted, edited or rejected), and on one that
        was written without; nan where there was none.
    judging_share
        `judging_s` over `writing_s`.
    mean_edit_distance
        Characters between draft and text of accepted and edited drafts; nan where there is none.
    """

    items: int
    accepted: int
    edited: int
    written: int
    rejected: int
    skipped: int
    open: int
    judging_s: float
    writing_s: float
    judging_share: float
    mean_edit_distance: float

    @property
    def done(self) -> int:
        return self.items - self.open


class ReviewTally:
    """The figures of a review as it goes on: each item is counted anew where it changes."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self._counts: Counter[str] = Counter()
        self._judged, self._written, self._distances = _Sum(), _Sum(), _Sum()

    def put(self, item: str, decision: Decided | None, seconds: float) -> None:
        """Take how an item stands now, None while it is open, and the seconds spent on it."""
        before = self._parts.pop(item, None)
        if before is not None:
            self._count(before, -1)
        if decision is not None:
            part = self._parts[item] = _Part.of(decision, seconds)
            self._count(part, 1)

    def figures(self, items: int) -> ReviewFigures:
        """Return the figures of what was put, of so many items in all."""
        counts = self._counts
        judging_s, writing_s = self._judged.mean, self._written.mean
        return ReviewFigures(
            items=items,
            accepted=counts["accepted"],
            edited=counts["edited"],
            written=counts["written"],
            rejected=counts["rejected"],
            skipped=counts["skipped"],
            open=items - len(self._parts),
            judging_s=judging_s,
            writing_s=writing_s,
            judging_share=judging_s / writing_s if writing_s > 0 else math.nan,
            mean_edit_distance=self._distances.mean,
        )

    def _count(self, part: _Part, sign: int) -> None:
        self._counts[part.kind] += sign
        if part.is_judged:
            self._judged.add(part.seconds, sign)
        if part.kind == "written":
            self._written.add(part.seconds, sign)
        if part.edit_distance is not None:
            self._distances.add(part.edit_distance, sign)


def figures_of(review: Reviewed, keys: Collection[str]) -> ReviewFigures:
    """Return the figures over the items of a session; verdicts on other items do not count."""
    tally = ReviewTally()
    for key in keys:
        tally.put(key, review.verdicts.get(key), review.seconds.get(key, 0.0))
    return tally.figures(len(keys))


class _Part(NamedTuple):
    """What one decided item adds to the figures."""

    kind: str
    is_judged: bool
    seconds: float
    edit_distance: int | None

    @classmethod
    def of(cls, decision: Decided, seconds: float) -> _Part:
        is_written = decision.verdict == "accepted" and decision.source != "model"
        is_judged = decision.source == "model" and decision.verdict != "skipped"
        kind = "written" if is_written else decision.verdict
        return cls(kind, is_judged, seconds, decision.edit_distance)


class _Sum(msgspec.Struct):
    total: float = 0.0
    count: int = 0

    def add(self, value: float, sign: int) -> None:
        self.total += sign * value
        self.count += sign

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else math.nan
