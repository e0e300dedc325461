"""Whether the metadata of a slide says that it was scanned in fluorescence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer.slides.source import SlideInfo

_DYES = r"(?:DAPI|Hoechst|FITC|TRITC|GFP|RFP|Cy[2357]|Alexa|Texas\ ?Red)"
_IS = r"""["']?\s?[=:>]\s?["']?"""
"""Between a name and its value: name=value, "name": "value", name="value", <name>value."""
_MARKS = re.compile(
    rf"""
    \b(?:Emission|Excitation)\s?Wave\s?length{_IS}[1-9]                     # NDPI, OME
    | \bcontrast-?method{_IS}fluorescence                                   # OME
    | \billumination-?(?:source|type|mode){_IS}(?:epi-?)?fluorescence       # SCN, OME
    | \bSLIDE_TYPE{_IS}SLIDE_TYPE_FLUORESCENCE                              # MIRAX
    | \bepifluorescence\ illumination                                       # DICOM
    | \b(?:Fluor|Fluorophore){_IS}\w | <(?:Fluor|Fluorophore)\b             # OME, QPTIFF
    | \bChannel\b[^>]*\bName=["']{_DYES}\b                                  # OME
    | \bFilter\s?=\s?{_DYES}\b                                              # Aperio
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MOST_CHARACTERS = 1 << 20
"""Of one property that are looked through."""


def is_fluorescence(info: SlideInfo) -> bool:
    """Return whether the properties of a slide name fluorescence, its filters or its dyes."""
    # Some readers put what the scanner wrote into the name of a property, others into its value.
    texts = (f"{name}={value}" for name, value in info.properties.items())
    return any(_MARKS.search(text[:_MOST_CHARACTERS]) for text in texts)
