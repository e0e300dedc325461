"""Regions that a reader pointed out and kept, in a GeoJSON file for each slide."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import shapely
from filelock import FileLock

from viewer.folders import data_folder
from viewer.overlays.geojson import write_geojson
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import Objects
from viewer.overlays.result_files import read_result_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.geometry import Point, Size

CLASS = ("Region", "#00c853")


def regions_path(identity: str) -> Path:
    """The file of a slide; it need not exist."""
    name = hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()
    return data_folder() / "regions" / name / "Pointed out.geojson"


def keep_region(
    path: Path, rings: Sequence[Sequence[Point]], slide: Size, mpp_um: float
) -> ObjectMap:
    """Adds a region, an object a ring, to the file, and gives all that it holds then.

    Raises
    ------
    OSError, ResultFileError
        It cannot be kept; what was there is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        before = [read_result_file(path, slide, mpp_um).found] if path.exists() else []
        known = [found.all_objects() for found in before if isinstance(found, ObjectMap)]
        write_geojson(path, Objects.joined([*known, _objects(rings, mpp_um)]), [CLASS])
        found = read_result_file(path, slide, mpp_um).found
    assert isinstance(found, ObjectMap)
    return found


def _objects(rings: Sequence[Sequence[Point]], mpp_um: float) -> Objects:
    polygons = [shapely.Polygon(ring) for ring in rings]
    return Objects(
        np.concatenate([np.array(ring, np.float32) for ring in rings]),
        np.cumsum([0, *map(len, rings)]).astype(np.int64),
        np.array([polygon.centroid.coords[0] for polygon in polygons], np.float32),
        np.zeros(len(rings), np.uint8),
        {
            "Area um2": np.array([p.area * mpp_um**2 for p in polygons], np.float32),
            "Perimeter um": np.array([p.length * mpp_um for p in polygons], np.float32),
        },
    )
