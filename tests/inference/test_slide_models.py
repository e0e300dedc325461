"""Models that judge a whole slide by the vectors of its fields."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from inference_steps import make_bundle
from safetensors.torch import save_file
from torch import nn

from viewer.geometry import Box, Size
from viewer.inference.architectures.slide_models import SLIDE_ARCHITECTURES
from viewer.inference.models.bundle import BundleError, file_sha256, load_bundle
from viewer.inference.models.model_library import BUNDLED, all_models
from viewer.inference.process.network import ModelFailedError
from viewer.inference.process.slide_explaining import explained_slide
from viewer.inference.process.slide_head import SlideHead
from viewer.inference.runs.explaining_slides import explain_slide
from viewer.inference.runs.running import RunError, run_model
from viewer.inference.runs.slide_inference import JudgingError, engine_model, predict_slide
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.heatmap import HeatmapStyle, attention_heatmap
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import PatchFeatures

ENCODER = {"name": "Any", "sha256": "0" * 64, "length": 6}
GRID = BlockGrid(Size(800, 800), 1.0, 100, 0)
TWO = [{"name": "A", "colour": "#111111"}, {"name": "B", "colour": "#222222"}]


class FirstNumber(nn.Module):
    """Looks where the first number of a vector is large, and counts it for the second class."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = x[:, 0].max()
        return torch.stack([torch.zeros_like(seen), seen]), x[None, :, 0]


class WithoutGradients(FirstNumber):
    """As FirstNumber, but its gradients are cut."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = x.detach()[:, 0].max()
        return torch.stack([torch.zeros_like(seen), seen]), x[None, :, 0]


class Hazy(nn.Module):
    """As FirstNumber, but has no number for vectors whose second number is large, nor with them."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        attention = torch.where(x[:, 1] > 5, x[:, 0] * float("nan"), x[:, 0])
        seen = torch.softmax(attention, 0) @ x[:, 0]
        return torch.stack([torch.zeros_like(seen), seen]), attention[None]


