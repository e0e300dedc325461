"""Objects as GeoParquet 1.1: outlines as WKB in level-0 pixels, a column a measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from viewer.atomic_write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.overlays.objects import Objects

_ABOUT = {
    "version": "1.1.0",
    "primary_column": "geometry",
    # Pixels lie on no ellipsoid: no coordinate reference system.
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}},
}


def write_geoparquet(path: Path, objects: Objects, classes: Sequence[tuple[str, str]]) -> None:
    """Writes a row an object: geometry, class, centroid in level-0 pixels, measurements.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    names = np.array([name for name, _ in classes] or [""], dtype=object)
    columns = {
        "geometry": pa.array(shapely.to_wkb(polygons(objects)).tolist(), pa.binary()),
        "class": pa.array(names[objects.classes].tolist(), pa.string()),
        "x_px": pa.array(objects.centroids[:, 0]),
        "y_px": pa.array(objects.centroids[:, 1]),
        **{name: pa.array(values) for name, values in objects.measurements.items()},
    }
    table = pa.table(columns).replace_schema_metadata({"geo": msgspec.json.encode(_ABOUT)})
    with atomic_write(path) as file:
        pq.write_table(table, file)


def polygons(objects: Objects) -> NDArray[np.object_]:
    """(n,) shapely polygons, made all at once."""
    counts = np.diff(objects.starts)
    # Each outline is closed by its first corner.
    order = np.insert(np.arange(len(objects.points)), objects.starts[1:], objects.starts[:-1])
    rings = np.repeat(np.arange(len(objects)), counts + 1)
    lines = shapely.linearrings(objects.points[order].astype(np.float64), indices=rings)
    return np.asarray(shapely.polygons(lines), dtype=object)
