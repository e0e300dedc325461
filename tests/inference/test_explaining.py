"""Why tile classifiers say what they say: gradients, occlusion, the deletion test, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from inference_steps import make_bundle
from little_cms import ADOBE, by_little_cms
from onnx_networks import Net, classes, onnx_bundle
from PIL import Image
from torch import nn

from viewer.geometry import Point
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED, opened_model
from viewer.inference.runs.explaining import explain_tile

SIDE = 224
TISSUE = Path(__file__).parents[2] / "resources" / "slides" / "CMU-1-Small-Region.svs"


class SeesGreen(nn.Module):
    """Two logits: how green the tile is, and nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        green = torch.relu(x[:, 1] - x[:, 0] - x[:, 2] + 0.2).mean([1, 2])
        return torch.stack([40 * green, torch.ones_like(green)], 1)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gray, with a green square at the left top of the tile round its middle."""
    pixels = np.full((600, 600, 3), 120, np.uint8)
    pixels[196:260, 196:260] = (40, 230, 40)
    path = tmp_path_factory.mktemp("slide") / "green.png"
    Image.fromarray(pixels).save(path)
    return path


def check_left_top(record: dict[str, object]) -> None:
    values = np.array(record["values"])
    assert values.shape == (14, 14)
    assert record["class"] == "Green"
    assert record["faithful"] is True
    assert float(str(record["deletion"])) < float(str(record["deletion_random"]))
    assert values[:6, :6].sum() > 0.9 * np.clip(values, 0, None).sum()


def test_gradients_point_to_what_counts(slide: Path, tmp_path: Path) -> None:
    names = [{"name": n, "colour": "#00aa00"} for n in ("Green", "Other")]
    bundle = make_bundle(
        tmp_path / "m", SeesGreen(), task="classification", mpp_um=0.5, patch_px=SIDE,
        margin_px=0, classes=names,
    )  # fmt: skip
    out = tmp_path / "why.png"
    done = coverslip(
        "explain", bundle, slide, "--at", "300,300", "--mpp", "0.5", "-o", out, "--json"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["method"] == "gradient"
    check_left_top(record)
    with Image.open(out) as picture:
        assert picture.size == (SIDE, SIDE)
    wrong = coverslip("explain", bundle, slide, "--at", "9000,0", "--mpp", "0.5")
    assert wrong.returncode == 2
    assert "outside the slide" in wrong.stderr
    other = coverslip("explain", bundle, slide, "--at", "300,300", "--class", "Blue", "--mpp", "1")
    assert other.returncode == 2
    assert 'no class "Blue"' in other.stderr
    nuclei = coverslip("explain", "nuclei", slide, "--at", "300,300", "--mpp", "0.5")
    assert nuclei.returncode == 2
    assert "no classifier of tiles" in nuclei.stderr
    cells = coverslip("explain", "cells", slide, "--mpp", "0.5")
    assert (cells.returncode, "no classifier of tiles and no slide" in cells.stderr) == (2, True)


def test_the_tile_of_an_explanation_has_the_colors_that_the_window_shows(tmp_path: Path) -> None:
    color = (180, 90, 120)
    slide = tmp_path / "slide.png"
    Image.new("RGB", (600, 600), color).save(slide, icc_profile=ADOBE)
    names = [{"name": n, "colour": "#00aa00"} for n in ("Green", "Other")]
    made = make_bundle(
        tmp_path / "m", SeesGreen(), task="classification", mpp_um=0.5, patch_px=SIDE,
        margin_px=0, classes=names,
    )  # fmt: skip
    with opened_model(str(made)) as bundle:
        found = explain_tile(slide, bundle, Point(300, 300), mpp_um=0.5)
    expected = by_little_cms(Image.new("RGB", (SIDE, SIDE), color), ADOBE)
    assert np.array_equal(found.tile, expected)


def test_a_slide_model_is_explained_by_its_patches(tmp_path: Path) -> None:
    shipped = load_bundle(BUNDLED / "osteosarcoma").description.classes
    with Image.open(TISSUE) as picture:
        picture.crop((1000, 1000, 1800, 1800)).convert("RGB").save(tmp_path / "part.png")
    slide, out = tmp_path / "part.png", tmp_path / "why.png"
    done = coverslip("explain", "osteosarcoma", slide, "--mpp", "0.5", "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["class"] in [each.name for each in shipped]
    assert record["method"] == "gradient"
    values = np.array(record["values"]["gradient"], float)
    assert np.isfinite(values).sum() == record["patches"] > 5
    assert record["faithful"] is (record["deletion"] < record["deletion_random"])
    assert record["attention"]
    for name in record["attention"]:
        assert np.nansum(np.array(record["values"][name], float)) == pytest.approx(1, abs=1e-3)
    with Image.open(out) as picture:
        assert picture.size == (800, 800)
    at = coverslip("explain", "osteosarcoma", slide, "--mpp", "0.5", "--at", "1,1")
    assert (at.returncode, "leave --at out" in at.stderr) == (2, True)
    tiles = coverslip("explain", "colorectal-tissue", slide, "--mpp", "0.5")
    assert (tiles.returncode, "say which one" in tiles.stderr) == (2, True)


def test_onnx_is_explained_by_occlusion(slide: Path, tmp_path: Path) -> None:
    net = Net(("n", 3, SIDE, SIDE))
    green = net.mixed([[-40.0, 80.0, -40.0], [0.0, 0.0, 0.0]], [0.0, 1.0])
    flat = net.op("Flatten", net.op("GlobalAveragePool", green))
    net.output("y", flat, ("n", 2))
    bundle = onnx_bundle(
        tmp_path / "m", net, task="classification", patch_px=SIDE, classes=classes("Green", "Other")
    )
    done = coverslip("explain", bundle, slide, "--at", "300,300", "--mpp", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["method"] == "occlusion"
    assert "ONNX does not give the attention" in record["note"]
    check_left_top(record)
