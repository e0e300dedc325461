"""The slides of a folder in a bucket, by their names; the helper process alone contacts it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import msgspec

from viewer.cohort.errors import BatchError
from viewer.overlays.segments.messages import Listed, ListObjects
from viewer.overlays.segments.places import BUCKETS
from viewer.prepared_types import prepared
from viewer.processes.helper import HelperEndedError, HelperFailedError, helper
from viewer.slides.remote.address import is_address, is_zarr_address, slide_path
from viewer.suffixes import SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

_LIST = "viewer.overlays.segments.serving:list_objects"


def is_bucket_folder(path: Path) -> bool:
    """Return whether an address names a bucket or a folder in one: it has no suffix of slides."""
    if not is_address(path) or urlsplit(str(path)).scheme not in BUCKETS:
        return False
    return not is_zarr_address(path) and path.suffix.lower() not in SUFFIXES


def slides_in_bucket(path: Path) -> list[Path]:
    """Return the slides directly in a folder of a bucket, by suffix; a Zarr counts as one.

    Raises
    ------
    BatchError
        The bucket cannot be listed; one sentence says why.
    """
    address = str(path).rstrip("/")
    try:
        body = helper().run(_LIST, ListObjects(address, ""))
    except (HelperFailedError, HelperEndedError, OSError) as error:
        raise BatchError(f"{address} cannot be listed: {error}") from error
    listed = msgspec.msgpack.decode(body, type=prepared(Listed))
    names = [name for name in listed.names if _suffix(name) in SUFFIXES]
    names += [name for name in listed.folders if _suffix(name) == ".zarr"]
    return [slide_path(f"{address}/{quote(name)}") for name in sorted(names)]


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if stem and dot else ""
