"""Objects as GeoJSON that QuPath opens and writes: detections with class and measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.colors import rgb_of
from viewer.files.atomic_write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.overlays.objects import Objects
    from viewer.overlays.result_card import ResultCard


def write_geojson(
    path: Path,
    objects: Objects,
    classes: Sequence[tuple[str, str]],
    card: ResultCard | None = None,
    bounds_px: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Write a FeatureCollection.

    Parameters
    ----------
    classes
        Name and color ("#rrggbb") of each class.
    card
        What the objects were made of; a member "coverslip" of the collection.
    bounds_px
        From where QuPath counts on this slide; places are written as it counts.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    with atomic_write(path) as file:
        about = msgspec.json.encode(_about(card, bounds_px))
        file.write(b'{"type":"FeatureCollection","coverslip":' + about + b',"features":[')
        for index in range(len(objects)):
            file.write(b",\n" if index else b"\n")
            file.write(msgspec.json.encode(_feature(objects, index, classes, bounds_px)))
        file.write(b"\n]}\n")


def _about(card: ResultCard | None, bounds_px: tuple[float, float]) -> object:
    """Return what the file says of itself: from where it counts, and what made its objects."""
    origin = "bounds" if any(bounds_px) else "slide"
    if card is not None:
        return replace(card, origin=origin, origin_px=bounds_px)
    return {"origin": origin, "origin_px": bounds_px}


def _feature(
    objects: Objects,
    index: int,
    classes: Sequence[tuple[str, str]],
    bounds_px: tuple[float, float],
) -> object:
    name, color = classes[int(objects.classes[index])]
    left, top = bounds_px
    ring = [[round(x - left, 2), round(y - top, 2)] for x, y in objects.outline(index).tolist()]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": {
            "objectType": "detection",
            "classification": {"name": name, "color": rgb_of(color)},
            "measurements": {
                what: round(float(column[index]), 4)
                for what, column in objects.measurements.items()
            },
        },
    }
