"""Models of the WSInfer zoo run as WSInfer runs them, or are refused in a sentence."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from layout_steps import NORMS, TRANSFORM, MeanColor, make_wsinfer
from PIL import Image
from torch import nn

from viewer.geometry import Box
from viewer.inference.layouts.known import is_model, layout_of
from viewer.inference.layouts.wsinfer import described
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_library import add_model, find_model
from viewer.slides import open_slide
from viewer.slides.region import read_region

TENSOR = TRANSFORM[1]
MPP_UM = 0.499  # of the sample slide


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def as_wsinfer(image: Image.Image) -> np.ndarray:
    """Probabilities of a patch of level 0 by the steps of WSInfer, without its libraries."""
    patch = image.resize((350, 350)).resize((224, 224), Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(patch)).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(NORMS[each]).view(1, 3, 1, 1) for each in ("mean", "std"))
    with torch.inference_mode():
        return torch.softmax(MeanColor()((values - mean) / std), 1)[0].numpy()


def test_a_zoo_folder_runs_as_wsinfer_runs_it(sample_slide: Path, tmp_path: Path) -> None:
    folder = make_wsinfer(tmp_path / "tumor.tcga")
    side = 350 * 0.25 / MPP_UM
    region = f"{8 * side},{8 * side},{4 * side - 1},{4 * side - 1}"
    run = coverslip(
        "run", str(folder), str(sample_slide), "--region", region, "-o", "t.csv", folder=tmp_path
    )
    assert run.returncode == 0, run.stderr
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert len(rows) == 16
    source = open_slide(sample_slide)
    for row in rows[:6]:
        assert float(row["Side px"]) == pytest.approx(side, abs=0.01)
        x, y = round(float(row["X px"])), round(float(row["Y px"]))
        patch = read_region(source, Box(x, y, x + 175, y + 175), 175, 175)
        wanted = as_wsinfer(Image.fromarray(patch))
        assert [float(row["Other"]), float(row["Tumor"])] == pytest.approx(wanted, abs=0.02)
    source.close()


def test_it_is_added_with_its_card_and_runs_by_name(tmp_path: Path) -> None:
    bundle = add_model(make_wsinfer(tmp_path / "tumor.tcga"))
    assert bundle.description.license == "bsd-3-clause"
    assert (bundle.folder / "README.md").is_file()
    assert find_model("tumor.tcga").key == described(tmp_path / "tumor.tcga").key
    about = load_bundle(bundle.folder).description
    assert (about.mpp_um, about.patch_px, about.input.resize_px) == (0.25, 350, 224)
    assert [each.name for each in about.classes] == ["Other", "Tumor"]
    assert about.head == "softmax"


@pytest.mark.parametrize(
    ("name", "text", "license_"),
    [
        ("LICENSE", "\nMIT License\n\nCopyright", "MIT License"),
        ("CITATION.cff", "cff-version: 1.2.0\nlicense: Apache-2.0\n", "Apache-2.0"),
        ("NOTICE", "Some words", "unknown"),
    ],
)
def test_its_license_is_the_one_that_a_file_states(
    tmp_path: Path, name: str, text: str, license_: str
) -> None:
    folder = make_wsinfer(tmp_path / "m")
    (folder / "README.md").write_text("# No head")
    (folder / name).write_text(text)
    assert described(folder).description.license == license_


def test_a_zip_file_of_it_is_added(tmp_path: Path) -> None:
    make_wsinfer(tmp_path / "in" / "tumor")
    packed = shutil.make_archive(str(tmp_path / "lung-tumor"), "zip", tmp_path / "in")
    assert add_model(Path(packed)).name == "tumor"


def test_one_class_is_a_logit(tmp_path: Path) -> None:
    folder = make_wsinfer(tmp_path / "m", MeanColor(1), num_classes=1, class_names=["Tumor"])
    assert add_model(folder).description.head == "logit"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_classes": 3}, "num_classes 3 and names 2 classes"),
        ({"class_names": ["A", "A"]}, "names a class twice"),
        ({"spacing_um_px": None}, "spacing_um_px"),
        ({"spacing_um_px": 0}, "spacing_um_px"),
        ({"patch_size_pixels": None}, "patch_size_pixels"),
        ({"transform": None}, "transform"),
        ({"transform": [{"name": "Scale"}]}, "asks for the transform Scale"),
        ({"transform": TRANSFORM[::-1]}, "in this order"),
        ({"transform": [TRANSFORM[0], TRANSFORM[2]]}, "ToTensor is needed"),
        ({"transform": TRANSFORM * 2}, "each once"),
        ({"transform": [{"name": "Resize", "arguments": {}}, TRANSFORM[1]]}, "size None"),
        (
            {"transform": [{"name": "Resize", "arguments": {"size": [224, 299]}}, TRANSFORM[1]]},
            r"size \[224, 299\]",
        ),
        (
            {"transform": [{"name": "Resize", "arguments": {"size": 9, "max_size": 9}}, TENSOR]},
            "the argument max_size",
        ),
        (
            {"transform": [TRANSFORM[1], {"name": "Normalize", "arguments": {"mean": [0.5] * 3}}]},
            "says std None",
        ),
        (
            {"transform": [TENSOR, {"name": "Normalize", "arguments": {"mean": 123, "std": 58}}]},
            "divide those of 0 to 255",
        ),
        ({"spec_version": "2.0"}, "only 1.0 is known"),
    ],
)  # fmt: skip
def test_what_is_missing_or_unknown_is_told(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    folder = make_wsinfer(tmp_path / "m", **changes)
    with pytest.raises(BundleError, match=told) as refused:
        add_model(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_classes_that_the_network_does_not_have_are_told_at_add(tmp_path: Path) -> None:
    folder = make_wsinfer(tmp_path / "m", MeanColor(5))
    added = coverslip("models", "add", str(folder), folder=tmp_path)
    assert added.returncode == 2
    assert added.stderr.strip() == "The model m answered with (2, 5) where (2, 2) was expected."
    assert coverslip("models", "check", str(folder), folder=tmp_path).returncode == 2


def test_a_network_that_answers_with_probabilities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="answers with probabilities already"):
        add_model(make_wsinfer(tmp_path / "m", nn.Sequential(MeanColor(), nn.Softmax(1))))


@pytest.mark.parametrize("missing", ["torchscript_model.pt", "config.json"])
def test_a_folder_that_lacks_a_file_says_which(tmp_path: Path, missing: str) -> None:
    folder = make_wsinfer(tmp_path / "m")
    (folder / missing).unlink()
    assert is_model(folder)
    with pytest.raises(BundleError, match=missing):
        add_model(folder)


def test_another_config_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    assert layout_of(tmp_path) is None
    assert layout_of(tmp_path / "config.json") is None
