"""SwinUNETR of MONAI, exported to ONNX and TorchScript: maps of the slide are those of MONAI."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from in_process import found_on
from onnx_networks import classes
from PIL import Image

from viewer.overlays.patch_feature_map import PatchFeatureMap

SIDE = 64


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_swin_unetr_gives_on_a_slide_what_it_gives_on_its_pixels(
    tmp_path: Path, format: str
) -> None:
    networks = pytest.importorskip("monai.networks.nets", reason="MONAI is not installed")
    pytest.importorskip("einops", reason="SwinUNETR needs einops")
    torch.manual_seed(0)
    network = networks.SwinUNETR(
        in_channels=3, out_channels=3, feature_size=12, spatial_dims=2, depths=(1, 1, 1, 1)
    ).eval()
    folder = tmp_path / "m"
    folder.mkdir()
    example = torch.rand(1, 3, SIDE, SIDE)
    if format == "onnx":
        weights = folder / "swin.onnx"
        torch.onnx.export(
            network, (example,), str(weights), input_names=["x"], output_names=["y"],
            external_data=False,
        )  # fmt: skip
    else:
        weights = folder / "swin.pt"
        with torch.no_grad():
            torch.jit.save(torch.jit.trace(network, example), str(weights))
    card = {
        "name": "Swin", "version": "1", "task": "segmentation", "mpp_um": 0.5, "patch_px": SIDE,
        "classes": classes("A", "B", "C"), "format": format, "weights": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(), "license": "ours",
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card))
    pixels = np.random.default_rng(0).integers(60, 200, (8, 8, 3), np.uint8)
    picture = Image.fromarray(pixels).resize((160, 160), Image.Resampling.BICUBIC)
    slide = tmp_path / "slide.png"
    picture.save(slide)
    found = found_on(folder, slide)
    assert isinstance(found, PatchFeatureMap)
    values = found.values[: int(160 / found.cell), : int(160 / found.cell)].astype(np.float32)
    np.testing.assert_allclose(values.sum(-1), 1, atol=5e-3)
    # MONAI's own sliding windows over the picture, blended by the same weights.
    inferers = pytest.importorskip("monai.inferers")
    x = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        theirs = inferers.sliding_window_inference(
            x, (SIDE, SIDE), 4, lambda w: network(w).softmax(1), overlap=0.5, mode="gaussian"
        )[0].numpy()
    side = round(found.cell)
    means = theirs.reshape(3, 160 // side, side, 160 // side, side).mean((2, 4))
    apart = np.abs(values - np.moveaxis(means, 0, 2))[16:-16, 16:-16]
    assert apart.mean() < 0.05
    assert (values.argmax(-1) == means.argmax(0))[16:-16, 16:-16].mean() > 0.85
