"""OpenSlide's messages as sentences that tell a reader what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from viewer.slides.errors import (
    DamagedSlideError,
    IncompleteSlideError,
    SlideError,
    UnsupportedSlideError,
)

if TYPE_CHECKING:
    from pathlib import Path

_TRANSFER_SYNTAXES = {
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
    "1.2.840.10008.1.2.4.57": "lossless JPEG",
    "1.2.840.10008.1.2.4.70": "lossless JPEG",
    "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000",
    "1.2.840.10008.1.2.4.202": "High-Throughput JPEG 2000",
    "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
    "1.2.840.10008.1.2.5": "run-length coding",
}


def as_slide_error(path: Path, complaint: str) -> SlideError:
    """Return what OpenSlide says of a file that it knows but cannot open, as one of our errors."""
    name = path.name
    if syntax := re.search(r"Unsupported transfer syntax (\S+)", complaint):
        coding = _TRANSFER_SYNTAXES.get(syntax[1], "a coding")
        return UnsupportedSlideError(
            path,
            f"{name} is a DICOM slide compressed with {coding} (transfer syntax {syntax[1]}), "
            "which cannot be read here; ask for it as DICOM with JPEG or JPEG 2000, or convert "
            "it to a pyramidal TIFF.",
        )
    if "concatenation member" in complaint:
        return UnsupportedSlideError(
            path,
            f"{name} holds a DICOM label, macro or thumbnail picture cut into several files "
            "(a concatenation), which cannot be read here; join its parts into one file, or "
            "move it out of the slide's folder and open the slide's other files.",
        )
    if compression := re.search(r"Unsupported TIFF compression: (\d+)", complaint):
        return UnsupportedSlideError(
            path,
            f"{name} is a TIFF of tiles that OpenSlide cannot read (TIFF compression "
            f"{compression[1]}); convert it to a pyramidal TIFF with JPEG tiles.",
        )
    if "No pyramid levels found" in complaint:
        return IncompleteSlideError(
            path,
            f"{name} is one file of a DICOM slide, and the files with the slide's pixels are not "
            "beside it; put all files of the series into one folder and open any of them.",
        )
    if re.search(r"No such file|Couldn't open|Can't open|[Mm]issing|not found", complaint):
        return IncompleteSlideError(
            path,
            f"A part of {name} is missing ({complaint}); copy the slide again with all files "
            "and folders that belong to it.",
        )
    return DamagedSlideError(
        path,
        f"{name} looks like a slide but cannot be opened ({complaint}); it may be damaged or cut "
        "short, so copy it again from where it came.",
    )
