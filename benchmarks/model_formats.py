"""Models of other laboratories: tiles/s of each way in against its network called directly.

The networks are stacks of convolutions of our own making, in ONNX, as dear as a small U-Net; those
that a decoder follows answer with the targets of round nuclei, so that it has its usual work.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from scipy import ndimage

from benchmarks.report import Figure
from viewer.geometry import Box
from viewer.inference.models.bundle import load_bundle
from viewer.inference.process.model_process import thread_count
from viewer.inference.process.network import Network
from viewer.inference.runs.engine import Engine
from viewer.inference.runs.plan import block_grid
from viewer.inference.tasks.windows import Windows
from viewer.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription
    from viewer.inference.runs.run_clock import Progress
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.result_map import BlockResult

    Maps = NDArray[np.float32]

_SIDE = 256
_WIDTH, _LAYERS = 32, 6
_DEEP_LAYERS = 14
"""About half of what the residual U-Net of Cellpose computes."""
_FIELD = 700
"""Level-0 pixels that each model works through, where there is tissue."""
_MOST_OUTSIDE = 25.0
_DIRECT_TILES = 8
_RADIUS, _APART = 9.0, 22
_MPP_UM = 0.5
_COLORS = ("#e69f00", "#56b4e9", "#009e73")


def run(slide: Path) -> list[Figure]:
    """Return tiles/s of each way, and how much of its time passes outside the network."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, outputs, about) in enumerate(_ways()):
            layers = _DEEP_LAYERS if name == "Cellpose" else _LAYERS
            path = _bundle(Path(folder) / str(number), outputs, about, layers)
            figures += _measured(name, path, slide)
    return figures


def _ways() -> list[tuple[str, Mapping[str, Maps], dict[str, Any]]]:
    probability, across, down, rays = _round_nuclei()
    logits = np.where(probability > 0, 5.0, -5.0).astype(np.float32)
    apart = np.maximum(np.hypot(across, down), 1e-6)
    to_middle = -(np.stack([down, across]) / apart).astype(np.float32)
    tissue = np.stack([logits, -logits, logits * 0])
    labels = np.zeros((_SIDE, _SIDE), np.int32)
    ndimage.label(probability > 0, output=labels)
    labels = labels.astype(np.float32)
    boxes = np.random.default_rng(0).uniform(0, _SIDE, (6, 8400)).astype(np.float32)
    boxes[2:4], boxes[4:] = 20.0, np.random.default_rng(1).random((2, 8400)) ** 40
    nuclei = {"task": "instances", "margin_px": 32, "classes": _classes(1)}
    return [
        ("dense (segmentation)", {"y": tissue}, {"task": "segmentation", "classes": _classes(3)}),
        ("YOLO detection", {"y": boxes}, {
            "task": "detection", "margin_px": 32, "classes": _classes(2),
        }),
        ("StarDist", {"y": np.concatenate([probability[None], rays])}, nuclei | {
            "decoder": "stardist",
        }),
        ("HoVer-Net", {"np": logits[None], "hv": np.stack([across, down])}, nuclei | {
            "decoder": "hovernet", "outputs": ["np", "hv"],
        }),
        ("label maps (InstanSeg)", {"y": labels[None]}, nuclei | {"decoder": "labels"}),
        ("Cellpose", {"y": np.concatenate([5 * to_middle, logits[None]])}, nuclei | {
            "decoder": "cellpose",
        }),
    ]  # fmt: skip


def _classes(count: int) -> list[dict[str, str]]:
    return [{"name": f"Class {n + 1}", "color": _COLORS[n]} for n in range(count)]


def _round_nuclei() -> tuple[Maps, Maps, Maps, Maps]:
    """Return probability, distances to the right and down (-1 to 1), and rays of round nuclei."""
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    dx, dy = ((axis - _APART / 2 + _APART / 2) % _APART - _APART / 2 for axis in (x, y))
    apart = np.hypot(dx, dy)
    inside = apart < _RADIUS
    angles = np.arange(32)[:, None, None] * (2 * np.pi / 32)
    along = dx * np.cos(angles) + dy * np.sin(angles)
    rays = -along + np.sqrt(np.maximum(along**2 - apart**2 + _RADIUS**2, 0))
    maps = np.where(inside, 1 - apart / _RADIUS, 0), np.where(inside, dx, 0) / _RADIUS
    down = np.where(inside, dy, 0) / _RADIUS
    return tuple(each.astype(np.float32) for each in (*maps, down, np.where(inside, rays, 0)))  # pyright: ignore[reportReturnType] - four of them


