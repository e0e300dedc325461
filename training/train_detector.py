"""A small detector of the YOLO kind, for measuring that way in: python -m training.train_detector.

It is trained on fields of BBBC038, exported to ONNX as (1, 4 + 1, n), and run by the program over
one picture put together of the fields that are held back, so that nuclei lie on the borders of
patches. It is not shipped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from training.data_folders import folder_with
from training.nuclei_data import load_bbbc038, split
from viewer.inference.models.bundle import file_sha256, load_bundle
from viewer.inference.runs.running import run_model
from viewer.overlays.box_overlap import box_ious

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.nuclei_data import NucleiSet

    Boxes = NDArray[np.float32]

_STRIDE, _USUAL_PX = 4, 16.0
_CROP_PX, _BATCH, _STEPS = 128, 6, 320
_PATCH_PX, _MARGIN_PX = 256, 32
_LEAST_SIDE_PX = 4
_IOU = 0.5


class Detector(nn.Module):
    """Score logit, shift of the middle, and logarithm of the size for each cell of 4 px."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, stride, dilation in (
            (32, 2, 1), (48, 2, 1), (64, 1, 1), (64, 1, 2), (64, 1, 4), (64, 1, 1),
        ):  # fmt: skip
            convolution = nn.Conv2d(channels, width, 3, stride, dilation, dilation, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 5, 1)
        nn.init.constant_(self.head.bias[:1], -2.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Exported(nn.Module):
    """The detector with what YOLO exports give: middle, size and score of each cell, in pixels."""

    def __init__(self, detector: Detector, side_px: int) -> None:
        super().__init__()
        self.detector = detector
        steps = torch.arange(side_px // _STRIDE, dtype=torch.float32) * _STRIDE + _STRIDE / 2
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        self.places = nn.Buffer(torch.stack([x, y])[None])

    def forward(self, x: Tensor) -> Tensor:
        maps = self.detector(x)
        middles = self.places + maps[:, 1:3] * _STRIDE
        sizes = maps[:, 3:5].exp() * _USUAL_PX
        return torch.cat([middles, sizes, maps[:, :1].sigmoid()], 1).flatten(2)


def boxes_of(labels: NDArray[np.int32]) -> Boxes:
    """Return left, top, right and bottom (n, 4) of the objects of a label map."""
    places = [place for place in ndimage.find_objects(np.maximum(labels, 0)) if place is not None]
    found = [(x.start, y.start, x.stop, y.stop) for y, x in places]
    boxes = np.array(found, np.float32).reshape(-1, 4)
    return boxes[(boxes[:, 2:] - boxes[:, :2] >= _LEAST_SIDE_PX).all(1)]


def train(fields: NucleiSet, seed: int = 0) -> Detector:
    """Return a detector trained on fields."""
    torch.manual_seed(seed)
    numbers = np.random.default_rng(seed)
    detector = Detector()
    optimizer = torch.optim.AdamW(detector.parameters(), 3e-3)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, _STEPS)
    for _ in range(_STEPS):
        crops = [_crop(fields, numbers) for _ in range(_BATCH)]
        images = torch.from_numpy(np.stack([image for image, _ in crops]))
        loss = _loss(detector(images), [_targets(boxes) for _, boxes in crops])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    return detector.eval()


def _crop(fields: NucleiSet, numbers: np.random.Generator) -> tuple[NDArray[np.float32], Boxes]:
    index = int(numbers.integers(len(fields)))
    height, width = fields.labels.shape[1:]
    y, x = (int(numbers.integers(side - _CROP_PX + 1)) for side in (height, width))
    part = (slice(y, y + _CROP_PX), slice(x, x + _CROP_PX))
    turns, is_mirrored = int(numbers.integers(4)), bool(numbers.integers(2))
    image, labels = (np.rot90(each[index][part], turns) for each in (fields.images, fields.labels))
    if is_mirrored:
        image, labels = image[:, ::-1], labels[:, ::-1]
    color = numbers.uniform(0.85, 1.15, 3) * (image / np.float32(255)) + numbers.uniform(
        -0.05, 0.05
    )
    return np.moveaxis(color, 2, 0).astype(np.float32), boxes_of(np.ascontiguousarray(labels))


def _targets(boxes: Boxes) -> NDArray[np.float32]:
    """Return (6, rows, columns): how near a middle is, shift, size, and whether these count."""
    side = _CROP_PX // _STRIDE
    maps = np.zeros((6, side, side), np.float32)
    y, x = np.mgrid[:side, :side] * _STRIDE + _STRIDE / 2
    for x0, y0, x1, y1 in boxes.tolist():
        middle, size = ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0)
        apart = ((x - middle[0]) / size[0]) ** 2 + ((y - middle[1]) / size[1]) ** 2
        near = np.exp(-apart / (2 * 0.15**2))
        is_here = (near > 0.5) & (near > maps[0])
        nearest = np.unravel_index(int(near.argmax()), near.shape)
        near[nearest], is_here[nearest] = 1.0, True
        maps[0] = np.maximum(maps[0], near)
        values = (
            (middle[0] - x) / _STRIDE, (middle[1] - y) / _STRIDE,
            np.full(x.shape, np.log(size[0] / _USUAL_PX)),
            np.full(x.shape, np.log(size[1] / _USUAL_PX)), np.ones(x.shape),
        )  # fmt: skip
        for target, value in zip(maps[1:], values, strict=True):
            target[is_here] = value[is_here]
    return maps


