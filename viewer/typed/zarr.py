"""Groups of Zarr, whose own types are not complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_open_group: Callable[..., zarr.Group] = vars(zarr)["open_group"]


def new_group(folder: Path) -> zarr.Group:
    """Make a folder a group of Zarr 3, in place of what it held."""
    return _open_group(str(folder), mode="w", zarr_format=3)


def group_in(folder: Path) -> zarr.Group:
    """Open the group of a folder to be read."""
    return _open_group(str(folder), mode="r")
