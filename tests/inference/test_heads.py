"""Heads are what model.json says: contradictions are refused, and values are not bent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from inference_steps import make_bundle
from torch import nn

from viewer.geometry import Size
from viewer.inference.errors import ModelFailedError
from viewer.inference.models.bundle import BundleError, file_sha256, load_bundle
from viewer.inference.models.model_check import try_model
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.heatmap import HeatmapStyle, class_heatmap
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures
from viewer.overlays.scoring import head_values


class Says(nn.Module):
    """Gives the same numbers, a little other for each picture."""

    def __init__(self, numbers: list[float], kind: str = "") -> None:
        super().__init__()
        self.numbers = nn.Parameter(torch.tensor(numbers), requires_grad=False)
        self.kind = kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x.mean([1, 2, 3])
        logits = self.numbers.unsqueeze(0) + 0.3 * bright.unsqueeze(1)
        if self.kind == "softmax":
            return torch.softmax(logits, 1)
        if self.kind == "sigmoid":
            return torch.sigmoid(logits)
        return logits


def classifier(folder: Path, numbers: list[float], kind: str = "", **changes: object) -> Path:
    classes = [{"name": f"Class {n}", "colour": "#112233"} for n in range(len(numbers))]
    about = {"task": "classification", "classes": classes, "patch_px": 64, "margin_px": 0}
    return make_bundle(folder, Says(numbers, kind), **(about | changes))


@pytest.mark.parametrize(
    ("numbers", "kind", "head", "complaint"),
    [
        ([2.0, -1.0, 0.5], "softmax", "softmax", "answers with probabilities already"),
        ([1.5], "", "softmax", "whose softmax is always 1"),
        ([2.0, -1.0, 0.5], "sigmoid", "sigmoid", "answers with probabilities already"),
        ([2.0, -1.0, 0.5], "", "probabilities", "below 0 or above 1"),
    ],
)
def test_what_contradicts_its_answers_is_refused_by_check(
    tmp_path: Path, numbers: list[float], kind: str, head: str, complaint: str
) -> None:
    bundle = load_bundle(classifier(tmp_path / "m", numbers, kind, head=head))
    with pytest.raises(ModelFailedError, match=complaint):
        try_model(bundle)


@pytest.mark.parametrize(
    ("numbers", "kind", "head"),
    [
        ([2.0, -1.0, 0.5], "", "softmax"),
        ([2.0, -1.0, 0.5], "", "sigmoid"),
        ([2.0, -1.0, 0.5], "softmax", "probabilities"),
        ([1.5], "", "logit"),
        ([7.5], "", "regression"),
    ],
)
def test_what_is_as_it_says_is_taken(
    tmp_path: Path, numbers: list[float], kind: str, head: str
) -> None:
    try_model(load_bundle(classifier(tmp_path / "m", numbers, kind, head=head)))


def test_a_normalization_in_0_to_255_is_refused(tmp_path: Path) -> None:
    wrong = {"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}
    folder = classifier(tmp_path / "m", [1.0, 2.0], normalization=wrong)
    with pytest.raises(BundleError, match="divide those of 0 to 255 by 255"):
        load_bundle(folder)
    told = coverslip("models", "check", folder, folder=tmp_path)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr


def test_values_are_those_of_the_head() -> None:
    values = np.array([[[2.0, -1.0, 0.5]]], np.float16)
    exact = values.astype(np.float64)
    powers = np.exp(exact)
    np.testing.assert_allclose(head_values(values, "softmax"), powers / powers.sum(), rtol=1e-5)
    np.testing.assert_allclose(head_values(values, "sigmoid"), 1 / (1 + 1 / powers), rtol=1e-5)
    chances = np.array([[[0.733, 0.2, 0.067]]], np.float16)
    np.testing.assert_allclose(head_values(chances, "probabilities"), chances, rtol=1e-6)
    np.testing.assert_allclose(head_values(values, "regression"), exact, rtol=1e-6)


def test_one_logit_is_painted_by_its_value_and_not_as_one_class() -> None:
    found = PatchFeatureMap(BlockGrid(Size(800, 800), 1.0, 400, 0), 0.5, head="logit")
    logits = np.linspace(-4, 4, CELLS * CELLS).reshape(CELLS, CELLS, 1).astype(np.float16)
    found.add(BlockKey(0, 0), PatchFeatures(logits))
    heatmap = class_heatmap(found, HeatmapStyle(), ["#ff0000"])
    assert heatmap is not None
    assert heatmap.classes is None
    expected = 1 / (1 + np.exp(-logits[..., 0].astype(np.float64)))
    np.testing.assert_allclose(heatmap.values[:CELLS, :CELLS], expected, atol=1e-4)


def test_a_run_tells_probabilities_as_they_are(tmp_path: Path, sample_slide: Path) -> None:
    folder = classifier(tmp_path / "m", [2.0, -1.0, 0.5], "softmax", head="probabilities")
    told = coverslip(
        "run", folder, sample_slide, "--region", "900,1300,200,200", "-o", "a.csv", "--json",
        folder=tmp_path,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    about = json.loads((tmp_path / "a.csv.about.json").read_text())
    assert about["share"] == 1.0
    assert about["file_sha256"] == file_sha256(tmp_path / "a.csv")
    rows = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1, ndmin=2)
    np.testing.assert_allclose(rows[:, 3:].sum(1), 1, atol=2e-3)
    assert (rows[:, 3] > 0.7).all()  # 0.79 to 0.8: softmaxed again it would be 0.5
