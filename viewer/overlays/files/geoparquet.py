# pyright: basic
# (pyarrow brings no types)
"""Objects as GeoParquet 1.1: outlines as WKB in level-0 pixels, a column a measurement.

Runs in the helper process, since it needs pyarrow.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from viewer.files.atomic_write import atomic_write
from viewer.overlays.files.arrays import WriteArrays
from viewer.overlays.objects import Objects
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.processes.helper_entry import TaskContext

_ABOUT = {
    "version": "1.1.0",
    "primary_column": "geometry",
    # Pixels lie on no ellipsoid: no coordinate reference system.
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}},
}


def write(body: bytes, _context: TaskContext) -> bytes:
    """Write a row an object: geometry, class, centroid in level-0 pixels, measurements.

    Answers a `WriteArrays` whose array "objects" holds `Objects.to_bytes`, and whose texts are
    the names of the classes.
    """
    request = msgspec.msgpack.decode(body, type=prepared(WriteArrays))
    objects = Objects.from_bytes(request.array("objects").tobytes())
    names = np.array(request.texts or [""], dtype=object)
    columns = {
        "geometry": pa.array(shapely.to_wkb(polygons(objects)).tolist(), pa.binary()),
        "class": pa.array(names[objects.classes].tolist(), pa.string()),
        "x_px": pa.array(objects.centroids[:, 0]),
        "y_px": pa.array(objects.centroids[:, 1]),
        **{name: pa.array(values) for name, values in objects.measurements.items()},
    }
    table = pa.table(columns).replace_schema_metadata({"geo": msgspec.json.encode(_ABOUT)})
    with atomic_write(Path(request.path)) as file:
        pq.write_table(table, file)
    return b""


def polygons(objects: Objects) -> NDArray[np.object_]:
    """Return (n,) shapely polygons, made all at once."""
    counts = np.diff(objects.starts)
    # Each outline is closed by its first corner.
    order = np.insert(np.arange(len(objects.points)), objects.starts[1:], objects.starts[:-1])
    rings = np.repeat(np.arange(len(objects)), counts + 1)
    lines = shapely.linearrings(objects.points[order].astype(np.float64), indices=rings)
    return np.asarray(shapely.polygons(lines), dtype=object)
