"""Counts of cells by the strength of a stain, and what pathologists report of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.counting.scores import (
    allred,
    h_score,
    labeling_index,
    wilson_interval,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.annotations.counting.scores import Allred, Interval

NEGATIVE, POSITIVE, GRADES = "Negative", "Positive", ("1+", "2+", "3+")


class GradedCells(msgspec.Struct, frozen=True):
    """How many cells are of which grade; add those of several regions to pool them.

    Attributes
    ----------
    positive
        Cells that are positive without a grade.
    ungraded
        Cells of any other class: in no denominator.
    """

    negative: int = 0
    weak: int = 0
    moderate: int = 0
    strong: int = 0
    positive: int = 0
    ungraded: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> GradedCells:
        """Return the grades among counts by the names of classes, such as "2+" or "Tumor: 2+"."""
        found = dict.fromkeys((NEGATIVE, *GRADES, POSITIVE, ""), 0)
        for name, count in counts.items():
            grade = name.rpartition(":")[2].strip()
            found[grade if grade in found else ""] += count
        return cls(*(found[each] for each in (NEGATIVE, *GRADES, POSITIVE, "")))

    def __add__(self, other: GradedCells) -> GradedCells:
        return GradedCells(
            self.negative + other.negative,
            self.weak + other.weak,
            self.moderate + other.moderate,
            self.strong + other.strong,
            self.positive + other.positive,
            self.ungraded + other.ungraded,
        )

    @property
    def all_positive(self) -> int:
        """Return the positive cells, with a grade or without."""
        return self.weak + self.moderate + self.strong + self.positive

    @property
    def total(self) -> int:
        """Return the cells that are known to be negative or positive."""
        return self.negative + self.all_positive

    @property
    def positive_percent(self) -> float | None:
        return labeling_index(self.all_positive, self.total)

    @property
    def interval(self) -> Interval | None:
        """Return Wilson's interval of the positive share, as fractions."""
        return wilson_interval(self.all_positive, self.total)

    @property
    def h_score(self) -> float | None:
        """Return the H-score of cells with a grade; None where positive ones lack it."""
        if self.positive:
            return None
        return h_score(self.negative, self.weak, self.moderate, self.strong)

    @property
    def allred(self) -> Allred | None:
        """Return the Allred score by continuous bands; None where positive cells lack a grade."""
        if self.positive:
            return None
        return allred(self.negative, self.weak, self.moderate, self.strong)

    def record(self) -> dict[str, object]:
        """Return counts and scores for JSON, with Wilson's 95 %; None for what is undefined."""
        ends, score = self.interval, self.allred
        return {
            "negative": self.negative, "weak": self.weak, "moderate": self.moderate,
            "strong": self.strong, "positive_without_grade": self.positive,
            "without_grade": self.ungraded, "positive_percent": self.positive_percent,
            "positive_percent_low": None if ends is None else 100 * ends.low,
            "positive_percent_high": None if ends is None else 100 * ends.high,
            "h_score": self.h_score, "allred": None if score is None else score.total,
        }  # fmt: skip
