"""Networks whose outputs are the targets of known nuclei: read by name and place, and decoded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from in_process import checked, found_on
from inference_steps import make_bundle
from numpy.typing import NDArray
from onnx_networks import Net, classes, onnx_bundle
from PIL import Image
from test_decoders import SIDE, flow_targets, hover_targets, nuclei, star_targets
from torch import Tensor, nn

from viewer.inference.errors import ModelFailedError
from viewer.inference.models.bundle import BundleError, load_bundles
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import Objects

Maps = NDArray[np.float32]
UM = 0.25


@pytest.fixture(scope="module")
def truth() -> NDArray[np.int32]:
    return nuclei(1)


@pytest.fixture(scope="module")
def star(truth: NDArray[np.int32]) -> tuple[Maps, Maps]:
    return star_targets(truth, 32)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tissue of the size of one patch."""
    path = tmp_path_factory.mktemp("slide") / "slide.png"
    Image.fromarray(np.full((SIDE, SIDE, 3), (190, 120, 170), np.uint8)).save(path)
    return path


def answering(outputs: dict[str, Maps], side: int = SIDE) -> Net:
    """A network that answers with these maps, whatever it is fed."""
    net = Net((1, 3, side, side))
    nothing = net.op("Mul", net.op("ReduceMean", "x", keepdims=0), net.constant(0.0))
    for name, maps in outputs.items():
        net.output(name, net.op("Add", net.constant(maps[None]), nothing), [1, *maps.shape])
    return net


def card(decoder: str, *names: str, **about: object) -> dict[str, object]:
    return {
        "task": "instances", "decoder": decoder, "mpp_um": UM, "patch_px": SIDE,
        "classes": classes(*(names or ("Nucleus",))), **about,
    }  # fmt: skip


