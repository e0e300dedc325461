"""Fields without outlined nuclei, for training: some places in them are known to hold none.

`without_nuclei.json` lists places outlined by hand (keratin, ink, mucus, fat, red cells, glass) on
the CC0 slide and on CRC-VAL-HE-7K tiles (CC BY 4.0), in pixels; "not outlined" are places of which
nothing is said. Elsewhere, and on tiles full of small dark nuclei, which look a little like such
places, earlier weights say what they are sure of; the rest counts for nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from training.evaluate_nuclei import predicted
from training.nuclei_data import UNKNOWN, NucleiSet
from viewer.geometry import Box
from viewer.inference.instances import CONFIDENCE, labeled, objects_of
from viewer.overlays.files.masks import label_mask
from viewer.slides import open_slide
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    Labels = NDArray[np.int32]
    Field = tuple[NDArray[np.uint8], Labels]

_PLACES = Path(__file__).with_name("without_nuclei.json")
_SILENT = "not outlined"
_TILES = "tiles/crc-val-he-7k"
_CROWDED = ("LYM", "NORM")
_FIELD_PX = 224
_MPP_UM = 0.5
_SURE_NUCLEUS, _SURE_NONE = 0.8, 0.1
_LEAST_KNOWN, _LEAST_TISSUE, _LEAST_OUTLINED = 0.2, 0.15, 0.05
_ROUND_PX = 12
_GLASS = 235


def load_unlabeled(data: Path, teacher: nn.Module) -> NucleiSet:
    """Return fields (n, 224, 224) of pictures with such places, UNKNOWN where nothing is known.

    A third of them have places outlined by hand, a third lie beside them, and a third are crowded
    tiles; those of which there are fewer come several times.
    """
    places = json.loads(_PLACES.read_text())
    plain: list[Field] = []
    outlined: list[Field] = []
    for name, kinds in places.items():
        image = _picture(data / name)
        silent = _drawn(image, kinds.pop(_SILENT, []))
        empty = _drawn(image, [ring for rings in kinds.values() for ring in rings])
        labels = _sure_labels(teacher, image)
        labels[silent] = UNKNOWN
        labels[empty] = 0
        for y in range(0, image.shape[0] - _FIELD_PX + 1, _FIELD_PX // 2):
            for x in range(0, image.shape[1] - _FIELD_PX + 1, _FIELD_PX // 2):
                place = slice(y, y + _FIELD_PX), slice(x, x + _FIELD_PX)
                part, known = image[place], labels[place] != UNKNOWN
                is_tissue = part.mean(2) < _GLASS
                if known.mean() < _LEAST_KNOWN or is_tissue.mean() < _LEAST_TISSUE:
                    continue
                is_outlined = (empty[place] & is_tissue).mean() > _LEAST_OUTLINED
                group = outlined if is_outlined else plain
                group.append((part, labels[place]))
    crowded: list[Field] = []
    for kind in _CROWDED:
        for path in sorted((data / _TILES / kind).iterdir()):
            image = _picture(path)[:_FIELD_PX, :_FIELD_PX]
            crowded.append((image, _sure_labels(teacher, image)))
    groups = (plain, outlined, crowded)
    most = max(map(len, groups))
    fields = [group[index % len(group)] for group in groups for index in range(most)]
    images, labels = zip(*fields, strict=True)
    return NucleiSet(np.stack(images), np.stack(labels))


def _picture(path: Path) -> NDArray[np.uint8]:
    source = open_slide(path)
    base = source.levels[0]
    box = Box(0, 0, base.width_px, base.height_px)
    picture = read_region(source, box, base.width_px, base.height_px)
    source.close()
    return picture


def _drawn(image: NDArray[np.uint8], rings: list[list[list[float]]]) -> NDArray[np.bool_]:
    mask = Image.new("1", (image.shape[1], image.shape[0]))
    for ring in rings:
        ImageDraw.Draw(mask).polygon([(x, y) for x, y in ring], fill=1)
    return np.asarray(mask)


def _sure_labels(teacher: nn.Module, image: NDArray[np.uint8]) -> Labels:
    """Return the nuclei of which the teacher is sure, 0 where it is sure of none, else UNKNOWN."""
    height, width = image.shape[:2]
    maps = predicted(teacher, image)
    box = Box(0, 0, width, height)
    objects = objects_of(labeled(maps), maps[0], image, box, box, _MPP_UM)
    red = image[..., 0].astype(np.float32)
    # Hematoxylin takes red away: what is paler than its surroundings is no nucleus that was missed.
    is_pale = red > ndimage.gaussian_filter(red, _ROUND_PX)
    labels = np.where((maps[0] < _SURE_NONE) & is_pale, 0, UNKNOWN).astype(np.int32)
    if not len(objects):
        return labels
    sure = objects.taken(objects.measurements[CONFIDENCE] >= _SURE_NUCLEUS)
    nuclei = label_mask(sure, box).astype(np.int32)
    return np.where(nuclei > 0, nuclei, labels)
