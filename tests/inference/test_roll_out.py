"""Attention roll-out: held to transformers and to a plain matrix, tested by deletion, and said."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from PIL import Image

from viewer.inference.architectures.slide_models import (
    R2tMil,
    _BetweenRegions,
    _Residual,
    _WithinRegions,
)
from viewer.inference.architectures.vision_transformer import VisionTransformer

SIDE, PATCH = 64, 16
SETTINGS = {"side": SIDE, "patch": PATCH, "width": 32, "depth": 3, "heads": 4, "hidden": 64}


def make_vit(folder: Path) -> tuple[Path, torch.nn.Module]:
    """A bundle with the weights of a classifier as transformers saves them."""
    from transformers.models.vit.configuration_vit import ViTConfig
    from transformers.models.vit.modeling_vit import ViTForImageClassification

    torch.manual_seed(2)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        image_size=SIDE, patch_size=PATCH,
    )  # fmt: skip
    config.num_labels = 2
    theirs = ViTForImageClassification(config).eval()
    theirs.set_attn_implementation("eager")
    with torch.no_grad():
        for each in theirs.parameters():
            each += 0.15 * torch.randn_like(each)
    theirs.save_pretrained(folder)
    weights = folder / "model.safetensors"
    about = {
        "name": "ViT", "version": "1", "task": "classification", "mpp_um": 0.5, "patch_px": SIDE,
        "normalization": {"mean": [0.5] * 3, "std": [0.5] * 3},
        "classes": [{"name": n, "color": "#00aa00"} for n in ("A", "B")],
        "format": "safetensors", "architecture": "vision-transformer", "settings": SETTINGS,
        "weights": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "license": "MIT",
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(about))
    return folder, theirs


def plain_roll_out(attentions: list[torch.Tensor]) -> np.ndarray:
    """Abnar and Zuidema's, of (heads, tokens, tokens) a layer: what the class token sees."""
    rolled = torch.eye(attentions[0].shape[-1])
    for each in attentions:
        rolled = (each.mean(0) + torch.eye(len(rolled))) / 2 @ rolled
    seen = rolled[0, 1:]
    return (seen / seen.sum()).reshape(SIDE // PATCH, -1).numpy()


def test_a_transformer_is_explained_by_roll_out_and_by_head(tmp_path: Path) -> None:
    folder, theirs = make_vit(tmp_path / "vit")
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    slide, out = tmp_path / "tile.png", tmp_path / "why.png"
    Image.fromarray(pixels).save(slide)
    run = ("explain", folder, slide, "--at", "32,32", "--mpp", "0.5")
    done = coverslip(*run, "-o", out, "--by", "head 2", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    batch = (torch.from_numpy(pixels.copy()).float().permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    with torch.inference_mode():
        given = theirs(batch, output_attentions=True)
    chances = given.logits[0].softmax(-1)
    assert record["class"] == "AB"[int(chances.argmax())]
    assert record["chance"] == pytest.approx(float(chances.max()), abs=1e-3)
    ways = ["attention roll-out", "head 1", "head 2", "head 3", "head 4"]
    assert list(record["attention"]) == list(record["attention_values"]) == ways
    for way in record["attention"].values():
        assert way["faithful"] is (way["deletion"] < way["deletion_random"])
    wanted = plain_roll_out([each[0] for each in given.attentions])
    resized = Image.fromarray(wanted).resize((14, 14), Image.Resampling.BOX)
    np.testing.assert_allclose(
        record["attention_values"]["attention roll-out"], np.asarray(resized), atol=2e-4
    )
    assert record["note"] == ""
    assert out.is_file()
    wrong = coverslip(*run, "--by", "head 9")
    assert (wrong.returncode, 'no "head 9"; there is gradient, att' in wrong.stderr) == (2, True)


def test_attention_that_counts_is_faithful_and_merged_patches_have_none() -> None:
    """The class token attends to one patch alone, which decides."""
    torch.manual_seed(0)
    model = VisionTransformer(**(SETTINGS | {"depth": 1}), classes=2).eval()
    found = model.roll_out(torch.randn(1, 3, SIDE, SIDE))
    assert found.shape == (5, 4, 4)
    torch.testing.assert_close(found.sum((1, 2)), torch.ones(5))
    with torch.no_grad():
        numbers = dict(model.named_parameters())
        numbers["blocks.0.attn.qkv.weight"].zero_()
        numbers["blocks.0.attn.qkv.bias"].zero_()
    torch.testing.assert_close(
        model.roll_out(torch.randn(1, 3, SIDE, SIDE)), torch.full((5, 4, 4), 1 / 16)
    )


def test_weights_of_timm_without_scales_are_read() -> None:
    ours = VisionTransformer(**SETTINGS, classes=2)
    held = {name: each for name, each in ours.state_dict().items() if "gamma" not in name}
    other = VisionTransformer(**SETTINGS, classes=2)
    other.load_state_dict(held)
    x = torch.randn(1, 3, SIDE, SIDE)
    torch.testing.assert_close(other.eval()(x), ours.eval()(x))


def test_roll_out_through_regions_is_what_they_compute() -> None:
    """With values as they come, attention times the patches is what the layers give."""
    torch.manual_seed(1)
    model = R2tMil(8, 2, crmsa_k=1, crmsa_heads=1).eval()
    count, width = 200, 512
    x = torch.randn(count, width)
    with torch.inference_mode():
        first = model.online_encoder.layers[0]
        assert isinstance(first, _Residual)
        within, between = first.attn, model.online_encoder.cr_msa.attn
        assert isinstance(within, _WithinRegions)
        assert isinstance(between, _BetweenRegions)
        for layer in (within.attn, between.attn):
            layer.qkv.weight[2 * width :] = torch.eye(width)
            layer.qkv.bias[2 * width :] = 0
            layer.proj.weight[:] = torch.eye(width)
            layer.proj.bias[:] = 0
        for place in (0, 57, 199):
            to = torch.zeros(count)
            to[place] = 1
            heads = within.roll_back(x, to)
            assert heads.shape == (9, count)
            for head in range(8):
                part = slice(64 * head, 64 * (head + 1))
                torch.testing.assert_close(heads[1 + head] @ x[:, part], within(x)[place, part])
            torch.testing.assert_close(heads[0], heads[1:].mean(0))
            # Patches draw more or less of a summary; roll-out has their shares in sum 1.
            mixed, given = between.roll_back(x, to) @ x, between(x)[place]
            if given.norm() > 1e-6:
                torch.testing.assert_close(mixed / mixed.norm(), given / given.norm())
        rolled = model.roll_out(torch.randn(count, 8))
    assert rolled.shape == (9, count)
    torch.testing.assert_close(rolled.sum(1), torch.ones(9))
