"""Teaches a slide model from labels: measured in folds by patient, then taught by all slides."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np
import torch

from viewer.access import OWNER_FILE
from viewer.cell_text import text_cell
from viewer.cohort.learning.bags import read_bags
from viewer.cohort.learning.figures import SlideModelFigures, slide_model_figures
from viewer.cohort.learning.fitting import (
    ARCHITECTURES,
    FitOptions,
    chances,
    fit,
    new_model,
    settings_of,
)
from viewer.cohort.learning.folds import patient_folds
from viewer.cohort.learning.labels import LabelsError, classes_of
from viewer.colors import CLASS_COLORS
from viewer.files.atomic_write import atomic_write_bytes
from viewer.inference.models.bundle_writing import write_bundle
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.cohort.features.rows import Encoder
    from viewer.cohort.features.store import FeatureStore
    from viewer.cohort.learning.bags import Bags
    from viewer.cohort.learning.fitting import EpochDone
    from viewer.cohort.learning.folds import Fold
    from viewer.cohort.learning.labels import LabeledSlide
    from viewer.inference.models.bundle import ModelBundle

FIGURES_FILE, PREDICTIONS_FILE = "figures.json", "predictions.csv"
_WORK = ".training"
_TRAINING = "training"
"""The member of figures.json that says what the figures are of."""


class SlideTrainingOptions(msgspec.Struct, frozen=True):
    """How a slide model is taught.

    Attributes
    ----------
    architecture
        "abmil", "clam" or "r2t".
    folds
        At most: no more than the rarest class has patients.
    """

    name: str
    architecture: str = "abmil"
    folds: int = 5
    epochs: int = 100
    patience: int = 15
    seed: int = 0


class SlideTraining(msgspec.Struct, frozen=True):
    """What was taught, what it is worth, and in how many folds and epochs."""

    bundle: ModelBundle
    figures: SlideModelFigures
    classes: list[str]
    epochs: int


class TrainingListener(Protocol):
    """Who hears how a training goes on."""

    def on_slide(self, number: int) -> None: ...

    def on_epoch(self, fold: int, folds: int, done: EpochDone) -> None:
        """`fold` counts from 1; the one after the last is the model by all slides."""


def train_slide_model(
    store: FeatureStore, encoder: Encoder, labeled: Sequence[LabeledSlide], out: Path,
    options: SlideTrainingOptions, listener: TrainingListener,
) -> SlideTraining:  # fmt: skip
    """Teach a slide model and write it as a bundle with its figures and held-out predictions.

    A training that was ended goes on with the same call, and gives the same weights.

    Raises
    ------
    LabelsError
        There are no features to learn from, or `out` holds something else.
    FeatureStoreError
        The store cannot be read.
    OSError
        `out` cannot be written.
    """
    if options.architecture not in ARCHITECTURES:
        raise LabelsError(f"There is no model {options.architecture}: use abmil, clam or r2t.")
    classes = classes_of(labeled)
    fingerprint = _fingerprint(encoder, labeled, options)
    work = _work_folder(out, fingerprint)
    bags = read_bags(store, encoder, labeled, listener.on_slide)
    if bags.is_small:
        torch.set_num_threads(1)
    folds = patient_folds(labeled, options.folds, options.seed)
    held_out = np.zeros((len(labeled), len(classes)))
    epochs: list[int] = []
    for number, fold in enumerate(folds, 1):

        def on_epoch(done: EpochDone, number: int = number) -> None:
            listener.on_epoch(number, len(folds), done)

        tested, best = _fold(
            bags, fold, _fit_options(options, classes), work / str(number), fingerprint, on_epoch
        )
        held_out[list(fold.tested)] = tested
        epochs.append(best)
    figures = slide_model_figures(
        held_out, bags.classes.numpy(), [each.patient for each in labeled], len(folds),
        options.seed,
    )  # fmt: skip
    count = max(1, round(float(np.median(epochs))))
    last = _fit_options(options, classes, epochs=count)
    model = new_model(encoder.length, last)
    fit(
        model, bags, range(len(bags)), (), last, work / "all", fingerprint,
        lambda done: listener.on_epoch(len(folds) + 1, len(folds), done),
    )  # fmt: skip
    card = _card(encoder, labeled, options, classes, figures)
    bundle = write_bundle(out, model.state_dict(), card)
    record = msgspec.to_builtins(figures) | {_TRAINING: fingerprint}
    text = msgspec.json.format(msgspec.json.encode(record), indent=2)
    atomic_write_bytes(out / FIGURES_FILE, text)
    # It names patients.
    table = _predictions(labeled, classes, held_out)
    atomic_write_bytes(out / PREDICTIONS_FILE, table, mode=OWNER_FILE)
    shutil.rmtree(work, ignore_errors=True)
    return SlideTraining(bundle, figures, classes, count)


def _work_folder(out: Path, fingerprint: str) -> Path:
    """Return the folder of what is under way, made where it is not there.

    Raises LabelsError where `out` holds something else, which is not written over.
    """
    work = out / _WORK
    if out.is_dir() and any(out.iterdir()) and not work.is_dir():
        try:
            held = msgspec.json.decode(read_kept(out / FIGURES_FILE), type=dict[str, object])
        except (OSError, *DECODE_ERRORS):
            held = {}
        if held.get(_TRAINING) != fingerprint:
            raise LabelsError(f"{out} holds something else: give a new folder for the model.")
    work.mkdir(parents=True, exist_ok=True)
    return work


def _fit_options(
    options: SlideTrainingOptions, classes: Sequence[str], epochs: int | None = None
) -> FitOptions:
    return FitOptions(
        options.architecture, len(classes), epochs or options.epochs, options.patience,
        options.seed,
    )  # fmt: skip


def _fold(
    bags: Bags, fold: Fold, options: FitOptions, work: Path, fingerprint: str,
    on_epoch: Callable[[EpochDone], object],
) -> tuple[NDArray[np.float64], int]:  # fmt: skip
    """Return the probabilities of a fold's slides, and after how many epochs its model stood."""
    model = new_model(bags.vectors[0].shape[1], options)
    best = fit(model, bags, fold.taught, fold.stopping, options, work, fingerprint, on_epoch)
    return chances(model, bags, fold.tested).double().numpy(), best


