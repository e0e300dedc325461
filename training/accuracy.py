"""Measures the bundled models and writes docs/accuracy.md: python -m training.accuracy DATA.

All figures are those of a user: fields are pictures on which the program runs its models. Nuclei
are measured by data set and patient, beside a classical method and, with --former, beside an
earlier model; intervals are those of 95 % over fields drawn anew.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.likeness import likeness_table
from training.cell_accuracy import cells_part
from training.classical_baseline import classical_labels
from training.data_folders import folder_with
from training.evaluate_nuclei import HELD_PATIENT, product_labels
from training.nuclei_data import (
    load_bbbc038,
    load_tnbc,
    merged_pixels,
    split,
    split_patients,
)
from training.shifted_fields import shifted_f1
from training.taught_accuracy import taught_part
from training.train_detector import measured
from training.train_tissue import left_out_tiles
from training.unlike_figures import LIKE, UNLIKE, told_as_unlike
from viewer.annotations.counting.scores import wilson_interval
from viewer.geometry import Box
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.outline_scores import Counts, counted, score_of
from viewer.slides import open_slide
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Labels = NDArray[np.int32]
    Method = Callable[[NDArray[np.uint8]], Labels]

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
_DRAWS = 2000
_ENDS = (2.5, 97.5)


class Field(NamedTuple):
    """What a method found in a field."""

    all_objects: Counts
    convex: Counts
    shared_px: int
    found_px: int
    true_px: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and the ends of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.2f} to {self.high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=folder_with("nuclei", "tiles"), help="folder with nuclei/ and tiles/"
    )
    parser.add_argument("--former", type=Path, help="folder of an earlier nuclei model")
    parser.add_argument(
        "--elsewhere", type=Path, help="folder of a nuclei model that was trained without TNBC"
    )
    parser.add_argument(
        "--detector", type=Path, help="folder that training.train_detector wrote; none, no boxes"
    )
    options = parser.parse_args()
    boxes = options.detector and measured(options.data, options.detector)
    parts = [
        _HEAD,
        _nuclei(options.data, options.former),
        *([_elsewhere(options.data, options.elsewhere)] if options.elsewhere else []),
        _shifts(options.data, options.former),
        cells_part(options.data),
        taught_part(options.data),
        _unlike(options.data),
        _tiles(options.data),
        *([f"{_BOXES}\n{boxes}"] if boxes else []),
        f"{_ALIKE}\n\n{likeness_table(options.data / 'tiles' / 'crc-val-he-7k')}",
    ]
    PAGE.write_text("\n\n".join(parts) + "\n")


def _nuclei(data: Path, former: Path | None) -> str:
    methods = _models(former)
    methods["color deconvolution, Otsu, watershed"] = classical_labels
    tnbc = load_tnbc(data / "nuclei" / "tnbc-train-augmented.npz")
    assert tnbc.patients is not None
    _, held = split(load_bbbc038(data / "nuclei" / "bbbc038-brightfield-train.npz"))
    groups = {f"BBBC038, {len(held)} fields held back": (held.images, held.labels)}
    for patient in sorted(set(tnbc.patients.tolist()), key=lambda each: each != HELD_PATIENT):
        which = tnbc.patients == patient
        kind = "held back" if patient == HELD_PATIENT else "trained on"
        name = f"TNBC, patient {patient}, {which.sum()} fields {kind}"
        groups[name] = tnbc.images[which], tnbc.labels[which]
    rows = [
        f"| {name} | {method} | {_row(_fields(*fields, labels_of))} |"
        for name, fields in groups.items()
        for method, labels_of in methods.items()
    ]
    return "\n".join([_NUCLEI, *rows])


def _elsewhere(data: Path, model: Path) -> str:
    """Return what a model reaches on TNBC that never saw it, by patient and in all."""
    tnbc = load_tnbc(data / "nuclei" / "tnbc-train-augmented.npz")
    assert tnbc.patients is not None
    found = _fields(tnbc.images, tnbc.labels, lambda image: product_labels(image, model=str(model)))
    patients = tnbc.patients.tolist()
    rows = [
        f"| patient {patient}, {patients.count(patient)} fields "
        f"| {_row([field for field, of in zip(found, patients, strict=True) if of == patient])} |"
        for patient in sorted(set(patients))
    ]
    return "\n".join([_ELSEWHERE, *rows, f"| all {len(found)} fields | {_row(found)} |"])


def _models(former: Path | None) -> dict[str, Method]:
    version = load_bundle(BUNDLED / "nuclei").version
    models: dict[str, Method] = {f"nuclei {version}": product_labels}
    if former is not None:
        name = f"nuclei {load_bundle(former).version}"
        models[name] = lambda image: product_labels(image, model=str(former))
    return models


def _shifts(data: Path, former: Path | None) -> str:
    tnbc = load_tnbc(data / "nuclei" / "tnbc-train-augmented.npz")
    _, held = split_patients(tnbc, {HELD_PATIENT})
    pictures: dict[str, list[NDArray[np.uint8]]] = {
        "skin, 850 x 850 px": [_part(data / "slides" / "CMU-1-Small-Region.svs", (900, 1900))],
        "InstanSeg's H&E, 850 x 850 px": [
            _part(data / "not-openslide" / "instanseg_HE_example.tif", (260, 260))
        ],
        f"TNBC, {len(held)} fields held back": list(held.images),
    }
    rows = [
        f"| {name} | {model} | {np.mean(shares):.3f} | {min(shares):.3f} |"
        for name, fields in pictures.items()
        for model, labels_of in _models(former).items()
        for shares in (shifted_f1(fields, labels_of),)
    ]
    return "\n".join([_SHIFTS, *rows])


def _part(path: Path, corner: tuple[int, int], side_px: int = 850) -> NDArray[np.uint8]:
    with closing(open_slide(path)) as source:
        x, y = corner
        return read_region(source, Box(x, y, x + side_px, y + side_px), side_px, side_px)


def _unlike(data: Path) -> str:
    rows = [
        f"| {case.name} | {'at most 5 %' if case in LIKE else 'at least 80 %'} | "
        f"{hatched} of {count} |"
        for case in (*LIKE, *UNLIKE)
        for hatched, count in (told_as_unlike(data, case),)
    ]
    return "\n".join([_UNLIKE, *rows])


def _fields(images: NDArray[np.uint8], truths: NDArray[np.int32], labels_of: Method) -> list[Field]:
    fields: list[Field] = []
    for image, truth in zip(images, truths, strict=True):
        found = labels_of(image)
        merged = merged_pixels(truth)
        fields.append(
            Field(
                counted(truth, found),
                counted(np.where(merged, 0, truth), _outside(found, merged)),
                int(((found > 0) & (truth > 0)).sum()),
                int((found > 0).sum()),
                int((truth > 0).sum()),
            )
        )
    return fields


def _outside(labels: Labels, merged: NDArray[np.bool_]) -> Labels:
    """Return the objects of which less than half lies in merged ones."""
    sizes = np.bincount(labels.ravel())
    within = np.bincount(labels[merged], minlength=len(sizes))
    is_out = 2 * within < sizes
    return np.where(is_out[labels], labels, 0)


def _row(fields: list[Field]) -> str:
    figures = [
        _interval(fields, lambda some: score_of(each.all_objects for each in some).f1),
        _interval(fields, lambda some: score_of(each.convex for each in some).f1),
        _interval(fields, _dice),
    ]
    return " | ".join(map(str, figures))


def _dice(fields: Iterable[Field]) -> float:
    rows = list(fields)
    both = sum(each.shared_px for each in rows)
    return 2 * both / max(sum(each.found_px + each.true_px for each in rows), 1)


def _interval(fields: list[Field], figure: Callable[[list[Field]], float]) -> Figure:
    """Return a figure of all fields, and its interval over fields drawn with replacement."""
    rng = np.random.default_rng(0)
    drawn = [
        figure([fields[index] for index in rng.integers(0, len(fields), len(fields))])
        for _ in range(_DRAWS)
    ]
    low, high = np.percentile(drawn, _ENDS)
    return Figure(figure(fields), float(low), float(high))


def _tiles(data: Path) -> str:
    right, count = left_out_tiles(data)
    ends = wilson_interval(right, count)
    assert ends is not None
    return (
        f"{_TILES}\n| colorectal tissue, {count} tiles left out one by one | {right} of {count} "
        f"({right / count:.2f}; {ends.low:.2f} to {ends.high:.2f}) |"
    )


_HEAD = """# Accuracy