class Blank(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x[0, :2] * float("nan"), x[None, :, 0] * float("nan")


class Narrow(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x[0, :1], x[None, :, 0]


def _slide_bundle(folder: Path, module: nn.Module, **changes: object) -> Path:
    told = {"task": "slide", "encoder": ENCODER, "classes": TWO, "margin_px": 0} | changes
    return make_bundle(folder, module, **told)


def _embedded() -> PatchFeatureMap:
    found = PatchFeatureMap(GRID, 0.5)
    values = np.zeros((4, 4, 6), np.float16)
    values[1, 2, 0] = 3
    values[3, 3] = np.nan
    found.add(BlockKey(1, 1), PatchFeatures(values))
    return found


@pytest.mark.parametrize(
    ("name", "parameters", "heads"),
    # Counted from the published code: AMLab's gated attention over a layer of 512, CLAM's size
    # "small", RRT-MIL's defaults (the 2.70 M of its paper's table).
    [
        ("abmil", 657_283, 1),
        ("clam-sb", 790_791, 1),
        ("clam-mb", 791_048, 2),
        ("r2t-mil", 2_697_474, 1),
    ],
)
def test_architectures_have_the_published_sizes(name: str, parameters: int, heads: int) -> None:
    model = SLIDE_ARCHITECTURES[name](1024, 2).eval()
    assert sum(each.numel() for each in model.parameters()) == parameters
    for count in (1, 5, 137):
        logits, attention = model(torch.randn(count, 1024))
        assert (logits.shape, attention.shape) == ((2,), (heads, count))
        assert torch.isfinite(logits).all()


def test_a_patch_counts_for_as_much_as_its_attention() -> None:
    model = SLIDE_ARCHITECTURES["abmil"](6, 2).eval()
    x = torch.randn(9, 6)
    logits, attention = model(x)
    doubled, _ = model(torch.cat([x, x]))
    torch.testing.assert_close(doubled, logits)
    shuffled, other = model(x.flip(0))
    torch.testing.assert_close(shuffled, logits)
    torch.testing.assert_close(other.flip(1), attention)


def test_r2t_tells_patches_apart_by_their_neighbors() -> None:
    torch.manual_seed(0)
    model = SLIDE_ARCHITECTURES["r2t-mil"](6, 2).eval()
    x = torch.randn(300, 6)
    changed = x.clone()
    changed[1] += 3
    one, other = model(x)[1][0], model(changed)[1][0]
    assert not torch.allclose(one[0], other[0])  # of the same region


def test_a_slide_is_judged_in_a_process_of_its_own(tmp_path: Path) -> None:
    bundle = load_bundle(_slide_bundle(tmp_path / "m", FirstNumber()))
    judged = predict_slide(bundle, _embedded())
    assert judged.likeliest == 1
    assert judged.chances[1] == pytest.approx(1 / (1 + np.exp(-3)))
    assert judged.count == 15
    assert np.isnan(judged.attention[0, 7, 7])
    assert np.nanargmax(judged.attention[0]) == 5 * 32 + 6
    heat = attention_heatmap(judged, HeatmapStyle(as_percentiles=True))
    assert heat.best[0] == (5, 6)


def test_cells_without_an_answer_are_holes_and_the_slide_is_judged_without_them(
    tmp_path: Path,
) -> None:
    bundle, found = load_bundle(_slide_bundle(tmp_path / "m", Hazy())), _embedded()
    found.values[5, 7, 1] = found.values[6, 6, 1] = 9
    judged = predict_slide(bundle, found)
    assert judged.count == 13
    np.testing.assert_array_equal(np.argwhere(found.unanswered.mask), [[5, 7], [6, 6]])
    assert np.isnan(judged.attention[0, [5, 6], [7, 6]]).all()
    # 12 cells of 0 and one of 3: the softmax of the attention, by hand.
    seen = 3 * np.exp(3) / (np.exp(3) + 12)
    assert judged.chances[1] == pytest.approx(1 / (1 + np.exp(-seen)), abs=1e-4)


def test_a_slide_model_without_any_number_is_refused(tmp_path: Path) -> None:
    blank = load_bundle(_slide_bundle(tmp_path / "m", Blank()))
    with pytest.raises(ModelFailedError, match="not finite"):
        SlideHead(blank).warm_up()
    with pytest.raises(JudgingError, match="no finite numbers"):
        predict_slide(blank, _embedded())


def test_what_speaks_for_a_class_is_found_with_and_without_gradients(tmp_path: Path) -> None:
    for name, module, method in (
        ("g", FirstNumber(), "gradient"), ("o", WithoutGradients(), "occlusion"),
    ):  # fmt: skip
        bundle = load_bundle(_slide_bundle(tmp_path / name, module))
        found = explain_slide(bundle, _embedded(), "B")
        assert (found.name, found.method) == ("B", method)
        values = np.nan_to_num(found.by_class.values, nan=-1)
        rows, columns = np.unravel_index(values.argmax(), values.shape)
        assert (int(rows), int(columns)) == (5, 6)
        assert found.by_class.is_faithful
        (head,) = found.heads
        assert head.is_faithful
        assert np.nansum(head.values) == pytest.approx(1, abs=1e-5)
        assert "of the score is left on average; in random order, " in found.sentence
        assert found.sentence.endswith(": the map shows what the model relies on.")
        assert "TorchScript does not give the attention of its layers" in found.note
    with pytest.raises(RunError, match='no class "C"; it has A, B'):
        explain_slide(bundle, _embedded(), "C")
    blank = load_bundle(_slide_bundle(tmp_path / "b", Blank()))
    with pytest.raises(RunError, match="no finite number"):
        explain_slide(blank, _embedded())


def test_attention_is_rolled_out_through_the_layers_of_r2t(tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = _slide_bundle(tmp_path / "m", FirstNumber())
    save_file(SLIDE_ARCHITECTURES["r2t-mil"](6, 2).state_dict(), folder / "r.safetensors")
    about = json.loads((folder / "model.json").read_text()) | {
        "format": "safetensors", "architecture": "r2t-mil", "weights": "r.safetensors",
        "sha256": file_sha256(folder / "r.safetensors"),
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(about))
    found = explain_slide(load_bundle(folder), _embedded(), "B")
    heads = [f"head {number}" for number in range(1, 9)]
    assert [each.name for each in found.heads] == ["attention", "attention roll-out", *heads]
    assert found.note == ""
    for each in found.ways[1:]:
        assert np.nansum(each.values) == pytest.approx(1, abs=1e-4)
        assert each.deletion > 0
        assert ("no better than chance" in each.sentence) is not each.is_faithful
        is_named = found.sentence.partition("The maps of these")[2].count(each.name)
        assert is_named or each.is_faithful or each.name.startswith("head ")
    vectors, head = np.eye(9, 6, dtype=np.float32), SlideHead(load_bundle(folder))
    many = explained_slide(head, vectors, 0, lambda: None, most_for_heads=8)
    assert (len(many.rolled_deletion), len(many.rolled)) == (1, 4 * 9)


def test_only_the_cells_that_were_asked_for_are_judged(tmp_path: Path) -> None:
    bundle, found = load_bundle(_slide_bundle(tmp_path / "m", FirstNumber())), _embedded()
    judged = predict_slide(bundle, found, found.cells_in(Box(100, 100, 150, 200)))
    assert (judged.count, judged.likeliest) == (8, 0)
    with pytest.raises(JudgingError, match="no tissue"):
        predict_slide(bundle, found, found.cells_in(Box(0, 0, 10, 10)))


def test_wrong_answers_and_weights_are_told_in_a_sentence(tmp_path: Path) -> None:
    narrow = load_bundle(_slide_bundle(tmp_path / "n", Narrow()))
    with pytest.raises(JudgingError, match="answered with"):
        predict_slide(narrow, _embedded())
    with pytest.raises(ModelFailedError):
        SlideHead(narrow).warm_up()
    with pytest.raises(BundleError, match="encoder"):
        load_bundle(_slide_bundle(tmp_path / "e", FirstNumber(), encoder=None))
    other = _slide_bundle(
        tmp_path / "s", FirstNumber(), format="safetensors", architecture="abmil",
        weights="w.safetensors", settings={"depth": 3},
    )  # fmt: skip
    save_file({"x": torch.zeros(1)}, other / "w.safetensors")
    with pytest.raises(BundleError):
        SlideHead(load_bundle(other))


def test_the_encoder_is_found_by_its_weights(tmp_path: Path) -> None:
    bundle = load_bundle(_slide_bundle(tmp_path / "m", FirstNumber()))
    with pytest.raises(BundleError, match="add that model first"):
        engine_model(bundle, all_models())
    shipped = load_bundle(BUNDLED / "osteosarcoma")
    assert engine_model(shipped, all_models()).description.name == "Tissue likeness"


def test_the_shipped_slide_model_judges_a_field_of_the_sample(
    sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))
    run = run_model(sample_slide, load_bundle(BUNDLED / "osteosarcoma"), Box(900, 900, 1500, 1500))
    assert run.judged is not None
    assert run.judged.chances.sum() == pytest.approx(1, abs=1e-3)
    assert run.judged.count > 20
