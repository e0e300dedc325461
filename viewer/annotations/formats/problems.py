"""What may go wrong with a file of annotations, and with one of the things in it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Self

import msgspec

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class AnnotationFileError(CoverslipError):
    """A file that cannot be used at all; `str()` is one sentence."""


PROBLEMS_HELD = 10_000
_MOST_REASONS = 4
_SHAPES = {"MultiPoint": "point", "Point": "point", "MultiLineString": "line", "LineString": "line"}


class Problem(msgspec.Struct, frozen=True):
    """One thing of a file that is not as it was.

    Attributes
    ----------
    number
        Counted from 1 in the order of the file; 0 for what is said of the file as a whole.
    is_repaired
        Whether it was taken, repaired; otherwise it was left out.
    stops_reading
        Whether all behind it was not read. Such a one is put first, before those that are held.
    """

    number: int
    reason: str
    is_repaired: bool = False
    stops_reading: bool = False

    def __str__(self) -> str:
        if self.stops_reading:
            return self.reason
        what = "repaired" if self.is_repaired else "left out"
        return f"{what} number {self.number}: {self.reason}" if self.number else self.reason


class Problems(list[Problem]):
    """Problems of one file: all are counted, and so many held as anyone looks through.

    The last that is held says how many more there were.

    Attributes
    ----------
    further
        How many are not held.
    """

    __slots__ = ("further",)

    def __init__(self) -> None:
        super().__init__()
        self.further = 0

    def append(self, problem: Problem) -> None:
        """Hold one more, or count it."""
        if len(self) < PROBLEMS_HELD and not self.further:
            super().append(problem)
            return
        self.further += 1
        more = Problem(0, f"and {self.further:,} more, which are counted only")
        if self.further == 1:
            super().append(more)
        else:
            self[-1] = more

    def extend(self, problems: Iterable[Problem]) -> None:
        """Hold or count each."""
        for problem in problems:
            self.append(problem)

    def __iadd__(self, problems: Iterable[Problem]) -> Self:
        self.extend(problems)
        return self


def count_of(problems: Sequence[Problem]) -> int:
    """Return how many there were, those included that are not held."""
    further = problems.further if isinstance(problems, Problems) else 0
    return len(problems) + max(0, further - 1)  # one says how many


def left_out(problems: Iterable[Problem]) -> str:
    """Return what was left out and why, in a few words: "3 left out (2: a line has no area.

    ...)".
    """
    reasons = _reasons(problems)
    stops = [each.reason for each in problems if each.stops_reading]
    if not reasons:
        return "; ".join(stops)
    parts = [f"{count:,}: {reason}" for reason, count in reasons.most_common(_MOST_REASONS)]
    parts += ["..."] if len(reasons) > _MOST_REASONS else []
    more = max(0, problems.further - 1) if isinstance(problems, Problems) else 0
    return "; ".join([f"{reasons.total() + more:,} left out ({'; '.join(parts)})", *stops])


def not_held(problems: Iterable[Problem]) -> str:
    """Return what a format could not hold, in a few words: "its holes (2).

    Its measurements (1)".
    """
    reasons = _reasons(problems)
    parts = [f"{reason} ({count:,})" for reason, count in reasons.most_common(_MOST_REASONS)]
    parts += ["..."] if len(reasons) > _MOST_REASONS else []
    return "; ".join(parts)


def _reasons(problems: Iterable[Problem]) -> Counter[str]:
    return Counter(
        _plain(each.reason) for each in problems if not (each.is_repaired or each.stops_reading)
    )


def _plain(reason: str) -> str:
    """Return the cause alone; the line of each object says what came of it too."""
    cause = reason.rpartition(": ")[2]
    return " ".join(_SHAPES.get(word, word) for word in cause.split(" "))


def repair_teller(number: int, problems: list[Problem]) -> Callable[[str], None]:
    """Return what notes that the object of a number was repaired."""

    def tell(reason: str) -> None:
        problems.append(Problem(number, reason, is_repaired=True))

    return tell
