"""Packages of bioimage.io, 0.4 and 0.5: taken when their test input gives their test output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from cli_steps import coverslip
from in_process import found_on
from onnx_networks import Net
from PIL import Image
from torch import Tensor, nn

from viewer.inference.errors import ModelFailedError
from viewer.inference.layouts import bioimage_io
from viewer.inference.layouts.bioimage_card import Step
from viewer.inference.layouts.bioimage_steps import fed_as
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.description import ModelDescription, ModelInput, write_description
from viewer.inference.process.messages import TensorStep
from viewer.inference.process.package_proof import applied
from viewer.inference.runs.block_reading import value_ranges
from viewer.inference.tasks.windows import Windows
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.slides import open_slide

SIDE = 128
GAIN = {"gain": 1 / 255, "offset": 0.0}


def image() -> np.ndarray:
    """A test input (1, 3, y, x) of values 0 to 255."""
    return np.random.default_rng(1).integers(0, 256, (1, 3, SIDE, SIDE)).astype(np.float32)


class Reddish(nn.Module):
    """The logit of being more red than green."""

    def forward(self, x: Tensor) -> Tensor:
        return 8 * (x[:, :1] - x[:, 1:2])


def reddish() -> Net:
    net = Net(("n", 3, "h", "w"))
    net.output("probability", net.mixed([[8, -8, 0]], [0.0]), ["n", 1, "h", "w"])
    return net


def answer(inputs: np.ndarray) -> np.ndarray:
    """What the package says: scaled to 0 to 1, the network, the sigmoid."""
    x = inputs / 255
    return 1 / (1 + np.exp(-8 * (x[:, :1] - x[:, 1:2])))


def card_04(**changes: Any) -> dict[str, Any]:
    card: dict[str, Any] = {
        "type": "model", "format_version": "0.4.10", "name": "Reddish", "license": "CC-BY-4.0",
        "description": "Red.", "cite": [{"text": "A paper", "doi": "10.1/x"}],
        "inputs": [{
            "name": "raw", "axes": "bcyx", "data_type": "float32",
            "shape": {"min": [1, 3, 64, 64], "step": [0, 0, 16, 16]},
            "preprocessing": [{"name": "scale_linear", "kwargs": {**GAIN, "axes": "yx"}}],
        }],
        "outputs": [{
            "name": "probability", "axes": "bcyx", "data_type": "float32", "halo": [0, 0, 16, 16],
            "shape": {"reference_tensor": "raw", "scale": [1, 0, 1, 1], "offset": [0, 0.5, 0, 0]},
            "postprocessing": [{"name": "sigmoid"}],
        }],
        "test_inputs": ["input.npy"], "test_outputs": ["output.npy"],
        "weights": {"onnx": {"source": "weights.onnx"}},
        "config": {"coverslip": {"mpp_um": 0.5}},
    }  # fmt: skip
    return card | changes


def card_05(**changes: Any) -> dict[str, Any]:
    def axis(letter: str, **more: Any) -> dict[str, Any]:
        return {"type": "space", "id": letter, "scale": 500.0, "unit": "nanometer", **more}

    def size(letter: str) -> dict[str, Any]:
        return {"size": {"tensor_id": "raw", "axis_id": letter}, "halo": 16, "scale": 1.0}

    card: dict[str, Any] = {
        "type": "model", "format_version": "0.5.4", "name": "Reddish", "license": "MIT",
        "version": "2.1",
        "inputs": [{
            "id": "raw",
            "axes": [
                {"type": "batch"}, {"type": "channel", "channel_names": ["r", "g", "b"]},
                axis("y", size={"min": 64, "step": 32}), axis("x", size={"min": 64, "step": 32}),
            ],
            "preprocessing": [
                {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
                {"id": "scale_linear", "kwargs": GAIN},
            ],
            "test_tensor": {"source": "input.npy"},
        }],
        "outputs": [{
            "id": "probability",
            "axes": [
                {"type": "batch"}, {"type": "channel", "channel_names": ["red"]},
                {"type": "space", "id": "y", **size("y")},
                {"type": "space", "id": "x", **size("x")},
            ],
            "postprocessing": [{"id": "sigmoid"}],
            "test_tensor": {"source": "output.npy"},
        }],
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": 17}},
    }  # fmt: skip
    return card | changes


def package(
    folder: Path, card: dict[str, Any], net: Net | None = None, *, name: str = "rdf.yaml",
    expected: np.ndarray | None = None,
) -> Path:  # fmt: skip
    (net or reddish()).save(folder / "weights.onnx")
    np.save(folder / "input.npy", image())
    np.save(folder / "output.npy", answer(image()) if expected is None else expected)
    (folder / name).write_text(yaml.safe_dump(card))
    return folder


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tissue, its right half red."""
    pixels = np.full((600, 600, 3), (150, 150, 200), np.uint8)
    pixels[:, 300:] = (220, 90, 120)
    path = tmp_path_factory.mktemp("slide") / "slide.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("card", "name"),
    [(card_04(), "rdf.yaml"), (card_05(), "bioimageio.yaml"), (card_05(), "model.yaml")],
)
def test_a_package_is_described_by_its_card(
    tmp_path: Path, slide: Path, card: dict[str, Any], name: str
) -> None:
    folder = package(tmp_path / "m", card, name=name)
    assert bioimage_io.recognizes(folder)
    about = bioimage_io.described(folder).description
    assert (about.task, about.head, about.mpp_um) == ("segmentation", "logit", 0.5)
    assert about.margin_px == 16
    assert about.patch_px == 512
    assert [each.name for each in about.classes] == [
        "probability" if card["format_version"].startswith("0.4") else "red"
    ]
    write_description(folder, about)
    found = found_on(folder, slide)
    assert isinstance(found, PatchFeatureMap)
    cell = found.cell
    for x, wanted in ((100, (150, 150)), (500, (220, 90))):
        value = 1 / (1 + np.exp(-8 * (wanted[0] - wanted[1]) / 255))
        assert float(found.values[int(200 / cell), int(x / cell), 0]) == pytest.approx(
            value, abs=2e-3
        )


