"""Objects as a file, in the format that its name asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.overlays.files.arrays import write_in_helper
from viewer.overlays.files.geojson import write_geojson
from viewer.overlays.files.masks import write_mask
from viewer.overlays.files.tables import write_csv
from viewer.overlays.result_card import write_card

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from viewer.geometry import Box
    from viewer.overlays.objects import Objects
    from viewer.overlays.result_card import ResultCard

FORMATS: dict[str, tuple[str, ...]] = {
    "GeoJSON, for QuPath": (".geojson", ".json"),
    "CSV table": (".csv",),
    "GeoParquet": (".parquet", ".geoparquet"),
    "Label mask": (".tif", ".tiff", ".png"),
}


def check_name(path: Path, formats: Mapping[str, tuple[str, ...]] = FORMATS) -> str:
    """Return what is wrong with the name of a file to export to; empty when nothing is."""
    known = [suffix for suffixes in formats.values() for suffix in suffixes]
    if path.suffix.lower() in known:
        return ""
    return f"{path.name} does not tell its format: let it end in {', '.join(known)}."


def drops_colors(path: Path) -> bool:
    """Return whether the format of an export has no place for the colors of classes."""
    return path.suffix.lower() not in (".geojson", ".json")


def write_objects(
    path: Path,
    objects: Objects,
    classes: Sequence[tuple[str, str]],
    box: Box,
    mpp_um: float,
    card: ResultCard | None = None,
    bounds_px: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Write objects of a level-0 box; name and color of each class, and what made them.

    Parameters
    ----------
    bounds_px
        From where QuPath, and so GeoJSON, counts on this slide; the others count from its corner.

    Raises
    ------
    MaskError
        They do not fit the format.
    OSError
        The file cannot be written; one that was there is left as it was.
    """
    match path.suffix.lower():
        case ".csv":
            write_csv(path, objects, classes, mpp_um)
        case ".parquet" | ".geoparquet":
            data = np.frombuffer(objects.to_bytes(), np.uint8)
            names = [name for name, _ in classes]
            write_in_helper(
                "viewer.overlays.files.geoparquet:write", path, {"objects": data}, names
            )
        case ".tif" | ".tiff" | ".png":
            write_mask(path, objects, box, mpp_um)
        case _:
            write_geojson(path, objects, classes, card, bounds_px)
            return
    if card is not None:
        write_card(path, card)
