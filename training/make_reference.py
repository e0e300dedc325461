"""Writes what Tissue likeness sees all slides from: python -m training.make_reference.

The mean vector of all tiles with tissue of the slide that comes with Coverslip (CC0).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from viewer.files.atomic_write import atomic_write_text
from viewer.inference.models.bundle import MODEL_FILE
from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.inference.runs.running import run_model
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.scoring import mean_vector

SLIDE = Path("resources/slides/CMU-1-Small-Region.svs")


def main() -> None:
    found = run_model(SLIDE, find_model("tissue-likeness"), device="cpu").found
    assert isinstance(found, PatchFeatureMap)
    path = BUNDLED / "tissue-likeness" / MODEL_FILE
    card = json.loads(path.read_text())
    card["reference"] = {
        "of": f"{found.count:,} tiles of CMU-1-Small-Region.svs (H&E, OpenSlide, CC0)",
        "mean": [float(f"{value:.5g}") for value in mean_vector(found.values).tolist()],
    }
    text = json.dumps(card, indent=2)
    text = re.sub(r"\[[^\[\]]*\]", lambda found: " ".join(found[0].split()), text)
    with atomic_write_text(path) as file:
        file.write(text + "\n")


if __name__ == "__main__":
    main()
