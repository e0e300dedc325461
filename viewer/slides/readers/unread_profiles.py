"""Color profiles of vendors' slides that OpenSlide leaves out without a word."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import TYPE_CHECKING

from tifffile import TiffFile, TiffFileError

from viewer.limits import COLOR_PROFILE_BYTES, open_regular
from viewer.slides.readers.tiff.metadata import icc_profile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIFF_VENDORS = frozenset(("hamamatsu", "leica", "philips", "trestle", "ventana"))
"""Whose profiles OpenSlide 4 does not look for."""
_PHILIPS = "philips.DICOM_ICCPROFILE"


def unread_profile(path: Path, vendor: str, properties: Mapping[str, str]) -> bytes | None:
    """Return the profile that a slide's file has for its full size; None where it has none.

    Parameters
    ----------
    vendor, properties
        As OpenSlide tells them.
    """
    if vendor not in _TIFF_VENDORS:
        return None
    return _of_philips(properties.get(_PHILIPS, "")) or _of_largest_page(path)


def _of_philips(text: str) -> bytes | None:
    """Return the profile that the XML of a Philips TIFF holds as base64."""
    if not 0 < len(text) <= 2 * COLOR_PROFILE_BYTES.most:
        return None
    try:
        return base64.b64decode("".join(text.strip('" ').split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _of_largest_page(path: Path) -> bytes | None:
    """Return the profile of the directory with the most pixels, which is the full size."""
    try:
        with open_regular(path) as file, TiffFile(file, name=path.name) as tiff:
            pages = [page.aspage() for page in tiff.pages]
            return icc_profile(max(pages, key=lambda page: page.imagewidth * page.imagelength))
    except (TiffFileError, OSError, ValueError, struct.error):
        return None  # damage is said where it costs pixels; a VMS is no TIFF
