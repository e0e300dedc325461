"""Color profiles of vendors' slides that OpenSlide leaves out without a word."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from viewer.limits import COLOR_PROFILE_BYTES
from viewer.slides.readers.tiff.metadata import PROFILE_HEADER_BYTES
from viewer.slides.readers.tiff_directory import TiffDirectoryError, read_icc_profile

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
    return _of_philips(properties.get(_PHILIPS, "")) or _of_full_size(path, vendor)


def _of_philips(text: str) -> bytes | None:
    """Return the profile that the XML of a Philips TIFF holds as base64."""
    if not 0 < len(text) <= 2 * COLOR_PROFILE_BYTES.most:
        return None
    try:
        return base64.b64decode("".join(text.strip('" ').split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _of_full_size(path: Path, vendor: str) -> bytes | None:
    """Return the profile of the directory with the most pixels; one that is too long is cut.

    Whoever uses it says so.
    """
    most_bytes = COLOR_PROFILE_BYTES.most + 1
    try:
        found = read_icc_profile(path, most_bytes, is_ndpi=vendor == "hamamatsu")
    except (TiffDirectoryError, OSError):
        return None  # damage is said where it costs pixels; a VMS is no TIFF
    return found if len(found) > PROFILE_HEADER_BYTES else None