def _fingerprint(
    encoder: Encoder, labeled: Sequence[LabeledSlide], options: SlideTrainingOptions
) -> str:
    """Return what a training is of: another one takes nothing up."""
    slides = [(each.slide, each.label, each.patient) for each in labeled]
    how = (options.architecture, options.folds, options.epochs, options.patience, options.seed)
    text = msgspec.json.encode((encoder.key, slides, how))
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def _card(
    encoder: Encoder, labeled: Sequence[LabeledSlide], options: SlideTrainingOptions,
    classes: Sequence[str], figures: SlideModelFigures,
) -> dict[str, object]:  # fmt: skip
    counts = Counter(each.label for each in labeled)
    taught = ", ".join(f"{counts[name]:,} {name}" for name in classes)
    return {
        "name": options.name,
        "version": "1",
        "task": "slide",
        "mpp_um": encoder.mpp_um,
        "patch_px": encoder.patch_px,
        "architecture": ARCHITECTURES[options.architecture],
        "settings": settings_of(options.architecture),
        "classes": [
            {"name": name, "colour": CLASS_COLORS[index % len(CLASS_COLORS)]}
            for index, name in enumerate(classes)
        ],
        "encoder": {"name": encoder.name, "sha256": encoder.sha256, "length": encoder.length},
        "licence": "As the slides that it was trained on",
        "citation": "",
        "about": f"Trained on {taught} by {ARCHITECTURES[options.architecture]} on features of "
        f"{encoder.name}; held out: {figures.text}. For research use, not for diagnosis.",
    }


def _predictions(
    labeled: Sequence[LabeledSlide], classes: Sequence[str], held_out: NDArray[np.float64]
) -> bytes:
    """Return a CSV: what each slide was called by the model that never saw its patient."""
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(["slide", "patient", "label", *(text_cell(f"chance {c}") for c in classes)])
    for each, row in zip(labeled, held_out.tolist(), strict=True):
        cells = (text_cell(text) for text in (each.name, each.patient, each.label))
        writer.writerow([*cells, *(round(chance, 5) for chance in row)])
    return sink.getvalue().encode()
