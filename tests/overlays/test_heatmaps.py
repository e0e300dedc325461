"""Vectors of cells: kept, scored, colored, written."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from overlay_steps import GRID

from viewer.folders import data_folder
from viewer.geometry import Box
from viewer.overlays.blocks import BlockKey
from viewer.overlays.files.marks_file import load_marks, save_marks
from viewer.overlays.files.patch_files import write_cells
from viewer.overlays.heatmap import (
    HeatmapStyle,
    Mark,
    Query,
    class_heatmap,
    painted_colors,
    query_heatmap,
)
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures, PatchFeaturesError
from viewer.overlays.scoring import (
    best_cells,
    nearest_prototype,
    percentiles,
    similarity,
    softmax,
)

SLIDE = Box(0, 0, 1000, 700)
COLORS = ["#ff0000", "#00ff00"]


def _block(*values: float, empty: bool = False) -> PatchFeatures:
    block = np.full((CELLS, CELLS, len(values)), values, np.float16)
    if empty:
        block[0, 0] = np.nan
    return PatchFeatures(block)


def _map() -> PatchFeatureMap:
    """Left of it the first direction, right of it the second, a gap in the corner."""
    found = PatchFeatureMap(GRID, 0.5)
    found.add(BlockKey(0, 0), _block(4, 0, empty=True))
    found.add(BlockKey(1, 0), _block(0, 4))
    return found


@given(st.lists(st.floats(-1000, 1000, width=16), min_size=1, max_size=5))
def test_bytes_give_the_same_vectors(values: list[float]) -> None:
    block = _block(*values, empty=True)
    again = PatchFeatures.from_bytes(block.to_bytes())
    assert np.array_equal(again.values, block.values, equal_nan=True)


@given(st.binary(max_size=300))
@example(b"PK\x03\x04")
def test_bytes_that_are_no_vectors_are_told(data: bytes) -> None:
    with pytest.raises(PatchFeaturesError):
        PatchFeatures.from_bytes(data)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(PatchFeaturesError):
        PatchFeatures.from_bytes((tmp_path / "evil.npy").read_bytes())


def test_the_map_counts_cells_with_tissue() -> None:
    found = _map()
    assert found.count == 31
    found.add(BlockKey(0, 0), _block(1, 1))
    assert found.count == 32
    found.add(BlockKey(3, 0), PatchFeatures.none())
    assert found.count == 32
    assert found.cells_in(Box(0, 0, 100, 100)).sum() == 4
    assert found.cells_in(Box(61, 61, 63, 63)).sum() == 1
    assert found.cells_in(Box(900, 600, 910, 610)).sum() == 0


def test_probabilities_keep_what_is_unknown() -> None:
    chances = softmax(_map().values)
    assert np.isnan(chances[0, 0]).all()
    assert chances[1, 1] == pytest.approx([1 / (1 + np.exp(-4)), 1 / (1 + np.exp(4))], abs=1e-3)


def test_likeness_is_one_where_it_was_marked() -> None:
    found = _map()
    field = similarity(found.values, found.cells_in(Box(210, 10, 390, 190)))
    assert field[1, 5] == pytest.approx(1, abs=1e-3)
    assert field[1, 1] < 0


def test_the_nearest_prototype_paints_each_side() -> None:
    found = _map()
    marks = [found.cells_in(Box(60, 60, 90, 90)), found.cells_in(Box(260, 60, 290, 90))]
    classes, clarity = nearest_prototype(found.values, marks)
    assert (classes[:4, :4].ravel()[1:] == 0).all()
    assert (classes[:4, 4:8] == 1).all()
    assert (classes[4:] == -1).all()
    assert classes[0, 0] == -1
    assert np.nanmin(clarity) > 0.9
    nothing = np.zeros_like(marks[0])
    assert (nearest_prototype(found.values, [nothing, nothing])[0] == -1).all()


def test_the_best_cells_do_not_touch() -> None:
    field = np.array([[9, 8, 1, 7], [8, 8, 1, 1], [np.nan, 1, 1, 5]], np.float32)
    assert best_cells(field, 3) == [(0, 0), (0, 3), (2, 3)]
    assert best_cells(np.full((2, 2), np.nan, np.float32), 3) == []


def test_percentiles_are_ranks() -> None:
    assert percentiles(np.array([5, np.nan, 1, 9], np.float32)).tolist()[2:] == [0.0, 1.0]


def test_a_class_map_has_its_colors_and_hides_what_is_unsure() -> None:
    found = _map()
    whole = class_heatmap(found, HeatmapStyle(), COLORS)
    assert whole is not None
    assert whole.colors[1, 1].tolist() == [255, 0, 0, 255]
    assert whole.colors[1, 5].tolist() == [0, 255, 0, 255]
    assert whole.colors[0, 0, 3] == whole.colors[5, 5, 3] == 0
    unsure = class_heatmap(found, HeatmapStyle(low=0.99), COLORS)
    assert unsure is not None
    assert not unsure.colors[..., 3].any()


def test_one_class_is_shown_by_value() -> None:
    style = HeatmapStyle(shown=0, low=0.5)
    heatmap = class_heatmap(_map(), style, COLORS)
    assert heatmap is not None
    assert heatmap.classes is None
    assert heatmap.colors[1, 1, 3] == 255
    assert heatmap.colors[1, 5, 3] == 0
    other = class_heatmap(_map(), replace(style, color_map="magma"), COLORS)
    assert other is not None
    assert not np.array_equal(heatmap.colors[1, 1], other.colors[1, 1])


def test_a_query_needs_something_known() -> None:
    style = HeatmapStyle()
    assert query_heatmap(PatchFeatureMap(GRID, 0.5), style, Query(like=SLIDE), COLORS) is None
    assert query_heatmap(_map(), style, Query(), COLORS) is None
    assert query_heatmap(_map(), style, Query(like=Box(800, 500, 900, 600)), COLORS) is None
    marks = (Mark(Box(60, 60, 90, 90), "a"), Mark(Box(260, 60, 290, 90), "b"))
    assert query_heatmap(_map(), style, Query(marks=marks[:1]), COLORS) is None
    asked = query_heatmap(_map(), style, Query(marks=marks), COLORS)
    assert asked is not None
    assert asked.classes is not None
    assert asked.classes[2, 2] == 0
    assert asked.classes[2, 6] == 1


def test_marks_are_kept_and_a_spoilt_file_is_set_aside() -> None:
    marks = (Mark(Box(1, 2, 3, 4), "tumour"), Mark(Box(5, 6, 7, 8), "stroma"))
    save_marks("slide", marks)
    assert load_marks("slide") == marks
    assert load_marks("another") == ()
    (file,) = (data_folder() / "marks").iterdir()
    file.write_text("[{")
    assert load_marks("slide") == ()
    assert [path.suffix for path in (data_folder() / "marks").iterdir()] == [".bad"]


@pytest.mark.parametrize("name", ["c.csv", "c.parquet"])
def test_tables_of_cells(tmp_path: Path, name: str) -> None:
    found = _map()
    write_cells(tmp_path / name, found, softmax(found.values), ["a", "b"], SLIDE)
    if name.endswith("csv"):
        with (tmp_path / name).open() as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    else:
        rows = pq.read_table(tmp_path / name).to_pylist()
    assert len(rows) == 31
    assert (rows[0]["X px"], rows[0]["Y px"], rows[0]["Side px"]) == (50, 0, 50)
    assert rows[0]["a"] + rows[0]["b"] == pytest.approx(1)


def test_a_heatmap_file_has_scale_and_channels(tmp_path: Path) -> None:
    found = _map()
    write_cells(tmp_path / "h.tif", found, softmax(found.values), ["a", "b"], SLIDE)
    with tifffile.TiffFile(tmp_path / "h.tif") as tiff:
        assert tiff.is_ome
        pixels = tiff.asarray()
        assert tiff.ome_metadata is not None
        assert 'Name="b"' in tiff.ome_metadata
        assert tiff.pages.first.get_resolution("MICROMETER")[0] == pytest.approx(1 / 25)
    assert pixels.shape == (2, 16, 20)
    assert np.isnan(pixels[0, 0, 0])


@pytest.mark.parametrize(
    ("names", "painted"),
    [
        (
            ["Sound tissue", "Out of focus", "Pen mark", "Dark or folded", "Background"],
            ["Out of focus", "Pen mark", "Dark or folded"],
        ),
        (["Normal_Tissue", "Fold", "OOF", "PenMarking"], ["Fold", "OOF", "PenMarking"]),
        (["Tumor", "Stroma", "Background"], ["Tumor", "Stroma", "Background"]),
        (["Normal tissue", "Tumor", "Dark nuclei"], ["Normal tissue", "Tumor", "Dark nuclei"]),
    ],
)
def test_of_quality_problems_alone_are_painted(names: list[str], painted: list[str]) -> None:
    classes = [(name, f"#0000{n:02x}") for n, name in enumerate(names, start=1)]
    colors = painted_colors(classes, is_map=False)
    assert [name for name, color in zip(names, colors, strict=True) if color] == painted
