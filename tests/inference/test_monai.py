"""Bundles of MONAI: metadata.json with models/model.ts; a state dict is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from PIL import Image
from torch import Tensor, nn

from viewer.inference.errors import ModelFailedError
from viewer.inference.layouts import monai
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.network import Network


class Two(nn.Module):
    """Logits of background and of what is red."""

    def forward(self, x: Tensor) -> Tensor:
        red = 9 * (x[:, :1] - x[:, 1:2]) - 2
        return torch.cat([-red, red], 1)


class Chances(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        red = torch.sigmoid(x[:, :1] - x[:, 1:2])
        return torch.cat([1 - red, red], 1)


class Hover(nn.Module):
    """As MONAI's HoVerNet: a dictionary, for the middle of the patch."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        inner = x[:, :, 46:-46, 46:-46]
        return {
            "nucleus_prediction": inner[:, :2],
            "horizontal_vertical": inner[:, 1:] * 0,
            "type_prediction": torch.cat([inner, inner], 1)[:, :5],
        }


def fed(**changes: Any) -> dict[str, Any]:
    return {
        "type": "image", "format": "magnitude", "num_channels": 3, "spatial_shape": [256, 256],
        "dtype": "float32", "value_range": [0, 1], "is_patch_data": True,
        "channel_def": {"0": "image"},
    } | changes  # fmt: skip


def given(**changes: Any) -> dict[str, Any]:
    return {
        "type": "image", "format": "segmentation", "num_channels": 2, "spatial_shape": [256, 256],
        "dtype": "float32", "value_range": [0, 1], "is_patch_data": True,
        "channel_def": {"0": "background", "1": "tumor"},
    } | changes  # fmt: skip


def bundle(
    folder: Path, module: nn.Module | None = None, *, inputs: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None, state_dict: bool = False, **changes: Any,
) -> Path:  # fmt: skip
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    module = module or Two()
    if state_dict:
        torch.save(module.state_dict(), folder / "models" / "model.pt")
    else:
        torch.jit.script(module).save(str(folder / "models" / "model.ts"))
    metadata = {
        "version": "0.2.1", "monai_version": "1.6.1", "name": "Red tumor",
        "network_data_format": {
            "inputs": {"image": inputs or fed()}, "outputs": outputs or {"pred": given()},
        },
        "coverslip": {"mpp_um": 0.5},
    } | changes  # fmt: skip
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "LICENSE").write_text("Apache License 2.0\n")
    return folder


@pytest.mark.slow
def test_the_command_adds_and_runs_a_bundle(tmp_path: Path) -> None:
    pixels = np.full((300, 300, 3), (150, 150, 200), np.uint8)
    pixels[:, 150:] = (230, 60, 90)
    slide = tmp_path / "slide.png"
    Image.fromarray(pixels).save(slide)
    told = coverslip("models", "add", bundle(tmp_path / "m"), "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    record = json.loads(told.stdout)
    assert (record["name"], record["version"]) == ("Red tumor", "0.2.1")
    assert record["license"] == "Apache License 2.0"
    assert (Path(record["folder"]) / "metadata.json").is_file()
    told = coverslip("run", "Red tumor", slide, "--mpp", "0.5", "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    areas = json.loads(told.stdout)["areas_mm2"]
    assert areas["tumor"] == pytest.approx(150 * 300 * 0.25e-6, rel=0.02)


def test_a_state_dict_is_refused_with_the_command_that_exports_it(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "m", state_dict=True)
    told = coverslip("models", "add", folder, folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert (
        "python -m monai.bundle ckpt_export network_def --filepath models/model.ts --ckpt_file "
        "models/model.pt --meta_file configs/metadata.json --config_file configs/inference.json"
    ) in told.stderr


@pytest.mark.parametrize(
    ("shape", "patch_px"),
    [([256, 256], 256), (["256", "256"], 256), (["16*n", "16*n"], 512), (["*", "*"], 512),
     (["n", "n"], 512), (["96*n", "96*n"], 480)],
)  # fmt: skip
def test_sizes_that_a_network_takes_are_read(tmp_path: Path, shape: Any, patch_px: int) -> None:
    folder = bundle(tmp_path / "m", inputs=fed(spatial_shape=shape))
    assert monai.described(folder).description.patch_px == patch_px


@pytest.mark.parametrize(
    ("values", "whole", "mean"), [([0, 1], 255, 0.0), ([0, 255], 1, 0.0), ([-1, 1], 127.5, 1.0)]
)
def test_values_are_fed_in_the_range_that_is_said(
    tmp_path: Path, values: list[int], whole: float, mean: float
) -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :2] * 10 - 1

    folder = bundle(tmp_path / "m", Mean(), inputs=fed(value_range=values))
    network = Network(monai.described(folder), torch.device("cpu"))
    pictures = [np.full((256, 256, 3), 200, np.uint8)]
    said = network.answers(pictures)[0, 0, 0, 0]
    assert said == pytest.approx((200 / whole - mean) * 10 - 1, rel=1e-4)


def test_a_hovernet_is_decoded(tmp_path: Path) -> None:
    side = ["164", "164"]
    outputs = {
        "nucleus_prediction": given(spatial_shape=side),
        "horizontal_vertical": given(spatial_shape=side, channel_def={}),
        "type_prediction": given(spatial_shape=side, num_channels=5, channel_def={}),
    }
    folder = bundle(
        tmp_path / "m", Hover(), inputs=fed(value_range=[0, 255]), outputs=outputs,
        coverslip={"mpp_um": 0.25},
    )  # fmt: skip
    described = monai.described(folder)
    about = described.description
    assert (about.task, about.decoder, about.answer_px) == ("instances", "hovernet", 164)
    assert len(about.classes) == 4
    Network(described, torch.device("cpu")).warm_up()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"coverslip": {}}, "how many micrometers a pixel has"),
        ({"inputs": fed(num_channels=1)}, "takes 1 channels"),
        ({"inputs": fed(spatial_shape=[96, 96, 96])}, "3 dimensions"),
        ({"inputs": fed(spatial_shape=[256, 128])}, "squares"),
        ({"inputs": fed(spatial_shape=["x", "x"])}, "spatial_shape x"),
        ({"inputs": fed(value_range=[-1024, 1024])}, "values of [-1024.0, 1024.0]"),
        ({"inputs": fed(value_range=[])}, "no known range"),
        ({"outputs": {"pred": given(num_channels=3)}}, "num_channels 3 and names 2 channels"),
        ({"outputs": {"a": given(), "b": given()}}, "several outputs (a, b)"),
        ({"outputs": {"pred": given(num_channels=None)}}, "how many channels"),
        ({"coverslip": {"mpp_um": 0.5, "weights": "x"}}, "says it elsewhere"),
        ({"network_data_format": 3}, "invalid"),
    ],
)
def test_what_is_missing_or_ambiguous_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BundleError) as caught:
        monai.described(bundle(tmp_path / "m", **changes))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_probabilities_that_are_not_said_to_be_so_are_refused(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "m", Chances())
    with pytest.raises(
        ModelFailedError, match='"head": "probabilities" in "coverslip" of metadata'
    ):
        monai.prove(folder, monai.described(folder))
    said = {"mpp_um": 0.5, "head": "probabilities"}
    other = monai.described(bundle(tmp_path / "said", Chances(), coverslip=said))
    Network(other, torch.device("cpu")).warm_up()
