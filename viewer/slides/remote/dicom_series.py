"""A DICOM series on a DICOMweb server, as an origin of objects: its metadata, and its frames.

Keys are `metadata`, and `frames/INSTANCE/NUMBER` with numbers from 1.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from viewer.slides.remote.dicom_keys import METADATA
from viewer.slides.remote.errors import ServerError
from viewer.slides.remote.origin import Part
from viewer.slides.remote.web import WebFile

if TYPE_CHECKING:
    from viewer.slides.remote.messages import OpenAddress

_AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
_UID = re.compile(r"[\d.]+")
_PATIENCE_S = 60.0


class DicomSeries(WebFile):
    """Asks for what the server has of a series; frames come as they are stored."""

    def __init__(self, target: OpenAddress) -> None:
        super().__init__(target)
        self._is_metadata = True

    def child(self, key: str) -> DicomSeries:
        """Return what answers a key."""
        kind, _, rest = key.partition("/")
        instance, _, number = rest.partition("/")
        if kind != METADATA and not (_UID.fullmatch(instance) and number.isdecimal()):
            raise ServerError("A DICOM slide names a frame that cannot be.")
        place = METADATA if kind == METADATA else f"instances/{instance}/frames/{number}"
        other = super().child(place)
        assert isinstance(other, DicomSeries)
        other._is_metadata = kind == METADATA
        other.accept = "application/dicom+json" if kind == METADATA else _AS_STORED
        return other

    def read_some(self, start: int, end: int | None) -> Part:  # noqa: ARG002
        """Read all of it, whatever part is asked for: servers of DICOMweb give no ranges."""
        part = self.whole(time.monotonic() + _PATIENCE_S)
        if self._is_metadata:
            return Part(part.data, len(part.data), "")
        data = _first_part(part.data)
        if data is None:
            raise ServerError("The DICOMweb server answers with something that is no frame.")
        return Part(data, len(data), "")


def _first_part(body: bytes) -> bytes | None:
    """Return the content of the only part of a multipart answer; None where it is none."""
    if not body.startswith(b"--"):
        return body or None
    boundary, _, rest = body.partition(b"\r\n")
    _, found, content = rest.partition(b"\r\n\r\n")
    end = content.rfind(b"\r\n" + boundary)
    return content[:end] if found and end >= 0 else None
