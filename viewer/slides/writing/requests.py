"""What the window asks its helper process for; imports nothing of what the work needs."""

from __future__ import annotations

import msgspec

CONVERT_TASK = "viewer.slides.writing.tasks:convert_slide"
DEIDENTIFY_TASK = "viewer.slides.writing.tasks:deidentify_slide"


class ConvertSlide(msgspec.Struct, frozen=True):
    """Asks for a conversion; the names are those of `ConvertOptions`.

    Attributes
    ----------
    region
        x, y, width and height in level-0 pixels.
    """

    slide: str
    out: str
    kind: str
    quality: int
    region: tuple[int, int, int, int] | None = None
    channels: tuple[str, ...] = ()
    image: int | None = None
    mpp_um: float | None = None
    overwrite: bool = False


class DeidentifySlide(msgspec.Struct, frozen=True):
    """Asks for a copy without label, macro and texts in a folder."""

    slide: str
    folder: str


class WrittenSlide(msgspec.Struct, frozen=True):
    """Tells what was written.

    Attributes
    ----------
    lines
        The report, for people.
    report
        The same as JSON.
    """

    path: str
    lines: tuple[str, ...]
    report: bytes
