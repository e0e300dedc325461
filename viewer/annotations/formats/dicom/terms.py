"""Classes, names, colors and units as DICOM codes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

from highdicom.color import CIELabColor
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.formats.foreign_values import quoted
from viewer.colors import rgb_of
from viewer.plain_text import shown_line

SCHEME = "99COVERSLIP"
"""A private scheme: the words are the user's own, not terms of a dictionary."""
CATEGORY = codes.SCT.SpatialAndRelationalConcept
"""Of anything drawn: it says no more than that it is a place."""
_MOST_CHARACTERS = 64
"""Of a text of the type LO."""
_NO_UNIT = Code("1", "UCUM", "no units")
_UNITS = (
    (re.compile(r"[µu]m\s*(\^?2|²)", re.IGNORECASE), Code("um2", "UCUM", "square micrometer")),
    (re.compile(r"mm\s*(\^?2|²)", re.IGNORECASE), Code("mm2", "UCUM", "square millimeter")),
    (re.compile(r"\b[µu]m\b", re.IGNORECASE), Code("um", "UCUM", "micrometer")),
    (re.compile(r"\bmm\b", re.IGNORECASE), Code("mm", "UCUM", "millimeter")),
    (re.compile(r"\bpx\b|\bpixels?\b", re.IGNORECASE), Code("{pixels}", "UCUM", "pixels")),
)


def label_of(text: str) -> str:
    """Return a text as a DICOM label holds it: one line of 64 characters, without backslash."""
    line = shown_line(text).replace("\\", "/").strip()
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"


def concept_of(text: str) -> CodedConcept:
    """Return the user's own word as a code."""
    value = sha256(text.encode()).hexdigest()[:16]
    return CodedConcept(value, SCHEME, label_of(text) or NO_CLASS)  # a label is wanted of each


def unit_of(name: str) -> CodedConcept:
    """Return the unit that the name of a measurement tells."""
    code = next((code for pattern, code in _UNITS if pattern.search(name)), _NO_UNIT)
    return CodedConcept.from_code(code)


def measurement_name(name: CodedConcept, unit: CodedConcept) -> str:
    """Return the name with the unit, which ours have in them already."""
    meaning = shown_line(str(name.meaning))
    if name.scheme_designator == SCHEME or unit.value in ("1", "[arb'U]", "") or not meaning:
        return meaning
    known = next((code for pattern, code in _UNITS if pattern.search(meaning)), None)
    return meaning if known is not None else f"{meaning} {unit.value}"


def lab_of(color: str) -> CIELabColor:
    """Return "#rrggbb" as the color of a group or segment."""
    return CIELabColor.from_rgb(*rgb_of(color))


def color_of_lab(value: Iterable[int] | int | str | None) -> str | None:
    """Return "#rrggbb" from RecommendedDisplayCIELabValue; None where there is none.

    Raises
    ------
    ValueError
        It is no color.
    """
    if value in (None, ""):
        return None
    try:
        lightness, a, b = map(int, value if isinstance(value, Iterable) else ())
        red, green, blue = CIELabColor.from_dicom_value((lightness, a, b)).to_rgb()
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{quoted(str(value))} is no color") from None
    return f"#{red:02x}{green:02x}{blue:02x}"
