"""Results made elsewhere, and formats that are read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import tifffile
from overlay_steps import GRID, squares

from viewer.cli.output import check_writable
from viewer.geometry import Box, Size
from viewer.overlays.blocks import BlockKey
from viewer.overlays.files.export import write_objects
from viewer.overlays.files.foreign_table import read_binary_table
from viewer.overlays.files.patch_files import write_cells
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import PatchFeatures

SLIDE = Size(1000, 700)
CLASSES = [("Nucleus", "#00aa00")]


@pytest.mark.parametrize("name", ["o.geojson", "o.parquet"])
def test_objects_come_back_from_the_file_they_were_written_to(tmp_path: Path, name: str) -> None:
    written = squares((10, 20), (600, 400), (900, 650))
    write_objects(tmp_path / name, written, CLASSES, Box(0, 0, *SLIDE), 0.5)
    told = read_result_file(tmp_path / name, SLIDE, 0.5)
    assert isinstance(told.found, ObjectMap)
    read = told.found.all_objects()
    assert sorted(read.centroids.tolist()) == sorted(written.centroids.tolist())
    assert read.measurements["Area um2"].tolist() == [100.0] * 3
    assert told.colors[0][0] == "Nucleus"
    assert [len(read.outline(i)) for i in range(3)] == [4, 4, 4]
    assert told.troubles == []


def test_geoparquet_says_what_it_is(tmp_path: Path) -> None:
    write_objects(tmp_path / "o.parquet", squares((10, 20)), CLASSES, Box(0, 0, *SLIDE), 0.5)
    table = pq.read_table(tmp_path / "o.parquet")
    about = json.loads(table.schema.metadata[b"geo"])
    assert about["columns"]["geometry"]["encoding"] == "WKB"
    assert shapely.from_wkb(table.column("geometry")[0].as_py()).area == 100


def test_good_features_are_taken_and_bad_ones_told_by_number(tmp_path: Path) -> None:
    square = [[[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]]
    another = [[[x + 20, y] for x, y in square[0]]]
    beside = [[[-9, -9], [-8, -9], [-8, -8]]]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": square}},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}},
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[1, 2]]]}},
        {
            "type": "Feature",
            "geometry": {"type": "MultiPolygon", "coordinates": [square, another]},
            "properties": {
                "classification": {"name": "Tumor", "colorRGB": -3670016},
                "measurements": [{"name": "Area", "value": 3.5}],
            },
        },
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": beside},
        },
    ]
    path = tmp_path / "mixed.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    told = read_result_file(path, SLIDE, 0.5)
    assert told.found.count == 3
    assert dict(told.colors)["Tumor"] == "#c80000"
    assert "2 of mixed.geojson are left out: number 2" in told.troubles[0]
    assert "1 of mixed.geojson lie beside the slide" in told.troubles[1]


def test_scores_of_tiles_are_laid_where_the_tiles_are(tmp_path: Path) -> None:
    rows = [(64 * c + 5, 64 * r + 9, 0.1 * c) for r in range(5) for c in range(7)]
    path = tmp_path / "scores.csv"
    path.write_text("x,y,score\n" + "\n".join(f"{x},{y},{s}" for x, y, s in rows))
    told = read_result_file(path, SLIDE, 0.5)
    assert isinstance(told.found, PatchFeatureMap)
    assert (told.found.cell, told.found.count) == (64.0, 35)
    assert told.found.values[3, 6, 0] == pytest.approx(0.6, abs=1e-3)
    assert [name for name, _ in told.colors] == ["score"]


def test_attention_scores_of_clam_are_read(tmp_path: Path) -> None:
    places = np.array([(100 * c, 100 * r) for r in range(3) for c in range(4)])
    with h5py.File(tmp_path / "slide.h5", "w") as file:
        file["coords"] = places
        file["attention_scores"] = np.linspace(-3, 4, 12)[:, None]
    told = read_result_file(tmp_path / "slide.h5", SLIDE, 0.5)
    assert isinstance(told.found, PatchFeatureMap)
    assert told.found.values[2, 3, 0] == 4.0


def test_our_own_table_of_cells_is_read(tmp_path: Path) -> None:
    found = PatchFeatureMap(GRID, 0.5)
    values = np.full((4, 4, 2), np.nan, np.float16)
    values[1, 2] = 0.25, 0.75
    found.add(BlockKey(1, 0), PatchFeatures(values))
    wide = found.values.astype(np.float32)
    write_cells(tmp_path / "c.csv", found, wide, ["A", "B"], Box(0, 0, *SLIDE))
    told = read_result_file(tmp_path / "c.csv", SLIDE, 0.5)
    assert isinstance(told.found, PatchFeatureMap)
    assert told.found.values[1, 6].tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "left\n1\n"),
        ("a.csv", "x,y,score\n5000,5000,1\n"),
        ("a.csv", ""),
        ("a.geojson", "{"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}'),
        ("a.h5", "no hdf"),
        ("a.parquet", "no parquet"),
    ],
)
def test_files_without_results_are_refused_in_a_sentence(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ResultFileError, match=r"a\.\w+ .*\.$"):
        read_result_file(tmp_path / name, SLIDE, 0.5)


def test_heatmaps_are_pyramids_in_tiff_and_zarr(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.random((600, 520, 2)).astype(np.float32)
    values[:100] = np.nan
    found = PatchFeatureMap(GRID, 0.5)
    for name in ("h.tif", "h.zarr", "h.zarr"):  # the second takes the place of the first
        write_cells(tmp_path / name, found, values, ["A", "B"], Box(0, 0, *SLIDE))
    with tifffile.TiffFile(tmp_path / "h.tif") as tiff:
        levels = tiff.series[0].levels
        shapes = [level.shape for level in levels]
        coarse = levels[1].asarray()
    import zarr

    group: Any = zarr.open_group(str(tmp_path / "h.zarr"), mode="r")
    told = group.attrs["ome"]["multiscales"][0]
    assert shapes == [(2, 600, 520), (2, 300, 260), (2, 150, 130)]
    assert [group[d["path"]].shape for d in told["datasets"]] == shapes
    scale = told["datasets"][1]["coordinateTransformations"][0]["scale"]
    assert scale == [1.0, 2 * found.cell * 0.5, 2 * found.cell * 0.5]
    np.testing.assert_array_equal(group["1"][:], coarse)
    assert coarse[0, 60, 60] == pytest.approx(values[120:122, 120:122, 0].mean(), abs=1e-6)
    assert np.isnan(coarse[0, 10, 10])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.tif", "h.zarr"]


def test_a_zarr_that_is_no_heatmap_is_never_replaced(tmp_path: Path) -> None:
    import zarr

    slide = tmp_path / "slide.zarr"
    zarr.open_group(str(slide), mode="w", zarr_format=3).attrs["ome"] = {"version": "0.5"}
    found, values = PatchFeatureMap(GRID, 0.5), np.zeros((6, 5, 1), np.float32)
    with pytest.raises(OSError, match="it is there and holds something else"):
        write_cells(slide, found, values, ["A"], Box(0, 0, *SLIDE))
    assert zarr.open_group(str(slide), mode="r").attrs["ome"] == {"version": "0.5"}
    with pytest.raises(SystemExit):
        check_writable(slide)
    write_cells(tmp_path / "map.zarr", found, values, ["A"], Box(0, 0, *SLIDE))
    check_writable(tmp_path / "map.zarr")


def test_texts_that_rows_of_a_parquet_share_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    few = pa.array(["Tumor", "Stroma", None, "Tumor", "Stroma"])
    columns = {
        "plain": few,
        "shared": few.dictionary_encode(),
        "short": pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None, 0, 1], pa.uint8()), pa.array(["Tumor", "Stroma"])
        ),
    }
    pq.write_table(pa.table(columns), path)
    assert read_binary_table(path).texts == dict.fromkeys(
        ("plain", "shared", "short"), few.to_pylist()
    )