def kinds_of(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """One of three classes for each pixel, 0 outside: by the number of the object."""
    return np.where(labels > 0, 1 + labels % 3, 0)


def one_hot(kinds: NDArray[np.int64]) -> Maps:
    return (np.arange(4)[:, None, None] == kinds).astype(np.float32)


def hover_outputs(labels: NDArray[np.int32]) -> dict[str, Maps]:
    is_nucleus = np.where(labels > 0, 6.0, -6.0).astype(np.float32)
    return {
        "tp": 8 * one_hot(kinds_of(labels)),
        "np": np.stack([-is_nucleus, is_nucleus]),
        "hv": hover_targets(labels),
    }


def matched(found: object, labels: NDArray[np.int32], least: float = 0.95) -> Objects:
    """The objects, which lie where the nuclei are and are as large."""
    assert isinstance(found, ObjectMap)
    objects = found.all_objects()
    numbers = np.arange(1, labels.max() + 1)
    areas = np.bincount(labels.ravel())[1:] * UM**2
    middles = [(np.array(np.nonzero(labels == number))[::-1] + 0.5).mean(1) for number in numbers]
    apart = np.hypot(*np.moveaxis(np.array(middles)[:, None] - objects.centroids[None], 2, 0))
    nearest = apart.argmin(1)
    is_same = (apart.min(1) < 2) & (
        np.abs(objects.measurements["Area um2"][nearest] / areas - 1) < 0.25
    )
    assert is_same.mean() > least
    assert len(objects) == pytest.approx(len(numbers), rel=1 - least)
    return objects


def test_hovernet_by_its_three_outputs(
    tmp_path: Path, slide: Path, truth: NDArray[np.int32]
) -> None:
    about = card("hovernet", "A", "B", "C", outputs=["np", "hv", "tp"])
    folder = onnx_bundle(tmp_path / "m", answering(hover_outputs(truth)), **about)
    objects = matched(found_on(folder, slide, UM), truth)
    x, y = np.clip(objects.centroids.astype(int), 0, SIDE - 1).T
    said = kinds_of(truth)[y, x]
    assert (objects.classes[said > 0] == said[said > 0] - 1).mean() > 0.98
    assert (objects.measurements["Confidence"] > 0.95).all()


def test_hovernet_that_answers_for_the_middle_of_a_patch(
    tmp_path: Path, truth: NDArray[np.int32]
) -> None:
    """As the published one: 256 px in, and 164 px out."""
    middle = truth[46:210, 46:210]
    kept = np.unique(middle[middle > 0], return_inverse=True)[1]
    numbered = np.zeros(middle.shape, np.int32)
    numbered[middle > 0] = kept.ravel() + 1
    about = card("hovernet", "A", "B", "C", outputs=["np", "hv", "tp"], answer_px=164, margin_px=46)
    net = answering(hover_outputs(numbered))
    path = tmp_path / "slide.png"
    Image.fromarray(np.full((164, 164, 3), (190, 120, 170), np.uint8)).save(path)
    matched(found_on(onnx_bundle(tmp_path / "m", net, **about), path, UM), numbered, least=0.85)


class CellViT(nn.Module):
    """Answers in a dictionary, as CellViT does."""

    def __init__(self, outputs: dict[str, Maps]) -> None:
        super().__init__()
        self.tissue = nn.Buffer(torch.zeros(1, 19))
        self.binary = nn.Buffer(torch.from_numpy(outputs["np"])[None])
        self.hv = nn.Buffer(torch.from_numpy(outputs["hv"])[None])
        self.types = nn.Buffer(torch.from_numpy(outputs["tp"])[None])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {
            "tissue_types": self.tissue, "nuclei_binary_map": self.binary + 0 * x.mean(),
            "hv_map": self.hv, "nuclei_type_map": self.types,
        }  # fmt: skip


def test_cellvit_by_its_dictionary(tmp_path: Path, slide: Path, truth: NDArray[np.int32]) -> None:
    names = ["nuclei_binary_map", "hv_map", "nuclei_type_map"]
    about = card("cellvit", "A", "B", "C", outputs=names, margin_px=0)
    folder = make_bundle(tmp_path / "m", CellViT(hover_outputs(truth)), **about)
    matched(found_on(folder, slide, UM), truth)
    unnamed = make_bundle(
        tmp_path / "unnamed", CellViT(hover_outputs(truth)), **(about | {"outputs": []})
    )
    with pytest.raises(ModelFailedError, match=r"nuclei_binary_map.*name those that count"):
        checked(unnamed)


@pytest.mark.parametrize("downsample", [1, 2])
def test_stardist_with_classes(
    tmp_path: Path, slide: Path, truth: NDArray[np.int32], star: tuple[Maps, Maps], downsample: int
) -> None:
    grid = (slice(None, None, downsample),) * 2
    probability, rays = star
    outputs = {
        "prob": probability[None][:, *grid], "dist": rays[:, *grid],
        "class": one_hot(kinds_of(truth))[:, *grid],
    }  # fmt: skip
    about = card(
        "stardist", "A", "B", "C", outputs=list(outputs), answer_downsample=downsample,
        decoding={"least_probability": 0.4},
    )  # fmt: skip
    objects = matched(
        found_on(onnx_bundle(tmp_path / "m", answering(outputs), **about), slide, UM), truth
    )
    assert set(objects.classes.tolist()) == {0, 1, 2}


def test_cellpose(tmp_path: Path, slide: Path, truth: NDArray[np.int32]) -> None:
    logits = np.where(truth > 0, 5.0, -5.0).astype(np.float32)
    outputs = {"y": np.concatenate([5 * flow_targets(truth), logits[None]])}
    folder = onnx_bundle(tmp_path / "m", answering(outputs), **card("cellpose"))
    matched(found_on(folder, slide, UM), truth)


def test_several_kinds_of_objects_in_one_bundle(
    tmp_path: Path, slide: Path, truth: NDArray[np.int32]
) -> None:
    """As Cerberus: nuclei, glands and lumina, each with background, inner part and contour."""
    gland = np.zeros((SIDE, SIDE), bool)
    gland[60:200, 40:180] = True
    lumen = np.zeros((SIDE, SIDE), bool)
    lumen[100:160, 80:140] = True
    outputs: dict[str, Maps] = {}
    for name, mask in (("Nuclei-INST", truth > 0), ("Gland-INST", gland), ("Lumen-INST", lumen)):
        edge = np.zeros(mask.shape, bool)
        if name == "Nuclei-INST":
            for axis in (0, 1):
                edge |= (np.roll(truth, 1, axis) != truth) | (np.roll(truth, -1, axis) != truth)
        else:
            for axis in (0, 1):
                edge |= (np.roll(mask, 2, axis) != mask) | (np.roll(mask, -2, axis) != mask)
        inner, contour = mask & ~edge, mask & edge
        outputs[name] = 9 * np.stack([~mask, inner, contour]).astype(np.float32)
    names = ["Nucleus", "Gland", "Lumen"]
    about = card("contours", *names, outputs=list(outputs))
    found = found_on(onnx_bundle(tmp_path / "m", answering(outputs), **about), slide, UM)
    assert isinstance(found, ObjectMap)
    objects = found.all_objects()
    counts = np.bincount(objects.classes, minlength=3).tolist()
    assert counts[0] > 0.8 * truth.max()
    assert counts[1:] == [1, 1]
    areas = objects.measurements["Area um2"]
    assert areas[objects.classes == 1][0] == pytest.approx(140 * 140 * UM**2, rel=0.03)
    assert areas[objects.classes == 2][0] == pytest.approx(60 * 60 * UM**2, rel=0.05)


def test_parts_are_models_of_their_own(tmp_path: Path) -> None:
    maps = {"y": np.zeros((4, 64, 64), np.float32)}
    part = {"name": "tissue", "task": "segmentation", "decoder": "coverslip"}
    about = card("hovernet", "A", "B", name="Both", patch_px=64, parts=[part])
    whole, other = load_bundles(onnx_bundle(tmp_path / "m", answering(maps, 64), **about))
    assert (whole.name, whole.task) == ("Both", "instances")
    assert (other.name, other.task) == ("Both: tissue", "segmentation")
    assert whole.key != other.key
    assert whole.weights_path == other.weights_path


@pytest.mark.slow
def test_another_output_of_a_bundle_is_a_model_of_its_own(
    tmp_path: Path, slide: Path, truth: NDArray[np.int32]
) -> None:
    tissue = np.zeros((2, SIDE, SIDE), np.float32)
    tissue[1, :, SIDE // 2 :] = 8
    outputs = hover_outputs(truth) | {"tissue": tissue}
    part = {
        "name": "tissue", "task": "segmentation", "decoder": "coverslip", "outputs": ["tissue"],
        "classes": classes("Stroma", "Tumor"), "patch_px": SIDE,
    }  # fmt: skip
    about = card("hovernet", "A", "B", "C", outputs=["np", "hv", "tp"], name="Both", parts=[part])
    folder = onnx_bundle(tmp_path / "m", answering(outputs), **about)
    told = coverslip("models", "add", folder, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    listed = json.loads(coverslip("models", "list", "--json", folder=tmp_path).stdout)
    tasks = {each["name"]: each["task"] for each in listed}
    assert (tasks["Both"], tasks["Both: tissue"]) == ("instances", "segmentation")
    told = coverslip("run", "Both: tissue", slide, "--mpp", str(UM), "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    areas = json.loads(told.stdout)["areas_mm2"]
    # The network answers the same for every window, so the areas are not halves; both are there.
    assert min(areas.values()) > 0.2 * (SIDE * UM / 1000) ** 2
    told = coverslip("models", "remove", "Both", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "Both" not in coverslip("models", "list", folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ({"task": "segmentation"}, "a part has no name"),
        ({"name": "x", "weights": "y"}, "a part has the weights of the whole"),
        ({"name": "x", "task": "nonsense"}, "in its parts"),
        ({"name": "x", "task": "embedding"}, "in its parts, decoder belongs"),
    ],
)
def test_a_part_that_cannot_be_is_refused(
    tmp_path: Path, part: dict[str, object], complaint: str
) -> None:
    maps = {"y": np.zeros((4, 64, 64), np.float32)}
    about = card("hovernet", patch_px=64, parts=[part])
    folder = onnx_bundle(tmp_path / "m", answering(maps, 64), **about)
    with pytest.raises(BundleError) as caught:
        load_bundles(folder)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("decoder", "outputs", "about", "complaint"),
    [
        ("stardist", {"y": (33, -3.0)}, {}, 'say "head": "sigmoid"'),
        ("stardist", {"y": (65, 0.5)}, {}, "was expected"),
        ("hovernet", {"y": (9, 0.0)}, {}, "9 maps, which are not those of HoVer-Net"),
        ("hovernet", {"np": (2, 0.0), "hv": (2, 0.0)}, {}, "several outputs (np, hv)"),
        ("cellpose", {"y": (2, 0.0)}, {}, "was expected"),
        ("labels", {"y": (1, 0.5)}, {}, "no labels of objects"),
        ("contours", {"y": (3, 7.0)}, {"head": "probabilities"}, 'say "head": "softmax"'),
        ("cellpose", {"y": (3, 0.0)}, {"head": "sigmoid"}, "does not belong"),
        ("nothing", {"y": (3, 0.0)}, {}, "nothing"),
    ],
)
def test_what_contradicts_the_decoder_is_refused(
    tmp_path: Path, decoder: str, outputs: dict[str, tuple[int, float]], about: dict[str, object],
    complaint: str,
) -> None:  # fmt: skip
    side = 64
    maps = {
        name: np.full((count, side, side), value, np.float32)
        for name, (count, value) in outputs.items()
    }
    folder = onnx_bundle(
        tmp_path / "m", answering(maps, side), **(card(decoder) | {"patch_px": side} | about)
    )
    with pytest.raises((BundleError, ModelFailedError)) as caught:
        checked(folder)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_command_writes_the_nuclei_of_a_foreign_network(
    tmp_path: Path, slide: Path, truth: NDArray[np.int32]
) -> None:
    about = card("hovernet", "A", "B", "C", outputs=["np", "hv", "tp"], name="Hover")
    folder = onnx_bundle(tmp_path / "m", answering(hover_outputs(truth)), **about)
    told = coverslip("models", "add", folder, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    out = tmp_path / "nuclei.geojson"
    options = ("--mpp", str(UM), "-o", out, "--json")
    told = coverslip("run", "Hover", slide, *options, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    record = json.loads(told.stdout)
    assert record["objects"] == pytest.approx(truth.max(), rel=0.05)
    assert min(record["classes"].values()) > 20
    assert len(json.loads(out.read_text())["features"]) == record["objects"]
