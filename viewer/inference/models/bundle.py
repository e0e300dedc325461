"""A model as a lab hands it on: a folder with model.json and weights."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import CoverslipError, reason_of
from viewer.inference.models.contradictions import complaint
from viewer.inference.models.description import (
    MODEL_FILE,
    ModelDescription,
    ModelInput,
    missing_names,
    names_as_stored,
)
from viewer.inference.models.training_data import refusal
from viewer.limits import DESCRIPTION_BYTES, WEIGHTS_BYTES, open_regular, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.slides.tissue import TISSUE_VERSION
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BufferedReader
    from pathlib import Path

    from viewer.inference.models.description import Task
    from viewer.slides.source import SlideInfo

STEPS_VERSION = 7
"""Of all that the program does between a slide's pixels and a model's results. Raised with every
change of it that changes numbers: what was kept before is then no longer shown as current."""

_WORDS = (
    "licence", "citation", "about", "origins", "schema_version", "weights", "parts", "teaching",
    "words",
)  # fmt: skip
"""What model.json says without deciding any number; the weights are known by their checksum."""
_OF_THE_WHOLE = ("version", "format", "weights", "sha256", "data", "parts", "schema_version")
_MOST_TIMES = 128
"""By which a slide's pixels and a model's may differ: beyond, a field takes all memory."""
_LATER: dict[str, object] = {
    "input": ModelInput(),
    "outputs": (),
    "decoder": "coverslip",
    "decoding": {},
    "cells": None,
    "answer_px": None,
    "answer_downsample": 1,
    "boxes": None,
    "features": 0,
    "taught": None,
}
"""What model.json may say since version 0.3, as it is where it says nothing: it then decides no
number, and what was kept before stays current."""


class BundleError(CoverslipError):
    """A model that cannot be used; `str()` is one sentence: what is wrong and what to do."""


class ModelBundle(msgspec.Struct, frozen=True, dict=True):
    """A description and the folder that it came from.

    Attributes
    ----------
    weights_at
        Where the weights are if not in the folder, as in the model process, which has no folder.
    data_at
        What the files named under `data` hold, in the model process.
    """

    folder: Path
    description: ModelDescription
    weights_at: Path | None = None
    data_at: dict[str, bytes] = {}

    def data_bytes(self) -> dict[str, bytes]:
        """Return what the files beside the weights hold. Raises BundleError."""
        if self.weights_at is not None:
            return self.data_at
        found: dict[str, bytes] = {}
        for name in self.description.data:
            with open_data(self, name) as file:
                found[name] = file.read()
        return found

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def task(self) -> Task:
        return self.description.task

    @property
    def version(self) -> str:
        return self.description.version

    @property
    def about(self) -> str:
        return self.description.about

    @property
    def place(self) -> Path:
        return self.folder

    @property
    def weights_path(self) -> Path:
        return self.weights_at or self.folder / self.description.weights

    @property
    def key(self) -> str:
        """Tell results apart that differ in anything that decides their numbers.

        That is the whole of model.json but for its words, and the version of the program's own
        steps: how it reads, lays patches, cuts objects and tells tissue.
        """
        return self._key

    @cached_property
    def _key(self) -> str:
        about = self.description
        card = msgspec.to_builtins(about)
        for words in _WORDS:
            del card[words]
        for name, usual in _LATER.items():
            if getattr(about, name) == usual:
                del card[name]
        card["classes"] = [each.name for each in about.classes]
        card["sha256"] = about.sha256.lower()
        content = msgspec.json.encode([STEPS_VERSION, TISSUE_VERSION, card], order="sorted")
        digest = hashlib.blake2b(content, digest_size=12).hexdigest()
        return f"{about.name} {about.version} {digest}"

    @property
    def colors(self) -> list[tuple[str, str]]:
        """Name and color of each class."""
        return [(each.name, each.color) for each in self.description.classes]


def slide_refusal(bundle: ModelBundle, info: SlideInfo, mpp_um: float | None) -> str:
    """Return why a model is not run on a slide, in a sentence; empty where it may be.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel; None where they are not known.
    """
    from viewer.slides.fluorescence import is_fluorescence

    about = bundle.description
    if mpp_um is not None and not 1 / _MOST_TIMES <= mpp_um / about.mpp_um <= _MOST_TIMES:
        return (
            f"{about.name} takes pixels of {about.mpp_um:g} um, and those of this slide are said "
            f"to be of {mpp_um:g} um: correct its pixel size."
        )
    if about.input.slide_channels:
        return _missing_channels(about.name, about.input.slide_channels, info)
    if about.cells is not None and is_fluorescence(info):
        return (
            f"This slide was scanned in fluorescence, and {about.name} finds cells by the stains "
            "of brightfield: use a model for fluorescence."
        )
    return refusal(about.training, about.name, info)


def _missing_channels(model: str, names: Sequence[str], info: SlideInfo) -> str:
    known = [channel.name for channel in info.axes.channels]
    if all(name in known for name in names):
        return ""
    has = f"this slide has {', '.join(known)}" if known else "this slide is RGB"
    return f"{model} takes the channels {', '.join(names)}, and {has}: choose another model."


def load_bundle(folder: Path) -> ModelBundle:
    """Read and check what a model says of itself; its weights are checked by `check_weights`.

    Raises
    ------
    BundleError
        It cannot be used.
    """
    folder = folder.absolute()
    path = folder / MODEL_FILE
    try:
        card = names_as_stored(msgspec.json.decode(read_regular(path, DESCRIPTION_BYTES)))
        if lacking := missing_names(card):
            raise BundleError(
                f"{folder.name}/{MODEL_FILE} is invalid: missing {', '.join(lacking)}; "
                "docs/models.md describes it."
            )
        description = msgspec.convert(card, prepared(ModelDescription))
    except FileNotFoundError:
        raise BundleError(
            f"{folder.name} is no model: it holds no {MODEL_FILE}; choose the folder that does."
        ) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({reason_of(error)}).") from error
    except DECODE_ERRORS as error:
        raise BundleError(
            f"{folder.name}/{MODEL_FILE} is invalid: {error}; docs/models.md describes it."
        ) from error
    if sentence := complaint(description):
        raise BundleError(f"{folder.name}/{MODEL_FILE} is invalid: {sentence}.")
    return ModelBundle(folder, description)


def load_bundles(folder: Path) -> list[ModelBundle]:
    """Read a model and the parts of it that are models of their own.

    Raises
    ------
    BundleError
        It or one of its parts cannot be used.
    """
    whole = load_bundle(folder)
    return [whole, *(_part(whole, changes) for changes in whole.description.parts)]


def _part(whole: ModelBundle, changes: dict[str, object]) -> ModelBundle:
    about = whole.description
    card = msgspec.to_builtins(about)
    said = names_as_stored(changes)
    assert is_mapping(said)
    if ours := [name for name in said if name in _OF_THE_WHOLE]:
        raise BundleError(
            f"{whole.folder.name}/{MODEL_FILE} is invalid: a part has the {ours[0]} of the whole."
        )
    description = None
    try:
        own = f"{about.name}: {said.get('name', '')}"
        description = msgspec.convert(
            card | {"parts": []} | said | {"name": own}, prepared(ModelDescription)
        )
        sentence = complaint(description) if said.get("name") else "a part has no name"
    except msgspec.ValidationError as error:
        sentence = str(error)
    if sentence or description is None:
        raise BundleError(f"{whole.folder.name}/{MODEL_FILE} is invalid: in its parts, {sentence}.")
    return ModelBundle(whole.folder, description)


def open_weights(bundle: ModelBundle) -> BufferedReader:
    """Open the file of the weights. Raises BundleError where it cannot be read or is no file."""
    try:
        return open_regular(bundle.weights_path, WEIGHTS_BYTES)
    except OSError as error:
        raise BundleError(
            f"The weights {bundle.description.weights} of {bundle.description.name} cannot be "
            f"read ({reason_of(error)}); copy the whole folder again."
        ) from error


def open_data(bundle: ModelBundle, name: str) -> BufferedReader:
    """Open a file beside the weights. Raises BundleError where it cannot be read or is no file."""
    try:
        return open_regular(bundle.folder / name, WEIGHTS_BYTES)
    except OSError as error:
        raise BundleError(
            f"{name} of {bundle.description.name} cannot be read ({reason_of(error)}); copy "
            "the whole folder again."
        ) from error


def check_weights(bundle: ModelBundle) -> None:
    """Compare the weights with the checksum. Raises BundleError."""
    with open_weights(bundle) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != bundle.description.sha256.lower():
        raise BundleError(
            f"The weights of {bundle.description.name} are not those that {MODEL_FILE} names: "
            "their checksum differs; get the model again from where it came."
        )
    for name, wanted in bundle.description.data.items():
        if bundle.weights_at is not None:
            digest = hashlib.sha256(bundle.data_at.get(name, b"")).hexdigest()
        else:
            with open_data(bundle, name) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != wanted.lower():
            raise BundleError(
                f"{name} of {bundle.description.name} is not the file that {MODEL_FILE} names: its "
                "checksum differs; get the model again from where it came."
            )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits. Raises OSError."""
    with open_regular(path, WEIGHTS_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
