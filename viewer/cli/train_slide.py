"""`coverslip train slide`: a slide model from labels of whole slides."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import EncoderOption, JsonOption, fail, print_record
from viewer.files.atomic_write import unwritable
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.cohort.learning.fitting import EpochDone
    from viewer.cohort.learning.training import SlideTraining


def train_slide(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS.csv",
            help="Columns slide (name, path or key) and label; patient, so that no patient is "
            "learned from and measured on at once.",
        ),
    ],
    features: Annotated[
        str,
        typer.Option(metavar="STORE", help="A folder or an s3:// address that `embed` wrote."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder for the model.")],
    model: Annotated[str, typer.Option(help="abmil, clam or r2t.")] = "abmil",
    name: Annotated[str, typer.Option(help="Of the model; by default that of its folder.")] = "",
    encoder: EncoderOption = "",
    folds: Annotated[
        int, typer.Option(help="By patient, at most: no more than the rarest class has.", min=2)
    ] = 5,
    epochs: Annotated[int, typer.Option(help="At most.", min=1, max=100_000)] = 100,
    patience: Annotated[
        int, typer.Option(help="Epochs without progress after which a fold ends.", min=1)
    ] = 15,
    seed: Annotated[int, typer.Option(help="Of chance, so that it can be repeated.", min=0)] = 0,
    json: JsonOption = False,
) -> None:
    """Train a slide model on features and labels; interrupted, the same command goes on.

    It is measured in folds by patient, then trained on all slides, and written as a model: add it
    with `coverslip models add`, or run it by its folder. figures.json and predictions.csv beside it
    hold what the folds gave.
    """
    from viewer.inference.ai_extra import missing_ai

    if sentence := missing_ai():
        fail(sentence)
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.store import FeatureStore
    from viewer.cohort.learning.fitting import ARCHITECTURES
    from viewer.cohort.learning.labels import LabelsError, read_labels
    from viewer.cohort.learning.training import SlideTrainingOptions, train_slide_model
    from viewer.inference.models.bundle import BundleError

    if model not in ARCHITECTURES:
        fail(f'There is no model "{model}": use {", ".join(ARCHITECTURES)}.')
    if out.exists() and not out.is_dir():
        fail(f"{out} is a file: give a new folder for the model.")
    options = SlideTrainingOptions(
        name or out.absolute().name, model, folds, epochs, patience, seed
    )
    try:
        store = FeatureStore(features)
        of = store.encoder(encoder)
        labeled = read_labels(labels, store.slides(of))
        with _bar() as bar:
            training = train_slide_model(store, of, labeled, out, options, bar)
    except (FeatureStoreError, LabelsError, BundleError) as error:
        fail(str(error))
    except OSError as error:
        fail(unwritable(out, error))
    print_record(_record(training, out), json=json)


def _record(training: SlideTraining, out: Path) -> dict[str, object]:
    import msgspec

    figures = training.figures
    return {
        "model": training.bundle.name,
        "folder": str(out),
        "classes": training.classes,
        "epochs": training.epochs,
        **msgspec.to_builtins(figures),
    }


class _Bar:
    """How far a training is, on stderr."""

    def __init__(self) -> None:
        from rich.progress import TextColumn, TimeElapsedColumn

        from viewer.cli.progress_bar import bars

        self.bars = bars(TextColumn("{task.description}"), TimeElapsedColumn())
        self._task = self.bars.add_task("Reading features", total=None)

    def on_slide(self, number: int) -> None:
        self.bars.update(self._task, description=f"Reading features: {plural(number, 'slide')}")

    def on_epoch(self, fold: int, folds: int, done: EpochDone) -> None:
        what = f"Fold {fold} of {folds}" if fold <= folds else "All slides"
        status = f"{what}, epoch {done.epoch}: {done.loss:.3f}, held back {done.stopping_loss:.3f}"
        self.bars.update(self._task, description=f"{status}, best at {done.best_epoch}")


@contextmanager
def _bar() -> Generator[_Bar]:
    bar = _Bar()
    with bar.bars:
        yield bar
