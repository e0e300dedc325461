"""How many fields of slides are told as unlike the training data, through the product."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

import coverslip
from viewer.geometry import Box
from viewer.inference.field_features import field_features
from viewer.slides import open_slide
from viewer.slides.region import read_region
from viewer.slides.tissue import candidate_mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FIELD_PX = 496
"""At 0.5 um/px; the smaller slides hold four of them."""
_FED_UM = 0.5
_MOST = 8
_GLASS, _LEAST_TISSUE = 225, 0.5
_INSTANSEG = "not-openslide/instanseg_HE_example.tif"
_SKIN = "slides/CMU-1-Small-Region.svs"


class Case(NamedTuple):
    """Fields of a slide, as they are run.

    Attributes
    ----------
    file
        Below the folder of data.
    mpp_um
        That is said of the fields, which are of 0.5 um/px.
    """

    name: str
    file: str
    mpp_um: float = _FED_UM


LIKE = (
    Case("H&E, OS-1, never trained on", "not-openslide/OS-1-detail.ome.tif"),
    Case("H&E, InstanSeg's example, never trained on", _INSTANSEG),
    Case("H&E, skin", _SKIN),
)
UNLIKE = (
    Case("Ki67, OS-2 (NDPI)", "not-openslide/OS-2-ndpi.ome.tif"),
    Case("Ki67, OS-2 (VSI)", "not-openslide/OS-2-vsi.ome.tif"),
    Case("DAPI, its RGB picture", "slides/test3-DAPI-2-387.ndpi"),
    Case("TRITC, its RGB picture", "slides/test3-TRITC-2-560.ndpi"),
    Case("InstanSeg's H&E, said to be 2 um/px", _INSTANSEG, 2.0),
    Case("InstanSeg's H&E, said to be 0.125 um/px", _INSTANSEG, 0.125),
    Case("skin, said to be 2 um/px", _SKIN, 2.0),
    Case("skin, said to be 0.125 um/px", _SKIN, 0.125),
)


def told_as_unlike(data: Path, case: Case, model: str = "nuclei") -> tuple[int, int]:
    """Return how many fields are hatched, and how many were run."""
    hatched = count = 0
    for field in _fields(data / case.file, case.mpp_um):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "field.png"
            Image.fromarray(field).save(path)
            run = coverslip.run_model(model, path, mpp_um=case.mpp_um)
        count += 1
        hatched += run.unlike.count > 0
    return hatched, count


def _fields(path: Path, said_um: float) -> Iterator[NDArray[np.uint8]]:
    """Yield fields of tissue at 0.5 um/px, smaller ones where more is made of them."""
    with closing(open_slide(path)) as source:
        base = source.levels[0]
        scale = _FED_UM / (source.info.optics.mean_mpp_um or _FED_UM)
        side_px = round(_FIELD_PX * min(1.0, _FED_UM / said_um))
        side = side_px * scale
        tissue = candidate_mask(source)
        columns, rows = (max(1, int(each // side)) for each in (base.width_px, base.height_px))
        boxes = [
            Box(column * side, row * side, (column + 1) * side, (row + 1) * side)
            for row in range(rows)
            for column in range(columns)
        ]
        order = np.random.default_rng(0).permutation(len(boxes)).tolist()
        count = 0
        for box in (boxes[index] for index in order if tissue.meets(boxes[index])):
            field = read_region(source, box, side_px, side_px)
            if _is_mostly_tissue(field):
                yield field
                count += 1
            if count == _MOST:
                return


def _is_mostly_tissue(field: NDArray[np.uint8]) -> bool:
    """Return whether at least half of a field is no glass."""
    gray = field.astype(np.float32).mean(2)
    return field_features(field) is not None and float((gray < _GLASS).mean()) >= _LEAST_TISSUE
