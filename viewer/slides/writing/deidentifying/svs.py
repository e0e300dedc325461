"""What stays of an Aperio SVS."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from viewer.slides.readers.openslide.aperio import picture_beside
from viewer.slides.writing.deidentifying.tiff_copy import KeptDirectory
from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

    from viewer.slides.writing.deidentifying.level_check import LevelCheck
    from viewer.slides.writing.deidentifying.report import Report

_DESCRIPTION = 270
_LIBRARY = re.compile(r"Aperio (?:Image Library|Leica Biosystems GT450(?: DX)?) v\d+(?:\.\d+)*")
_GEOMETRY = re.compile(
    r"\d+x\d+|\[\d+,\d+ \d+x\d+\]|\(\d+x\d+\)|->|-|"
    r"(?:JPEG|J2K|JPEG2000)/(?:RGB|YCC|YUV|YCbCr|KDU|BGR|Gray)|Q=\d+"
)
"""The words of the line that tells sizes and codec."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?(?:[eE]-?\d+)?")
_NUMBERS = ("AppMag", "MPP")
_PROFILE = "ICC Profile"
_LONGEST_PROFILE = 100
_ASPECT_TOLERANCE = 0.02
_THUMBNAIL = 1
"""The directory of the thumbnail, where there is one."""


def kept_of_svs(tiff: TiffFile, report: Report, check: LevelCheck) -> list[KeptDirectory]:
    """Return the levels and the thumbnail, described by geometry, codec and scale alone.

    Scanners say of both what they were reduced from; a tiled image of which nothing is said is a
    level where it shows what the slide does.

    Raises WritingError where no level is found.
    """
    pages = [tiff.pages[index].aspage() for index in range(len(tiff.pages))]
    base = pages[0]
    if not base.is_tiled or picture_beside(base.description, anywhere=True):
        raise WritingError("The first image of this SVS is none of tissue; the file is damaged.")
    kept: list[KeptDirectory] = []
    for index, page in enumerate(pages):
        name = picture_beside(page.description, anywhere=True)
        is_alike = _is_alike(page, base) and not name
        is_thumbnail = index == _THUMBNAIL and page.subfiletype == 0
        is_said = page is base or _is_reduced(page)
        if is_alike and (
            (is_said and (page.is_tiled or is_thumbnail))
            or (page.is_tiled and check.shows_the_slide(page))
        ):
            kept.append(KeptDirectory(page, {_DESCRIPTION: described(page.description, report)}))
        else:
            what = name or "other"
            report.remove(f"{what} image, {page.imagewidth} x {page.imagelength}")
    return kept


def _is_reduced(page: TiffPage) -> bool:
    """Return whether a page's words say that it is the slide, reduced to the page's size."""
    words = page.description.split("|")[0].split()
    size = f"{page.imagewidth}x{page.imagelength}"
    return any(pair == ("->", size) for pair in pairwise(words))


def described(description: str, report: Report) -> str:
    """Return what stays of a description: geometry, codec, AppMag, MPP and the profile's name."""
    first, *fields = description.split("|")
    lines = [_known_words(line) for line in re.split(r"\r?\n|\r", first)]
    kept = ["\r\n".join(line for line in lines if line)]
    if not kept[0].startswith("Aperio"):
        kept[0] = "\r\n".join(("Aperio Image Library", *filter(None, lines)))
    if " ".join(kept[0].split()) != " ".join(first.split()):
        report.remove("other words of descriptions")
    for field in fields:
        name, separator, value = (part.strip() for part in field.partition("="))
        is_number = name in _NUMBERS and _NUMBER.fullmatch(value)
        is_profile = name == _PROFILE and len(value) <= _LONGEST_PROFILE and value.isprintable()
        if separator and (is_number or is_profile):
            kept.append(f"{name} = {value}")
            if is_profile:
                report.keep("description, name of the ICC profile", value)
        elif field.strip():
            report.remove(f"description: {_field_name(name)}")
    return "|".join(kept)


def _known_words(line: str) -> str:
    """Return the words of a line that tell the program, sizes or the codec."""
    kept: list[str] = []
    for number, part in enumerate(line.split(";")):
        library = _LIBRARY.match(part.strip())
        words = [library[0]] if library else []
        rest = part.strip()[library.end() :] if library else part
        words += [
            word[0] for word in re.finditer(r"\[[^\]]*\]|\S+", rest) if _GEOMETRY.fullmatch(word[0])
        ]
        kept.append((";" if number else "") + " ".join(words))
    return "".join(kept).strip(" ;") if any(each.strip(" ;") for each in kept) else ""


_FIELDS = frozenset((
    "Filename", "Date", "Time", "User", "ScanScope ID", "ImageID", "Title", "StripeWidth",
    "Parmset", "Left", "Top", "LineCameraSkew", "LineAreaXOffset", "LineAreaYOffset",
    "Focus Offset", "DSR ID", "OriginalWidth", "Originalheight", "OriginalHeight", "Filtered",
    "Exposure Time", "Exposure Scale", "Time Zone", "Rack", "Slide", "SessonMode", "SessionMode",
    "DisplayColor", "Barcode", "BarcodeValue", "Rescan", "ScannerType", "Scanner Type",
    "Gamma", "DocumentName", "Patient", "PatientID", "Accession", "OffsetZ", "TotalDepth",
))  # fmt: skip


def _field_name(name: str) -> str:
    """Return the name of a field that scanners write; others may themselves tell something."""
    return name if name in _FIELDS else "another field"


def _is_alike(page: TiffPage, base: TiffPage) -> bool:
    """Return whether a page has the shape of the slide."""
    if page.imagewidth > base.imagewidth or page.imagelength > base.imagelength:
        return False
    # A pixel more or less is much of a small image.
    slack = max(_ASPECT_TOLERANCE, 1.5 / max(min(page.imagewidth, page.imagelength), 1))
    wanted = base.imagewidth / base.imagelength
    return abs(page.imagewidth / max(page.imagelength, 1) / wanted - 1) <= slack
