"""What may go wrong with a file of annotations, and with one of the things in it."""

from __future__ import annotations

from dataclasses import dataclass

from viewer.errors import CoverslipError


class AnnotationFileError(CoverslipError):
    """A file that cannot be used at all; `str()` is one sentence."""


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
