"""ONNX models as laboratories export them: adapted, or refused by check in one sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from cli_steps import coverslip
from inference_steps import make_bundle
from onnx import TensorProto, helper, numpy_helper

from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_check import try_model
from viewer.inference.models.model_library import add_model
from viewer.inference.process.network import Network

SIDE = 64
WEIGHTS = np.array([[2.0, -1.0], [0.5, 1.0], [-1.0, 3.0]], np.float32)
"""From the means of red, green and blue to two logits."""


def make_onnx(
    folder: Path, kind: int = TensorProto.FLOAT, shape: tuple[int | str, ...] = ("n", 3, "h", "w"),
    *, is_external: bool = False, inputs: int = 1, normalization: object = None,
) -> Path:  # fmt: skip
    """A classifier by the mean color, which tells n images of `shape` and `kind` apart."""
    axes = [1, 2] if shape[-1] == 3 else [2, 3]
    scale = 255.0 if kind == TensorProto.UINT8 else 1.0
    tensors = [
        numpy_helper.from_array(WEIGHTS, "w"),
        numpy_helper.from_array(np.array(scale, np.float32), "scale"),
    ]
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["m"], axes=axes, keepdims=0),
        helper.make_node("Div", ["m", "scale"], ["d"]),
        helper.make_node("MatMul", ["d", "w"], ["y"]),
    ]
    values = [helper.make_tensor_value_info("x", kind, list(shape))]
    values += [helper.make_tensor_value_info(f"x{n}", kind, [1]) for n in range(1, inputs)]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 2])
    graph = helper.make_graph(nodes, "g", values, [output], tensors)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save_model(
        model, folder / "m.onnx", save_as_external_data=is_external, location="m.onnx.data",
        size_threshold=0,
    )  # fmt: skip
    classes = [{"name": name, "color": "#112233"} for name in ("A", "B")]
    about = {
        "task": "classification", "format": "onnx", "weights": "m.onnx", "patch_px": SIDE,
        "margin_px": 0, "classes": classes, "sha256": digest(folder / "m.onnx"),
        "normalization": normalization,
    }  # fmt: skip
    return make_bundle(folder, **about)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def answers(folder: Path, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """What a model says of random pictures, and what numpy says."""
    pictures = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    bundle = load_bundle(folder)
    about = bundle.description.normalization
    told = Network(bundle, torch.device("cpu")).answers(list(pictures))
    means = ((pictures / 255 - np.array(about.mean)) / np.array(about.std)).mean((1, 2))
    return told, means @ WEIGHTS


NORMALIZATION = {"mean": [0.7, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}


@pytest.mark.parametrize(
    ("kind", "shape", "tolerance"),
    [
        (TensorProto.FLOAT, ("n", 3, "h", "w"), 1e-4),
        (TensorProto.FLOAT, (1, 3, SIDE, SIDE), 1e-4),
        (TensorProto.FLOAT, (4, 3, SIDE, SIDE), 1e-4),
        (TensorProto.FLOAT, ("n", SIDE, SIDE, 3), 1e-4),
        (TensorProto.FLOAT, (2, "h", "w", 3), 1e-4),
        (TensorProto.FLOAT16, ("n", 3, SIDE, SIDE), 5e-3),
        (TensorProto.UINT8, ("n", SIDE, SIDE, 3), 1e-3),
        (TensorProto.UINT8, (8, 3, SIDE, SIDE), 1e-3),
    ],
)
def test_what_a_model_asks_for_is_what_it_gets(
    tmp_path: Path, kind: int, shape: tuple[int | str, ...], tolerance: float
) -> None:
    normalization = None if kind == TensorProto.UINT8 else NORMALIZATION
    folder = make_onnx(tmp_path / "m", kind, shape, normalization=normalization)
    told, wanted = answers(folder)
    np.testing.assert_allclose(told, wanted, atol=tolerance)


def test_data_beside_the_weights_is_kept_with_them(tmp_path: Path) -> None:
    folder = make_onnx(tmp_path / "m", is_external=True)
    data = folder / "m.onnx.data"
    about = json.loads((folder / "model.json").read_text())
    told = coverslip("models", "check", folder, folder=tmp_path)
    assert told.returncode == 2
    assert '"data": {"FILE": "SHA-256"}' in told.stderr
    (folder / "model.json").write_text(json.dumps(about | {"data": {data.name: digest(data)}}))
    try_model(load_bundle(folder))
    added = add_model(folder)
    assert (added.folder / data.name).read_bytes() == data.read_bytes()
    told, wanted = answers(added.folder)
    np.testing.assert_allclose(told, wanted, atol=1e-4)
    key = load_bundle(folder).key
    changed = bytearray(data.read_bytes())
    changed[0] ^= 1
    data.write_bytes(changed)
    told = coverslip("models", "check", folder, folder=tmp_path)
    assert "its checksum differs" in told.stderr
    (folder / "model.json").write_text(json.dumps(about | {"data": {data.name: digest(data)}}))
    assert load_bundle(folder).key != key
    (folder / "model.json").write_text(json.dumps(about | {"data": {"../x": digest(data)}}))
    told = coverslip("models", "check", folder, folder=tmp_path)
    assert "plain files in the same folder" in told.stderr


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (partial(make_onnx, kind=TensorProto.INT64), "float32, float16 or uint8"),
        (
            partial(make_onnx, shape=("n", 3, 48, 48)),
            "images of 48 px, and model.json says patch_px 64",
        ),
        (partial(make_onnx, inputs=2), "takes 2 inputs"),
        (
            partial(make_onnx, kind=TensorProto.UINT8, normalization=NORMALIZATION),
            "normalizes them itself",
        ),
    ],
)
def test_what_cannot_be_adapted_is_refused_by_check(
    tmp_path: Path, make: Callable[[Path], Path], complaint: str
) -> None:
    told = coverslip("models", "check", make(tmp_path / "m"), folder=tmp_path)
    assert told.returncode == 2
    assert complaint in told.stderr
    assert told.stderr.count("\n") == 1
