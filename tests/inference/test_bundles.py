"""Models that are not what they say are refused in a sentence, and nothing of them is run."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from inference_steps import Channels, Narrow, Nonsense, Raises, make_bundle
from safetensors.torch import save_file

from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_check import try_model
from viewer.inference.models.model_library import (
    BUNDLED,
    add_model,
    all_models,
    find_model,
    models_folder,
)
from viewer.inference.process.network import ModelFailedError, Network

CPU = torch.device("cpu")


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"task": "fortune"}, "task"),
        ({"mpp_um": 0}, "mpp_um"),
        ({"mpp_um": "half"}, "mpp_um"),
        ({"patch_px": 10}, "patch_px"),
        ({"margin_px": 128}, "margin_px"),
        ({"classes": []}, "classes"),
        ({"classes": [{"name": "a", "colour": "red"}]}, "colour"),
        ({"format": "pickle"}, "format"),
        ({"weights": "../weights.pt"}, "weights"),
        ({"weights": ""}, "weights"),
        ({"sha256": "abc"}, "sha256"),
        ({"normalisation": {"mean": [0, 0, 0], "std": [1, 0, 1]}}, "std"),
        ({"format": "safetensors"}, "architecture"),
        ({"schema_version": 99}, "schema_version"),
        ({"task": "classification", "stride_px": 512}, "stride_px"),
        ({"task": "classification", "stride_px": 255}, "stride_px"),
    ],
)
def test_a_description_that_is_wrong_says_where(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    folder = make_bundle(tmp_path / "m", **changes)
    with pytest.raises(BundleError, match=told) as refused:
        load_bundle(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"model"', "\x00\xff"])
def test_a_description_that_is_no_description(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match=r"model\.json"):
        load_bundle(tmp_path)


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"name": "m", "task": "embedding", "license": "MIT"}')
    with pytest.raises(BundleError) as refused:
        load_bundle(tmp_path)
    names = '"version", "mpp_um", "patch_px", "format", "weights", "sha256"'
    assert f"is invalid: missing {names}; docs" in str(refused.value)


def test_a_folder_without_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no model\.json"):
        load_bundle(tmp_path)


def test_other_weights_than_named_are_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    with (folder / "weights.pt").open("ab") as file:
        file.write(b"more")
    with pytest.raises(BundleError, match="checksum differs"):
        Network(load_bundle(folder), CPU)


def test_missing_weights_are_told(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "weights.pt").unlink()
    with pytest.raises(BundleError, match="copy the whole folder again"):
        Network(load_bundle(folder), CPU)


@pytest.mark.parametrize("how", ["pickle", "torch.save"])
@pytest.mark.parametrize("form", ["torchscript", "safetensors"])
def test_nothing_is_unpickled(tmp_path: Path, how: str, form: str) -> None:
    trace = tmp_path / "was-run"
    folder = make_bundle(tmp_path / "m", architecture="nuclei-unet", format=form)
    weights = folder / "weights.pt"
    if how == "pickle":
        weights.write_bytes(pickle.dumps(Evil(trace)))
    else:
        torch.save({"state": Evil(trace)}, weights)
    about = json.loads((folder / "model.json").read_text())
    about["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(BundleError):
        Network(load_bundle(folder), CPU)
    assert not trace.exists()


def test_an_unknown_architecture_names_the_known(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path, format="safetensors", architecture="hover-net")
    with pytest.raises(BundleError, match="nuclei-unet"):
        Network(load_bundle(folder), CPU)


def test_weights_of_another_shape_do_not_fit(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    save_file({"stem": torch.zeros(3)}, folder / "w.safetensors")
    digest = hashlib.sha256((folder / "w.safetensors").read_bytes()).hexdigest()
    about = json.loads((folder / "model.json").read_text()) | {
        "format": "safetensors",
        "architecture": "nuclei-unet",
        "weights": "w.safetensors",
        "sha256": digest,
    }
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(BundleError, match="do not fit nuclei-unet"):
        Network(load_bundle(folder), CPU)


@pytest.mark.parametrize(
    ("module", "told"),
    [(Raises(), "failed"), (Nonsense(), "not finite"), (Narrow(), "was expected")],
)
def test_a_model_that_does_not_work_is_told(
    tmp_path: Path, module: torch.nn.Module, told: str
) -> None:
    network = Network(load_bundle(make_bundle(tmp_path, module)), CPU)
    with pytest.raises(ModelFailedError, match=told) as failed:
        network.warm_up()
    assert "\n" not in str(failed.value)


def test_pictures_are_normalized_as_the_model_asks(tmp_path: Path) -> None:
    normalization = {"mean": [0.5, 0.25, 0.0], "std": [0.5, 0.25, 1.0]}
    folder = make_bundle(tmp_path, Channels(), normalization=normalization)
    network = Network(load_bundle(folder), CPU)
    picture = np.full((256, 256, 3), (255, 0, 255), np.uint8)
    answers = network.answers([picture, picture])
    assert answers.shape == (2, 3, 256, 256)
    assert answers[1, :, 100, 100] == pytest.approx((1.0, -1.0, 1.0), abs=1e-6)


def test_the_bundled_models_are_sound_and_small() -> None:
    bundled = [bundle for bundle in all_models() if bundle.folder.parent == BUNDLED]
    assert [bundle.description.task for bundle in bundled] == [
        "instances",
        "instances",
        "classification",
        "slide",
        "embedding",
        "classification",
        "attention",
    ]
    for bundle in bundled:
        try_model(bundle)
        assert bundle.weights_path.stat().st_size < 10e6
        assert "not for diagnosis" in bundle.description.about
    assert find_model("nuclei") == find_model("NUCLEI") == bundled[0]


def test_a_model_is_added_by_name_and_version(tmp_path: Path) -> None:
    first = add_model(make_bundle(tmp_path / "a", name="Our / own", version="1.0"))
    add_model(make_bundle(tmp_path / "b", name="Our / own", version="1.0", license="CC0"))
    add_model(make_bundle(tmp_path / "c", name="Our / own", version="2.0"))
    kept = sorted(folder.name for folder in models_folder().iterdir())
    assert kept == ["our-own-1.0", "our-own-2.0"]
    assert load_bundle(first.folder).description.license == "CC0"
    assert find_model("our / own").description.name == "Our / own"


def test_a_model_that_cannot_be_used_is_not_added(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "m", sha256="0" * 64)
    with pytest.raises(BundleError):
        add_model(folder)
    assert not list(models_folder().iterdir())
    with pytest.raises(BundleError, match="known are Nuclei"):
        find_model("nothing of this kind")


def _onnx_bundle(folder: Path) -> Path:
    """A classifier that tells red from green by the mean of a channel."""
    kinds = onnx.TensorProto
    pool = onnx.helper.make_node("GlobalAveragePool", ["x"], ["mean"])
    flat = onnx.helper.make_node("Flatten", ["mean"], ["logits"])
    graph = onnx.helper.make_graph(
        [pool, flat],
        "mean",
        [onnx.helper.make_tensor_value_info("x", kinds.FLOAT, ["n", 3, "h", "w"])],
        [onnx.helper.make_tensor_value_info("logits", kinds.FLOAT, ["n", 3])],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
    folder.mkdir(exist_ok=True)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    colors = ["#ff0000", "#00ff00", "#0000ff"]
    return make_bundle(
        folder,
        task="classification",
        format="onnx",
        weights="m.onnx",
        margin_px=0,
        sha256=hashlib.sha256((folder / "m.onnx").read_bytes()).hexdigest(),
        classes=[{"name": color, "colour": color} for color in colors],
    )


def test_an_onnx_model_answers(tmp_path: Path) -> None:
    network = Network(load_bundle(_onnx_bundle(tmp_path)), CPU)
    picture = np.full((256, 256, 3), (0, 255, 51), np.uint8)
    answers = network.answers([picture, picture])
    assert answers == pytest.approx(np.array([[0, 1, 0.2]] * 2), abs=1e-3)


def test_spoilt_onnx_is_told(tmp_path: Path) -> None:
    folder = _onnx_bundle(tmp_path)
    (folder / "m.onnx").write_bytes(b"nothing")
    about = json.loads((folder / "model.json").read_text())
    about["sha256"] = hashlib.sha256(b"nothing").hexdigest()
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(BundleError, match="no ONNX model"):
        Network(load_bundle(folder), CPU)


@pytest.mark.parametrize("inner", ["", "a folder/"])
def test_a_model_comes_in_a_zip_file(tmp_path: Path, inner: str) -> None:
    folder = make_bundle(tmp_path / "m", name="Zipped")
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, inner + file.name)
        archive.writestr("../../escaped.txt", "no")
    assert add_model(tmp_path / "m.zip").description.name == "Zipped"
    assert [kept.name for kept in models_folder().iterdir()] == ["zipped-1"]
    assert not list(tmp_path.rglob("escaped.txt"))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "holds no model.json"),
        ({"model.json": None}, "lacks a file"),
        (None, "cannot be unpacked"),
    ],
)
def test_a_zip_file_without_model_is_told(
    tmp_path: Path, files: dict[str, None] | None, told: str
) -> None:
    path = tmp_path / "m.zip"
    if files is None:
        path.write_bytes(b"PK\x03\x04 torn")
    else:
        folder = make_bundle(tmp_path / "m")
        with zipfile.ZipFile(path, "w") as archive:
            for name in files:
                archive.write(folder / name, name)
    with pytest.raises(BundleError, match=told):
        add_model(path)
    assert not list(models_folder().iterdir())


def test_both_spellings_of_a_card_are_read(tmp_path: Path) -> None:
    card = json.loads((make_bundle(tmp_path / "m", name="Dark") / "model.json").read_text())
    ours = card | {
        "classes": [{"name": "Dark", "color": "#00aa00"}],
        "normalization": {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
        "license": card.pop("licence"),
    }
    (tmp_path / "m" / "model.json").write_text(json.dumps(ours))
    about = load_bundle(tmp_path / "m").description
    assert about.classes[0].color == "#00aa00"
    assert about.normalization.mean == (0.5, 0.5, 0.5)
    assert about.license == "MIT"
