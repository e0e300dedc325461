"""Tells heatmaps that Coverslip wrote as OME-Zarr from other folders, which it never replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from pathlib import Path

MARK = {"coverslip": {"kind": "heatmap"}}
"""Among the attributes of the group."""


class _Attributes(msgspec.Struct):
    coverslip: dict[str, str] = {}


class _Group(msgspec.Struct):
    attributes: _Attributes


def is_own_heatmap(folder: Path) -> bool:
    """Return whether a folder is a heatmap that was written here before."""
    try:
        group = msgspec.json.decode(
            read_regular(folder / "zarr.json", JSON_BYTES), type=prepared(_Group)
        )
    except (OSError, *DECODE_ERRORS):
        return False
    return group.attributes.coverslip == MARK["coverslip"]
