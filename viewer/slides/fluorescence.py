"""Whether a slide was scanned in fluorescence, by what its file says and by how it looks."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import numpy as np

from viewer.slides.errors import SlideError, TileError

if TYPE_CHECKING:
    from viewer.slides.source import RgbImage, SlideInfo, SlideSource

_log = logging.getLogger(__name__)

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
_MOST_PX = 4096
"""A level that is longer is not read for how it looks."""
_MOST_TILES = 64
"""Of the file; a level that is made from more of them is not read either."""
_SIDE_PX = 256
_DARK_LIGHT, _GLASS_LIGHT = 64.0, 150.0
"""Of 255: the ground of fluorescence is darker, and hardly anything is as bright as glass."""
_FLUORESCENCE = "Stain views are for stained slides in transmitted light; this is fluorescence."
_CHANNELS = "Stain views are for stained slides in transmitted light; this slide has channels."
_GRAY = "Stain views need colors; this slide is shown in gray."


def is_fluorescence(info: SlideInfo) -> bool:
    """Return whether the properties of a slide name fluorescence, its filters or its dyes."""
    # Some readers put what the scanner wrote into the name of a property, others into its value.
    texts = (f"{name}={value}" for name, value in info.properties.items())
    return any(_MARKS.search(text[:_MOST_CHARACTERS]) for text in texts)


def no_stains(source: SlideSource) -> str:
    """Return why the stains of a slide cannot be shown apart, "" where they can; for workers.

    Where the file says nothing of fluorescence, the smallest level tells it by its dark ground.
    """
    if len(source.info.axes.channels) > 1:
        return _CHANNELS
    if is_fluorescence(source.info):
        return _FLUORESCENCE
    try:
        picture = _small_picture(source)
    except (SlideError, TileError) as error:
        _log.info("how a slide looks is not known (%s)", error)
        return ""
    if picture is None:
        return ""
    light = picture.mean(2)
    if float(np.median(light)) < _DARK_LIGHT and float((light > _GLASS_LIGHT).mean()) < 0.01:
        return _FLUORESCENCE
    is_gray = bool((picture == picture[..., :1]).all())
    return _GRAY if is_gray else ""


def _small_picture(source: SlideSource) -> RgbImage | None:
    """Return the whole slide, small; None where no level is small enough to be read at once."""
    from viewer.geometry import Box
    from viewer.slides.region import Beyond, read_region

    base, smallest = source.levels[0], source.levels[-1]
    tiles = smallest.columns * smallest.rows * smallest.stored_tiles_per_tile
    if max(smallest.width_px, smallest.height_px) > _MOST_PX or tiles > _MOST_TILES:
        return None
    scale = _SIDE_PX / max(base.width_px, base.height_px)
    width, height = (max(1, round(side * scale)) for side in (base.width_px, base.height_px))
    whole = Box(0, 0, base.width_px, base.height_px)
    return read_region(source, whole, width, height, Beyond.WHITE)
