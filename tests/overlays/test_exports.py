"""What leaves as a file: GeoJSON, tables and masks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from overlay_steps import squares

from viewer.annotations.masks.label_masks import MaskError
from viewer.geometry import Box
from viewer.overlays.files.export import check_name, write_objects
from viewer.overlays.files.masks import label_mask
from viewer.overlays.objects import Objects

CLASSES = [("Nucleus", "#ff8000")]
BOX = Box(0, 0, 1500, 1100)


def test_geojson_has_what_qupath_reads(tmp_path: Path) -> None:
    write_objects(tmp_path / "o.geojson", squares((3, 4), (50, 60)), CLASSES, BOX, 0.5)
    found = json.loads((tmp_path / "o.geojson").read_text())
    first = found["features"][0]
    assert first["properties"]["objectType"] == "detection"
    assert first["properties"]["classification"] == {"name": "Nucleus", "color": [255, 128, 0]}
    assert first["properties"]["measurements"] == {"Area um2": 100.0}
    ring = first["geometry"]["coordinates"][0]
    assert ring == [[3, 4], [13, 4], [13, 14], [3, 14], [3, 4]]
    assert len(found["features"]) == 2


def test_no_objects_are_a_collection_too(tmp_path: Path) -> None:
    write_objects(tmp_path / "o.json", Objects.none(), CLASSES, BOX, 0.5)
    assert json.loads((tmp_path / "o.json").read_text())["features"] == []


def test_the_table_tells_places_in_px_and_um(tmp_path: Path) -> None:
    write_objects(tmp_path / "o.csv", squares((15, 35)), CLASSES, BOX, 0.5)
    with (tmp_path / "o.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["Class"], row["X px"], row["Y um"]) == ("Nucleus", "20.00", "20.00")
    assert float(row["Area um2"]) == 100


@pytest.mark.parametrize("name", ["m.png", "m.tif"])
def test_a_mask_has_every_object_at_its_place(tmp_path: Path, name: str) -> None:
    objects = squares((3, 4), (1020, 1020), (1490, 1095))
    write_objects(tmp_path / name, objects, CLASSES, BOX, 0.5)
    if name.endswith("png"):
        mask = imagecodecs.png_decode((tmp_path / name).read_bytes())
    else:
        mask = tifffile.imread(tmp_path / name)
        with tifffile.TiffFile(tmp_path / name) as tiff:
            assert tiff.pages.first.get_resolution("MICROMETER")[0] == pytest.approx(2.0)
    assert mask.shape == (1100, 1500)
    assert np.bincount(mask.ravel())[1:].tolist() == [100, 100, 50]
    rows, columns = np.nonzero(mask == 2)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1020, 1029, 1020, 1029)


def test_a_mask_of_a_part_starts_at_its_corner() -> None:
    mask = label_mask(squares((103, 204)), Box(100, 200, 150, 240))
    assert mask.shape == (40, 50)
    assert np.argwhere(mask)[0].tolist() == [4, 3]


def test_too_many_objects_for_a_png_are_refused(tmp_path: Path) -> None:
    many = squares(*[(i % 900, i // 900) for i in range(65_536)])
    with pytest.raises(MaskError, match="tif"):
        write_objects(tmp_path / "m.png", many, CLASSES, BOX, 0.5)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text("old")
    broken = squares((1, 1))
    broken.measurements["Area um2"] = np.zeros(0, np.float32)
    with pytest.raises(IndexError):
        write_objects(path, broken, CLASSES, BOX, 0.5)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["o.csv"]


def test_a_name_without_a_known_ending_is_told(tmp_path: Path) -> None:
    assert "does not tell its format" in check_name(Path("objects.txt"))
    assert check_name(Path("objects.GEOJSON")) == ""
