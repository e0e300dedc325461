"""Features that TRIDENT and CLAM wrote serve likeness and slide models without embedding anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from cli_steps import coverslip
from torch import nn

from viewer.geometry import Box, Size
from viewer.overlays.files.result_file import ResultFile, ResultFileError
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.heatmap import HeatmapStyle, Mark, Query, query_heatmap
from viewer.overlays.patch_feature_map import PatchFeatureMap

SLIDE = Size(4000, 3000)
LENGTH = 8
PLACES = np.array([[x, y] for y in range(64, 2800, 256) for x in range(32, 3800, 256)])
IS_LEFT = PLACES[:, 0] < 1500


def write(path: Path, places: np.ndarray = PLACES, **changes: object) -> Path:
    """Features of tiles as TRIDENT writes them: those on the left are of another kind."""
    features = np.random.default_rng(0).normal(0, 0.1, (len(places), LENGTH)).astype(np.float32)
    features[places[:, 0] < 1500, 0] += 5
    about = {"patch_size": 256, "patch_size_level0": 256, "overlap": 0} | {
        name: value for name, value in changes.items() if name.startswith("patch")
    }
    with h5py.File(path, "w") as file:
        held = file.create_dataset("features", data=changes.get("features", features))
        held.attrs["savetodir"] = changes.get(
            "saved", "/data/20x_256px_0px_overlap/features_uni_v1"
        )
        coords = file.create_dataset("coords", data=places)
        coords.attrs.update({name: value for name, value in about.items() if value is not None})
    return path


def read(path: Path) -> tuple[ResultFile, PatchFeatureMap]:
    file = read_result_file(path, SLIDE, 0.5)
    assert isinstance(file.found, PatchFeatureMap)
    return file, file.found


@pytest.mark.parametrize("axes", [2, 3])
def test_each_vector_lies_in_the_cell_of_its_tile(tmp_path: Path, axes: int) -> None:
    vectors = np.arange(len(PLACES) * LENGTH).reshape(-1, LENGTH) / 1000
    given = vectors if axes == 2 else vectors[None]
    file, found = read(write(tmp_path / "a.h5", features=given))
    assert (file.task, file.troubles) == ("embedding", [])
    assert file.vectors is not None
    assert (file.vectors.length, file.vectors.side_um) == (LENGTH, 128)
    assert file.vectors.encoder == "uni_v1"
    assert found.count == len(PLACES)
    for index in (0, 17, len(PLACES) - 1):
        x, y = PLACES[index]
        (cell,) = np.argwhere(found.cells_in(Box(x, y, x + 256, y + 256)))
        assert found.cell_box(*cell) == Box(x, y, x + 256, y + 256)
        np.testing.assert_allclose(found.values[tuple(cell)], vectors[index], atol=0.01)


def test_likeness_and_few_shot_classes_are_asked_of_a_file(tmp_path: Path) -> None:
    _, found = read(write(tmp_path / "a.h5"))
    marks = (Mark(Box(100, 100, 400, 400), "Left"), Mark(Box(3000, 900, 3300, 1300), "Right"))
    few_shot = query_heatmap(found, HeatmapStyle(), Query(marks=marks), ["#ff0000", "#00ff00"])
    alike = query_heatmap(found, HeatmapStyle(), Query(like=Box(100, 100, 400, 400)), [])
    assert few_shot is not None
    assert few_shot.classes is not None
    assert alike is not None
    for (x, y), is_left in zip(PLACES, IS_LEFT, strict=True):
        (cell,) = np.argwhere(found.cells_in(Box(x, y, x + 256, y + 256)))
        assert few_shot.classes[tuple(cell)] == (0 if is_left else 1)
        assert (alike.values[tuple(cell)] > 0.8) == is_left


def test_tiles_that_overlap_keep_a_vector_each(tmp_path: Path) -> None:
    places = np.array([[x, 100] for x in range(100, 1100, 128)])
    _, found = read(write(tmp_path / "a.h5", places))
    assert (found.count, found.cell) == (len(places), 128)
    middle = np.argwhere(found.known)[0]
    assert found.cell_box(*middle).center == Box(100, 100, 356, 356).center


def test_tiles_of_several_lattices_say_how_far_they_are_off(tmp_path: Path) -> None:
    file, found = read(write(tmp_path / "a.h5", np.vstack([PLACES[:40], PLACES[60:] + 40])))
    assert found.count == len(PLACES) - 20
    assert any("several lattices" in each and "40 px off" in each for each in file.troubles)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features": np.zeros(LENGTH)}, f"features of {LENGTH} for {len(PLACES)} tiles"),
        ({"features": np.zeros((3, LENGTH))}, f"features of 3 x {LENGTH} for"),
        ({"places": PLACES + 10_000}, "no tiles on this slide"),
        ({"features": np.full((len(PLACES), LENGTH), np.nan)}, "no tiles on this slide"),
    ],
)
def test_features_that_fit_no_tiles_say_so(
    tmp_path: Path, changes: dict[str, np.ndarray], told: str
) -> None:
    with pytest.raises(ResultFileError, match=told):
        read(write(tmp_path / "a.h5", **changes))


class FirstNumber(nn.Module):
    """Judges a slide by the mean of the first number, and looks where it is large."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.stack([x[:, 0].mean(), 2 - x[:, 0].mean()]), x[None, :, 0]


def slide_model(folder: Path) -> Path:
    from inference_steps import make_bundle

    return make_bundle(
        folder, FirstNumber(), name="Sides", task="slide", patch_px=224, margin_px=0,
        encoder={"name": "UNI", "sha256": "a" * 64, "length": LENGTH},
        classes=[{"name": name, "color": "#112233"} for name in ("Left", "Right")],
    )  # fmt: skip


def tiles_of(slide: tuple[int, int], side: float) -> np.ndarray:
    width, height = slide
    return np.array(
        [[x, y] for y in np.arange(0, height, side) for x in np.arange(0, width, side)]
    ).round()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_slide_model_judges_features_of_a_file(sample_slide: Path, tmp_path: Path) -> None:
    slide_model(tmp_path / "m")
    places = tiles_of((2220, 2967), 112 / 0.499)
    write(tmp_path / "f.h5", places, patch_size_level0=112 / 0.499)
    arguments = ("run", "m", str(sample_slide), "--features", "f.h5", "--json", "-o", "a.csv")
    done = coverslip(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["chances"]["Left"] > 0.9
    assert told["device"] == "features of f.h5"
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + told["cells"]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"patch_size_level0": 448}, "judges tiles of 112 um; those of f.h5 are 223.6 um wide"),
        ({"features": np.zeros((len(PLACES), 5))}, "judges vectors of 8 numbers"),
        ({"saved": "/data/features_conch_v15"}, "of UNI; those of f.h5 are of conch_v15"),
    ],
)
def test_features_of_another_kind_are_not_judged(
    sample_slide: Path, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    slide_model(tmp_path / "m")
    given: dict[str, Any] = {"patch_size_level0": 112 / 0.499} | changes
    write(tmp_path / "f.h5", **given)
    done = coverslip("run", "m", str(sample_slide), "--features", "f.h5", folder=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr


def test_places_that_are_rounded_one_by_one_drift_to_no_other_cell(tmp_path: Path) -> None:
    places = tiles_of((3900, 2900), 224.45)
    file, found = read(write(tmp_path / "a.h5", places, patch_size_level0=224))
    assert found.count == len(places)
    assert file.troubles == []
    assert found.cell == pytest.approx(224.45, abs=0.1)
