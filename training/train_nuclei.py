"""Trains the nuclei model: python -m training.train_nuclei DATA -o WEIGHTS --minutes 60.

The fields are those of BBBC038 and of TNBC. TNBC's objects are parts of a binary mask, so edges and
depths are learned only from those that are convex enough to be one nucleus. `--hold 5` keeps fields
of patient 5 apart; `--no-tnbc` leaves TNBC out, to measure what another laboratory may expect.
`--teacher` adds places without nuclei that were outlined by hand, and what these weights, of the
model before, are sure of round them.

Kept are the moving averages of the weights. The shipped weights are the mean of two runs, the
second going on from the first (--start). Training and its figures look once at a field; the
shipped model looks twice with the same weights (`beginnings` in model.json).
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.augmentation import example
from training.data_folders import folder_with
from training.evaluate_nuclei import predicted
from training.nuclei_data import (
    UNKNOWN,
    NucleiSet,
    load_bbbc038,
    load_tnbc,
    merged_pixels,
    split,
    split_patients,
)
from training.scores import scored
from training.unlabeled_places import load_unlabeled
from viewer.inference.architectures.nuclei_unet import NucleiUNet
from viewer.inference.instances import labeled
from viewer.inference.process.nuclei_targets import follow, nuclei_loss, target_maps

if TYPE_CHECKING:
    from numpy.random import Generator

SIDE_PX = 160
BATCH = 8
MEAN, STD = 0.6, 0.25
_SHARES = {"places": 0.4, "TNBC": 0.5}
"""Of the examples that are left, how many are of each set; the rest are of BBBC038."""


def main() -> None:
    options = _options()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(options.seed)
    learn, held = split(load_bbbc038(options.data / "nuclei" / "bbbc038-brightfield-train.npz"))
    sets, held_sets = {"BBBC038": learn}, {"BBBC038": held}
    tnbc = load_tnbc(options.data / "nuclei" / "tnbc-train-augmented.npz")
    if options.no_tnbc:
        held_sets["TNBC"] = tnbc
    else:
        sets["TNBC"], apart = split_patients(tnbc, set(options.hold))
        if len(apart):
            held_sets["TNBC"] = apart
    network = NucleiUNet(smooth=True).to(memory_format=torch.channels_last)
    if options.start:
        network.load_state_dict(load_file(options.start))
    average = copy.deepcopy(network).eval()
    if options.teacher:
        teacher = NucleiUNet(beginnings=2).eval()
        teacher.load_state_dict(load_file(options.teacher))
        sets["places"] = load_unlabeled(options.data, teacher)
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=1e-4)
    started_s, step = time.monotonic(), 0
    told_s = started_s
    while (share := (time.monotonic() - started_s) / (60 * options.minutes)) < 1:
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 100)
            group["lr"] = options.rate * warm * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-5
        loss = _step(network, optimizer, *_batch(rng, sets))
        step += 1
        follow(average, network, min(0.998, (1 + step) / (10 + step)))
        if time.monotonic() - told_s > 400:
            told_s = time.monotonic()
            print(
                f"{share:.0%} step {step} loss {loss:.3f} {_validated(average, held_sets)}",
                flush=True,
            )
            _save(average, options.out)
    print(f"end: step {step} {_validated(average, held_sets)}")
    _save(average, options.out)


def _batch(rng: Generator, sets: dict[str, NucleiSet]) -> tuple[Tensor, Tensor]:
    """Return pictures (n, 3, h, w) and maps (n, 5, h, w).

    The maps: inside, edge, depth, where the latter two count, where anything is known.
    """
    pictures, maps = [], []
    for _ in range(BATCH):
        drawn = (name for name, share in _SHARES.items() if rng.uniform() < share and name in sets)
        fields = sets[next(drawn, "BBBC038")]
        index = rng.integers(len(fields))
        picture, labels = example(rng, fields.images[index], fields.labels[index], SIDE_PX)
        pictures.append(picture)
        known = labels != UNKNOWN
        counts = known if fields.patients is None else ~merged_pixels(labels)
        maps.append(np.concatenate([target_maps(labels), np.stack([counts, known])]))
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return (x / 255 - MEAN) / STD, torch.from_numpy(np.stack(maps)).float()


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, pictures: Tensor, maps: Tensor
) -> float:
    network.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(pictures.contiguous(memory_format=torch.channels_last))
    loss = nuclei_loss(logits.float(), maps[:, :3], maps[:, 3], maps[:, 4])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimizer.step()
    return float(loss.detach())


def _save(model: nn.Module, path: Path) -> None:
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)


def _validated(model: nn.Module, held_sets: dict[str, NucleiSet]) -> str:
    parts = []
    for name, held in held_sets.items():
        maps = [predicted(model, image) for image in held.images]
        scores = scored(
            (labels, labeled(found)) for labels, found in zip(held.labels, maps, strict=True)
        )
        inside, true = np.stack(maps)[:, 0] > 0.5, held.labels > 0
        dice = 2 * (inside & true).sum() / (inside.sum() + true.sum())
        parts.append(f"{name} F1 {scores.f1:.3f} PQ {scores.pq:.3f} Dice {dice:.3f}")
    return ", ".join(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data",
        type=folder_with("nuclei/bbbc038-brightfield-train.npz", "nuclei/tnbc-train-augmented.npz"),
        help="folder with nuclei/ and tiles/",
    )
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--hold", type=int, nargs="*", default=[], help="patients of TNBC to keep apart"
    )
    parser.add_argument("--no-tnbc", action="store_true", help="train on BBBC038 alone")
    parser.add_argument("--teacher", type=Path, help="weights that label fields round places")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
