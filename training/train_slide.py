"""Trains slide models on tiles that have one label each: python -m training.train_slide DATA.

A tile of Osteosarcoma-UT (1024 px at 10x) is a bag of the fields that the encoder sees in it.
Accuracy is that of five folds, told beside the mean of all vectors as a baseline.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.data_folders import folder_with
from viewer.inference.architectures.slide_models import SLIDE_ARCHITECTURES
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.bundle_writing import write_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.runs.running import run_model
from viewer.overlays.patch_feature_map import PatchFeatureMap

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

CLASSES = {
    "Non-Tumor": ("No tumor", "#009e73"),
    "Non-Viable-Tumor": ("Necrotic tumor", "#0072b2"),
    "Viable": ("Viable tumor", "#d55e00"),
}
TILE_UM = 1.0
"""Micrometers per pixel of the tiles: 10x."""
FOLDS = 5
EPOCHS = 60
SETTINGS = {"hidden": 64, "width": 128}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=folder_with("tiles/osteosarcoma-ut/*/*.jpg"), help="folder with tiles/"
    )
    options = parser.parse_args()
    torch.set_num_threads(2)
    bags, classes = _bags(options.data / "tiles" / "osteosarcoma-ut")
    length = bags[0].shape[1]
    folds = torch.arange(len(bags)) % FOLDS
    print(f"{sum(map(len, bags))} fields")
    print(f"{len(bags)} tiles, mean of vectors: {_baseline(bags, classes, folds):.3f}")
    for name in SLIDE_ARCHITECTURES:
        print(f"{name}: {_left_out(name, bags, classes, folds):.3f}", flush=True)
    encoder = load_bundle(BUNDLED / "tissue-likeness").description
    need = {"name": encoder.name, "sha256": encoder.sha256, "length": length}
    scaled, mean, std = _scaled(bags)
    model = _fit("abmil", scaled, classes)
    # The scale of the vectors goes into the first layer, which is linear.
    first = model.feature[0]
    with torch.no_grad():
        first.weight /= std
        first.bias -= first.weight @ mean
    write_bundle(BUNDLED / "osteosarcoma", model.state_dict(), _CARD | {"encoder": need})


def _bags(folder: Path) -> tuple[list[Tensor], Tensor]:
    """Return the vectors of each tile (n, d), as the program itself makes them, and its class."""
    encoder = load_bundle(BUNDLED / "tissue-likeness")
    files = sorted(folder.glob("*/*.jpg"), key=lambda file: file.name)
    bags: list[Tensor] = []
    for file in files:
        found = run_model(file, encoder, mpp_um=TILE_UM).found
        assert isinstance(found, PatchFeatureMap)
        bags.append(torch.from_numpy(found.values[found.known].astype(np.float32)))
    names = list(CLASSES)
    return bags, torch.tensor([names.index(file.parent.name) for file in files])


def _scaled(bags: list[Tensor]) -> tuple[list[Tensor], Tensor, Tensor]:
    every = torch.cat(bags)
    mean, std = every.mean(0), every.std(0) + 1e-6
    return [(bag - mean) / std for bag in bags], mean, std


def _fit(name: str, bags: list[Tensor], classes: Tensor) -> nn.Module:
    torch.manual_seed(0)
    settings = SETTINGS if name == "abmil" else {}
    model = SLIDE_ARCHITECTURES[name](bags[0].shape[1], len(CLASSES), **settings).train()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-4, weight_decay=0.05)
    for _ in range(EPOCHS):
        for index in torch.randperm(len(bags)).tolist():
            # A part of the fields at a time, so that no single one is learned by heart.
            bag = bags[index][torch.rand(len(bags[index])) < 0.5]
            loss = torch.nn.functional.cross_entropy(model(bag)[0][None], classes[index][None])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def _left_out(name: str, bags: list[Tensor], classes: Tensor, folds: Tensor) -> float:
    """Share of tiles told rightly by a model that saw the other folds."""
    hits = 0
    for fold in range(FOLDS):
        seen = [i for i in range(len(bags)) if folds[i] != fold]
        scaled, mean, std = _scaled([bags[i] for i in seen])
        model = _fit(name, scaled, classes[seen])
        for i in range(len(bags)):
            if folds[i] == fold:
                with torch.inference_mode():
                    hits += int(model((bags[i] - mean) / std)[0].argmax() == classes[i])
    return hits / len(bags)


def _baseline(bags: list[Tensor], classes: Tensor, folds: Tensor) -> float:
    """Return the nearest class mean of the mean vector."""
    means = torch.stack([bag.mean(0) for bag in bags])
    means = (means - means.mean(0)) / means.std(0)
    hits = 0
    for fold in range(FOLDS):
        seen = folds != fold
        middles = [means[seen & (classes == index)].mean(0) for index in range(len(CLASSES))]
        apart = torch.cdist(means[~seen], torch.stack(middles))
        hits += int((apart.argmin(1) == classes[~seen]).sum())
    return hits / len(bags)


_CARD: dict[str, object] = {
    "name": "Osteosarcoma",
    "version": "1",
    "task": "slide",
    "mpp_um": 0.5,
    "patch_px": 224,
    "architecture": "abmil",
    "settings": SETTINGS,
    "classes": [{"name": name, "colour": color} for name, color in CLASSES.values()],
    "licence": "MIT; trained on Osteosarcoma-UT (CC BY 3.0)",
    "citation": "Leavey et al., Osteosarcoma data from UT Southwestern and UT Dallas, TCIA 2019, "
    "doi:10.7937/tcia.2019.bvhjhdas",
    "about": "Viable, necrotic or no tumor in osteosarcoma H&E, judged by attention to fields; "
    "trained on 41 tiles: a demonstration. For research use, not for diagnosis.",
}

if __name__ == "__main__":
    main()
