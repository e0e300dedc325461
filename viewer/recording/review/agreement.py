"""How far two reviewers of one session agree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.recording.review.verdicts import Reviewed

_JUDGED = ("accepted", "edited", "rejected")


class Agreement(msgspec.Struct, frozen=True):
    """Two reviewers over the items that both judged; what one skipped or left open is not counted.

    Attributes
    ----------
    judged
        Items that both accepted (as they were or edited) or rejected.
    observed
        Share of them with the same verdict; nan where there is none.
    kappa
        As `cohens_kappa`.
    both_accepted
        Items of which both let a text go out.
    identical_share
        Of them, the share with the same text to the character.
    mean_edit_distance
        Of them, characters between the two texts (Levenshtein).
    """

    first: str
    second: str
    judged: int
    observed: float
    kappa: float
    both_accepted: int
    identical_share: float
    mean_edit_distance: float


def agreement_of(first: Reviewed, second: Reviewed) -> Agreement:
    """Compare two reviews of the same session."""
    keys = [
        key
        for key, verdict in first.verdicts.items()
        if key in second.verdicts
        and verdict.verdict in _JUDGED
        and second.verdicts[key].verdict in _JUDGED
    ]
    accepts = [
        (first.verdicts[key].verdict != "rejected", second.verdicts[key].verdict != "rejected")
        for key in keys
    ]
    texts = [
        (first.verdicts[key].text, second.verdicts[key].text)
        for key, both in zip(keys, accepts, strict=True)
        if all(both)
    ]
    from rapidfuzz.distance import Levenshtein

    distances = [Levenshtein.distance(a, b) for a, b in texts]
    return Agreement(
        first=first.reviewer,
        second=second.reviewer,
        judged=len(keys),
        observed=_mean([a == b for a, b in accepts]),
        kappa=cohens_kappa(accepts),
        both_accepted=len(texts),
        identical_share=_mean([a == b for a, b in texts]),
        mean_edit_distance=_mean(distances),
    )


def cohens_kappa(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Agreement beyond chance of two raters with two verdicts.

    kappa = (p_o - p_e) / (1 - p_e): p_o the share of items rated alike, p_e the share expected
    of raters who rate by chance, each with their own frequencies (Cohen 1960, "A coefficient of
    agreement for nominal scales", Educational and Psychological Measurement 20:37-46).

    nan where there are no items, and where both gave one and the same verdict throughout: chance
    alone would agree as well.
    """
    if not pairs:
        return math.nan
    observed = sum(a == b for a, b in pairs) / len(pairs)
    yes_a, yes_b = sum(a for a, _ in pairs) / len(pairs), sum(b for _, b in pairs) / len(pairs)
    expected = yes_a * yes_b + (1 - yes_a) * (1 - yes_b)
    return math.nan if expected == 1.0 else (observed - expected) / (1 - expected)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
