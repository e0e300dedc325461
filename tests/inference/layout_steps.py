"""Small networks exported as other programs keep them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

NORMS = {"mean": [0.7238, 0.5716, 0.6779], "std": [0.112, 0.1459, 0.1089]}
TRANSFORM = [
    {"name": "Resize", "arguments": {"size": 224}},
    {"name": "ToTensor"},
    {"name": "Normalize", "arguments": NORMS},
]


class MeanColor(nn.Module):
    """Logits of classes by the mean color."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(3, classes)
        with torch.no_grad():
            self.linear.weight.copy_(torch.arange(3.0 * classes).view(classes, 3).cos())
            self.linear.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.mean([2, 3]))


def make_wsinfer(folder: Path, module: nn.Module | None = None, **changes: object) -> Path:
    """A folder of the WSInfer zoo; `changes` take the place of what config.json would say."""
    folder.mkdir(parents=True)
    example = torch.zeros(1, 3, 224, 224)
    torch.jit.trace(module or MeanColor(), example).save(str(folder / "torchscript_model.pt"))
    config = {
        "spec_version": "1.0",
        "architecture": "resnet34",
        "num_classes": 2,
        "class_names": ["Other", "Tumor"],
        "patch_size_pixels": 350,
        "spacing_um_px": 0.25,
        "transform": TRANSFORM,
    } | changes
    kept = {name: value for name, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    (folder / "README.md").write_text("---\nlicense: bsd-3-clause\n---\n# Tumor\n")
    return folder
