"""Predictors taught by simulated readers recover their policies: the whole recipe, for minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training import train_where_to_look as recipe
from viewer.attention.simulating import POLICIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_each_policy_is_recovered_on_slides_held_back(
    shared_slide: Callable[[str], Path], tmp_path: Path
) -> None:
    data = shared_slide("tiles").parent
    torch.set_num_threads(1)
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
    assert drill["density"]["NSS"].low > 0
