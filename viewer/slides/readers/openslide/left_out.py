"""Focal planes and channels of vendors' slides that OpenSlide leaves out without a word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from viewer.slides.readers.tiff.scn import scan_lights
from viewer.slides.readers.tiff_directory import (
    TiffDirectoryError,
    first_numbers,
    read_description,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NDPI_PLANE = 65424
"""The tag with the height of the plane that a directory shows, in nanometers."""

_LONGEST_DESCRIPTION = 1 << 20
_SCN_PLANES, _SCN_CHANNELS = (
    re.compile(rf"<dimension\s[^>]{{0,999}}?\b{axis}\s?=\s?[\"'](\d{{1,6}})".encode())
    for axis in "zc"
)
_SCN_READ = "brightfield"
_SHOWN_PLANE = {
    "argos": "the middle one",
    "hamamatsu": "the one at 0 µm",
    "leica": "the first",
    "mirax": "the first",
    "ventana": "the one of nominal focus",
}
"""OpenSlide passes over directories of NDPI at other heights, and of SCN with z other than 0. Of
MIRAX it takes the first record of each zoom level, and of BIF the first tiles of a directory, which
are those of nominal focus."""
_FURTHER_CHANNELS = "Further channels of this slide are not read."
"""Of MIRAX, whose first filter may be a picture of several."""
_MIRAX_PLANES, _MIRAX_FILTERS = "Microscope focus level", "Slide filter level"
_MOST_MIRAX_AXES = 100


def left_out_notes(path: Path, vendor: str, properties: Mapping[str, str]) -> tuple[str, ...]:
    """Return sentences where a slide has more focal planes or channels than OpenSlide shows.

    Parameters
    ----------
    vendor, properties
        As OpenSlide tells them.
    """
    try:
        planes, channels = _counts(path, vendor, properties)
        others = vendor == "leica" and any(light != _SCN_READ for light in _scn_lights(path))
    except (OSError, TiffDirectoryError, ValueError):
        return ()  # damage is said where it costs pixels
    which = _SHOWN_PLANE.get(vendor, "one")
    shown_channel = f"Shown: the first of {channels} channels; the others are not read."
    said = (
        (planes, f"Shown: {which} of {planes} focal planes; the others are not read."),
        (channels, shown_channel if vendor == "leica" else _FURTHER_CHANNELS),
        (2 * others, "A scan of this slide in fluorescence is not read."),
    )
    return tuple(sentence for count, sentence in said if count > 1)


def is_scn_without_brightfield(path: Path) -> bool:
    """Return whether an SCN holds scans in fluorescence alone, none of which OpenSlide reads.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    try:
        lights = _scn_lights(path)
    except TiffDirectoryError:
        return False
    return bool(lights) and _SCN_READ not in lights


def _scn_lights(path: Path) -> list[str]:
    text = read_description(path, _LONGEST_DESCRIPTION)
    return scan_lights(text.rstrip(b"\0").decode("utf-8", "replace"))


def _counts(path: Path, vendor: str, properties: Mapping[str, str]) -> tuple[int, int]:
    """Return how many focal planes and channels a slide has; 0 where that is unknown."""
    match vendor:
        case "hamamatsu" if path.suffix.lower() == ".ndpi":
            return len({*first_numbers(path, _NDPI_PLANE)} | {0}), 0
        case "leica":
            text = read_description(path, _LONGEST_DESCRIPTION)
            return len({*_SCN_PLANES.findall(text)}), len({*_SCN_CHANNELS.findall(text)})
        case "mirax":
            return _mirax(properties, _MIRAX_PLANES), _mirax(properties, _MIRAX_FILTERS)
        case "argos":
            lowest, highest = (int(properties.get(f"argos.{end}Z", "0")) for end in ("Min", "Max"))
            return highest - lowest + 1, 0
        case "ventana":
            return int(properties.get("ventana.Z-layers", "0")), 0
        case _:
            return 0, 0


def _mirax(properties: Mapping[str, str], name: str) -> int:
    prefix = "mirax.HIERARCHICAL.HIER_"
    axes = (f"{prefix}{axis}" for axis in range(_MOST_MIRAX_AXES))
    named = (axis for axis in axes if properties.get(f"{axis}_NAME") == name)
    return max((int(properties.get(f"{axis}_COUNT", "0")) for axis in named), default=0)
