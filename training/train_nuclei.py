"""Trains the nuclei model: python -m training.train_nuclei DATA -o WEIGHTS --minutes 60.

Outlined fields teach what a nucleus is; tissue without outlines teaches to see the same nuclei
wherever the picture begins and however it is stained (a mean teacher, Tarvainen and Valpola 2017,
whose objects over eight turned and shifted views are the labels).
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
from torch.nn import functional

from training.augmentation import example, varied
from training.evaluate_nuclei import predicted
from training.nuclei_data import (
    NucleiSet,
    load_bbbc038,
    split,
    target_maps,
    tissue_without_outlines,
)
from training.scores import scored
from viewer.inference.architectures.nuclei_unet import NucleiUNet
from viewer.inference.instances import labelled

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

SIDE_PX = 160
WIDE_PX = 224
OUTLINED, PLAIN = 5, 3
"""Fields of each kind in a batch."""
MEAN, STD = 0.6, 0.25
UNSURE = (0.2, 0.5)
"""Where the teacher's views differ as much, the student is left alone."""
SLIDE = Path("resources/slides/CMU-1-Small-Region.svs")


def main() -> None:
    options = _options()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(options.seed)
    learn, held = split(load_bbbc038(options.data / "nuclei" / "bbbc038-brightfield-train.npz"))
    plain = tissue_without_outlines(SLIDE, options.data / "tiles" / "crc-val-he-7k")
    student = NucleiUNet().to(memory_format=torch.channels_last)
    if options.start:
        student.load_state_dict(load_file(options.start))
    teacher = copy.deepcopy(student).eval()
    optimiser = torch.optim.AdamW(student.parameters(), options.rate, weight_decay=1e-4)
    started_s, step, told_s = time.monotonic(), 0, 0.0
    while (share := (time.monotonic() - started_s) / (60 * options.minutes)) < 1:
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / 100)
            group["lr"] = options.rate * warm * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-5
        with_teacher = share > options.alone
        batch = _batch(rng, learn, plain, teacher if with_teacher else None)
        loss = _step(student, optimiser, *batch)
        step += 1
        _follow(teacher, student, min(0.998, (1 + step) / (10 + step)))
        if time.monotonic() - told_s > 150:
            told_s = time.monotonic()
            print(f"{share:.0%} step {step} loss {loss:.3f} {_validated(teacher, held)}")
            _save(teacher, options.out)
    print(f"end: step {step} {_validated(teacher, held)}")
    _save(teacher, options.out)


