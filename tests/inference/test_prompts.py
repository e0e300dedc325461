"""What is pointed at is outlined: by color on real nuclei, and by a promptable model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from inference_steps import make_bundle
from torch import nn

from viewer.geometry import Box, Point
from viewer.inference.click_mask import click_mask
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_check import try_model
from viewer.inference.process.network import ModelFailedError
from viewer.inference.process.prompt_model import PromptModel
from viewer.inference.runs.prompter import Prompter, PrompterError, is_cut_off
from viewer.inference.runs.running import RunError, run_model
from viewer.overlays.prompt import Prompt

NUCLEI = Path(__file__).parents[2] / "../shared/data/nuclei/bbbc038-brightfield-train.npz"
FIELD = Box(1000, 1000, 1400, 1400)


class Disk(nn.Module):
    """A disk round the first point; the second mask, of which it is surer, is larger."""

    def forward(
        self, x: torch.Tensor, points: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.arange(x.shape[2])[:, None]
        columns = torch.arange(x.shape[3])[None]
        assert labels[0, 0] == 1
        apart = torch.hypot(columns - points[0, 0, 0], rows - points[0, 0, 1])
        return torch.stack([20 - apart, 40 - apart])[None], torch.tensor([[0.1, 0.9]])


class HalfBlind(nn.Module):
    """As Disk, without a number on the left; without any where the picture is flat."""

    def forward(self, x: torch.Tensor, points: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(x.shape[2])[:, None]
        columns = torch.arange(x.shape[3])[None]
        apart = torch.hypot(columns - points[0, 0, 0], rows - points[0, 0, 1])
        mask = torch.where(columns < points[0, 0, 0], apart * float("nan"), 20 - apart)
        return (mask if x.std() > 0.01 else mask * float("nan"))[None, None] + 0 * labels.sum()


class Small(nn.Module):
    def forward(self, x: torch.Tensor, points: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return x[:, :, :2, :2] + points.sum() + labels.sum()


def _discs(*discs: tuple[int, int, int]) -> np.ndarray:
    """A pink picture with violet discs (x, y, radius)."""
    rng = np.random.default_rng(0)
    picture = rng.normal((225, 180, 205), 6, (200, 200, 3))
    rows, columns = np.mgrid[:200, :200]
    for x, y, radius in discs:
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        picture[inside] = rng.normal((110, 70, 150), 6, (int(inside.sum()), 3))
    return picture.clip(0, 255).astype(np.uint8)


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def _disc(x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:200, :200]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def test_a_click_takes_the_disc_that_it_is_on_and_no_other() -> None:
    picture = _discs((60, 60, 20), (120, 60, 20), (60, 150, 15))
    assert _iou(click_mask(picture, [(58, 63, 1)]), _disc(60, 60, 20)) > 0.85


def test_things_that_touch_are_cut_apart_and_joined_by_a_second_click() -> None:
    picture = _discs((70, 100, 22), (106, 100, 22))
    one = click_mask(picture, [(66, 100, 1)])
    assert not one[100, 115]
    both = click_mask(picture, [(66, 100, 1), (112, 100, 1)])
    assert _iou(both, _disc(70, 100, 22) | _disc(106, 100, 22)) > 0.85


def test_what_is_left_out_is_left_out() -> None:
    picture = _discs((100, 100, 60))
    picture[:, 100:] = (picture[:, 100:] * 0.85).astype(np.uint8)
    mask = click_mask(picture, [(70, 100, 1), (130, 100, 0)])
    assert mask[100, 60]
    assert not mask[100, 130]


def test_nothing_is_outlined_where_no_edge_is_clear() -> None:
    """Neither a slope of color nor grain has an edge: any outline would be an accident."""
    slope = np.linspace(120, 220, 200).astype(np.uint8)
    smooth = np.stack([np.broadcast_to(slope, (200, 200))] * 3, axis=-1)
    grain = np.random.default_rng(0).integers(150, 230, (200, 200, 3), np.uint8)
    for picture in (np.ascontiguousarray(smooth), grain):
        assert not click_mask(picture, [(100, 100, 1)]).any()


def test_a_box_takes_what_is_in_it() -> None:
    picture = _discs((60, 60, 20), (140, 140, 30))
    mask = click_mask(picture, [(100, 100, 2), (180, 180, 3)])
    assert _iou(mask, _disc(140, 140, 30)) > 0.85


@pytest.mark.skipif(not NUCLEI.exists(), reason="the nuclei data is not here")
def test_real_nuclei_are_outlined_by_a_click() -> None:
    held = np.load(NUCLEI, allow_pickle=False)
    scores: list[float] = []
    for picture, instances in zip(held["images"][:20], held["instances"][:20], strict=True):
        numbers, counts = np.unique(instances[instances > 0], return_counts=True)
        for number in numbers[counts > 100][:5].tolist():
            rows, columns = np.nonzero(instances == number)
            mask = click_mask(picture, [(columns.mean(), rows.mean(), 1)])
            scores.append(_iou(mask, instances == number))
    given = [score for score in scores if score > 0]
    assert len(given) > 0.65 * len(scores) > 45
    assert np.median(given) > 0.65


def test_outlines_come_back_in_level_0_pixels_from_a_process() -> None:
    prompter = Prompter()
    picture = _discs((60, 60, 20), (140, 140, 30))
    prompt = Prompt(inside=(Point(1280, 1280),))
    try:
        rings = prompter.outline(picture, FIELD, prompt)
        outline = shapely.Polygon(rings[0])
        assert len(rings) == 1
        assert outline.centroid.distance(shapely.Point(1280, 1280)) < 4
        assert outline.area == pytest.approx(np.pi * 60**2, rel=0.1)
        process = prompter._held.process
        assert process is not None
        process.kill()
        with pytest.raises(PrompterError, match="point again"):
            prompter.outline(picture, FIELD, prompt)
        assert prompter.outline(picture, FIELD, prompt)
    finally:
        prompter.close()
    with pytest.raises(PrompterError, match="closing"):
        prompter.outline(picture, FIELD, prompt)


def test_a_promptable_model_is_asked_with_points_in_pixels(tmp_path: Path) -> None:
    told = {"task": "prompt", "classes": [], "patch_px": 200, "margin_px": 0}
    disk = load_bundle(make_bundle(tmp_path / "d", Disk(), **told))
    small = load_bundle(make_bundle(tmp_path / "s", Small(), **told))
    try_model(disk)
    with pytest.raises(ModelFailedError, match="were expected"):
        try_model(small)
    prompter, prompt = Prompter(), Prompt(inside=(Point(1200, 1100),))
    picture = _discs()
    try:
        (ring,) = prompter.outline(picture, FIELD, prompt, disk)
        assert shapely.Polygon(ring).area == pytest.approx(np.pi * 80**2, rel=0.05)
        assert shapely.Polygon(ring).centroid.distance(shapely.Point(1200, 1100)) < 3
        with pytest.raises(PrompterError, match="were expected"):
            prompter.outline(picture, FIELD, prompt, small)
        assert prompter.outline(picture, FIELD, prompt, disk)
    finally:
        prompter.close()


def test_a_promptable_model_is_not_run_over_a_slide(sample_slide: Path, tmp_path: Path) -> None:
    told = {"task": "prompt", "classes": [], "patch_px": 200, "margin_px": 0}
    model = load_bundle(make_bundle(tmp_path / "d", Disk(), **told))
    with pytest.raises(RunError, match="outlines what is clicked: it runs in the window alone"):
        run_model(sample_slide, model, FIELD)


def test_a_prompt_is_shown_with_what_lies_round_it() -> None:
    assert Prompt(inside=(Point(50, 60),)).field(100, 2.0) == Box(-50, -40, 150, 160)
    wide = Prompt(box=Box(0, 0, 1000, 100)).field(100, 2.0)
    assert wide.width == wide.height == 1600
    told = Prompt(inside=(Point(50, 60),), outside=(Point(0, 0),), box=Box(0, 0, 10, 20))
    pixels = told.in_pixels(Box(0, 0, 100, 100), 200)
    assert pixels == [(100, 120, 1), (0, 0, 0), (0, 0, 2), (20, 40, 3)]
    assert told.without_last().outside == ()
    assert Prompt(inside=(Point(1, 1),)).without_last().is_empty


def test_pixels_without_a_number_are_outside_and_noise_is_what_a_model_is_tried_with(
    tmp_path: Path,
) -> None:
    told = {"task": "prompt", "classes": [], "patch_px": 200, "margin_px": 0}
    model = PromptModel(load_bundle(make_bundle(tmp_path / "m", HalfBlind(), **told)))
    model.warm_up()  # on noise: a flat picture it could not answer
    picture = _discs((100, 100, 30))
    mask = model.mask(picture, [(100, 100, 1)])
    rows, columns = np.mgrid[:200, :200]
    wanted = (np.hypot(rows - 100, columns - 100) < 20) & (columns >= 100)
    np.testing.assert_array_equal(mask, wanted)
    flat = np.full_like(picture, 200)
    with pytest.raises(ModelFailedError, match="not finite"):
        model.mask(flat, [(100, 100, 1)])


def test_a_region_with_the_straight_sides_of_its_field_is_cut_off() -> None:
    field = Box(100, 100, 612, 612)
    whole = [Point(200, 200), Point(400, 220), Point(300, 500)]
    touching = [Point(100, 300), Point(400, 220), Point(300, 500)]
    cut = [Point(100, 100), Point(612, 100), Point(612, 612), Point(400, 400)]
    assert not is_cut_off([], field)
    assert not is_cut_off([whole], field)
    assert not is_cut_off([touching], field)
    assert is_cut_off([cut], field)
    assert is_cut_off([whole, cut], field)
