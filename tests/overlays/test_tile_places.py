"""Tiles of other programs lie where they belong, with the value that they have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas
import pytest
from cli_steps import coverslip
from PIL import Image
from scipy.stats import rankdata

from viewer.geometry import Box, Point, Size
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.heatmap import HeatmapStyle, score_heatmap
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.scoring import percentiles

if TYPE_CHECKING:
    from pathlib import Path

SLIDE = Size(4000, 3000)


def read(path: Path, slide: Size = SLIDE) -> PatchFeatureMap:
    found = read_result_file(path, slide, 0.5).found
    assert isinstance(found, PatchFeatureMap)
    return found


def value_at(found: PatchFeatureMap, x: float, y: float) -> float:
    place = found.place_of(Point(x, y))
    return np.nan if place is None else float(found.score(0)[place])


def agreement(
    found: PatchFeatureMap, tiles: np.ndarray, scores: np.ndarray, *, discs: bool = False
) -> float:
    """Return the share of random places with the mean score of the tiles (x, y, side) there."""
    chance = np.random.default_rng(0)
    values = found.score(0)
    same = []
    for x, y in chance.uniform((0, 0), SLIDE, (4000, 2)):
        left, top, side = tiles.T
        if discs:
            inside = np.hypot(x - left - side / 2, y - top - side / 2) <= side / 2
        else:
            inside = (x >= left) & (x < left + side) & (y >= top) & (y < top + side)
        place = found.place_of(Point(x, y))
        value = np.nan if place is None else values[place]
        expected = scores[inside].mean() if inside.any() else np.nan
        same.append(np.isclose(value, expected, rtol=1e-5, equal_nan=True))
    return float(np.mean(same))


def write_clam(path: Path, tiles: np.ndarray, scores: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        coords = file.create_dataset("coords", data=tiles[:, :2].astype(np.int64))
        coords.attrs["patch_size_level0"] = int(tiles[0, 2])
        file["attention_scores"] = scores[:, None]
    return path


def lattice(columns: int, rows: int, x: float, y: float, step: float, side: float) -> np.ndarray:
    return np.array(
        [(x + step * c, y + step * r, side) for r in range(rows) for c in range(columns)]
    )


def test_a_lattice_may_begin_anywhere(tmp_path: Path) -> None:
    tiles = lattice(9, 7, 293, 91, 256, 256)
    scores = np.random.default_rng(1).random(len(tiles))
    found = read(write_clam(tmp_path / "a.h5", tiles, scores))
    assert (found.cell, found.count, tuple(found.origin)) == (256, 63, (37, 91))
    for (x, y, side), score in zip(tiles, scores, strict=True):
        place = found.place_of(Point(x + 1, y + 1))
        assert place is not None
        assert found.cell_box(*place) == Box(x, y, x + side, y + side)
        assert found.score(0)[place] == np.float32(score)
    assert agreement(found, tiles, scores) == 1


def test_every_contour_has_its_own_origin(tmp_path: Path) -> None:
    tiles = np.concatenate([lattice(5, 5, 13, 77, 256, 256), lattice(6, 4, 1911, 1403, 256, 256)])
    scores = np.random.default_rng(2).random(len(tiles))
    found = read(write_clam(tmp_path / "a.h5", tiles, scores))
    assert found.count == len(tiles)
    assert agreement(found, tiles, scores) > 0.98


def test_overlapping_tiles_are_averaged_over_what_they_cover(tmp_path: Path) -> None:
    tiles = lattice(9, 7, 100, 60, 128, 384)
    scores = np.random.default_rng(3).random(len(tiles))
    found = read(write_clam(tmp_path / "a.h5", tiles, scores))
    assert agreement(found, tiles, scores) == 1


def test_hexagonal_spots_are_discs(tmp_path: Path) -> None:
    pitch = 180.0
    middles = np.array(
        [(200 + pitch * (c + (r % 2) / 2), 200 + pitch * 3**0.5 / 2 * r)
         for r in range(15) for c in range(18)]
    )  # fmt: skip
    scores = np.random.default_rng(4).random(len(middles))
    table = pandas.DataFrame({
        "barcode": [f"A{n}" for n in range(len(middles))], "in_tissue": 1,
        "array_row": np.arange(len(middles)) // 18, "array_col": np.arange(len(middles)) % 18,
        "pxl_row_in_fullres": middles[:, 1], "pxl_col_in_fullres": middles[:, 0], "KRT7": scores,
    })  # fmt: skip
    table.to_csv(tmp_path / "spots.csv", index=False)
    file = read_result_file(tmp_path / "spots.csv", SLIDE, 0.5)
    assert [name for name, _ in file.colors] == ["KRT7"]
    assert any("discs of 99 px" in sentence for sentence in file.troubles)
    side = np.full((len(middles), 1), 0.55 * pitch)
    found = file.found
    assert isinstance(found, PatchFeatureMap)
    assert agreement(found, np.hstack([middles - side / 2, side]), scores, discs=True) > 0.98


def test_two_sizes_in_one_table_are_each_their_own(tmp_path: Path) -> None:
    tiles = np.concatenate([lattice(3, 3, 0, 0, 512, 512), lattice(8, 8, 2048, 512, 128, 128)])
    scores = np.random.default_rng(5).random(len(tiles))
    table = pandas.DataFrame(tiles, columns=["x", "y", "width"]).assign(score=scores)
    table.to_csv(tmp_path / "a.csv", index=False)
    assert agreement(read(tmp_path / "a.csv"), tiles, scores) == 1


PLACES = {"x": [0, 64, 128, 192], "y": [0, 0, 64, 64]}
WSINFER = {"minx": [0, 64, 128, 192], "miny": [0, 0, 64, 64], "width": [64] * 4, "height": [64] * 4}


@pytest.mark.parametrize(
    ("columns", "scores", "is_sure"),
    [
        (PLACES | {"level": [0] * 4, "label": [0, 1, 0, 1], "score": [1, 2, 3, 4.5]},
         ["score"], True),
        (PLACES | {"height": [64] * 4, "attention": [1, 2, 2, 1]}, ["attention"], True),
        (WSINFER | {"prob_Tumor": [0.1, 0.2, 0, 1], "prob_Other": [0.9, 0.8, 1, 0]},
         ["prob_Tumor", "prob_Other"], True),
        ({"x_start": [0, 64], "y_start": [0, 0], "x_end": [64, 128], "y_end": [64, 64],
          "label": [1, 0], "prob_1": [0.2, 0.7]}, ["prob_1"], True),
        (PLACES | {"KRT7": [1, 5, 2, 2]}, ["KRT7"], True),
        (PLACES | {"KRT7": [1, 5, 2, 2], "CD3": [4, 1, 1, 0]}, ["KRT7", "CD3"], False),
        (PLACES | {"KRT7": [1, 5, 2, 2], "tumor_score": [4, 1, 1, 0]},
         ["tumor_score", "KRT7"], True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["csv", "csv with index", "parquet"])
def test_the_score_is_told_from_what_says_where(
    tmp_path: Path, columns: dict[str, list[float]], scores: list[str], is_sure: bool, kind: str
) -> None:
    table = pandas.DataFrame(columns)
    if kind == "parquet":
        path = tmp_path / "a.parquet"
        table[::-1].to_parquet(path, index=True)
    else:
        path = tmp_path / "a.csv"
        table.to_csv(path, index=kind != "csv")
    file = read_result_file(path, SLIDE, 0.5)
    assert [name for name, _ in file.colors] == scores
    assert file.is_score_sure == is_sure


@pytest.mark.parametrize(
    ("resolution", "units", "scale"), [(1.0, "mpp", 2), (0.25, "baseline", 4), (0, "level", 1)]
)
def test_tiles_of_tiatoolbox_lie_at_level_0(
    tmp_path: Path, resolution: float, units: str, scale: float
) -> None:
    told = {
        "coordinates": [[10, 20, 234, 244], [234, 20, 458, 244]],
        "predictions": [1, 0],
        "probabilities": [[0.2, 0.8], [0.9, 0.1]],
        "resolution": resolution,
        "units": units,
    }
    (tmp_path / "0.raw.json").write_text(json.dumps(told))
    file = read_result_file(tmp_path / "0.raw.json", SLIDE, 0.5)
    assert [name for name, _ in file.colors] == ["prob_0", "prob_1", "prediction"]
    found = file.found
    assert isinstance(found, PatchFeatureMap)
    assert found.cell == 224 * scale
    assert value_at(found, 11 * scale, 21 * scale) == np.float32(0.2)
    assert value_at(found, 457 * scale, 243 * scale) == np.float32(0.9)
    (tmp_path / "0.raw.json").write_text(json.dumps(told | {"units": "power", "resolution": 20}))
    with pytest.raises(ResultFileError, match="pixels of power 20"):
        read_result_file(tmp_path / "0.raw.json", SLIDE, 0.5)


def test_values_are_kept_and_stretched_by_their_own_range(tmp_path: Path) -> None:
    tiles = lattice(36, 30, 0, 0, 100, 100)
    logits = np.random.default_rng(6).normal(0, 1, len(tiles))
    softmax = np.exp(logits) / np.exp(logits).sum()
    heatmap = score_heatmap(read(write_clam(tmp_path / "a.h5", tiles, softmax)), HeatmapStyle())
    assert heatmap is not None
    assert (heatmap.low, heatmap.high) == (np.float32(softmax.min()), np.float32(softmax.max()))
    assert len(np.unique(heatmap.colors[heatmap.colors[..., 3] > 0], axis=0)) > 60
    peaked = np.exp(8 * logits) / np.exp(8 * logits).sum()
    found = read(write_clam(tmp_path / "b.h5", tiles, peaked))
    known = found.score(0)[found.known]
    np.testing.assert_array_equal(known, peaked.astype(np.float32))
    assert len(np.unique(percentiles(known))) > 1070
    counts = read(write_clam(tmp_path / "c.h5", tiles, 1000.0 * np.arange(len(tiles))))
    assert np.nanmax(counts.score(0)) == 1000 * (len(tiles) - 1)


def test_ranks_are_those_of_scipy() -> None:
    field = np.random.default_rng(7).integers(0, 9, (20, 30)).astype(np.float32)
    field[3:5] = np.nan
    known = ~np.isnan(field)
    expected = (rankdata(field[known], "average") - 1) / (known.sum() - 1)
    np.testing.assert_allclose(percentiles(field)[known], expected, rtol=1e-6)
    assert np.isnan(percentiles(field)[~known]).all()
    assert set(percentiles(np.ones((10, 10), np.float32)).ravel().tolist()) == {0.5}


def test_a_shot_paints_the_tiles_of_a_file_where_they_lie(tmp_path: Path) -> None:
    Image.new("RGB", (800, 600), "white").save(tmp_path / "s.png")
    (tmp_path / "a.csv").write_text("x,y,width,score\n130,70,96,0.2\n226,70,96,0.9\n")
    command = ("shot", "s.png", "-o", "a.png", "--downsample", "1", "--size", "800x600")
    told = coverslip(*command, "--results", "a.csv", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "score, colors from 0.2 to 0.9" in told.stderr
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    painted = (picture != 255).any(2)
    expected = np.zeros((600, 800), bool)
    expected[70:166, 130:322] = True
    np.testing.assert_array_equal(painted, expected)
    left, right = picture[100, 150], picture[100, 300]
    assert (np.abs(left - picture[70:166, 130:226]) == 0).all()
    assert left[2] > left[1]  # viridis begins in violet and ends in yellow
    assert right[1] > right[2]
    told = coverslip(*command, "--results", "a.csv", "--score", "x", folder=tmp_path)
    assert told.returncode == 2
    assert 'has no score "x"; it has score' in told.stderr
    told = coverslip(*command, "--results", "none.csv", folder=tmp_path)
    assert (told.returncode, "Traceback" in told.stderr) == (2, False)
