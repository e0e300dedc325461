"""What token merging does: python -m benchmarks.merging MODEL SLIDE.

Speed and the likeness of vectors with and without, for an encoder that is a vision transformer, on
fields of tissue of a slide.
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from viewer.geometry import Box
from viewer.inference.architectures.vision_transformer import VisionTransformer
from viewer.inference.models.model_library import find_model
from viewer.inference.process.loading import load_module
from viewer.inference.process.network import choose_device
from viewer.slides import open_slide
from viewer.slides.region import read_region
from viewer.slides.tissue import tissue_mask

if TYPE_CHECKING:
    from viewer.inference.models.description import ModelDescription

_FIELDS = 16
_STEPS = (0, 4, 8, 12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name of an encoder")
    parser.add_argument("slide", type=Path)
    options = parser.parse_args()
    bundle, device = find_model(options.model), choose_device()
    module = load_module(bundle, device)
    if not isinstance(module, VisionTransformer):
        parser.error("only vision transformers merge tokens")
    x = _fields(options.slide, bundle.description).to(device)
    exact, base_s = None, 0.0
    print("merged a block   fields/s   quicker   likeness (mean, least)")
    for merged in _STEPS:
        module.merge = merged
        with torch.inference_mode():
            module(x[:2])
            start_s = time.perf_counter()
            vectors = torch.cat([module(part).float().cpu() for part in x.split(4)])
            took_s = time.perf_counter() - start_s
        exact, base_s = (vectors, took_s) if exact is None else (exact, base_s)
        alike = torch.cosine_similarity(vectors, exact)
        print(
            f"{merged:14d} {len(x) / took_s:10.2f} {base_s / took_s:9.2f}"
            f"   {alike.mean():.4f}, {alike.min():.4f}"
        )


def _fields(path: Path, about: ModelDescription) -> torch.Tensor:
    """Return (n, 3, side, side), normalized, of places with tissue."""
    with closing(open_slide(path)) as source:
        mask = tissue_mask(source)
        width, height = mask.cell_px
        places = np.argwhere(mask.cells)
        rng = np.random.default_rng(0)
        chosen = places[rng.choice(len(places), min(_FIELDS, len(places)), replace=False)]
        side = about.patch_px * about.mpp_um / (source.info.optics.mean_mpp_um or about.mpp_um)
        boxes = [
            Box(column * width, row * height, column * width + side, row * height + side)
            for row, column in chosen.tolist()
        ]
        px = about.patch_px
        pictures = np.stack([read_region(source, box, px, px) for box in boxes])
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in _scale(about))
    return (x - mean) / std


def _scale(about: ModelDescription) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return about.normalization.mean, about.normalization.std


if __name__ == "__main__":
    main()
