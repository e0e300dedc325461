"""Pictures beside the tissue among the zoom levels of an Aperio SVS.

OpenSlide takes each image in tiles for a level, a label, too: it would be shown in place of the
tissue at its zoom, with what is written on it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.slides.readers.tiff_directory import PictureTags
    from viewer.slides.source import Level

SUBFILES = {"label": 1, "macro": 9}
"""The kinds of file by which Aperio tells its pictures apart."""
_NAME = "(label|macro|overview|barcode)"
_ANYWHERE = re.compile(_NAME, re.IGNORECASE)
_BEGINS_LINE = re.compile(rf"^\s*{_NAME}", re.IGNORECASE | re.MULTILINE)
_ASPECT_TOLERANCE, _ROUNDING_PX = 0.05, 2
"""Sides of a level are rounded; other proportions are those of another picture."""


def picture_beside(description: str, *, anywhere: bool = False) -> str:
    """Return which picture beside the tissue a directory holds by its first words, or "".

    Parameters
    ----------
    anywhere
        Whether the name may stand anywhere in these words, not only at the start of a line:
        for whoever must rather leave out a level than let a label go out.
    """
    named = (_ANYWHERE if anywhere else _BEGINS_LINE).search(description.split("|")[0])
    return named[1].lower() if named else ""


def levels_beside(tags: Sequence[PictureTags], levels: Sequence[Level]) -> dict[int, str]:
    """Return what is known of those levels that do not show the tissue, by their number."""
    named = {
        (each.width_px, each.height_px): name
        for each in tags
        if each.tile_width_px and (name := picture_beside(each.description.decode("latin-1")))
    }
    whole = levels[0]
    found: dict[int, str] = {}
    for number, level in enumerate(levels[1:], 1):
        name = named.get((level.width_px, level.height_px), "")
        if name or not _has_proportions_of(whole, level):
            found[number] = name
    return found


def note_on_beside(names: Sequence[str]) -> str:
    """Return one sentence on levels that are not shown, by what is known of them; "" for none."""
    if not names:
        return ""
    what = " and ".join(
        dict.fromkeys(f"its {name}" if name else "another picture" for name in names)
    )
    return f"Among the zoom levels of this slide is {what}, which is not shown."


def _has_proportions_of(whole: Level, level: Level) -> bool:
    expected_px = whole.height_px * level.width_px / whole.width_px
    most_px = max(_ROUNDING_PX, _ASPECT_TOLERANCE * expected_px)
    return abs(level.height_px - expected_px) <= most_px
