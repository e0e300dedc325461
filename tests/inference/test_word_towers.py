"""Towers for words apart from those for images, in ONNX: held to transformers, and refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from onnx_networks import Net
from PIL import Image
from test_words import check_rows, rows_of
from word_steps import (
    SETTINGS,
    Towers,
    export_images,
    export_words,
    in_onnx,
    make_towers,
    stained_squares,
    tell_apart,
)

from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_check import try_model
from viewer.inference.runs.running import RunError
from viewer.inference.runs.word_classes import word_vectors

_PHRASES = ["tumor", "image of stroma", "stroma " + "of the colon " * 5 + "image"]


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Towers:
    """Both towers in safetensors, and each in ONNX beside them."""
    towers = make_towers(tmp_path_factory.mktemp("towers"))
    export_images(towers, towers.folder / "images.onnx")
    export_words(towers, towers.folder / "words.onnx")
    export_words(towers, towers.folder / "fixed.onnx", tokens=10)
    return towers


def linked(towers: Towers, folder: Path) -> Path:
    folder.mkdir()
    for file in towers.folder.iterdir():
        os.link(file, folder / file.name)
    (folder / "model.json").unlink()
    return folder


def check_vectors(towers: Towers, folder: Path, scale: float) -> None:
    found = word_vectors(load_bundle(folder), _PHRASES)
    said = towers.tokenizer(
        _PHRASES, padding=True, truncation=True, max_length=10, return_tensors="pt"
    )
    asked = {name: said[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        own = towers.clip.get_text_features(**asked).pooler_output
    np.testing.assert_allclose(
        found.vectors, torch.nn.functional.normalize(own, dim=-1).numpy(), atol=1e-5
    )
    assert found.scale == pytest.approx(scale, rel=1e-5)
    assert found.cut == (_PHRASES[2],)


def test_both_towers_in_onnx_answer_as_transformers(towers: Towers, tmp_path: Path) -> None:
    folder = linked(towers, tmp_path / "m")
    scale = float(towers.clip.logit_scale.detach().exp())
    words = {"weights": "words.onnx", "scale": scale, "most_tokens": 10}
    tell_apart(folder, folder / "words.onnx", words=words, **in_onnx(folder / "images.onnx"))
    check_vectors(towers, folder, scale)
    slide, out = tmp_path / "squares.png", tmp_path / "out.csv"
    Image.fromarray(stained_squares()).save(slide)
    phrases = ["tumor", "stroma of the colon"]
    done = coverslip(
        "run", folder, slide, "--mpp", "0.5", "--device", "cpu", "-o", out,
        *(part for each in phrases for part in ("--words", each)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check_rows(rows_of(out), towers, slide, phrases, scaled=True)
    checked = coverslip("models", "check", folder)
    assert checked.returncode == 0, checked.stderr


def test_a_tower_of_a_fixed_number_of_tokens_beside_safetensors(
    towers: Towers, tmp_path: Path
) -> None:
    folder = linked(towers, tmp_path / "m")
    tell_apart(folder, folder / "fixed.onnx")
    check_vectors(towers, folder, 14.0)


def test_words_in_safetensors_beside_images_in_onnx(towers: Towers, tmp_path: Path) -> None:
    folder = linked(towers, tmp_path / "m")
    about = in_onnx(folder / "images.onnx") | {"settings": SETTINGS}
    tell_apart(folder, folder / "model.safetensors", **about)
    check_vectors(towers, folder, float(towers.clip.logit_scale.detach().exp()))


def test_towers_that_are_none_are_refused(towers: Towers, tmp_path: Path) -> None:
    folder = linked(towers, tmp_path / "m")
    images = Net(("n", 3, 64, 64))
    images.output("y", images.op("Flatten", images.op("GlobalAveragePool", "x")), ("n", 3))
    tell_apart(folder, images.save(folder / "other.onnx"))
    with pytest.raises(RunError, match=r"takes x \(n x 3 x 64 x 64 of float\): export it with the"):
        word_vectors(load_bundle(folder), ["tumor"])
    about = in_onnx(folder / "other.onnx")
    tell_apart(folder, folder / "words.onnx", **about)
    with pytest.raises(RunError, match="vectors of 20 numbers, and the tower for images of 3"):
        word_vectors(load_bundle(folder), ["tumor"])
    done = coverslip("models", "check", folder)
    assert (done.returncode, "two towers of one model" in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    broken = folder / "broken.onnx"
    broken.write_bytes(b"none")
    tell_apart(folder, broken)
    with pytest.raises(BundleError, match=r"broken\.onnx of Towers is no ONNX model"):
        try_model(load_bundle(folder))
    tell_apart(folder, folder / "words.onnx", words={"weights": "words.onnx", "output": "pooled"})
    with pytest.raises(BundleError, match="no output pooled: its outputs are last_hidden_state, t"):
        try_model(load_bundle(folder))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(RunError, match=r"tokenizer\.json of Towers cannot be read"):
        word_vectors(load_bundle(folder), ["tumor"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": {}}, "data has to name tokenizer.json"),
        ({"words": {"weights": "text.pt"}}, r"text\.pt is no tower for words"),
        ({"words": {}, "architecture": "vision-transformer"}, "name its file as weights of words"),
        ({"words": {"weights": "absent.onnx"}}, r"data has to name absent\.onnx"),
    ],
)
def test_a_description_without_a_tower(
    towers: Towers, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    folder = linked(towers, tmp_path / "m")
    tell_apart(folder, folder / "words.onnx", **changes)
    assert json.loads((folder / "model.json").read_text())
    with pytest.raises(BundleError, match=sentence):
        load_bundle(folder)
