"""What serves the bytes of an address: a web server or an object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import msgspec

from viewer.slides.remote.address import is_dicom_address

if TYPE_CHECKING:
    from viewer.slides.remote.messages import OpenAddress


class Part(msgspec.Struct, frozen=True):
    """A range of a file, with what the server tells of the whole of it."""

    data: bytes
    total_bytes: int
    validator: str


class Origin(Protocol):
    """A file on a server. Any thread may read."""

    def read(self, offset: int, size: int) -> Part:
        """Read a range by one request; less at the file's end.

        Raises
        ------
        ServerError
            There are no bytes; PassingError where it is worth to ask again.
        EgressError
            The server may not be contacted.
        """
        ...

    def read_some(self, start: int, end: int | None) -> Part:
        """Read a part of an object, as `messages.Want` has it. Raises as `read`."""
        ...

    def child(self, key: str) -> Origin:
        """Return the object of a key below this address."""
        ...


def origin_of(target: OpenAddress) -> Origin:
    """Return what serves an address. Raises EgressError and ServerError."""
    if urlsplit(target.address).scheme in ("http", "https"):
        from viewer.slides.remote.dicom_series import DicomSeries
        from viewer.slides.remote.web import WebFile

        return DicomSeries(target) if is_dicom_address(target.plain) else WebFile(target)
    from viewer.slides.remote.stores import StoredObject

    return StoredObject(target)
