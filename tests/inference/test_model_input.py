"""What a network is fed and which of its outputs count, as model.json says it."""

from __future__ import annotations

import contextlib
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from inference_steps import Channels, make_bundle
from layout_steps import make_wsinfer
from PIL import Image
from torch import nn

import coverslip
from viewer.geometry import Size
from viewer.inference.errors import ModelFailedError
from viewer.inference.layouts.known import is_model
from viewer.inference.layouts.script_facts import script_facts
from viewer.inference.models.bundle import BundleError, load_bundle, slide_refusal
from viewer.inference.models.model_library import add_model
from viewer.inference.process.network import Network
from viewer.inference.runs.block_reading import BlockReader
from viewer.inference.runs.channel_input import as_fed
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.slides import open_slide

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
CHANNELS_FIRST = PIXELS.transpose(2, 0, 1).astype(np.float32)


def network(folder: Path, module: nn.Module | None = None, /, **changes: object) -> Network:
    about = {"patch_px": 64, "margin_px": 0} | changes
    return Network(load_bundle(make_bundle(folder, module or Channels(), **about)), CPU)


@pytest.mark.parametrize(
    ("fed", "norms", "wanted"),
    [
        ({}, None, CHANNELS_FIRST / 255),
        ({"scaling": "0-255"}, None, CHANNELS_FIRST),
        ({"scaling": "0-255"}, ([10, 20, 30], [2, 4, 8]), None),
        ({"channels": "bgr"}, None, CHANNELS_FIRST[::-1] / 255),
    ],
)
def test_pixels_are_fed_as_the_description_says(
    tmp_path: Path,
    fed: dict[str, object],
    norms: tuple[list[int], list[int]] | None,
    wanted: np.ndarray | None,
) -> None:
    changes: dict[str, object] = {"input": fed}
    if norms is not None:
        changes["normalisation"] = {"mean": norms[0], "std": norms[1]}
        mean, std = (np.array(each).reshape(3, 1, 1) for each in norms)
        wanted = (CHANNELS_FIRST - mean) / std
    answers = network(tmp_path, **changes).answers([PIXELS])
    assert wanted is not None
    np.testing.assert_allclose(answers[0], wanted, atol=1e-4)


def test_values_are_fed_by_the_range_of_the_slide_once_it_is_known(tmp_path: Path) -> None:
    fed = network(tmp_path, input={"scaling": "percentiles"})
    np.testing.assert_allclose(fed.answers([PIXELS])[0], CHANNELS_FIRST / 255, atol=1e-5)
    fed.set_ranges([(10, 210), (0, 100), (50, 50)])
    low, span = (np.array(each).reshape(3, 1, 1) for each in ([10, 0, 50], [200, 100, 1]))
    np.testing.assert_allclose(fed.answers([PIXELS])[0], (CHANNELS_FIRST - low) / span, rtol=1e-4)


class MeanOf(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x.mean([2, 3]), x.amax([2, 3])], 1)


@pytest.mark.parametrize("by", ["bilinear", "nearest"])
def test_patches_are_resized_as_pillow_does(tmp_path: Path, by: str) -> None:
    classes = [{"name": str(index), "color": "#112233"} for index in range(6)]
    fed = network(
        tmp_path, MeanOf(), task="classification", classes=classes, head="regression",
        input={"resize_px": 24, "resize_by": by},
    )  # fmt: skip
    filters = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    small = np.array(Image.fromarray(PIXELS).resize((24, 24), filters[by])) / 255
    wanted = [*small.mean((0, 1)), *small.max((0, 1))]
    np.testing.assert_allclose(fed.answers([PIXELS])[0], wanted, rtol=1e-5)


class Named(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"other": x.mean(), "edge": x[:, 0], "maps": x[:, 1:]}


class Several(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x[:, 1:], x[:, :1]


@pytest.mark.parametrize(
    ("module", "outputs"), [(Named(), ["edge", "maps"]), (Several(), ["1", "0"])]
)
def test_named_outputs_are_joined_in_their_order(
    tmp_path: Path, module: nn.Module, outputs: list[str]
) -> None:
    answers = network(tmp_path, module, outputs=outputs).answers([PIXELS])
    np.testing.assert_allclose(answers[0], CHANNELS_FIRST / 255, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "outputs", "told"),
    [
        (Named(), ["edges"], "no output edges: its outputs are other, edge, maps"),
        (Several(), ["0", "2"], "no output 2: its outputs are 0, 1"),
        (Named(), [], "outputs named other, edge, maps"),
    ],
)
def test_outputs_that_are_not_there_are_told(
    tmp_path: Path, module: nn.Module, outputs: list[str], told: str
) -> None:
    with pytest.raises(ModelFailedError, match=told):
        network(tmp_path, module, outputs=outputs).answers([PIXELS])


