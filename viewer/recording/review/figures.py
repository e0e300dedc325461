"""Figures of a review: how many drafts stood, and what judging costs against typing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from viewer.recording.review.entries import Decided
    from viewer.recording.review.verdicts import Reviewed


@dataclass(frozen=True, slots=True)
class ReviewFigures:
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


def figures_of(review: Reviewed, keys: Collection[str]) -> ReviewFigures:
    """Return the figures over the items of a session; verdicts on other items do not count."""
    decisions = [review.verdicts[key] for key in keys if key in review.verdicts]
    counts = Counter(_kind(decision) for decision in decisions)
    judged = [d for d in decisions if d.source == "model" and d.verdict != "skipped"]
    written = [d for d in decisions if _kind(d) == "written"]
    judging_s, writing_s = _mean_s(judged, review), _mean_s(written, review)
    distances = [d.edit_distance for d in decisions if d.edit_distance is not None]
    return ReviewFigures(
        items=len(keys),
        accepted=counts["accepted"],
        edited=counts["edited"],
        written=counts["written"],
        rejected=counts["rejected"],
        skipped=counts["skipped"],
        open=len(keys) - len(decisions),
        judging_s=judging_s,
        writing_s=writing_s,
        judging_share=judging_s / writing_s if writing_s > 0 else math.nan,
        mean_edit_distance=float(np.mean(distances)) if distances else math.nan,
    )


def _kind(decision: Decided) -> str:
    is_written = decision.verdict == "accepted" and decision.source != "model"
    return "written" if is_written else decision.verdict


def _mean_s(decisions: Sequence[Decided], review: Reviewed) -> float:
    seconds = [review.seconds.get(decision.item, 0.0) for decision in decisions]
    return float(np.mean(seconds)) if seconds else math.nan