def _bundle(
    folder: Path, outputs: Mapping[str, Maps], about: dict[str, Any], layers: int = _LAYERS
) -> Path:
    """Write a network that computes as much as a small U-Net and answers with these maps."""
    numbers = np.random.default_rng(0)
    tensors: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    last, channels = "x", 3
    for layer in range(layers):
        weights = numbers.normal(0, 0.1, (_WIDTH, channels, 3, 3)).astype(np.float32)
        tensors.append(numpy_helper.from_array(weights, f"w{layer}"))
        nodes.append(helper.make_node("Conv", [last, f"w{layer}"], [f"c{layer}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
        last, channels = f"r{layer}", _WIDTH
    nodes.append(helper.make_node("ReduceMean", [last], ["mean"], keepdims=0))
    tensors.append(numpy_helper.from_array(np.array(0, np.float32), "zero"))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    values: list[onnx.ValueInfoProto] = []
    for name, maps in outputs.items():
        tensors.append(numpy_helper.from_array(maps[None], f"{name} maps"))
        nodes.append(helper.make_node("Add", [f"{name} maps", "nothing"], [name]))
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *maps.shape]))
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, _SIDE, _SIDE])
    graph = helper.make_graph(nodes, "g", [image], values, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(parents=True)
    onnx.save_model(model, folder / "m.onnx")
    digest = hashlib.sha256((folder / "m.onnx").read_bytes()).hexdigest()
    card = {
        "name": folder.name, "version": "1", "mpp_um": _MPP_UM, "patch_px": _SIDE,
        "format": "onnx", "weights": "m.onnx", "sha256": digest, "license": "MIT",
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card | about))
    return folder


def _measured(name: str, folder: Path, slide: Path) -> list[Figure]:
    bundle = load_bundle(folder)
    about = bundle.description
    with closing(open_slide(slide)) as source:
        mpp_um = source.info.optics.mean_mpp_um or _MPP_UM
        grid, identity = block_grid(source, about, mpp_um), source.info.identity
    listener = _Listener()
    engine = Engine(slide, identity, grid, mpp_um, bundle, listener, "cpu")
    try:
        engine.run(Box.around(Box(0, 0, *grid.slide).center, _FIELD, _FIELD))
        listener.ended.wait(300)
    finally:
        engine.close()
    working_s = time.perf_counter() - listener.ready_s
    per_block = _tiles(about)
    timing = engine.timing
    outside = 100 * max(0.0, 1 - timing.forward_s / working_s)
    direct = _direct(folder)
    return [
        Figure("model-formats", f"{name}, tiles", timing.blocks * per_block / working_s, "/s"),
        Figure("model-formats", f"{name}, tiles, network called directly", direct, "/s"),
        Figure("model-formats", f"{name}, time outside the forward", outside, "%", _MOST_OUTSIDE),
    ]


def _tiles(about: ModelDescription) -> int:
    """Return how many tiles a block is fed as."""
    return len(Windows.of(about).places) if about.task == "segmentation" else 1


def _direct(folder: Path) -> float:
    """Return tiles/s of a network in this process, fed what is in memory."""
    torch.set_num_threads(thread_count())
    network = Network(load_bundle(folder), torch.device("cpu"))
    tiles = np.random.default_rng(0).integers(0, 256, (4, _SIDE, _SIDE, 3), np.uint8)
    network.warm_up()
    began_s = time.perf_counter()
    for number in range(_DIRECT_TILES):
        network.answers([tiles[number % len(tiles)]])
    return _DIRECT_TILES / (time.perf_counter() - began_s)


class _Listener:
    """Notes when the model was ready and when all blocks are there."""

    def __init__(self) -> None:
        self.ready_s = 0.0
        self.ended = threading.Event()

    def on_block(self, key: BlockKey, result: BlockResult) -> None: ...

    def on_progress(self, progress: Progress) -> None:
        if progress.total and progress.done == progress.total:
            self.ended.set()

    def on_ready(self, device: str) -> None:  # noqa: ARG002 - the listener's signature
        self.ready_s = time.perf_counter()

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        print(sentence)
        if is_final:
            self.ended.set()
