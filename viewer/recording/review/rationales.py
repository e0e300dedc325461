"""The rationales that may go out: accepted or edited, and disputed by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.recording.review.entries import Decided
    from viewer.recording.review.verdicts import Reviewed


class Rationale(msgspec.Struct, frozen=True):
    """An accepted text with where it is from.

    Attributes
    ----------
    reviewers
        Pseudonyms of all who accepted a rationale here; the text is that of the first.
    seconds
        That the first spent on it.
    """

    text: str
    decision: Decided
    reviewers: tuple[str, ...]
    seconds: float

    @property
    def reviewer(self) -> str:
        return self.reviewers[0]


def rationale_of(item: str, reviews: Sequence[Reviewed]) -> Rationale | None:
    """Return the rationale of an action; None where nobody accepted one, or anybody rejected it.

    Of several reviewers the text of the one who decided last is taken.
    """
    verdicts = [(review, review.verdicts[item]) for review in reviews if item in review.verdicts]
    if any(verdict.verdict == "rejected" for _, verdict in verdicts):
        return None
    accepted = [(review, verdict) for review, verdict in verdicts if verdict.text]
    if not accepted:
        return None
    accepted.sort(key=lambda pair: pair[1].at_utc, reverse=True)
    review, decision = accepted[0]
    return Rationale(
        text=decision.text,
        decision=decision,
        reviewers=tuple(review.reviewer for review, _ in accepted),
        seconds=review.seconds.get(item, 0.0),
    )
