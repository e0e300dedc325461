"""What goes to the process that writes DICOM annotations."""

from __future__ import annotations

import msgspec

from viewer.annotations.formats.slide_place import SlidePlace  # noqa: TC001 - a field's type
from viewer.slides.dicom.kinds import DicomKind  # noqa: TC001


class WriteRequest(msgspec.Struct, frozen=True):
    """Asks for a file.

    Attributes
    ----------
    annotations
        The file that holds them, each packed and behind its length.
    mpp_um
        um per pixel of a segmentation; that of the slide by default.
    """

    path: str
    kind: DicomKind
    annotations: str
    slide: SlidePlace
    mpp_um: float | None = None
