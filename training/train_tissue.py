"""Makes the encoder and the tissue classes from the nuclei model: python -m training.train_tissue.

The encoder is the downward half of the nuclei network, nothing more. The classes are a linear
layer on it, fitted to the 49 tiles of CRC-VAL-HE-7K at hand.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from training.augmentation import varied
from training.data_folders import folder_with
from viewer.inference.architectures.tissue_encoder import TissueClassifier, TissueEncoder
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.bundle_writing import write_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.runs.running import run_model
from viewer.overlays.patch_feature_map import PatchFeatureMap

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

CLASSES = {
    "ADI": ("Adipose", "#f0e442"),
    "LYM": ("Lymphocytes", "#0072b2"),
    "MUC": ("Mucus", "#56b4e9"),
    "MUS": ("Smooth muscle", "#d55e00"),
    "NORM": ("Normal mucosa", "#009e73"),
    "STR": ("Stroma", "#cc79a7"),
    "TUM": ("Tumor epithelium", "#e69f00"),
}
VIEWS = 12
"""Augmented views of a tile."""
MEAN, STD = 0.6, 0.25
COMMON_MPP_UM = 0.5
COMMON = {
    "version": "1",
    "mpp_um": COMMON_MPP_UM,
    "patch_px": 224,
    "stride_px": 112,
    "normalisation": {"mean": [MEAN] * 3, "std": [STD] * 3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=folder_with("tiles/crc-val-he-7k/*/*.jpg"), help="folder with tiles/"
    )
    options = parser.parse_args()
    torch.manual_seed(0)
    encoder = _encoder()
    tiles, classes = _tiles(options.data / "tiles" / "crc-val-he-7k")
    views = _embedded(encoder, tiles)
    print(f"left-one-out accuracy {_left_out(views, classes):.3f} of {len(classes)} tiles")
    write_bundle(BUNDLED / "tissue-likeness", encoder.state_dict(), _ENCODER_CARD)
    model = TissueClassifier(len(CLASSES))
    model.encoder.load_state_dict(encoder.state_dict())
    _fit(model, views.flatten(0, 1), classes.repeat_interleave(VIEWS))
    write_bundle(BUNDLED / "colorectal-tissue", model.state_dict(), _CLASSIFIER_CARD)


def _encoder() -> TissueEncoder:
    weights = load_file(BUNDLED / "nuclei" / "weights.safetensors")
    encoder = TissueEncoder()
    encoder.load_state_dict(
        {name: value for name, value in weights.items() if name.startswith(("stem.", "down."))}
    )
    return encoder.eval()


def _tiles(folder: Path) -> tuple[list[NDArray[np.float32]], Tensor]:
    files = sorted(folder.glob("*/*.jpg"))
    pictures = [np.asarray(Image.open(file).convert("RGB"), np.float32) for file in files]
    names = list(CLASSES)
    return pictures, torch.tensor([names.index(file.parent.name) for file in files])


def _embedded(encoder: TissueEncoder, tiles: list[NDArray[np.float32]]) -> Tensor:
    """Return (tiles, VIEWS, d); the first view is the tile as it is."""
    rng = np.random.default_rng(0)
    rows = []
    for tile in tiles:
        views = [tile]
        for _ in range(VIEWS - 1):
            turned = np.rot90(tile, int(rng.integers(4)))
            views.append(varied(rng, np.ascontiguousarray(turned)))
        x = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            rows.append(encoder((x / 255 - MEAN) / STD))
    return torch.stack(rows).clone()


def _left_out(views: Tensor, classes: Tensor) -> float:
    """Share of tiles told rightly by a layer fitted to all others."""
    hits = 0
    for index in range(len(classes)):
        others = torch.arange(len(classes)) != index
        model = TissueClassifier(len(CLASSES))
        _fit(model, views[others].flatten(0, 1), classes[others].repeat_interleave(VIEWS))
        with torch.inference_mode():
            told = model.head(model.norm(views[index, :1])).argmax()
        hits += int(told == classes[index])
    return hits / len(classes)


def left_out_tiles(data: Path) -> tuple[int, int]:
    """Return how many tiles are told rightly by a layer fitted to all others, and how many are.

    Each tile is run through the program as a picture of exactly one patch; its answer is the mean
    over the cells, most of which see a part of it mirrored.
    """
    folder = data / "tiles" / "crc-val-he-7k"
    tiles, classes = _tiles(folder)
    shipped = TissueEncoder().eval()
    shipped.load_state_dict(load_file(BUNDLED / "tissue-likeness" / "weights.safetensors"))
    views = _embedded(shipped, tiles)
    encoder = load_bundle(BUNDLED / "tissue-likeness")
    right = 0
    for index, file in enumerate(sorted(folder.glob("*/*.jpg"))):
        found = run_model(file, encoder, mpp_um=COMMON_MPP_UM).found
        assert isinstance(found, PatchFeatureMap)
        cells = torch.from_numpy(found.values[found.known].astype(np.float32))
        others = torch.arange(len(classes)) != index
        model = TissueClassifier(len(CLASSES))
        _fit(model, views[others].flatten(0, 1), classes[others].repeat_interleave(VIEWS))
        with torch.inference_mode():
            chances = model.head(model.norm(cells)).softmax(1).mean(0)
        right += int(chances.argmax() == classes[index])
    return right, len(classes)


def _fit(model: TissueClassifier, vectors: Tensor, classes: Tensor) -> None:
    """Multinomial logistic regression with weight decay; sets the layer and the scale."""
    model.norm.running_mean = vectors.mean(0)
    model.norm.running_var = vectors.var(0)
    model.norm.eval()
    x = model.norm(vectors).detach()
    torch.manual_seed(0)
    optimizer = torch.optim.LBFGS(model.head.parameters(), max_iter=60)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(model.head(x), classes)
        value = value + 0.02 * model.head.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    model.eval()


_ENCODER_CARD: dict[str, object] = COMMON | {
    "name": "Tissue likeness",
    "task": "embedding",
    "architecture": "tissue-encoder",
    "licence": "MIT; trained on BBBC038 (CC0)",
    "about": "Finds fields that look alike, and few-shot classes. A small encoder that was trained "
    "on nuclei, no foundation model. For research use, not for diagnosis.",
}
_CLASSIFIER_CARD: dict[str, object] = COMMON | {
    "name": "Colorectal tissue",
    "task": "classification",
    "architecture": "tissue-classifier",
    "classes": [{"name": name, "colour": color} for name, color in CLASSES.values()],
    "licence": "MIT; fitted to CRC-VAL-HE-7K (CC BY 4.0)",
    "citation": "Kather et al., 100,000 histological images of human colorectal cancer and healthy "
    "tissue, Zenodo 1214456",
    "about": "Seven tissue classes of colorectal H&E, fitted to 49 tiles: a demonstration. For "
    "research use, not for diagnosis.",
}

if __name__ == "__main__":
    main()
