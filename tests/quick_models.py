"""The bundled models, of which that of nuclei is quick: for tests of what is done with nuclei.

What takes the place of its network finds what is dark. The network itself is what
`tests/inference/test_nuclei_model.py` and `make slow` test.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch
from torch import nn

from viewer.inference.models.model_library import BUNDLED

if TYPE_CHECKING:
    from pathlib import Path


class _DarkInRed(nn.Module):
    """Takes what is dark in red for a nucleus."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        dark = (0.55 - x[:, :1]) * 20
        smooth = nn.functional.avg_pool2d(dark, 7, 1, 3)
        return torch.cat([smooth, smooth * 0 - 5, smooth], 1)


def make_quick_models(folder: Path) -> None:
    """Fill a folder with the bundled models, with another network in that of nuclei."""
    for bundle in BUNDLED.iterdir():
        if bundle.name != "nuclei":
            (folder / bundle.name).symlink_to(bundle)
    nuclei = folder / "nuclei"
    nuclei.mkdir()
    weights = nuclei / "weights.pt"
    torch.jit.script(_DarkInRed()).save(str(weights))
    about = json.loads((BUNDLED / "nuclei" / "model.json").read_text())
    for of_the_network in ("normalisation", "settings", "architecture"):
        del about[of_the_network]
    about |= {
        "format": "torchscript",
        "weights": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    (nuclei / "model.json").write_text(json.dumps(about))
