"""Dense networks: blended windows, cells, areas, what is refused, and their pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_steps import coverslip
from in_process import checked, found_on
from inference_steps import make_bundle
from onnx_networks import Net, classes, onnx_bundle
from PIL import Image
from torch import Tensor, nn

from viewer.geometry import Size
from viewer.inference.errors import ModelFailedError
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.description import ModelDescription
from viewer.inference.steps.segmentation import SegmentationSteps
from viewer.inference.tasks.known import TASKS
from viewer.inference.tasks.windows import Windows
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.heatmap import HeatmapStyle, class_heatmap, painted_colors
from viewer.overlays.patch_feature_map import PatchFeatureMap

SIDE = 900
TISSUE = (150, 60, 120)
LESION = (90, 120, 60)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Glass with tissue, and in it a lesion of 300 x 200 px."""
    pixels = np.full((SIDE, SIDE, 3), 245, np.uint8)
    pixels[50:850, 50:850] = TISSUE
    pixels[300:500, 400:700] = LESION
    path = tmp_path_factory.mktemp("slide") / "slide.png"
    Image.fromarray(pixels).save(path)
    return path


def by_color(shape: tuple[int | str, ...] = ("n", 3, "h", "w")) -> tuple[Net, str]:
    """Logits of background, tissue and lesion by the color of a pixel."""
    net = Net(shape)
    colors = np.array([(245, 245, 245), TISSUE, LESION]) / 255
    return net, net.mixed(40 * colors, -20 * (colors**2).sum(1))


def dense(folder: Path, net: Net, **about: object) -> Path:
    names = classes("Background", "Tissue", "Lesion")
    return onnx_bundle(folder, net, **({"task": "segmentation", "classes": names} | about))


def lesion_mm2(found: object) -> float:
    assert isinstance(found, PatchFeatureMap)
    likeliest = np.nan_to_num(found.values).argmax(-1)[found.known]
    return float((likeliest == 2).sum()) * (found.cell * 0.5 / 1000) ** 2


def test_a_class_map_has_the_areas_of_what_is_on_the_slide(tmp_path: Path, slide: Path) -> None:
    net, logits = by_color()
    net.output("y", logits, ["n", 3, "h", "w"])
    found = found_on(dense(tmp_path / "m", net), slide)
    assert isinstance(found, PatchFeatureMap)
    assert found.grid.columns > 1
    assert lesion_mm2(found) == pytest.approx(300 * 200 * 0.25e-6, rel=0.01)
    heatmap = class_heatmap(found, HeatmapStyle(), ["", "#ff0000", "#00ff00"])
    assert heatmap is not None
    cell = found.cell
    assert heatmap.colors[int(400 / cell), int(550 / cell)].tolist() == [0, 255, 0, 255]
    assert heatmap.colors[int(400 / cell), int(200 / cell)].tolist() == [255, 0, 0, 255]
    assert heatmap.colors[int(20 / cell), int(20 / cell), 3] == 0


@pytest.mark.parametrize(
    "kind", ["probabilities", "sigmoid", "indices", "coarse", "middle", "last"]
)
def test_each_kind_of_answer_gives_the_same_areas(tmp_path: Path, slide: Path, kind: str) -> None:
    net, logits = by_color(("n", "h", "w", 3) if kind == "last" else ("n", 3, "h", "w"))
    about: dict[str, object] = {}
    match kind:
        case "probabilities":
            net.output("y", net.op("Softmax", logits, axis=1), ["n", 3, "h", "w"])
            about = {"head": kind}
        case "sigmoid":
            net.output("y", logits, ["n", 3, "h", "w"])
            about = {"head": kind}
        case "indices":
            numbers = net.op("ArgMax", logits, axis=1, keepdims=0)
            net.output("y", net.op("Cast", numbers, to=1), ["n", "h", "w"])
            about = {"head": kind}
        case "coarse":
            pooled = net.op("AveragePool", logits, kernel_shape=[4, 4], strides=[4, 4])
            net.output("y", pooled, ["n", 3, "h", "w"])
            about = {"answer_downsample": 4}
        case "middle":
            starts, ends = net.constant([24, 24], np.int64), net.constant([-24, -24], np.int64)
            middle = net.op("Slice", logits, starts, ends, net.constant([2, 3], np.int64))
            net.output("y", middle, ["n", 3, "h", "w"])
            about = {"patch_px": 256, "answer_px": 208}
        case _:
            net, _ = Net(("n", "h", "w", 3)), ""
            first = net.op("Transpose", "x", perm=[0, 3, 1, 2])
            colors = np.array([(245, 245, 245), TISSUE, LESION]) / 255
            logits = net.mixed(40 * colors, -20 * (colors**2).sum(1), first)
            net.output("y", net.op("Transpose", logits, perm=[0, 2, 3, 1]), ["n", "h", "w", 3])
    found = found_on(dense(tmp_path / "m", net, **about), slide)
    assert lesion_mm2(found) == pytest.approx(300 * 200 * 0.25e-6, rel=0.03)


def test_an_anomaly_map_keeps_its_values(tmp_path: Path, slide: Path) -> None:
    net = Net()
    net.output("y", net.mixed([[0, 10, 0]], [0.0]), ["n", 1, "h", "w"])
    about = {"task": "segmentation", "classes": classes("Anomaly"), "head": "regression"}
    found = found_on(onnx_bundle(tmp_path / "m", net, **about), slide)
    assert isinstance(found, PatchFeatureMap)
    cell = found.cell
    value = float(found.values[int(400 / cell), int(550 / cell), 0])
    assert value == pytest.approx(10 * LESION[1] / 255, abs=0.02)