@pytest.mark.parametrize(
    "changes",
    [
        {"input": {"scaling": "0-255"}},
        {"input": {"channels": "bgr"}},
        {"input": {"scaling": "percentiles", "percentiles": [1, 99]}},
        {"input": {"resampling": "bicubic"}},
        {"outputs": ["0"]},
        {"decoder": "labels"},
        {"decoding": {"least": 0.4}},
    ],
)
def test_all_that_decides_numbers_is_in_the_key(tmp_path: Path, changes: dict[str, object]) -> None:
    plain = load_bundle(make_bundle(tmp_path / "a"))
    assert load_bundle(make_bundle(tmp_path / "b", **changes)).key != plain.key
    assert load_bundle(make_bundle(tmp_path / "c", input={}, outputs=[])).key == plain.key


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input": {"percentiles": [99, 1]}}, "a low and a high one"),
        ({"input": {"scaling": "0-2"}}, "scaling"),
        ({"input": {"resize_px": 224}}, "answer patch by patch"),
        ({"task": "embedding", "decoder": "labels"}, "decoder belongs to"),
        ({"task": "prompt", "input": {"channels": "bgr"}}, "fed blocks or patches"),
    ],
)
def test_what_contradicts_itself_is_told(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(BundleError, match=told):
        load_bundle(make_bundle(tmp_path, **changes))


@pytest.mark.parametrize(
    ("name", "told"),
    [("../instanseg.pt", "lies outside of it"), ("/tmp/instanseg.pt", "lies outside of it")],  # noqa: S108 - a name
)
def test_a_zip_file_writes_nowhere_else(tmp_path: Path, name: str, told: str) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BundleError, match=told):
        add_model(tmp_path / "m.zip")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/instanseg.pt", bytes(20 << 20))
    with pytest.raises(BundleError, match="unpacks to"):
        add_model(tmp_path / "m.zip")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
@pytest.mark.parametrize("name", ["instanseg.pt", "torchscript_model.pt", "config.json"])
def test_a_pipe_in_place_of_a_models_file_holds_nothing_up(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    is_model(tmp_path)
    assert script_facts(tmp_path / name) == {}
    with pytest.raises(BundleError):
        add_model(tmp_path)


@pytest.mark.slow
def test_a_zip_file_runs_from_a_script(sample_slide: Path, tmp_path: Path) -> None:
    make_wsinfer(tmp_path / "in" / "tumor")
    packed = shutil.make_archive(str(tmp_path / "zoo"), "zip", tmp_path / "in")
    run = coverslip.run_model(packed, sample_slide, (900, 900, 1000, 1000), device="cpu")
    assert run.found.count > 0


def test_a_bundle_names_the_channels_of_the_slide_that_it_takes(tmp_path: Path) -> None:
    values = np.zeros((3, 64, 96), np.uint16)
    for channel in range(3):
        values[channel, :, 20 * channel : 20 * channel + 20] = 1000 * (channel + 1)
    path = tmp_path / "a.ome.tif"
    about = {"axes": "CYX", "Channel": {"Name": ["DAPI", "CD3", "CD8"]}}
    tifffile.imwrite(path, values, photometric="minisblack", metadata=about)
    fed = {"slide_channels": ["CD8", "DAPI", "CD3"]}
    bundle = load_bundle(make_bundle(tmp_path / "three", patch_px=64, margin_px=0, input=fed))
    with contextlib.closing(open_slide(path)) as source:
        assert slide_refusal(bundle, source.info, 0.5) == ""
        grid = BlockGrid(Size(96, 64), 1.0, 64, 0)
        block = BlockReader(source, grid, bundle.description).read(BlockKey(0, 0))
        assert block[32, [10, 30, 50]].tolist() == [[0, 255, 0], [0, 0, 255], [255, 0, 0]]
        gray = as_fed(source, ["CD3"]).read_tile(0, 0, 0)
        assert gray[32, [10, 30]].tolist() == [[0, 0, 0], [255, 255, 255]]
        other = {"slide_channels": ["PanCK"]}
        missing = load_bundle(make_bundle(tmp_path / "one", input=other))
        assert "takes the channels PanCK, and this slide has DAPI, CD3, CD8" in slide_refusal(
            missing, source.info, 0.5
        )
        colors = load_bundle(make_bundle(tmp_path / "rgb"))
        assert "takes RGB colors" in slide_refusal(colors, source.info, 0.5)
    with pytest.raises(BundleError, match="slide_channels"):
        load_bundle(make_bundle(tmp_path / "two", input={"slide_channels": ["A", "B"]}))
