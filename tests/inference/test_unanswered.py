"""Tiles that a model has no finite numbers for are holes, with their place and count."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from inference_steps import SeesNoDark, make_bundle
from PIL import Image
from torch import nn

from viewer.geometry import Box, Point, Size
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.counting import analyzed_share
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import Objects
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures

SIDE, ROWS, COLUMNS = 64, 8, 12
DARK, PINK = (120, 50, 130), (225, 130, 180)


class FindsNothing(nn.Module):
    """Maps without an object, NaN where it is dark."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x.mean(1, keepdim=True)
        nothing = torch.where(bright < 0.5, bright * float("nan"), bright * 0 - 5)
        return nothing.expand(-1, 3, -1, -1)


@pytest.fixture(scope="module")
def pattern() -> np.ndarray:
    """(rows, columns) which tiles of the picture are dark."""
    return np.random.default_rng(3).random((ROWS, COLUMNS)) < 0.3


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory, pattern: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("tiles") / "tiles.png"
    colors = np.where(pattern[..., None], DARK, PINK).repeat(SIDE, 0).repeat(SIDE, 1)
    noise = np.random.default_rng(0).integers(-12, 13, colors.shape)
    Image.fromarray((colors + noise).astype(np.uint8)).save(path)
    return path


def test_a_run_goes_on_and_tells_place_and_count(
    tmp_path: Path, picture: Path, pattern: np.ndarray
) -> None:
    classes = [{"name": name, "color": "#112233"} for name in ("A", "B")]
    model = make_bundle(
        tmp_path / "m", SeesNoDark(), task="classification", classes=classes, patch_px=SIDE,
        margin_px=0, head="probabilities",
    )  # fmt: skip
    told = coverslip(
        "run", model, picture, "--mpp", "0.5", "-o", "cells.csv", "--json", folder=tmp_path
    )
    assert told.returncode == 0, told.stderr
    dark = int(pattern.sum())
    record = json.loads(told.stdout)
    assert (record["unanswered"], record["cells"]) == (dark, pattern.size - dark)
    row, column = np.argwhere(pattern)[0]
    assert f"no answer (no finite numbers) for {dark} tiles" in told.stderr
    assert f"x {column * SIDE:,}, y {row * SIDE:,}" in told.stderr
    with (tmp_path / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    places = {(int(float(each["Y px"])), int(float(each["X px"]))) for each in rows}
    assert places == {(int(r) * SIDE, int(c) * SIDE) for r, c in np.argwhere(~pattern)}
    about = json.loads((tmp_path / "cells.csv.about.json").read_text())
    assert about["unanswered"] == dark
    assert about["share"] == pytest.approx(1 - pattern.mean(), abs=1e-5)
    holes = {(y, x) for x, y, *_ in about["unanswered_px"]}
    assert holes == {(r * SIDE, c * SIDE) for r, c in np.argwhere(pattern)}


def test_a_model_of_objects_leaves_out_its_block(tmp_path: Path, picture: Path) -> None:
    model = make_bundle(tmp_path / "m", FindsNothing(), margin_px=0)
    told = coverslip("run", model, picture, "--mpp", "0.5", "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    # 768 x 512 px are six blocks of 256, and each holds a dark tile.
    assert json.loads(told.stdout)["unanswered"] == 6


def test_holes_are_kept_in_bytes() -> None:
    unanswered = np.eye(CELLS, dtype=bool)
    values = np.where(unanswered[..., None], np.nan, 2.0).astype(np.float16)
    again = PatchFeatures.from_bytes(PatchFeatures(values, unanswered).to_bytes())
    np.testing.assert_array_equal(again.unanswered, unanswered)
    np.testing.assert_array_equal(again.values, values)
    assert Objects.from_bytes(Objects.unanswered().to_bytes()).is_unanswered
    assert not Objects.from_bytes(Objects.none().to_bytes()).is_unanswered


def test_holes_are_no_analyzed_part_of_a_region() -> None:
    grid = BlockGrid(Size(800, 400), 1.0, 400, 0)
    cells = PatchFeatureMap(grid, 0.5)
    unanswered = np.zeros((CELLS, CELLS), bool)
    unanswered[0, :2] = True
    values = np.where(unanswered[..., None], np.nan, 1.0).astype(np.float16)
    cells.add(BlockKey(0, 0), PatchFeatures(values, unanswered))
    cells.add(BlockKey(1, 0), PatchFeatures.none())
    assert analyzed_share(cells, Box(0, 0, 800, 400)) == pytest.approx(1 - 2 / 32)
    assert cells.unanswered.box_at(Point(150, 10)) == Box(100, 0, 200, 100)
    assert cells.unanswered.box_at(Point(250, 10)) is None
    objects = ObjectMap(grid, 0.5)
    objects.add(BlockKey(0, 0), Objects.unanswered())
    objects.add(BlockKey(1, 0), Objects.none())
    assert analyzed_share(objects, Box(0, 0, 800, 400)) == pytest.approx(0.5)
    assert objects.unanswered.boxes(9) == [Box(0, 0, 400, 400)]
