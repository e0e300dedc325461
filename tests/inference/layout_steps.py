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


def make_wsinfer(folder: Path, module: nn.Module | None = None, /, **changes: object) -> Path:
    """A folder of the WSInfer zoo; `changes` take the place of what config.json would say."""
    folder.mkdir(parents=True)
    example = torch.zeros(1, 3, 224, 224)
    traced = torch.jit.trace(module or MeanColor(), example)
    torch.jit.save(traced, str(folder / "torchscript_model.pt"))
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


class Discs(nn.Module):
    """Stands for an InstanSeg network: what is darker than half of the image's range is an object.

    With cells, each object comes twice: as it is, and grown round it.
    """

    def __init__(self, *, pixel_um: float = 0.5, has_cells: bool = False) -> None:
        super().__init__()
        self.pixel_size = pixel_um
        self.cells_and_nuclei = has_cells

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        dark = (x.mean(1, keepdim=True) < 0.5).float()
        height, width = x.shape[2], x.shape[3]
        numbers = torch.arange(1, height * width + 1, device=x.device).view(1, 1, height, width)
        labels = numbers * dark
        for _ in range(60):
            labels = nn.functional.max_pool2d(labels, 3, 1, 1) * dark
        if not self.cells_and_nuclei:
            return labels
        return torch.cat([labels, nn.functional.max_pool2d(labels, 9, 1, 4)], 1)


RDF = """
name: brightfield_discs
version: 0.1.1
license: Apache-2.0
cite:
- {text: Goldsborough et al., doi: x}
inputs:
- name: raw
  axes: bcyx
  preprocessing:
  - kwargs: {axes: xy, eps: 1.0e-06, max_percentile: 99.9, min_percentile: 0.1, mode: per_sample}
    name: scale_range
  shape:
    min: &id001 [1, 3, 128, 128]
    step: [0, 0, 32, 32]
config:
  qupath:
    axes:
    - {role: x, step: 0.5, unit: um}
    - {role: y, step: 0.5, unit: um}
weights:
  torchscript: {source: instanseg.pt}
"""


def make_instanseg(folder: Path, module: nn.Module | None = None, rdf: str | None = RDF) -> Path:
    """A folder as InstanSeg exports it."""
    folder.mkdir(parents=True)
    torch.jit.script(module or Discs()).save(str(folder / "instanseg.pt"))
    if rdf is not None:
        (folder / "rdf.yaml").write_text(rdf)
    return folder
