"""What stays of a Hamamatsu NDPI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from viewer.slides.writing.deidentifying.tiff_copy import KeptDirectory
from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

    from viewer.slides.writing.deidentifying.level_check import LevelCheck
    from viewer.slides.writing.deidentifying.report import Report

_MAKE, _MODEL = 271, 272
_SOURCE_LENS = 65421
_SCALARS = frozenset((
    65420, 65421, 65422, 65423, 65424, 65435, 65436, 65437, 65438, 65441, 65444, 65446, 65451,
))  # fmt: skip
"""File format, lens, offsets from the slide's middle, capture mode, exposure, quality, wavelength:
what tells how pixels lie and look."""
_ARRAYS = frozenset((65426, 65432))
"""Where the restarts of the coded data lie."""
_MODEL_NAME = re.compile(
    r"NanoZoomer(?: ?(?:2\.0-?(?:HT|RS)?|XR|SQ|HT|RS|S(?:20|60|210|360|540)(?:MD)?))?|"
    r"C(?:9600|10730|12000|13140|13210|13220|13239|14260|16600)(?:-\d{2})?"
)
"""Any other number might be one of a case."""
_NAMES = {-1.0: "macro image, which shows the label", -2.0: "map image"}


def kept_of_ndpi(tiff: TiffFile, report: Report, check: LevelCheck) -> list[KeptDirectory]:
    """Return the levels of all planes, which their lens tells from images beside them.

    Raises WritingError where there is none.
    """
    del check
    kept: list[KeptDirectory] = []
    for index in range(len(tiff.pages)):
        page = tiff.pages[index].aspage()
        lens = _lens(page)
        if lens is None or lens <= 0:
            name = _NAMES.get(lens or 0.0, "other image")
            report.remove(f"{name}, {page.imagewidth} x {page.imagelength}")
            continue
        scalars = {code for code in _SCALARS if (tag := page.tags.get(code)) and tag.count == 1}
        kept.append(KeptDirectory(page, _texts(page, report), frozenset(scalars) | _ARRAYS))
    if not kept:
        raise WritingError("This NDPI holds no level of the slide; the file is damaged.")
    return kept


def _lens(page: TiffPage) -> float | None:
    value = page.tags.valueof(_SOURCE_LENS)
    return float(value) if isinstance(value, (int, float)) else None


def _texts(page: TiffPage, report: Report) -> dict[int, str]:
    """Return maker and model, by which readers know the format; nothing else that is text."""
    texts = {_MAKE: "Hamamatsu"}
    if page.tags.get(_MAKE) is None:
        del texts[_MAKE]
    model = str(page.tags.valueof(_MODEL, "")).strip()
    if _MODEL_NAME.fullmatch(model):
        texts[_MODEL] = model
        report.keep("Model", model)
    return texts
