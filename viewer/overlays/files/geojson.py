"""Objects as GeoJSON that QuPath opens and writes: detections with class and measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.atomic_write import atomic_write
from viewer.colors import rgb_of

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
) -> None:
    """Writes a FeatureCollection.

    Parameters
    ----------
    classes
        Name and color ("#rrggbb") of each class.
    card
        What the objects were made of; a member "coverslip" of the collection.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    with atomic_write(path) as file:
        about = b"" if card is None else b'"coverslip":' + msgspec.json.encode(card) + b","
        file.write(b'{"type":"FeatureCollection",' + about + b'"features":[')
        for index in range(len(objects)):
            file.write(b",\n" if index else b"\n")
            file.write(msgspec.json.encode(_feature(objects, index, classes)))
        file.write(b"\n]}\n")


def _feature(objects: Objects, index: int, classes: Sequence[tuple[str, str]]) -> object:
    name, color = classes[int(objects.classes[index])]
    ring = [[round(x, 2), round(y, 2)] for x, y in objects.outline(index).tolist()]
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
