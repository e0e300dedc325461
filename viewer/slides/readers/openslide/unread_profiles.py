"""Color profiles of vendors' slides that OpenSlide leaves out without a word."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from viewer.limits import COLOR_PROFILE_BYTES
from viewer.slides.readers.jpeg_header import read_jpeg_header
from viewer.slides.readers.jpeg_profile import profile_of_jpeg
from viewer.slides.readers.openslide.aperio import SUBFILES
from viewer.slides.readers.openslide.jpegs_beside import jpegs_beside
from viewer.slides.readers.tiff.metadata import PROFILE_HEADER_BYTES
from viewer.slides.readers.tiff.profile_beside import ColorSpace, color_space, profile_beside
from viewer.slides.readers.tiff_directory import (
    TiffDirectoryError,
    read_icc_profile,
    read_picture_tags,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from viewer.slides.readers.tiff_directory import PictureTags

_TIFF_VENDORS = frozenset(("hamamatsu", "leica", "philips", "trestle", "ventana"))
"""Whose profiles OpenSlide 4 does not look for."""
_WITH_PAGES_BESIDE = _TIFF_VENDORS | {"aperio", "argos", "huron"}
"""Whose associated pictures lie in directories of their own."""
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


def picture_tags(
    path: Path, vendor: str, sizes_px: Mapping[str, tuple[int, int]]
) -> list[PictureTags]:
    """Return what the directories of a vendor's TIFF say of their pictures; none of another file.

    Parameters
    ----------
    vendor, sizes_px
        As OpenSlide tells them, width and height of associated pictures by name: the profiles of
        these are read.
    """
    if vendor not in _WITH_PAGES_BESIDE:
        return []
    sizes, is_ndpi = set(sizes_px.values()), vendor == "hamamatsu"
    try:
        return read_picture_tags(path, sizes, COLOR_PROFILE_BYTES.most + 1, is_ndpi=is_ndpi)
    except (TiffDirectoryError, OSError):
        return []  # damage is said where it costs pixels; a VMS is no TIFF


def unread_profiles_beside(
    tags: Sequence[PictureTags], sizes_px: Mapping[str, tuple[int, int]]
) -> dict[str, bytes]:
    """Return the profiles of associated pictures that lie in the directories of a TIFF.

    As `SlideInfo.profiles_beside` has them. OpenSlide does not tell where a picture lies: it is
    found by its size, and among directories of one size by what they say they are. `tags` are
    those that `picture_tags` gives for the sizes.
    """
    slide = max(tags, key=lambda each: each.width_px * each.height_px, default=None)
    if slide is None:
        return {}
    slide_space = color_space(slide.photometric, slide.samples)
    found: dict[str, bytes] = {}
    for name, size_px in sizes_px.items():
        picture = _directory_of(name, size_px, tags)
        if picture is None:
            continue
        own = picture.icc_profile if len(picture.icc_profile) > PROFILE_HEADER_BYTES else None
        space = color_space(picture.photometric, picture.samples)
        profile = profile_beside(space, slide_space, own)
        if profile is not None:
            found[name] = profile
    return found


def profiles_in_jpegs(
    path: Path, vendor: str, sizes_px: Mapping[str, tuple[int, int]]
) -> dict[str, bytes]:
    """Return the profiles of associated pictures that are files of JPEG.

    As `SlideInfo.profiles_beside` has them; the parameters are those of `picture_tags`.
    """
    found: dict[str, bytes] = {}
    for name, data in jpegs_beside(path, vendor).items():
        header = read_jpeg_header(data)
        if sizes_px.get(name) != (header.width_px, header.height_px):
            continue  # another of this name is shown
        space = ColorSpace.GRAY if len(header.component_ids) == 1 else ColorSpace.RGB
        profile = profile_beside(space, ColorSpace.RGB, profile_of_jpeg(data))
        if profile is not None:
            found[name] = profile
    return found


def _directory_of(
    name: str, size_px: tuple[int, int], tags: Sequence[PictureTags]
) -> PictureTags | None:
    """Return the directory that holds a picture; None where that cannot be told."""
    same = [each for each in tags if (each.width_px, each.height_px) == size_px]
    ways = (
        same,
        [each for each in same if each.subfile == SUBFILES.get(name)],
        [each for each in same if name.encode() in each.description.lower()],
    )
    return next((found[0] for found in ways if len(found) == 1), None)


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
