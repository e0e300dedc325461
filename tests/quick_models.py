"""The bundled models, of which that of nuclei is quick: for tests of what is done with nuclei.

What takes the place of its network finds what is dark. The network itself is what
`tests/inference/test_nuclei_model.py` and `make slow` test.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch
from inference_steps import Dark

from viewer.inference.models.model_library import BUNDLED

if TYPE_CHECKING:
    from pathlib import Path


def make_quick_models(folder: Path) -> None:
    """Fill a folder with the bundled models, with another network in that of nuclei."""
    for bundle in BUNDLED.iterdir():
        if bundle.name != "nuclei":
            (folder / bundle.name).symlink_to(bundle)
    nuclei = folder / "nuclei"
    nuclei.mkdir()
    weights = nuclei / "weights.pt"
    torch.jit.script(Dark()).save(str(weights))
    about = json.loads((BUNDLED / "nuclei" / "model.json").read_text())
    for of_the_network in ("normalisation", "settings", "architecture"):
        del about[of_the_network]
    about |= {
        "format": "torchscript",
        "weights": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    (nuclei / "model.json").write_text(json.dumps(about))
