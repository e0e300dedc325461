"""What the card of a taught model says: who taught it, by how many marks, and how wrong it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from viewer.plurals import plural
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viewer.inference.teaching.held_out import HeldOut

Count = Annotated[int, Meta(ge=0)]
_LEAST_GAIN = 0.005
"""Of panoptic quality on what is held back; less may be chance."""
GAIN = f"panoptic quality rises by {_LEAST_GAIN} or more and F1 does not fall"
"""When a network that learned from outlines is kept, in words."""
_DECIMALS = 4
"""To which figures are compared, as they are measured."""


class HeldOutFigures(msgspec.Struct, frozen=True):
    """The estimate of the error, as a card keeps it.

    Attributes
    ----------
    by
        What was held out: "slide", "block", or "" where the marks were not enough to estimate.
    regions
        In how many of them each class is marked.
    error
        Share of marks that were called something else; None without an estimate.
    calibration_error
        By how much what is said to be likely is right more or less often.
    called
        How many marks of each class were called each class.
    sentence
        The estimate in words.
    """

    by: Literal["slide", "block", ""] = ""
    regions: dict[str, Count] = {}
    error: float | None = None
    calibration_error: float | None = None
    called: dict[str, dict[str, Count]] = {}
    sentence: str = ""

    @classmethod
    def of(cls, estimate: HeldOut, names: Sequence[str], marks: str = "marks") -> HeldOutFigures:
        """Return the figures of an estimate; the names are those of the classes, in order.

        `marks` are what was told right or wrong, such as "marked pixels".
        """
        called: dict[str, dict[str, int]] = {}
        if estimate.by:
            rows = estimate.confusion().tolist()
            called = {
                n: dict(zip(names, row, strict=True)) for n, row in zip(names, rows, strict=True)
            }
        return cls(
            estimate.by,
            dict(zip(names, estimate.regions, strict=True)),
            _rounded(estimate.error),
            _rounded(estimate.calibration_error),
            called,
            estimate.sentence(names, marks),
        )


class CorrectionFigures(msgspec.Struct, frozen=True):
    """What corrected outlines taught a network, as a card keeps it.

    Attributes
    ----------
    outlines, held_back
        How many outlines were corrected, and how many of them measured alone.
    by
        What was held back: "slide" or "block".
    f1_before, f1_after, quality_before, quality_after
        F1 at an IoU of 0.5 and panoptic quality on what was held back, of the network as it came
        and of this one.
    """

    outlines: Count
    held_back: Count
    by: Literal["slide", "block"]
    f1_before: float
    f1_after: float
    quality_before: float
    quality_after: float

    @property
    def is_gain(self) -> bool:
        """Return whether the network got better, so that it is kept (`GAIN`).

        Outlines that fit more closely raise panoptic quality even where nuclei are lost or made up,
        which F1 shows.
        """
        gain = round(self.quality_after - self.quality_before, _DECIMALS)
        return gain >= _LEAST_GAIN and self.f1_after >= self.f1_before

    @property
    def sentence(self) -> str:
        """Return the figures in words."""
        parts = "whole slides" if self.by == "slide" else "blocks of 40 µm"
        return (
            f"{self.held_back:,} of {self.outlines:,} outlines were held back, by {parts}: on them "
            f"panoptic quality went from {self.quality_before:.3f} to {self.quality_after:.3f}, F1 "
            f"from {self.f1_before:.3f} to {self.f1_after:.3f}."
        )


class TaughtCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a model that a reader taught says of itself; it decides no number.

    Attributes
    ----------
    by
        The pseudonym of who taught it; "" where none was given.
    at
        When, ISO 8601 in UTC.
    marks
        How many marks of each class.
    slides
        Content keys of the slides that were marked.
    base, base_version
        The model whose objects or features it was taught on; "" where there is none.
    features_version
        Of the program's own features.
    held_out
        The estimate of its error.
    corrections
        What corrected outlines taught, of networks that learned from them; None of classifiers.
    """

    by: str = ""
    at: str = ""
    marks: dict[str, Count] = {}
    slides: tuple[str, ...] = ()
    base: str = ""
    base_version: str = ""
    features_version: int = 0
    held_out: HeldOutFigures = HeldOutFigures()
    corrections: CorrectionFigures | None = None

    @property
    def version(self) -> str:
        """Return the version of the model, by when it was taught: "2026-11-28-090000"."""
        return self.at[:19].replace(":", "").replace("T", "-")

    @property
    def about(self) -> str:
        """Return what is said of the model wherever it goes."""
        return f"{' '.join(self.sentences)} For research use, not for diagnosis."

    @property
    def sentences(self) -> list[str]:
        """Return the card in words, for where models are chosen."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.marks.items())
        who = f" by {self.by}" if self.by else ""
        slides = plural(len(self.slides), "slide")
        if self.corrections is not None:
            base = f"{self.base} {self.base_version}"
            learned = f"{base}, taught{who} with corrected outlines on {slides}."
            rule = [f"Kept, as {GAIN}."] if self.corrections.is_gain else []
            return [learned, self.corrections.sentence, *rule]
        on = f", on what {self.base} {self.base_version} finds" if self.base else ""
        return [f"Taught{who} with marks on {slides}: {counts}{on}.", self.held_out.sentence]


def taught_now(
    who: str,
    marks: Mapping[str, int],
    slides: Sequence[str],
    estimate: HeldOut,
    features_version: int,
    base: tuple[str, str] = ("", ""),
) -> TaughtCard:
    """Return the card of what is taught at this moment.

    Parameters
    ----------
    marks
        How many of each class, in the order of the classes.
    base
        Name and version of the model it was taught on.
    """
    return TaughtCard(
        by=who,
        at=utc_stamp(),
        marks=dict(marks),
        slides=tuple(dict.fromkeys(slides)),
        base=base[0],
        base_version=base[1],
        features_version=features_version,
        held_out=HeldOutFigures.of(estimate, list(marks)),
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
