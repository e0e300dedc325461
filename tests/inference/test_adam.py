"""Our AdamW moves weights as torch's does, and goes on where either was."""

from __future__ import annotations

import copy

import torch
from torch import nn

from viewer.inference.adam import AdamW

RATE, DECAY = 3e-2, 0.05


def lesson(module: nn.Module) -> None:
    """Give the parameters gradients."""
    x = torch.linspace(-1, 1, 30).reshape(10, 3)
    module(x).sub(x.sum(1, keepdim=True).sin()).square().mean().backward()


def test_its_steps_are_those_of_torch_also_from_its_checkpoint() -> None:
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    ours, later = copy.deepcopy(theirs), copy.deepcopy(theirs)
    judge = torch.optim.AdamW(theirs.parameters(), RATE, weight_decay=DECAY)
    optimizer, second = (AdamW(each.parameters(), decay=DECAY) for each in (ours, later))
    for step in range(40):
        if step == 20:  # a checkpoint that was written with torch's
            kept = judge.state_dict()["state"]
            state = {f"{i}.{name}": v.clone() for i, s in kept.items() for name, v in s.items()}
            assert state.keys() == optimizer.state().keys()
            later.load_state_dict(theirs.state_dict())
            second.take_up(state)
        lesson(theirs)
        judge.step()
        judge.zero_grad()
        lesson(ours)
        optimizer.step(RATE)
        if step >= 20:
            lesson(later)
            second.step(RATE)
    for their, our, late in zip(
        theirs.parameters(), ours.parameters(), later.parameters(), strict=True
    ):
        torch.testing.assert_close(our, their, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(late, their, rtol=1e-5, atol=1e-6)