def _batch(
    rng: Generator, learn: NucleiSet, plain: list[NDArray[np.uint8]], teacher: nn.Module | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (n, 3, h, w), maps (n, 3, h, w), and which pixels count (n, 1, h, w)."""
    pictures, maps, weights = [], [], []
    count = OUTLINED if teacher is not None else OUTLINED + PLAIN
    for index in rng.choice(len(learn), count):
        picture, labels = example(rng, learn.images[index], learn.labels[index], SIDE_PX)
        pictures.append(picture)
        maps.append(target_maps(labels))
        weights.append(np.ones((1, SIDE_PX, SIDE_PX), np.float32))
    if teacher is not None:
        # Half from the slide, half from the small tiles.
        for _ in range(PLAIN):
            source = plain[0] if rng.uniform() < 0.5 else plain[rng.integers(len(plain))]
            picture, target, weight = _taught(rng, source, teacher)
            pictures.append(picture)
            maps.append(target)
            weights.append(weight)
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return normalised(x), torch.from_numpy(np.stack(maps)), torch.from_numpy(np.stack(weights))


def _taught(
    rng: Generator, source: NDArray[np.uint8], teacher: nn.Module
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    y, x = (int(rng.integers(size - WIDE_PX + 1)) for size in source.shape[:2])
    wide = source[y : y + WIDE_PX, x : x + WIDE_PX].astype(np.float32)
    maps = _averaged(rng, teacher, wide)
    labels = labelled(maps)
    is_sure = (maps[0] < UNSURE[0]) | (maps[0] > UNSURE[1]) & (labels > 0)
    top, left = rng.integers(WIDE_PX - SIDE_PX, size=2)
    part = (slice(top, top + SIDE_PX), slice(left, left + SIDE_PX))
    turns, is_mirrored = int(rng.integers(4)), rng.uniform() < 0.5

    def turned(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        plane = np.rot90(plane, turns)
        return np.ascontiguousarray(plane[:, ::-1] if is_mirrored else plane)

    picture = varied(rng, turned(wide[part]))
    target = target_maps(turned(labels[part].astype(np.float32)).astype(np.int32))
    return picture, target, turned(is_sure[part].astype(np.float32))[None]


def _averaged(rng: Generator, teacher: nn.Module, wide: NDArray[np.float32]) -> NDArray[np.float32]:
    """The teacher's mean over eight views, each turned, mirrored and shifted."""
    views, how = [], []
    for turns in range(4):
        for is_mirrored in (False, True):
            shift = (int(rng.integers(16)), int(rng.integers(16)))
            view = np.roll(np.rot90(wide, turns), shift, (0, 1))
            views.append(view[:, ::-1] if is_mirrored else view)
            how.append((turns, is_mirrored, shift))
    x = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        answers = torch.sigmoid(teacher(normalised(x)).float()).numpy()
    total = np.zeros((3, *wide.shape[:2]), np.float32)
    for answer, (turns, is_mirrored, (down, right)) in zip(answers, how, strict=True):
        back = answer[:, :, ::-1] if is_mirrored else answer
        back = np.roll(back, (-down, -right), (1, 2))
        total += np.rot90(back, -turns, (1, 2)) / len(views)
    return total


def _step(
    student: nn.Module,
    optimiser: torch.optim.Optimizer,
    pictures: Tensor,
    maps: Tensor,
    weights: Tensor,
) -> float:
    student.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = student(pictures.contiguous(memory_format=torch.channels_last))
    loss = _loss(logits.float(), maps, weights)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), 2.0)
    optimiser.step()
    return float(loss.detach())


def _loss(logits: Tensor, maps: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy and Dice for nuclei, cross entropy for edges, smooth L1 for depth."""
    one = weights[:, 0]
    cross = functional.binary_cross_entropy_with_logits
    inside = torch.sigmoid(logits[:, 0]) * one
    true = maps[:, 0] * one
    dice = 1 - (2 * (inside * true).sum((1, 2)) + 1) / ((inside + true).sum((1, 2)) + 1)
    depth = functional.smooth_l1_loss(torch.sigmoid(logits[:, 2]) * one, maps[:, 2] * one, beta=0.1)
    return (
        cross(logits[:, 0], maps[:, 0], one)
        + dice.mean()
        + 0.5 * cross(logits[:, 1], maps[:, 1], one)
        + 2 * depth
    )


def _follow(teacher: nn.Module, student: nn.Module, keep: float) -> None:
    """Moves the teacher towards the student."""
    with torch.no_grad():
        own = teacher.state_dict()
        for name, value in student.state_dict().items():
            if value.dtype.is_floating_point:
                own[name].lerp_(value, 1 - keep)
            else:
                own[name].copy_(value)


def _save(model: nn.Module, path: Path) -> None:
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)


def normalised(pictures: Tensor) -> Tensor:
    return (pictures / 255 - MEAN) / STD


def _validated(model: nn.Module, held: NucleiSet) -> str:
    pairs = [
        (labels, labelled(predicted(model, image)))
        for image, labels in zip(held.images, held.labels, strict=True)
    ]
    scores = scored(pairs)
    return f"validation F1 {scores.f1:.3f} PQ {scores.pq:.3f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with nuclei/ and tiles/")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--alone", type=float, default=0.5, help="share before the teacher helps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
