"""Measures the nuclei model against a classical method: python -m training.evaluate_nuclei DATA."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

import coverslip
from training.classical_baseline import classical_labels
from training.data_folders import folder_with
from training.nuclei_data import NucleiSet, load_bbbc038, load_tnbc, split, split_patients
from training.scores import scored
from viewer.geometry import Box
from viewer.inference.instances import labeled
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.process.network import Network
from viewer.overlays.files.masks import label_mask
from viewer.slides import open_slide
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from viewer.inference.outline_scores import Scores

HELD_PATIENT = 5
"""Of TNBC: the patient whose fields the shipped weights never saw."""
_STRIDE = 16
_MEAN, _STD = 0.6, 0.25


def predicted(model: nn.Module, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (3, h, w) probabilities for a field of any size."""
    height, width = image.shape[:2]
    edges = ((0, -height % _STRIDE), (0, -width % _STRIDE), (0, 0))
    padded = np.pad(image.astype(np.float32), edges, mode="reflect")
    x = torch.from_numpy((padded / 255 - _MEAN) / _STD).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        return torch.sigmoid(model(x))[0, :, :height, :width].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=folder_with("nuclei"), help="folder with nuclei/")
    parser.add_argument("--product", action="store_true", help="through `coverslip run` instead")
    options = parser.parse_args()
    if options.product:
        _print_product(options.data)
        return
    print("| fields | method | F1 at IoU 0.5 | PQ | found | outlined |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, fields in validation_sets(options.data).items():
        for method, labels_of in methods().items():
            scores = score(fields, labels_of)
            print(
                f"| {name} | {method} | {scores.f1:.3f} | {scores.pq:.3f} "
                f"| {scores.found} | {scores.true} |"
            )


def _print_product(data: Path) -> None:
    """Print the figures of held-back fields as a user gets them, by running models on pictures."""
    tnbc = load_tnbc(data / "nuclei" / "tnbc-train-augmented.npz")
    _, held = split_patients(tnbc, {HELD_PATIENT})
    _, bbbc = split(load_bbbc038(data / "nuclei" / "bbbc038-brightfield-train.npz"))
    print("| fields | F1 at IoU 0.5 | PQ | Dice |")
    print("| --- | --- | --- | --- |")
    for name, fields in {"BBBC038, validation": bbbc, "TNBC, held-back patient": held}.items():
        found = [product_labels(image) for image in fields.images]
        scores = scored(zip(fields.labels, found, strict=True))
        inside, true = np.stack(found) > 0, fields.labels > 0
        dice = 2 * (inside & true).sum() / (inside.sum() + true.sum())
        print(f"| {name} | {scores.f1:.3f} | {scores.pq:.3f} | {dice:.3f} |", flush=True)


def product_labels(
    image: NDArray[np.uint8], mpp_um: float = 0.5, model: str = "nuclei"
) -> NDArray[np.int32]:
    """Return the label mask (h, w) that `coverslip run nuclei` writes of a picture."""
    height, width = image.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "field.png"
        Image.fromarray(image).save(path)
        objects = coverslip.run_model(model, path, mpp_um=mpp_um).objects()
    return label_mask(objects, Box(0, 0, width, height)).astype(np.int32)


def validation_sets(data: Path) -> dict[str, NucleiSet]:
    """Return fields of BBBC038 that were not trained on, and TNBC, of which two were not."""
    _, held = split(load_bbbc038(data / "nuclei" / "bbbc038-brightfield-train.npz"))
    return {
        "BBBC038, validation": held,
        "TNBC, H&E": load_tnbc(data / "nuclei" / "tnbc-train-augmented.npz"),
    }


def methods() -> dict[str, Callable[[NDArray[np.uint8]], NDArray[np.int32]]]:
    """Return what is compared: picture -> labels."""
    network = Network(load_bundle(BUNDLED / "nuclei"), torch.device("cpu"))
    return {
        "bundled model": lambda image: labeled(_maps(network, image)),
        "color deconvolution and watershed": classical_labels,
    }


def score(fields: NucleiSet, labels_of: Callable[[NDArray[np.uint8]], NDArray[np.int32]]) -> Scores:
    return scored(
        (labels, labels_of(image))
        for image, labels in zip(fields.images, fields.labels, strict=True)
    )


def agreement(network: Network, slide: Path, shifts: int = 4) -> float:
    """Share of objects found again within 1.5 um when a field of the slide begins elsewhere."""
    source = open_slide(slide)
    side, margin = 768, 64
    base = source.levels[0]
    box = Box(700, base.height_px - side - 40, 700 + side, base.height_px - 40)
    shares, first = [], None
    for step in range(shifts):
        dx, dy = 5 * step, 3 * step
        moved = Box(box.x0 - dx, box.y0 - dy, box.x1 - dx, box.y1 - dy)
        labels = labeled(_maps(network, read_region(source, moved, side, side)))
        middles = _middles(labels) - (dx, dy)
        inner = middles[((middles > margin) & (middles < side - margin)).all(1)]
        if first is None:
            first = inner
        else:
            apart = np.hypot(*(first[:, None] - inner[None]).transpose(2, 0, 1))
            shares += [float((apart.min(1) < 3).mean()), float((apart.min(0) < 3).mean())]
    source.close()
    return float(np.mean(shares))


def _maps(network: Network, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    edges = ((0, -height % _STRIDE), (0, -width % _STRIDE), (0, 0))
    logits = network.answers([np.pad(image, edges, mode="reflect")])[0]
    return 1 / (1 + np.exp(-logits[:, :height, :width]))


def _middles(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return (n, 2) x, y."""
    rows, columns = np.nonzero(labels)
    which = labels[rows, columns]
    count = np.bincount(which)
    is_there = count > 0
    x = np.bincount(which, columns)[is_there] / count[is_there]
    return np.stack([x, np.bincount(which, rows)[is_there] / count[is_there]], 1)


if __name__ == "__main__":
    main()
