"""What goes between Coverslip and the processes that read and write DICOM annotations."""

from __future__ import annotations

import msgspec

from viewer.annotations.formats.slide_place import SlidePlace  # noqa: TC001 - a field's type
from viewer.slides.dicom_kinds import DicomKind  # noqa: TC001


class Trouble(msgspec.Struct, frozen=True, array_like=True):
    """A `Problem` on its way between processes."""

    number: int
    reason: str
    is_repaired: bool


class ReadBatch(msgspec.Struct, frozen=True, tag=True):
    """Some annotations, as `storage.packing` has them; the last batch says so."""

    annotations: list[bytes]
    problems: list[Trouble]
    is_last: bool = False


class NotReadable(msgspec.Struct, frozen=True, tag=True):
    """Says in one sentence why nothing is read."""

    sentence: str


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
