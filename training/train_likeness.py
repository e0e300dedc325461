"""Learns what is unlike a model's training data: python -m training.train_likeness DATA [MODEL].

Writes `training` into model.json of the bundled models. The fields of a model's training data are
compared with the same fields in other stains and at other scales, and for classifiers with other
tissue. Printed is the share of fields that count as unlike, over fields that were left out.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from training.data_folders import folder_with
from training.field_variants import (
    fluorescent,
    immunostained,
    magnified,
    reduced,
    rescaled,
    worn,
)
from training.nuclei_data import load_bbbc038, load_tnbc, split, split_patients
from viewer.files.atomic_write import atomic_write_bytes
from viewer.geometry import Box
from viewer.inference.architectures.tissue_encoder import TissueEncoder
from viewer.inference.field_features import field_features
from viewer.inference.models.bundle import MODEL_FILE
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.models.training_data import FeatureStatistics, TrainingData
from viewer.slides import open_slide
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    Features = NDArray[np.float64]

LIKE, OTHER_TISSUE = "like the training data", "other tissue"
VARIANTS = {
    "magnified": magnified,
    "reduced": reduced,
    "immunostain": immunostained,
    "fluorescence": fluorescent,
}
HELD_PATIENT = 5
_PATCH_PX = 224
_MEAN, _STD = 0.6, 0.25
_PLACE = "the line of the training data"
_SPREAD_FLOOR = 0.05
_DECAY = 1e-3
_NUCLEI_DECAY = 1e-4
"""The nuclei model's fields are more kinds, and more of them."""
_MOST_UNLIKE = 0.03
"""Of the training data's own fields, how many may count as unlike."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data",
        type=folder_with("nuclei", "slides", "tiles"),
        help="folder with nuclei/, slides/ and tiles/",
    )
    parser.add_argument("models", nargs="*", help="nuclei, colorectal-tissue, osteosarcoma")
    options = parser.parse_args()
    torch.set_num_threads(1)
    learners = {
        "nuclei": _learn_nuclei,
        "colorectal-tissue": _learn_colorectal,
        "osteosarcoma": _learn_osteosarcoma,
    }
    for name in options.models or learners:
        training = learners[name](options.data)
        _write(BUNDLED / name, training)


def _write(folder: Path, training: TrainingData) -> None:
    """Set `training` in model.json, all of it on one line: its numbers tell a reader little."""
    path = folder / MODEL_FILE
    card = msgspec.json.decode(path.read_bytes())
    names = [name for name in card if name != "training"]
    names.insert(names.index("format"), "training")  # where ModelDescription has it
    card["training"] = _PLACE
    data = msgspec.json.format(msgspec.json.encode({name: card[name] for name in names}), indent=2)
    place, line = msgspec.json.encode(_PLACE), msgspec.json.encode(training)
    atomic_write_bytes(path, data.replace(place, line) + b"\n")


# What the models learned from ------------------------------------------------------------------


def _learn_nuclei(data: Path) -> TrainingData:
    learned, held = split(load_bbbc038(data / "nuclei" / "bbbc038-brightfield-train.npz"))
    tnbc, held_tnbc = split_patients(
        load_tnbc(data / "nuclei" / "tnbc-train-augmented.npz"), {HELD_PATIENT}
    )
    # H&E that the model was looked at on: it is no other stain than the training's.
    fields = {
        "BBBC038": (list(learned.images), 3),
        "TNBC": (list(tnbc.images), 4),
        "skin": (_slide_fields(data / "slides" / "CMU-1-Small-Region.svs", 512, 60), 2),
        "colorectal": (_tiles(data / "tiles" / "crc-val-he-7k"), 2),
        "osteosarcoma": ([rescaled(tile, 2)[:1024, :1024] for tile in _osteosarcoma(data)[::2]], 1),
    }
    rng = np.random.default_rng(0)
    groups = [
        group
        for images, views in fields.values()
        for group in _groups(rng, images, views, _field_features)
    ]
    statistics = _fitted("field", groups, _NUCLEI_DECAY)
    rng = np.random.default_rng(1)
    for name, images in {"BBBC038": list(held.images), "TNBC": list(held_tnbc.images)}.items():
        _report(f"nuclei, held-back {name}", statistics, _groups(rng, images, 1, _field_features))
    return TrainingData(
        ("breast", "various"), ("H&E", "other purple stains"), (0.25, 1.0), statistics
    )


def _learn_colorectal(data: Path) -> TrainingData:
    tiles = _tiles(data / "tiles" / "crc-val-he-7k")
    others = _other_tissue(data) + _osteosarcoma_patches(data)
    groups = _groups(np.random.default_rng(0), tiles, 3, _field_features)
    groups.append((OTHER_TISSUE, _field_features(others)))
    _report_left_out("colorectal-tissue", "field", groups)
    statistics = _fitted("field", groups)
    return TrainingData(("colon and rectum",), ("H&E",), (0.5, 0.5), statistics)


def _learn_osteosarcoma(data: Path) -> TrainingData:
    encoder = TissueEncoder().eval()
    encoder.load_state_dict(load_file(BUNDLED / "tissue-likeness" / "weights.safetensors"))

    def embedded(images: Sequence[Picture]) -> Features:
        rows: list[Features] = []
        with torch.inference_mode():
            for image in images:
                x = torch.from_numpy(_square(image).copy()).permute(2, 0, 1)[None].float() / 255
                rows.append(encoder((x - _MEAN) / _STD)[0].numpy().astype(np.float16).astype(float))
        return np.array(rows)

    others = _other_tissue(data) + _tiles(data / "tiles" / "crc-val-he-7k")
    patches = _osteosarcoma_patches(data)
    groups = _groups(np.random.default_rng(0), patches, 1, embedded)
    groups.append((OTHER_TISSUE, embedded(others)))
    _report_left_out("osteosarcoma", "embedding", groups)
    return TrainingData(("bone",), ("H&E",), (1.0, 1.0), _fitted("embedding", groups))


# Fields ----------------------------------------------------------------------------------------


def _groups(
    rng: Generator,
    images: Sequence[Picture],
    views: int,
    features: Callable[[Sequence[Picture]], Features],
) -> list[tuple[str, Features]]:
    """Return features of fields as they are and on other days, and of each variant of them."""
    found = [(LIKE, features(images))]
    found.append((LIKE, features([worn(rng, image) for image in images for _ in range(views)])))
    for kind, varied in VARIANTS.items():
        found.append((kind, features([varied(rng, image) for image in images for _ in range(2)])))
    return found


def _field_features(images: Sequence[Picture]) -> Features:
    found = [field_features(image) for image in images]
    return np.array([each for each in found if each is not None], float)


def _square(image: Picture) -> Picture:
    """Return a patch as the encoder is fed, mirrored where the field is smaller."""
    rows = np.pad(np.arange(image.shape[0]), (0, max(0, _PATCH_PX - image.shape[0])), "reflect")
    columns = np.pad(np.arange(image.shape[1]), (0, max(0, _PATCH_PX - image.shape[1])), "reflect")
    return image[rows[:_PATCH_PX, None], columns[None, :_PATCH_PX]]


def _tiles(folder: Path) -> list[Picture]:
    return [np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.glob("*/*.jpg"))]


def _osteosarcoma(data: Path) -> list[Picture]:
    return _tiles(data / "tiles" / "osteosarcoma-ut")


def _osteosarcoma_patches(data: Path) -> list[Picture]:
    """Return four patches a tile at 0.5 um/px; the tiles have 1 um/px."""
    half = _PATCH_PX // 2
    corners = [(100, 100), (100, 700), (700, 100), (700, 700)]
    return [
        rescaled(tile[y : y + half, x : x + half], 2)
        for tile in _osteosarcoma(data)
        for y, x in corners
    ]


def _other_tissue(data: Path) -> list[Picture]:
    """Return patches of skin, of breast, and of the mixed tissues of BBBC038."""
    nuclei = data / "nuclei"
    fields = [
        *load_tnbc(nuclei / "tnbc-train-augmented.npz").images,
        *load_bbbc038(nuclei / "bbbc038-brightfield-train.npz").images[::2],
    ]
    skin = _slide_fields(data / "slides" / "CMU-1-Small-Region.svs", _PATCH_PX, 60)
    return skin + [field[:_PATCH_PX, :_PATCH_PX] for field in fields]


def _slide_fields(path: Path, side_px: int, count: int) -> list[Picture]:
    """Return fields of the bundled slide at 0.5 um/px that hold tissue."""
    source = open_slide(path)
    rng, base = np.random.default_rng(0), source.levels[0]
    fields: list[Picture] = []
    while len(fields) < count:
        x, y = rng.uniform(0, base.width_px - side_px), rng.uniform(0, base.height_px - side_px)
        field = read_region(source, Box(x, y, x + side_px, y + side_px), side_px, side_px)
        if (field.mean(2) < 220).mean() > 0.2:
            fields.append(field)
    source.close()
    return fields


# Fitting ---------------------------------------------------------------------------------------


def _fitted(
    features: str, groups: Sequence[tuple[str, Features]], decay: float = _DECAY
) -> FeatureStatistics:
    """Return a multinomial logistic regression in which each group has the same weight."""
    kinds = [LIKE, *dict.fromkeys(kind for kind, _ in groups if kind != LIKE)]
    like = np.concatenate([rows for kind, rows in groups if kind == LIKE])
    mean, spread = like.mean(0), like.std(0)
    spread = spread + _SPREAD_FLOOR * max(1e-6, float(np.median(spread)))
    if features == "field":
        spread = spread + _SPREAD_FLOOR
    rows = np.concatenate([rows for _, rows in groups])
    x = torch.from_numpy(np.clip((rows - mean) / spread, -6, 6))
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    which = [np.full(len(rows), kinds.index(kind)) for kind, rows in groups]
    classes = torch.from_numpy(np.concatenate(which))
    share = np.concatenate([np.full(len(rows), 1 / max(len(rows), 1)) for _, rows in groups])
    share = torch.from_numpy(share / share.mean())
    weights = torch.zeros(len(kinds), x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        cross = torch.nn.functional.cross_entropy(x @ weights.T, classes, reduction="none")
        value = (cross * share).mean() + decay * weights[:, :-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    statistics = FeatureStatistics(
        features="field" if features == "field" else "embedding",
        mean=_rounded(mean),
        spread=_rounded(spread),
        kinds=tuple(kinds),
        weights=tuple(_rounded(row) for row in weights.detach().numpy()),
        least=0.0,
    )
    least = float(np.quantile(statistics.likeness(like), _MOST_UNLIKE))
    return msgspec.structs.replace(statistics, least=min(least, 0.5))


def _rounded(numbers: Features) -> tuple[float, ...]:
    """Return numbers of four digits, which model.json can hold without growing long."""
    return tuple(float(f"{number:.4g}") for number in numbers.tolist())


def _report(
    name: str, statistics: FeatureStatistics, groups: Sequence[tuple[str, Features]]
) -> None:
    shares: dict[str, list[bool]] = {}
    for kind, rows in groups:
        shares.setdefault(kind, []).extend(statistics.is_unlike(rows).tolist())
    told = ", ".join(f"{kind} {np.mean(each):.2f} of {len(each)}" for kind, each in shares.items())
    print(f"{name}: unlike (limit {statistics.least:.2f}): {told}", flush=True)


def _report_left_out(
    name: str, features: str, groups: Sequence[tuple[str, Features]], folds: int = 4
) -> None:
    """Print shares over fields that the statistics were not fitted to.

    The views of an image are on one side, and so are neighbors on a slide.
    """
    flags: dict[str, list[bool]] = {}
    images = len(groups[0][1])
    for fold in range(folds):
        held = []
        for kind, rows in groups:
            parts = folds if kind == OTHER_TISSUE else images
            held.append(np.arange(len(rows)) * parts // max(len(rows), 1) % folds == fold)
        pairs = list(zip(groups, held, strict=True))
        statistics = _fitted(features, [(kind, rows[~out]) for (kind, rows), out in pairs])
        for (kind, rows), out in pairs:
            flags.setdefault(kind, []).extend(statistics.is_unlike(rows[out]).tolist())
    text = ", ".join(f"{kind} {np.mean(each):.2f} of {len(each)}" for kind, each in flags.items())
    print(f"{name}, left out: unlike: {text}", flush=True)


if __name__ == "__main__":
    main()
