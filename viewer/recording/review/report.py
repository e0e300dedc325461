"""Everything about the reviews of a session, for the command line and the panel."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.export.options import ExportOptions
from viewer.recording.export.reading import load_reading
from viewer.recording.review.agreement import Agreement, agreement_of
from viewer.recording.review.drafts import read_drafts
from viewer.recording.review.figures import ReviewFigures, figures_of
from viewer.recording.review.items import items_of
from viewer.recording.review.verdicts import reviews_of

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.review.items import ReviewItem
    from viewer.recording.review.verdicts import Reviewed


class ReviewReport(msgspec.Struct, frozen=True):
    """The reviews of a session with their figures by reviewer, and the agreement of each two."""

    items: list[ReviewItem]
    reviews: list[Reviewed]
    figures: dict[str, ReviewFigures]
    agreements: list[Agreement]


def report_of(session: Path) -> ReviewReport:
    """Read the reviews of a session.

    Raises
    ------
    SessionError
        The session or a review cannot be read.
    """
    items = items_of(load_reading(session, ExportOptions()), read_drafts(session))
    reviews = reviews_of(session)
    keys = [item.key for item in items]
    return ReviewReport(
        items=items,
        reviews=reviews,
        figures={review.reviewer: figures_of(review, keys) for review in reviews},
        agreements=[agreement_of(a, b) for a, b in combinations(reviews, 2)],
    )