Made by `python -m training.accuracy DATA --former FOLDER --elsewhere FOLDER --detector FOLDER`. All
figures are those of the program run on pictures of single fields, as `coverslip run` gives them. In
brackets are 95 % intervals over fields (nuclei: drawn anew; tiles: Wilson's). Fields of one patient
are alike: intervals over few patients say little of another laboratory."""
_NUCLEI = """## Nuclei

F1 at an IoU of 0.5. TNBC's objects are the connected parts of a binary mask: a quarter are several
nuclei that touch, so F1 on convex objects (solidity above 0.9) says more.

| fields | method | F1 | F1, convex objects | Dice |
| --- | --- | --- | --- | --- |"""
_ELSEWHERE = """## What another laboratory may expect

TNBC as a model sees it that never learned from it: the same network, trained on BBBC038 and on
places without nuclei (`python -m training.train_nuclei DATA --no-tnbc --teacher WEIGHTS`, the
teacher trained without TNBC, too).

| TNBC | F1 | F1, convex objects | Dice |
| --- | --- | --- | --- |"""
_SHIFTS = """## Where a picture begins

F1 (at an IoU of 0.5) of the objects of a picture and of those of the same picture begun 1 to 63
pixels farther right and down, over objects that lie whole in both.

| picture | model | mean of 5 shifts | worst |
| --- | --- | --- | --- |"""
_UNLIKE = """## Fields unlike the training data

Fields of 248 um, at most 8 of a slide, each run by the nuclei model as a picture; told as unlike.

| fields | wanted | hatched |
| --- | --- | --- |"""
_ALIKE = """## Alike on other slides

Of the first 12 fields that are found on other slides, the share of the same tissue
(`python -m benchmarks.likeness TILES`). A slide shows a tile once, so that more than the share in
the last column cannot be found."""
_BOXES = """## Boxes

A small detector of the YOLO kind, trained for some minutes on the other fields and exported to ONNX
(`python -m training.train_detector DATA FOLDER`), run over the held-back fields put together to one
picture of many patches. It is not shipped: its figures say that boxes come to the slide as the
network gives them, each once, and not how well detectors can do. IoU above 0.5.

| fields | nuclei | boxes | F1 | precision | recall | boxes half covered by another |
| --- | --- | --- | --- | --- | --- | --- |"""
_TILES = """## Tiles

Each tile is a picture of exactly one patch; the answer is the mean over its cells. The classifier
is fitted anew without the tile that it is asked about.

| tiles | right |
| --- | --- |"""

if __name__ == "__main__":
    main()
