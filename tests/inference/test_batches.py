"""A device with little memory is fed less at a time, and one with too little says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from inference_steps import Roomless, make_bundle

from viewer.geometry import Box
from viewer.inference.models.bundle import ModelBundle, load_bundle
from viewer.inference.process.batches import Batches
from viewer.inference.process.network import ModelFailedError, Network
from viewer.inference.runs.running import RunError, run_model
from viewer.overlays.patch_feature_map import PatchFeatureMap

FIELD = Box(900, 900, 1300, 1300)


def _bright(folder: Path, most: int) -> ModelBundle:
    classes = [{"name": name, "colour": "#00aa00"} for name in ("Bright", "Dark")]
    about = {"task": "classification", "patch_px": 64, "margin_px": 0, "classes": classes}
    return load_bundle(make_bundle(folder, Roomless(most), name=f"Bright {most}", **about))


def test_pictures_are_halved_until_they_fit_and_keep_their_order(tmp_path: Path) -> None:
    pictures = [np.full((64, 64, 3), 10 * value, np.uint8) for value in range(11)]
    batches = Batches(Network(_bright(tmp_path, 3), torch.device("cpu")))
    answers = batches.answers(pictures)
    assert batches.most == 2
    assert answers[:, 0] == pytest.approx(np.arange(11) * 10 / 255, abs=1e-5)
    assert batches.answers(pictures[:1]).shape == (1, 2)


def test_a_device_without_room_for_one_picture_is_told(tmp_path: Path) -> None:
    network = Network(_bright(tmp_path, 0), torch.device("cpu"))
    with pytest.raises(ModelFailedError, match="too little memory for a single field"):
        Batches(network).answers([np.zeros((64, 64, 3), np.uint8)] * 4)


def test_a_slide_is_finished_on_a_device_with_little_memory(
    sample_slide: Path, tmp_path: Path
) -> None:
    wide, narrow = (
        run_model(sample_slide, _bright(tmp_path / str(most), most), FIELD).found
        for most in (1000, 5)
    )
    assert isinstance(wide, PatchFeatureMap)
    assert isinstance(narrow, PatchFeatureMap)
    assert wide.count == narrow.count > 30
    np.testing.assert_allclose(wide.values, narrow.values, atol=1e-3)


def test_a_run_on_a_device_with_no_room_ends_with_a_sentence(
    sample_slide: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="too little memory"):
        run_model(sample_slide, _bright(tmp_path, 0), FIELD)
