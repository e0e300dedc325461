"""Measures classes taught by marks: python -m training.taught_accuracy DATA prints their part.

Marks are simulated on fields with outlined nuclei; all else is the program: the marks are files of
annotations, the model is trained by them and run on other fields.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from scipy import ndimage
from skimage.color import rgb2hed

from training.data_folders import folder_with
from training.nuclei_data import load_bbbc038, load_tnbc, split
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.runs.running import run_model
from viewer.inference.teaching.held_out import calibration_error
from viewer.inference.teaching.learning import learned
from viewer.inference.teaching.marked_slides import marked_slides
from viewer.inference.teaching.object_vectors import object_vectors
from viewer.inference.teaching.taught_bundles import with_features
from viewer.inference.teaching.taught_objects import CHANCE
from viewer.inference.teaching.training_objects import train_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.nuclei_data import NucleiSet
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.objects import Objects

CLASSES = ("small", "large, pale", "large, dark")
_COLORS = ((0, 0, 200), (200, 200, 0), (200, 0, 0))
_HELD_PATIENT = 5
_MPP_UM = 0.5
_BY_MARKS, _FEW = (10, 20, 50), (10, 20)
"""Of few fields, 50 of each class would be nearly all nuclei, those found as one among them."""
_SEEDS = (0,)
_LEAST_PX = 30


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Fields side by side as a slide, with what is true of each outlined nucleus.

    Attributes
    ----------
    labels
        int32 (h, w), numbered from 1.
    areas_px, stains
        (n,) of the nuclei.
    middles
        (n, 2) x and y of a pixel in each.
    """

    path: Path
    labels: NDArray[np.int32]
    areas_px: NDArray[np.float64]
    stains: NDArray[np.float64]
    middles: NDArray[np.float64]

    @classmethod
    def of(cls, fields: NucleiSet, path: Path) -> Mosaic:
        """Lay fields side by side, and write them as a picture of 0.5 um/px."""
        count, height, width = fields.labels.shape
        across = int(np.ceil(np.sqrt(count)))
        down = -(-count // across)
        picture = np.full((down * height, across * width, 3), 244, np.uint8)
        labels = np.zeros(picture.shape[:2], np.int32)
        most = 0
        for index in range(count):
            row, column = divmod(index, across)
            place = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            picture[place] = fields.images[index]
            own = np.maximum(fields.labels[index], 0)
            labels[place] = np.where(own > 0, own + most, 0)
            most = max(most, int(labels.max()))
        scale = {"PhysicalSizeX": _MPP_UM, "PhysicalSizeY": _MPP_UM}
        tifffile.imwrite(
            path, picture, tile=(256, 256), metadata={"axes": "YXS", **scale}, ome=True
        )
        areas = np.bincount(labels.ravel())
        numbers = np.flatnonzero(areas >= _LEAST_PX)
        numbers = numbers[numbers > 0]
        fresh = np.zeros(len(areas), np.int32)
        fresh[numbers] = np.arange(1, len(numbers) + 1)
        labels = fresh[labels]
        index = np.arange(1, len(numbers) + 1)
        stains = ndimage.mean(rgb2hed(picture)[..., 0], labels, index)
        middles = np.array(ndimage.center_of_mass(labels > 0, labels, index))[:, ::-1] + 0.5
        return cls(path, labels, areas[numbers].astype(float), np.asarray(stains), middles)

    def classes(self, area_px: float, stain: float) -> NDArray[np.intp]:
        """Return (n,) the true class of each nucleus by an area and a stain that divide them."""
        return np.where(self.areas_px < area_px, 0, np.where(self.stains < stain, 1, 2))

    def true_of(self, objects: Objects, classes: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return (m,) the true class of the nucleus in which each object's middle lies, or -1."""
        x, y = np.floor(objects.centroids.T).astype(int)
        height, width = self.labels.shape
        numbers = self.labels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        return np.where(numbers > 0, classes[numbers - 1], -1)


def taught_part(data: Path) -> str:
    """Return the part of docs/accuracy.md about classes taught by marks."""
    tnbc = load_tnbc(data / "nuclei" / "tnbc-train-augmented.npz")
    assert tnbc.patients is not None
    train, held = split(load_bbbc038(data / "nuclei" / "bbbc038-brightfield-train.npz"))
    patients = sorted(set(tnbc.patients.tolist()) - {_HELD_PATIENT})
    of_patient = {each: tnbc.chosen(np.flatnonzero(tnbc.patients == each)) for each in patients}
    tested = tnbc.chosen(np.flatnonzero(tnbc.patients == _HELD_PATIENT))
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("COVERSLIP_HOME", str(Path(folder) / "home"))
        place = Path(folder)
        rows += _rows(f"BBBC038, {len(held)} other fields", [train], held, place / "bbbc")
        name = f"TNBC, {len(tested)} fields of another patient"
        rows += _rows(name, list(of_patient.values()), tested, place / "tnbc", _FEW)
    return "\n".join([_HEAD, *rows])


def main() -> None:
    """Print the part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=folder_with("nuclei"), help="folder with nuclei/")
    print(taught_part(parser.parse_args().data))


def _rows(
    name: str,
    taught: Sequence[NucleiSet],
    tested: NucleiSet,
    place: Path,
    counts: Sequence[int] = _BY_MARKS,
) -> list[str]:
    place.mkdir()
    slides = [Mosaic.of(each, place / f"{n}.ome.tif") for n, each in enumerate(taught)]
    test = Mosaic.of(tested, place / "test.ome.tif")
    area = float(np.median(np.concatenate([each.areas_px for each in slides])))
    is_large = [each.areas_px >= area for each in slides]
    stains = [each.stains[large] for each, large in zip(slides, is_large, strict=True)]
    stain = float(np.median(np.concatenate(stains)))
    truths = [each.classes(area, stain) for each in slides]
    truth = test.classes(area, stain)
    rows: list[str] = []
    for count in counts:
        figures: list[tuple[float, ...]] = []
        for seed in _SEEDS:
            marks = _marks(slides, truths, count, seed, place)
            training = train_objects(
                marked_slides([each.path for each in slides], marks),
                load_bundle(BUNDLED / "nuclei"),
                place / f"{count}-{seed}",
                "Simulated",
                device="cpu",
            )
            figures.append(figures_of(training.bundle, test, truth))
        rows.append(row_of(name, count, figures))
        print(rows[-1], file=sys.stderr, flush=True)
    rows.append(_trees(name, slides, truths, test, truth))
    print(rows[-1], file=sys.stderr, flush=True)
    return rows


def figures_of(
    taught: ModelBundle, test: Mosaic, truth: NDArray[np.intp]
) -> tuple[float, float, float, float]:
    """Return what a taught model gets right, all and by class; its own estimate; calibration."""
    found = run_model(test.path, taught, device="cpu").objects()
    which = test.true_of(found, truth)
    known = which >= 0
    right = found.classes[known] == which[known]
    recalls = [right[which[known] == n].mean() for n in range(len(CLASSES))]
    off = calibration_error(found.measurements[CHANCE][known], right)
    card = taught.description.teaching
    error = None if card is None else card.held_out.error
    estimate = float("nan") if error is None else 1 - error
    return float(right.mean()), float(np.mean(recalls)), estimate, off


def row_of(name: str, count: int, figures: Sequence[tuple[float, ...]]) -> str:
    """Return a row of the table: the means of several draws of marks."""
    right, by_class, estimate, off = np.mean(figures, 0)
    told = "-" if np.isnan(estimate) else f"{estimate:.2f}"
    return f"| {name} | {count} | {right:.2f} | {by_class:.2f} | {told} | {off:.2f} |"


def _marks(
    slides: Sequence[Mosaic],
    truths: Sequence[NDArray[np.intp]],
    count: int,
    seed: int,
    place: Path,
) -> list[Path]:
    """Write points on so many nuclei of each class, over all slides together."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(len(slides)), [len(each) for each in truths])
    numbers = np.concatenate([np.arange(len(each)) for each in truths])
    classes = np.concatenate(truths)
    chosen = [
        index
        for n in range(len(CLASSES))
        for index in rng.choice(np.flatnonzero(classes == n), count, replace=False).tolist()
    ]
    files: list[Path] = []
    for owner, slide in enumerate(slides):
        features = [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": slide.middles[numbers[i]].tolist()},
                "properties": {
                    "classification": {
                        "name": CLASSES[classes[i]], "color": _COLORS[classes[i]],
                    }
                },
            }
            for i in chosen
            if owners[i] == owner
        ]  # fmt: skip
        path = place / f"marks-{owner}.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        files.append(path)
    return files


def _trees(
    name: str,
    slides: Sequence[Mosaic],
    truths: Sequence[NDArray[np.intp]],
    test: Mosaic,
    truth: NDArray[np.intp],
) -> str:
    """Return how gradient-boosted trees do on as many cells, beside what the program learns."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    finder = with_features(load_bundle(BUNDLED / "nuclei"))
    vectors, labels = [], []
    for slide, classes in zip(slides, truths, strict=True):
        objects = run_model(slide.path, finder, device="cpu").objects()
        which = slide.true_of(objects, classes)
        vectors.append(object_vectors(objects)[1][which >= 0])
        labels.append(which[which >= 0])
    every, all_labels = np.concatenate(vectors), np.concatenate(labels)
    rng = np.random.default_rng(0)
    chosen = np.concatenate(
        [rng.permutation(np.flatnonzero(all_labels == n))[:50] for n in range(len(CLASSES))]
    )
    found = run_model(test.path, finder, device="cpu").objects()
    names, asked = object_vectors(found)
    which = test.true_of(found, truth)
    known = which >= 0
    trees = HistGradientBoostingClassifier(max_iter=60).fit(every[chosen], all_labels[chosen])
    linear = learned(every[chosen], all_labels[chosen], len(CLASSES), names)
    shares = [
        (answers[known] == which[known]).mean()
        for answers in (trees.predict(asked), linear.chances(asked).argmax(1))
    ]
    return (
        f"| {name} | 50 | {shares[1]:.2f} by logistic regression, {shares[0]:.2f} by "
        "gradient-boosted trees, on the same cells | | | |"
    )


_HEAD = """## Classes taught by marks

`python -m training.taught_accuracy DATA`. Outlined nuclei are of three classes by what is
measured of their true outlines: small (below the median area), large and pale, large and dark (by
the median hematoxylin of the large). Points on some of each are marks, in files; the program
finds the nuclei, is taught, and tells the classes of those of other fields (BBBC038) or of
another patient (TNBC, taught on three patients), one draw of marks a row. Right is the
share of found nuclei that are called what they are, by class the mean over classes; estimated is
what the program itself says of the marks it held out ("-": not enough); calibration is the
expected calibration error of "Classification probability". Classes that meet at a median are told
wrong most near it: these are not the classes of a pathologist.

| fields | marks a class | right | right, by class | estimated | calibration |
| --- | --- | --- | --- | --- | --- |"""

if __name__ == "__main__":
    main()