def test_the_command_adds_a_package_that_proves_itself(tmp_path: Path, slide: Path) -> None:
    folder = package(tmp_path / "m", card_05())
    told = coverslip("models", "add", folder, "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    record = json.loads(told.stdout)
    assert (record["name"], record["version"], record["license"]) == ("Reddish", "2.1", "MIT")
    told = coverslip("run", "Reddish", slide, "--mpp", "0.5", "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["classes"]["red"] > 1000


def test_a_package_that_gives_something_else_is_refused(tmp_path: Path) -> None:
    wrong = answer(image())
    wrong[..., :40] += 0.2
    folder = package(tmp_path / "m", card_04(), expected=wrong)
    told = coverslip("models", "add", folder, folder=tmp_path)
    assert told.returncode == 2
    assert (
        "does not give its test output: 5,120 of 16,384 numbers differ, by up to 0.2" in told.stderr
    )
    assert told.stderr.count("\n") == 1
    assert "Reddish" not in coverslip("models", "list", folder=tmp_path).stdout


@pytest.mark.slow
def test_weights_as_torchscript_prove_themselves_too(tmp_path: Path) -> None:
    patch = torch.zeros(1, 3, 64, 64)
    card = card_04(weights={"torchscript": {"source": "weights.pt"}})
    folder = package(tmp_path / "m", card)
    torch.jit.save(torch.jit.trace(Reddish(), patch), str(folder / "weights.pt"))
    bioimage_io.prove(folder, bioimage_io.described(folder))
    torch.jit.save(torch.jit.trace(nn.Conv2d(3, 1, 1), patch), str(folder / "weights.pt"))
    with pytest.raises(ModelFailedError, match="does not give its test output"):
        bioimage_io.prove(folder, bioimage_io.described(folder))


def without(card: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in card.items() if key not in keys}


def with_input(card: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return card | {"inputs": [card["inputs"][0] | changes]}


def with_output(card: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return card | {"outputs": [card["outputs"][0] | changes]}


STATE_DICT = {
    "pytorch_state_dict": {"source": "weights.pt", "architecture": {"source": "unet.py"}},
    "keras_hdf5": {"source": "weights.h5"},
}


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        (card_04(weights=STATE_DICT), "keras_hdf5, pytorch_state_dict alone, which would run code"),
        (card_04(config={}), "how many micrometers a pixel has"),
        (without(card_04(), "test_inputs"), "names no test input"),
        (with_input(card_04(), axes="bczyx", shape=[1, 3, 8, 64, 64]), "takes the axes bczyx"),
        (with_input(card_04(), shape=[1, 1, 256, 256]), "takes 1 channels"),
        (with_input(card_04(), shape=[1, 3, 256, 512]), "512 x 256 px: squares"),
        (with_input(card_04(), shape=[1, 3, 256]), "does not fit its axes bcyx"),
        (with_input(card_04(), preprocessing=[{"name": "binarize"}]), "asks for the step binarize"),
        (with_output(card_04(), postprocessing=[{"name": "median"}]), "asks for the step median"),
        (card_04(type="dataset"), "describes a dataset"),
        (card_04(format_version="0.3.6"), "of the format 0.3.6"),
        (card_04(inputs=card_04()["inputs"] * 2), "takes 2 inputs"),
        (card_04(outputs=card_04()["outputs"] * 2), "several outputs (probability, probability)"),
        (
            card_04(weights={"onnx": {"source": "https://x.org/w.onnx"}}),
            "download the whole package",
        ),
        (card_04(weights={"onnx": {"source": "../w.onnx"}}), "not in its folder"),
        (card_04(test_inputs=["../input.npy"]), "not in its folder"),
        (card_04(config={"coverslip": {"mpp_um": -1}}), "mpp_um"),
        (card_04(config={"coverslip": {"mpp_um": 0.5, "weights": "x"}}), "says it elsewhere"),
        (without(card_04(), "inputs"), "inputs"),
    ],
)
def test_what_is_missing_or_ambiguous_is_one_sentence(
    tmp_path: Path, card: dict[str, Any], complaint: str
) -> None:
    folder = package(tmp_path / "m", card)
    with pytest.raises((BundleError, ModelFailedError)) as caught:
        bioimage_io.prove(folder, bioimage_io.described(folder))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickled_test_tensor_is_not_unpickled(tmp_path: Path) -> None:
    folder = package(tmp_path / "m", card_04())
    np.save(folder / "output.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises((BundleError, ModelFailedError), match=r"test tensor .*allow_pickle=False"):
        bioimage_io.prove(folder, bioimage_io.described(folder))


def test_values_without_a_step_after_the_network_are_read_off_the_test(tmp_path: Path) -> None:
    card = with_output(card_04(), postprocessing=[])
    x = image() / 255
    logits = 8 * (x[:, :1] - x[:, 1:2])
    about = bioimage_io.described(package(tmp_path / "m", card, expected=logits)).description
    assert about.head == "regression"
    two = with_output(card_04(), postprocessing=[], shape=[1, 2, 128, 128], halo=[])
    both = np.concatenate([logits, -logits], 1)
    with pytest.raises(BundleError, match="does not say what the 2 values of its output are"):
        bioimage_io.described(package(tmp_path / "two", two, expected=both))
    two["config"] = {"coverslip": {"mpp_um": 0.5, "head": "softmax"}}
    about = bioimage_io.described(package(tmp_path / "said", two, expected=both)).description
    assert about.head == "softmax"
    assert [each.name for each in about.classes] == ["probability 1", "probability 2"]


def test_a_stardist_package_is_decoded(tmp_path: Path) -> None:
    card = with_input(card_04(), axes="byxc", shape={"min": [1, 64, 64, 3], "step": [0, 16, 16, 0]})
    card = with_output(
        card, axes="byxc", halo=[0, 32, 32, 0], postprocessing=[],
        shape={"reference_tensor": "raw", "scale": [1, 0.5, 0.5, 0], "offset": [0, 0, 0, 16.5]},
    )  # fmt: skip
    card["config"]["stardist"] = {"thresholds": {"prob": 0.48, "nms": 0.3}}
    shape = (1, 64, 64, 33)
    folder = package(tmp_path / "m", card, expected=np.zeros(shape, np.float32))
    about = bioimage_io.described(folder).description
    assert (about.task, about.decoder, about.answer_downsample) == ("instances", "stardist", 2)
    assert about.decoding == {"rays": 32, "least_probability": 0.48, "most_overlap": 0.3}


def by_channel(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


def test_steps_before_the_network_are_those_of_the_format() -> None:
    x = image()
    mean, std = x.mean((2, 3), keepdims=True), x.std((2, 3), keepdims=True)
    low, high = (np.percentile(x, q, (2, 3), keepdims=True) for q in (5, 95))
    percentiles: dict[str, object] = {"axes": "xy", "min_percentile": 5, "max_percentile": 95}
    fixed: dict[str, object] = {"mean": [10, 20, 30], "std": [2, 4, 8]}
    cases: list[tuple[str, dict[str, object], np.ndarray]] = [
        ("zero_mean_unit_variance", {"axes": "xy"}, (x - mean) / std),
        ("zero_mean_unit_variance", {"axes": ["channel", "y", "x"]}, (x - x.mean()) / x.std()),
        ("scale_range", percentiles, (x - low) / (high - low)),
        (
            "fixed_zero_mean_unit_variance",
            fixed,
            (x - by_channel(10, 20, 30)) / by_channel(2, 4, 8),
        ),
        ("scale_linear", {"gain": [1, 2, 3], "offset": 4}, x * by_channel(1, 2, 3) + 4),
    ]
    for kind, arguments, expected in cases:
        given = applied([TensorStep(kind, arguments)], x, "bcyx")
        np.testing.assert_allclose(given, expected, atol=1e-3, err_msg=kind)


def test_fixed_steps_become_one_normalization() -> None:
    steps = [
        Step("scale_linear", kwargs={"gain": 1 / 255}),
        Step(
            "zero_mean_unit_variance", kwargs={"mode": "fixed", "mean": [0.7, 0.5, 0.6], "std": 0.2}
        ),
    ]
    norms = fed_as(steps, "x")["normalization"]
    assert norms == {
        "mean": pytest.approx([0.7, 0.5, 0.6]), "std": pytest.approx([0.2] * 3)
    }  # fmt: skip


def test_statistics_are_those_of_the_tissue_of_the_slide(tmp_path: Path) -> None:
    pixels = np.full((1200, 1200, 3), 244, np.uint8)
    tissue = np.random.default_rng(0).normal((160, 110, 150), (20, 10, 5), (500, 1200, 3))
    pixels[300:800] = tissue.clip(0, 255)
    path = tmp_path / "slide.png"
    Image.fromarray(pixels).save(path)
    asked = fed_as([Step(id="zero_mean_unit_variance", kwargs={"axes": ["x", "y"]})], "x")["input"]
    assert asked == {"scaling": "standard", "jointly": False}
    source = open_slide(path)
    try:
        ranges = value_ranges(source, ModelInput(scaling="standard"))
        jointly = value_ranges(source, ModelInput(scaling="standard", jointly=True))
    finally:
        source.close()
    assert [low for low, _ in ranges] == pytest.approx([160, 110, 150], abs=6)
    assert len(set(jointly)) == 1


def test_the_halo_of_an_output_does_not_count() -> None:
    model = ModelDescription(
        name="x", version="1", task="segmentation", mpp_um=0.5, patch_px=512, margin_px=16,
        format="onnx", weights="w", sha256="0" * 64, license="MIT",
    )  # fmt: skip
    windows = Windows.of(model)
    assert windows.inner_px == 480
    assert windows.context_px == 16
    assert windows.places[-1][0] + 512 <= windows.core_px + 2 * windows.margin_px
