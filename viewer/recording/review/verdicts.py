"""All reviews of a session, read for figures, agreement and export."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.review.review_log import REVIEWS_FOLDER, read_entries
from viewer.recording.review.review_state import standing_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.recording.review.entries import Decided


class Reviewed(msgspec.Struct, frozen=True):
    """What a reviewer decided on a session.

    Attributes
    ----------
    verdicts
        By item; open items are not there.
    seconds
        Spent on each item.
    """

    reviewer: str
    verdicts: dict[str, Decided]
    seconds: dict[str, float]


def reviews_of(session: Path) -> list[Reviewed]:
    """Return the reviews of a session that hold a verdict, in order of the reviewers' names.

    Raises
    ------
    ReviewError
        One is damaged.
    """
    reviews: list[Reviewed] = []
    for path in _paths(session):
        standing = standing_of(read_entries(path))
        if verdicts := standing.verdicts():
            reviews.append(Reviewed(standing.reviewer, verdicts, standing.seconds))
    return sorted(reviews, key=lambda review: review.reviewer)


def reviews_by(session: Path, reviewer: str = "") -> list[Reviewed]:
    """Do as `reviews_of`, for this reviewer alone where one is named."""
    return [review for review in reviews_of(session) if reviewer in ("", review.reviewer)]


def verdicts_checksum(reviews: Sequence[Reviewed]) -> str:
    """SHA-256 over all verdicts that count, "" where there are none: tells whether any changed."""
    if not any(review.verdicts for review in reviews):
        return ""
    verdicts = [(review.reviewer, sorted(review.verdicts.items())) for review in reviews]
    return hashlib.sha256(msgspec.json.encode(verdicts)).hexdigest()


def _paths(session: Path) -> list[Path]:
    folder = session / REVIEWS_FOLDER
    return sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