def _loss(maps: Tensor, targets: list[NDArray[np.float32]]) -> Tensor:
    """As CenterNet (Zhou et al. 2019): focal loss of the middles, L1 of shift and size."""
    wanted = torch.from_numpy(np.stack(targets))
    chance, near, counts = maps[:, 0].sigmoid().clamp(1e-4, 1 - 1e-4), wanted[:, 0], wanted[:, 5]
    is_middle = (near > 0.999).float()
    hit = is_middle * (1 - chance) ** 2 * chance.log()
    miss = (1 - is_middle) * (1 - near) ** 4 * chance**2 * (1 - chance).log()
    count = is_middle.sum().clamp(min=1)
    shapes = (maps[:, 1:] - wanted[:, 1:5]).abs().sum(1) * counts
    return -(hit + miss).sum() / count + shapes.sum() / counts.sum().clamp(min=1)


def export(detector: Detector, folder: Path) -> Path:
    """Write the detector as ONNX with model.json."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "detector.onnx"
    example = (torch.zeros(1, 3, _PATCH_PX, _PATCH_PX),)
    torch.onnx.export(
        Exported(detector, _PATCH_PX).eval(), example, str(weights), external_data=False
    )
    card = {
        "name": "Nuclei, boxes", "version": "1", "task": "detection", "mpp_um": 0.5,
        "patch_px": _PATCH_PX, "margin_px": _MARGIN_PX, "format": "onnx", "weights": weights.name,
        "sha256": file_sha256(weights), "license": "CC0",
        "classes": [{"name": "Nucleus", "color": "#e69f00"}],
        "decoding": {"least_score": 0.3, "most_overlap": 0.4},
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def mosaic(fields: NucleiSet, columns: int = 4) -> tuple[NDArray[np.uint8], Boxes]:
    """Return fields put together to one picture, and the boxes of all their objects."""
    height, width = fields.labels.shape[1:]
    rows = -(-len(fields) // columns)
    picture = np.full((rows * height, columns * width, 3), 255, np.uint8)
    boxes: list[Boxes] = []
    for index, (image, labels) in enumerate(zip(fields.images, fields.labels, strict=True)):
        y, x = index // columns * height, index % columns * width
        picture[y : y + height, x : x + width] = image
        boxes.append(boxes_of(labels) + np.array([x, y, x, y], np.float32))
    return picture, np.concatenate(boxes)


def matched(found: Boxes, true: Boxes) -> int:
    """How many boxes match one of the others at an IoU above 0.5, each once."""
    ious = box_ious(found, true)
    count = 0
    for index in np.argsort(-ious.max(1, initial=0)).tolist():
        other = int(ious[index].argmax())
        if ious[index, other] > _IOU:
            count += 1
            ious[:, other] = 0
    return count


def measured(data: Path, folder: Path) -> str:
    """Return a row of figures: the program over the fields held back, put together to a picture."""
    _, held = split(load_bbbc038(data / "nuclei" / "bbbc038-brightfield-train.npz"))
    picture, true = mosaic(held)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "mosaic.png"
        Image.fromarray(picture).save(path)
        found = run_model(path, load_bundle(folder), mpp_um=0.5).objects().boxes
    right = matched(found, true)
    twice = box_ious(found, found)
    np.fill_diagonal(twice, 0)
    return (
        f"| BBBC038, {len(held)} fields held back, as one picture | {len(true)} | {len(found)} | "
        f"{2 * right / (len(found) + len(true)):.3f} | {right / len(found):.3f} | "
        f"{right / len(true):.3f} | {int((twice > _IOU).any(1).sum())} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=folder_with("nuclei/bbbc038-brightfield-train.npz"), help="folder with nuclei/"
    )
    parser.add_argument("folder", type=Path, help="where the model is written")
    options = parser.parse_args()
    fields = load_bbbc038(options.data / "nuclei" / "bbbc038-brightfield-train.npz")
    known, _ = split(fields)
    print(measured(options.data, export(train(known), options.folder)))


if __name__ == "__main__":
    main()
