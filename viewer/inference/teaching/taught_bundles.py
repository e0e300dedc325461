"""Models that a reader taught, as bundles: made of a base model, and taken apart again."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from viewer.files.atomic_write import atomic_write_bytes, unwritable
from viewer.inference.models.bundle import BundleError, ModelBundle, load_bundle
from viewer.inference.models.description import MODEL_FILE, ModelClass, write_description
from viewer.inference.tasks.known import TASKS, kind_of
from viewer.inference.teaching.errors import TeachingError
from viewer.inference.teaching.object_vectors import FEATURES_VERSION
from viewer.inference.teaching.taught_objects import TaughtObjects
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from viewer.inference.models.description import ModelDescription
    from viewer.inference.teaching.taught_card import TaughtCard
    from viewer.inference.teaching.taught_objects import LinearClassifier

README = "README.md"
Taught = Literal["objects", "pixels", "outlines"]
"""In which way a model was taught."""
_NO_COLOR = "#000000"
"""Of classes whose color decides nothing."""


def can_be_taught(bundle: ModelBundle) -> bool:
    """Return whether a model finds outlined objects, whose classes can be taught."""
    return TASKS[bundle.task].outlines


def base_of(bundle: ModelBundle) -> ModelBundle:
    """Return the model whose objects a taught model classifies; any other model as it is."""
    about, taught = bundle.description, bundle.description.taught
    if taught is None:
        return bundle
    classes = tuple(ModelClass(name, _NO_COLOR) for name in taught.base_classes)
    cells = about.cells
    if cells is not None:
        cells = replace(cells, is_scored=taught.base_is_scored)
    about = replace(
        about, name=taught.base, version=taught.base_version, classes=classes, taught=None,
        teaching=None, cells=cells,
    )  # fmt: skip
    return replace(bundle, description=about)


def with_features(bundle: ModelBundle, *, are_pooled: bool = True) -> ModelBundle:
    """Return a model that finds the same objects with the features that classifiers are taught by.

    What it finds is kept apart from what the model finds without them, which stays as it is.
    """
    about = replace(bundle.description, features=FEATURES_VERSION if are_pooled else 0, parts=())
    return replace(bundle, description=about)


def taught_bundle(
    base: ModelBundle,
    classifier: LinearClassifier,
    colors: Mapping[str, str],
    card: TaughtCard,
    name: str,
) -> ModelBundle:
    """Return a base model that tells the classes that were taught; it lies where the base does.

    Parameters
    ----------
    base
        The model whose objects were marked, with features if it was taught by them.
    colors
        Of each class, in the order of the classifier.
    """
    about = base.description
    is_scored = about.cells is not None and about.cells.is_scored
    taught = TaughtObjects(
        about.name, about.version, tuple(each.name for each in about.classes), about.sha256,
        classifier, is_scored,
    )  # fmt: skip
    about = with_own_classes(about, colors)
    about = replace(
        about, name=name, version=card.version, taught=taught, teaching=card, parts=(),
        about=card.about,
    )  # fmt: skip
    return replace(base, description=about)


def with_own_classes(about: ModelDescription, colors: Mapping[str, str]) -> ModelDescription:
    """Return a description whose objects have these classes, and no grades of a stain."""
    cells = about.cells
    if cells is not None:
        cells = replace(cells, is_scored=False)
    classes = tuple(ModelClass(*each) for each in colors.items())
    return replace(about, classes=classes, cells=cells)


def check_folder(folder: Path, made: Taught) -> None:
    """Raise TeachingError where a folder is no place for a model.

    It holds something else, or nothing can be written there, which is seen before anything is
    learned. A model that was taught in the same way is written over, as when the same command runs
    again.
    """
    if folder.exists() and not folder.is_dir():
        raise TeachingError(f"{folder} is a file: give the name of a new folder.")
    if not folder.exists() and not folder.absolute().parent.is_dir():
        raise TeachingError(f"There is no folder {folder.absolute().parent}: make it first.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MODEL_FILE).is_file():
        raise TeachingError(f"{folder} holds other files: give the name of a new folder.")
    if (folder / MODEL_FILE).is_file() and _taught_in(folder) != made:
        raise TeachingError(f"{folder} holds another model: give the name of a new folder.")
    try:
        with tempfile.TemporaryFile(dir=folder if folder.is_dir() else folder.absolute().parent):
            pass
    except OSError as error:
        raise _not_written(folder, error) from error


def _not_written(folder: Path, error: OSError) -> TeachingError:
    return TeachingError(unwritable(folder, error))


def _taught_in(folder: Path) -> Taught | None:
    """Return how the model in a folder was taught, also where it cannot be used any more."""
    try:
        about: object = msgspec.json.decode(read_kept(folder / MODEL_FILE))
    except (OSError, *DECODE_ERRORS):
        return None
    if not is_mapping(about) or not is_mapping(card := about.get("teaching")):
        return None
    if kind_of(str(about.get("task"))).is_map:
        return "pixels"
    return "outlines" if card.get("corrections") else "objects"


@contextmanager
def taught_folder(folder: Path, made: Taught) -> Generator[None]:
    """Make a folder for a model that was taught in this way, to be filled in the block.

    Raises
    ------
    TeachingError
        The folder holds something else, or cannot be written.
    """
    check_folder(folder, made)
    try:
        folder.mkdir(exist_ok=True)
        yield
    except OSError as error:
        raise _not_written(folder, error) from error


def loaded_again(folder: Path) -> ModelBundle:
    """Return the model that was written. Raises TeachingError."""
    try:
        return load_bundle(folder)
    except BundleError as error:
        raise TeachingError(str(error)) from error


def write_taught(folder: Path, taught: ModelBundle) -> ModelBundle:
    """Write a taught model as a folder of its own, with the weights of its base.

    Raises
    ------
    TeachingError
        The folder holds something else, or cannot be written.
    """
    about = taught.description
    with taught_folder(folder, "objects"):
        for file in (about.weights, *about.data):
            source = taught.weights_path if file == about.weights else taught.folder / file
            if not (folder / file).exists() or not (folder / file).samefile(source):
                shutil.copyfile(source, folder / file)
        assert about.teaching is not None
        text = "\n\n".join(
            [f"# {about.name}", *about.teaching.sentences, f"License: {about.license}"]
        )
        atomic_write_bytes(folder / README, text.encode() + b"\n")
        write_description(folder, about)
    return loaded_again(folder)
