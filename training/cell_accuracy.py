"""Measures cells by settings: python -m training.cell_accuracy DATA prints their part of the page.

All figures are those of the program run on pictures of single fields, beside the nuclei network.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from training.data_folders import folder_with
from training.evaluate_nuclei import HELD_PATIENT, product_labels
from training.nuclei_data import load_bbbc038, load_tnbc, split, split_patients
from training.scores import aji, aji_plus, scored
from training.two_scans import two_scans_table
from viewer.geometry import Box
from viewer.inference.cells.estimating import estimated_stains
from viewer.inference.cells.models import with_settings
from viewer.inference.cells.settings import CellSettings
from viewer.inference.cells.stain_vectors import StainError, StainVectors
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.runs.running import run_model
from viewer.overlays.files.masks import label_mask
from viewer.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Labels = NDArray[np.int32]

_MPP_UM = 0.5


def cell_labels(image: NDArray[np.uint8], *, estimates: bool = False) -> Labels:
    """Return the labels (h, w) of what `coverslip run cells` finds on a picture of H&E.

    Parameters
    ----------
    estimates
        Whether the stains are estimated by Macenko, where the picture has enough of both.
    """
    height, width = image.shape[:2]
    field = Box(0, 0, width, height)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "field.png"
        Image.fromarray(image).save(path)
        stains = _stains(path, field) if estimates else StainVectors.default("H&E")
        settings = CellSettings(stains=stains, is_scored=False)
        bundle = with_settings(load_bundle(BUNDLED / "cells"), settings)
        objects = run_model(path, bundle, mpp_um=_MPP_UM, device="cpu").objects()
    return label_mask(objects, field).astype(np.int32)


def cells_part(data: Path) -> str:
    """Return the part of docs/accuracy.md about cells by settings."""
    return f"{_SCANS}\n\n{two_scans_table(data)}\n\n{_NUCLEI}\n{_nuclei(data)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data",
        type=folder_with("nuclei", "not-openslide"),
        help="folder with nuclei/ and not-openslide/",
    )
    print(cells_part(parser.parse_args().data))


def _stains(path: Path, field: Box) -> StainVectors:
    source = open_slide(path)
    try:
        return estimated_stains(source, field, "H&E")
    except StainError:
        return StainVectors.default("H&E")
    finally:
        source.close()


def _nuclei(data: Path) -> str:
    tnbc = load_tnbc(data / "nuclei" / "tnbc-train-augmented.npz")
    _, held = split_patients(tnbc, {HELD_PATIENT})
    _, bbbc = split(load_bbbc038(data / "nuclei" / "bbbc038-brightfield-train.npz"))
    version = load_bundle(BUNDLED / "nuclei").version
    methods: dict[str, Callable[[NDArray[np.uint8]], Labels]] = {
        f"nuclei {version}": product_labels,
        "cells, QuPath's H&E vectors": cell_labels,
        "cells, stains of each field": lambda image: cell_labels(image, estimates=True),
    }
    groups = {
        f"BBBC038, {len(bbbc)} fields held back": bbbc,
        f"TNBC, patient {HELD_PATIENT}, {len(held)} fields held back": held,
        f"TNBC, all {len(tnbc)} fields": tnbc,
    }
    rows: list[str] = []
    for name, fields in groups.items():
        for method, labels_of in methods.items():
            pairs = [
                (truth, labels_of(image))
                for image, truth in zip(fields.images, fields.labels, strict=True)
            ]
            scores = scored(pairs)
            means = [float(np.mean([index(*pair) for pair in pairs])) for index in (aji, aji_plus)]
            figures = " | ".join(f"{each:.3f}" for each in (scores.f1, scores.pq, *means))
            rows.append(f"| {name} | {method} | {figures} |")
    return "\n".join(rows)


_SCANS = """## Cells by settings

`python -m training.cell_accuracy DATA`. One section of Ki-67 in two scans, on the same field of
500 µm (`coverslip align` finds where they lie on each other): the same settings in µm, vectors
(Macenko) and white of each scan's own field. The settings (*Optical density sum*, threshold 0.06,
sigma 2 µm, minimum area 20 µm², the rest by default) were chosen on this field, so the agreement
says what can be reached, not what another pair gives unseen. Counts are to agree within 15 %,
positive shares within 5 points."""
_NUCLEI = """The second scan is paler and less sharp: with a higher threshold (0.2) it loses half of
its pale nuclei and counts 55 % fewer, since one density is then far from the noise in one scan and
not in the other. H-scores differ for the same reason: a density of DAB is not the same in both.

Nuclei of H&E by default settings (*Hematoxylin OD*), beside the nuclei network. F1 and PQ (panoptic
quality, Kirillov et al. 2019) match objects of an IoU strictly above 0.5, over all fields together;
AJI (Kumar et al. 2017) and AJI+ (Graham et al. 2019, one to one) are means over fields. Fields of
one purple stain have no stains of their own: QuPath's vectors are taken there. The network was
trained on TNBC's other patients; cells by settings have learned nothing.

| fields | method | F1 | PQ | AJI | AJI+ |
| --- | --- | --- | --- | --- | --- |"""

if __name__ == "__main__":
    main()
