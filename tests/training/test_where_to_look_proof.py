"""Predictors taught by simulated readers recover their policies; the recipe at a smaller size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training import train_where_to_look as recipe
from viewer.agents.behaviour.fitting import TrainingOptions
from viewer.agents.behaviour.simulating import POLICIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_each_policy_is_recovered_on_slides_held_back(
    shared_slide: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shared_slide("tiles").parent
    torch.set_num_threads(1)
    for name, value in {"TAUGHT": 8, "HELD_BACK": 4, "ROWS": 2, "COLUMNS": 3}.items():
        monkeypatch.setattr(recipe, name, value)
    monkeypatch.setattr(recipe, "OPTIONS", TrainingOptions(seed=1, variants=2, epochs=80))
    recipe.make_slides(data / "tiles", tmp_path)
    for policy in POLICIES:
        recipe.read_slides(tmp_path, policy)
    told = {
        (taught, policy): recipe.measure(recipe.train(tmp_path, taught), tmp_path, policy)
        for taught in POLICIES
        for policy in POLICIES
    }
    for policy in POLICIES:
        fits = {
            taught: told[taught, policy].figures["predictor"]["KL bands"].mean
            for taught in POLICIES
        }
        assert min(fits, key=lambda taught: fits[taught]) == policy, fits
        for baseline, ahead in told[policy, policy].ahead.items():
            assert ahead["KL bands"].low > 0, (policy, baseline)
    drill = told["drill", "drill"].ahead
    for baseline in ("centre", "tissue", "random"):
        for measure in ("NSS", "AUC-Judd", "CC", "KL"):
            assert drill[baseline][measure].low > 0, (baseline, measure, drill[baseline][measure])
    assert drill["density"]["KL"].low > 0