class Sided(nn.Module):
    """Tells the left of what it is fed from the right, whatever it is: windows must be blended."""

    def forward(self, x: Tensor) -> Tensor:
        ramp = (x[:, :1] * 0 + 1).cumsum(3) / x.shape[3]
        return x.mean((1, 2, 3), keepdim=True) * 0 + ramp


def test_windows_are_blended_without_a_jump(tmp_path: Path) -> None:
    about = {"patch_px": 128, "margin_px": 0, "task": "segmentation", "head": "regression"}
    folder = make_bundle(tmp_path / "m", Sided(), classes=classes("Ramp"), **about)
    model = load_bundle(folder).description
    windows = Windows.of(model)
    grid = BlockGrid(
        Size(9000, 9000), 1.0, windows.core_px, windows.margin_px, cells=windows.core_px
    )
    steps = SegmentationSteps(model, grid, 0.5)
    region = np.zeros((grid.input_px, grid.input_px, 3), np.uint8)
    answers = np.broadcast_to(
        np.arange(128, dtype=np.float32) / np.float32(128),
        (len(steps.images(region, [])), 1, 128, 128),
    )
    row = steps.result(answers, region, BlockKey(1, 1), []).values[5, :, 0].astype(np.float32)
    # One window alone falls from 1 to 0 in one pixel.
    assert np.abs(np.diff(row)).max() < 0.2
    # Neighbors agree where they meet: the block repeats itself.
    assert abs(float(row[0]) - float(row[-1])) < 0.2
    np.testing.assert_allclose(
        row[: windows.step_px], row[windows.step_px : 2 * windows.step_px], atol=2e-3
    )


@pytest.mark.parametrize("patch", [64, 96, 128, 224, 256, 448, 512, 1024, 4096])
@pytest.mark.parametrize("slide_px", [500, 2000, 100_000])
def test_cells_fit_every_patch_and_are_bounded(patch: int, slide_px: int) -> None:
    about = ModelDescription(
        name="x", version="1", task="segmentation", mpp_um=0.5, patch_px=patch, format="onnx",
        weights="w", sha256="0" * 64, license="MIT",
    )  # fmt: skip
    kind, windows = TASKS["segmentation"], Windows.of(about)
    assert not kind.complaint(about)
    cells = kind.cells(about, Size(slide_px, slide_px))
    assert windows.core_px % cells == 0
    blocks = -(-slide_px // windows.core_px)
    assert (blocks * cells) ** 2 <= max(8_000_000, (2 * cells) ** 2)
    last = windows.places[-1][0]
    assert last + patch <= windows.core_px + 2 * windows.margin_px


@pytest.mark.parametrize(
    ("about", "complaint"),
    [
        ({"classes": classes("Tissue", "Lesion")}, "model.json names 2 classes"),
        ({"head": "probabilities"}, 'say "head": "softmax"'),
        ({"head": "indices"}, "1, 128, 128) was expected"),
        ({"answer_downsample": 4}, "was expected"),
        ({"outputs": ["z"]}, "has no output z: its outputs are y"),
        ({"stride_px": 40}, "at least half"),
        ({"boxes": "scores"}, "boxes belongs to"),
    ],
)
def test_what_contradicts_the_answer_is_refused(
    tmp_path: Path, about: dict[str, object], complaint: str
) -> None:
    net, logits = by_color()
    net.output("y", logits, ["n", 3, "h", "w"])
    with pytest.raises((BundleError, ModelFailedError)) as caught:
        checked(dense(tmp_path / "m", net, **about))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_coarse_maps_and_several_outputs_ask_what_they_are(tmp_path: Path) -> None:
    net, logits = by_color()
    pooled = net.op("AveragePool", logits, kernel_shape=[4, 4], strides=[4, 4])
    net.output("y", pooled, ["n", 3, "h", "w"])
    coarse = dense(tmp_path / "coarse", net)
    with pytest.raises(ModelFailedError, match='"answer_downsample": 4 or "answer_px": 32'):
        checked(coarse)
    net.output("other", logits, ["n", 3, "h", "w"])
    with pytest.raises(BundleError, match=r"several outputs \(y, other\): name those"):
        checked(dense(tmp_path / "two", net))


def test_the_command_tells_areas_and_writes_cells(tmp_path: Path, slide: Path) -> None:
    net, logits = by_color()
    net.output("y", logits, ["n", 3, "h", "w"])
    out = tmp_path / "map.csv"
    options = ("--mpp", "0.5", "-o", out, "--json")
    told = coverslip("run", dense(tmp_path / "m", net), slide, *options, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    areas = json.loads(told.stdout)["areas_mm2"]
    assert areas["Lesion"] == pytest.approx(0.015, rel=0.01)
    assert out.read_text().count("\n") > 1000


def test_the_background_of_a_map_is_not_painted() -> None:
    named = [("Background", "#000000"), ("Tumor", "#ff0000"), ("Ignore*", "#00ff00")]
    assert painted_colors(named, is_map=True) == ["", "#ff0000", ""]
    assert painted_colors(named, is_map=False) == ["#000000", "#ff0000", "#00ff00"]
