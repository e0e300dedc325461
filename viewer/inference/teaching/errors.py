"""Why nothing can be taught; `str()` of each is one sentence that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from viewer.inference.teaching.taught_card import CorrectionFigures


class TeachingError(CoverslipError):
    """Marks from which nothing is learned, or something taught that does not fit."""


class NoMarksError(TeachingError):
    """There is no mark with a class."""


class OneClassError(TeachingError):
    """All marks are of one class: what is learned of them would be a map of one color."""


class ContradictionError(TeachingError):
    """The same place is marked with two classes."""


class OffSlideError(TeachingError):
    """Marks lie beside the slide."""


class OtherSlideError(TeachingError):
    """Marks were made on another slide, or on the slide before its file was changed."""


class NoObjectError(TeachingError):
    """Marks lie on no object that was found."""


class FeaturesVersionError(TeachingError):
    """Something was taught on features of another version, or of another model."""


class NoGainError(TeachingError):
    """What was learned from corrections is no better on those that were held back.

    Attributes
    ----------
    figures
        Of both networks on what was held back.
    """

    def __init__(self, sentence: str, figures: CorrectionFigures) -> None:
        super().__init__(sentence)
        self.figures = figures


class CanceledError(TeachingError):
    """Somebody stopped the learning."""
