"""Fields with outlined nuclei, and their split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage
from shapely import MultiPoint

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

_FOLDS = 5
_LARGE_PX = 600
_PINK_RED = 185
UNKNOWN = -1
"""The label of pixels of which it is not known whether they are of a nucleus."""
_WHOLE_SOLIDITY = 0.9
"""An object less convex than this is taken for several nuclei that touch."""


@dataclass(frozen=True, slots=True)
class NucleiSet:
    """n fields: uint8 (n, h, w, 3) and int32 (n, h, w), 0 is background, UNKNOWN is either."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    patients: NDArray[np.int64] | None = None
    """The patient of each field, where it is known."""

    def __len__(self) -> int:
        return len(self.images)

    def chosen(self, indices: NDArray[np.int64]) -> NucleiSet:
        patients = None if self.patients is None else self.patients[indices]
        return NucleiSet(self.images[indices], self.labels[indices], patients)


def load_bbbc038(path: Path) -> NucleiSet:
    """Return the 80 stained brightfield fields of BBBC038 (CC0), in pixels of their own."""
    with np.load(path) as kept:
        return NucleiSet(kept["images"], kept["instances"].astype(np.int32))


def load_tnbc(path: Path) -> NucleiSet:
    """Return the H&E fields of TNBC (Naylor et al. 2018, CC BY 4.0), halved to 0.5 um/px.

    Their objects are the connected parts of a binary mask, so that touching nuclei may be one.
    """
    with np.load(path) as kept:
        halves = [
            np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BOX))
            for image in kept["images"]
        ]
        labels = kept["instances"][:, ::2, ::2].astype(np.int32)
        return NucleiSet(np.stack(halves), labels, kept["patients"])


def split_patients(fields: NucleiSet, held: set[int]) -> tuple[NucleiSet, NucleiSet]:
    """Return the fields of all other patients, and those of the `held` ones."""
    assert fields.patients is not None
    is_held = np.isin(fields.patients, list(held))
    return fields.chosen(np.flatnonzero(~is_held)), fields.chosen(np.flatnonzero(is_held))


def merged_pixels(labels: Labels) -> NDArray[np.bool_]:
    """Return (h, w): the pixels of objects that are probably several nuclei, by their solidity."""
    merged = np.zeros(labels.shape, bool)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is None:
            continue
        inside = labels[place] == number
        rows, columns = np.nonzero(inside)
        corners = np.concatenate(
            [np.stack([columns + dx, rows + dy], 1) for dx in (0, 1) for dy in (0, 1)]
        )
        if inside.sum() < _WHOLE_SOLIDITY * MultiPoint(corners).convex_hull.area:
            merged[place] |= inside
    return merged


def split(fields: NucleiSet, fold: int = 0) -> tuple[NucleiSet, NucleiSet]:
    """Training and validation fields: four fifths and one fifth, alike in stain and size."""
    red = fields.images.reshape(len(fields), -1, 3).mean(1)[:, 0]
    sizes = np.array([_median_area(labels) for labels in fields.labels])
    kind = (red > _PINK_RED) * 2 + (sizes > _LARGE_PX)
    order = np.lexsort((sizes, kind))
    held = np.sort(order[fold::_FOLDS])
    return fields.chosen(np.setdiff1d(np.arange(len(fields)), held)), fields.chosen(held)


def _median_area(labels: Labels) -> float:
    areas = np.bincount(labels.ravel())[1:]
    return float(np.median(areas[areas > 0]))
