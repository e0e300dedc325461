"""Small networks in ONNX, made in no time, which answer in the layouts of laboratories."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

INPUT = "x"


class Net:
    """A graph that grows node by node; each method returns the name of what it gives."""

    def __init__(self, shape: Sequence[int | str] = ("n", 3, "h", "w")) -> None:
        self.shape = list(shape)
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def op(self, kind: str, *inputs: str, **settings: object) -> str:
        name = f"{kind.lower()}{len(self._nodes)}"
        node = helper.make_node(kind, list(inputs), [name])
        node.attribute.extend(helper.make_attribute(*setting) for setting in settings.items())
        self._nodes.append(node)
        return name

    def constant(self, values: object, dtype: type = np.float32) -> str:
        name = f"c{len(self._tensors)}"
        self._tensors.append(numpy_helper.from_array(np.array(values, dtype), name))
        return name

    def mixed(self, channels: ArrayLike, biases: ArrayLike, of: str = INPUT) -> str:
        """Linear combinations of the channels of an image (n, 3, h, w), one an output channel."""
        weights = self.constant(np.array(channels, np.float32)[..., None, None])
        return self.op("Conv", of, weights, self.constant(biases))

    def output(self, name: str, of: str, axes: Sequence[int | str]) -> None:
        self._nodes.append(helper.make_node("Identity", [of], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(axes)))

    def save(self, path: Path) -> Path:
        image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, self.shape)
        graph = helper.make_graph(self._nodes, "g", [image], self._outputs, self._tensors)
        opsets = [helper.make_opsetid("", 17)]
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save_model(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
        return path


def onnx_bundle(folder: Path, net: Net, **about: object) -> Path:
    """A folder with model.json and the network; `about` is what model.json says."""
    weights = net.save(folder / "m.onnx")
    card: dict[str, object] = {
        "name": "Net", "version": "1", "mpp_um": 0.5, "patch_px": 128, "format": "onnx",
        "weights": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "license": "MIT",
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card | about))
    return folder


def classes(*names: str) -> list[dict[str, str]]:
    colors = ("#e69f00", "#56b4e9", "#009e73", "#d55e00")
    return [{"name": name, "color": colors[i % 4]} for i, name in enumerate(names)]
