"""What may go wrong with a file of annotations, and with one of the things in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Iterable


class AnnotationFileError(CoverslipError):
    """A file that cannot be used at all; `str()` is one sentence."""


_MOST_REASONS = 4
_SHAPES = {"MultiPoint": "point", "Point": "point", "MultiLineString": "line", "LineString": "line"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing of a file that is not as it was.

    Attributes
    ----------
    number
        Counted from 1 in the order of the file; 0 for what is said of the file as a whole.
    is_repaired
        Whether it was taken, repaired; otherwise it was left out.
    """

    number: int
    reason: str
    is_repaired: bool = False

    def __str__(self) -> str:
        what = "repaired" if self.is_repaired else "left out"
        return f"{what} number {self.number}: {self.reason}" if self.number else self.reason


def left_out(problems: Iterable[Problem]) -> str:
    """What was left out and why, in a few words: "3 left out (2: a line has no area; ...)"."""
    reasons = Counter(_plain(each.reason) for each in problems if not each.is_repaired)
    if not reasons:
        return ""
    parts = [f"{count:,}: {reason}" for reason, count in reasons.most_common(_MOST_REASONS)]
    parts += ["..."] if len(reasons) > _MOST_REASONS else []
    return f"{reasons.total():,} left out ({'; '.join(parts)})"


def _plain(reason: str) -> str:
    """Return the cause alone; the line of each object says what came of it too."""
    cause = reason.rpartition(": ")[2]
    return " ".join(_SHAPES.get(word, word) for word in cause.split(" "))
