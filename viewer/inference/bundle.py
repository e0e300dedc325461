"""A model as a lab hands it on: a folder with model.json and weights."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from viewer.errors import CoverslipError
from viewer.inference.training_data import TrainingData  # noqa: TC001 - read by msgspec
from viewer.limits import CLASSES, DESCRIPTION_BYTES, WEIGHTS_BYTES, open_regular, read_regular
from viewer.slides.tissue import TISSUE_VERSION

if TYPE_CHECKING:
    from io import BufferedReader

MODEL_FILE = "model.json"
STEPS_VERSION = 7
"""Of all that the program does between a slide's pixels and a model's results. Raised with every
change of it that changes numbers: what was kept before is then no longer shown as current."""

_MOST_NORM = 3.0
"""Mean and deviation of values from 0 to 1 are smaller."""
_WORDS = ("licence", "citation", "about", "origins", "schema_version", "weights")
"""What model.json says without deciding any number; the weights are known by their checksum."""

_ON_DISK = {"color": "colour", "normalization": "normalisation", "license": "licence"}
"""Names in model.json since version 0.1, by ours. A model.json may also say ours."""

Color = Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")]
Positive = Annotated[float, Meta(gt=0)]
Triple = tuple[float, float, float]
Head = Literal["softmax", "sigmoid", "probabilities", "logit", "regression"]
Task = Literal["instances", "classification", "embedding", "attention", "slide", "prompt"]


class BundleError(CoverslipError):
    """A model that cannot be used; `str()` is one sentence: what is wrong and what to do."""


class ModelClass(msgspec.Struct, frozen=True, rename=_ON_DISK):
    """What an object or tile can be."""

    name: str
    color: Color


class Normalization(msgspec.Struct, frozen=True):
    """(value / 255 - mean) / std, per channel."""

    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)


class EncoderNeed(msgspec.Struct, frozen=True):
    """The embedding model whose vectors a slide model judges.

    Attributes
    ----------
    name, sha256
        Its name and the checksum of its weights: vectors of others mean nothing to it.
    length
        Of a vector.
    """

    name: str
    sha256: str
    length: Annotated[int, Meta(ge=1, le=65_536)]


class Reference(msgspec.Struct, frozen=True):
    """The mean vector of a reference set, the same for all slides.

    Attributes
    ----------
    of
        What it is the mean of.
    """

    of: Annotated[str, Meta(min_length=1, max_length=400)]
    mean: Annotated[tuple[float, ...], Meta(min_length=1, max_length=65_536)]


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True, rename=_ON_DISK):
    """What model.json says.

    Attributes
    ----------
    task
        "instances": three maps (nucleus, edge, depth) as logits, cut into objects.
        "classification": logits of the classes for each patch. "embedding": a vector for each
        patch. "attention": for each patch and magnification (its classes) the logarithm of how
        much a reader is expected to look there. "slide": logits of the classes for all vectors of
        a slide, and attention to each.
        "prompt": the mask of what points and boxes mean.
    mpp_um
        Micrometers per pixel that the model was trained on and is fed.
    patch_px, margin_px
        Side of the square that it is fed, and the part of it round the edge that only gives
        context; both in pixels of `mpp_um`.
    stride_px
        From one patch to the next, for answers patch by patch; the patch's side by default.
    head
        What the answers of a classification are: "softmax": logits of classes that exclude each
        other; "sigmoid": logits of labels that do not; "probabilities": as they are; "logit": one
        logit of one class; "regression": values as they are.
    encoder
        Of slide models: what makes the vectors.
    reference
        Of embeddings: what vectors of any slide are seen from, where slides are compared.
    settings
        Numbers for the architecture.
    origins
        Of predictors of attention: what kinds of sessions taught it, as `SessionHeader.origin`.
    training
        What it was trained on; None where the laboratory does not say.
    format
        "safetensors" for a registered architecture, "torchscript", or "onnx".
    sha256
        Of the weights.
    data
        Of ONNX: the names of files beside the weights that hold some of them, and their checksums.
    """

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    version: Annotated[str, Meta(min_length=1, max_length=40)]
    task: Task
    mpp_um: Positive
    patch_px: Annotated[int, Meta(ge=64, le=8192)]
    margin_px: Annotated[int, Meta(ge=0)] = 0
    stride_px: Annotated[int, Meta(ge=16)] | None = None
    normalization: Normalization = Normalization()
    classes: Annotated[tuple[ModelClass, ...], Meta(max_length=256)] = ()
    head: Head = "softmax"
    encoder: EncoderNeed | None = None
    reference: Reference | None = None
    settings: dict[str, Annotated[int, Meta(ge=0, le=65_536)]] = {}
    origins: tuple[Literal["recorded", "imported", "simulated", "agent"], ...] = ()
    training: TrainingData | None = None
    format: Literal["safetensors", "torchscript", "onnx"]
    architecture: str | None = None
    weights: str
    sha256: str
    data: dict[str, str] = {}
    license: str
    citation: str = ""
    about: str = ""
    schema_version: Literal[1] = 1

    @property
    def stride(self) -> int:
        """From one patch to the next, pixels of `mpp_um`."""
        return self.stride_px or self.patch_px


class ModelBundle(msgspec.Struct, frozen=True):
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
        """Tells results apart that differ in anything that decides their numbers.

        That is the whole of model.json but for its words, and the version of the program's own
        steps: how it reads, lays patches, cuts objects and tells tissue.
        """
        about = self.description
        card = msgspec.to_builtins(about)
        for words in _WORDS:
            del card[words]
        card["classes"] = [each.name for each in about.classes]
        card["sha256"] = about.sha256.lower()
        content = msgspec.json.encode([STEPS_VERSION, TISSUE_VERSION, card], order="sorted")
        digest = hashlib.blake2b(content, digest_size=12).hexdigest()
        return f"{about.name} {about.version} {digest}"

    @property
    def colors(self) -> list[tuple[str, str]]:
        """Name and color of each class."""
        return [(each.name, each.color) for each in self.description.classes]


def load_bundle(folder: Path) -> ModelBundle:
    """Reads and checks what a model says of itself; its weights are checked by `check_weights`.

    Raises
    ------
    BundleError
        It cannot be used.
    """
    folder = folder.absolute()
    path = folder / MODEL_FILE
    try:
        card = msgspec.json.decode(read_regular(path, DESCRIPTION_BYTES))
        description = msgspec.convert(_names_as_stored(card), ModelDescription)
    except FileNotFoundError:
        raise BundleError(
            f"{folder.name} is no model: it holds no {MODEL_FILE}; choose the folder that does."
        ) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror or error}).") from error
    except msgspec.MsgspecError as error:
        raise BundleError(
            f"{folder.name}/{MODEL_FILE} is invalid: {error}; docs/models.md describes it."
        ) from error
    _check(description, folder)
    return ModelBundle(folder, description)


def _names_as_stored(card: object) -> object:
    """Return a decoded model.json with the names of version 0.1, whichever it has."""
    if not isinstance(card, dict):
        return card
    about = {_ON_DISK.get(name, name): value for name, value in card.items()}
    if isinstance(classes := about.get("classes"), list):
        about["classes"] = [
            {_ON_DISK.get(name, name): value for name, value in each.items()}
            if isinstance(each, dict)
            else each
            for each in classes
        ]
    return about


def open_weights(bundle: ModelBundle) -> BufferedReader:
    """Open the file of the weights. Raises BundleError where it cannot be read or is no file."""
    try:
        return open_regular(bundle.weights_path)
    except OSError as error:
        raise BundleError(
            f"The weights {bundle.description.weights} of {bundle.description.name} cannot be "
            f"read ({error.strerror or error}); copy the whole folder again."
        ) from error


def open_data(bundle: ModelBundle, name: str) -> BufferedReader:
    """Open a file beside the weights. Raises BundleError where it cannot be read or is no file."""
    try:
        return open_regular(bundle.folder / name)
    except OSError as error:
        raise BundleError(
            f"{name} of {bundle.description.name} cannot be read ({error.strerror or error}); copy "
            "the whole folder again."
        ) from error


def check_weights(bundle: ModelBundle) -> None:
    """Compares the weights with the checksum. Raises BundleError."""
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
    """In hexadecimal digits. Raises OSError."""
    with open_regular(path, WEIGHTS_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(description: ModelDescription, folder: Path) -> None:
    def refuse(what: str) -> None:
        raise BundleError(f"{folder.name}/{MODEL_FILE} is invalid: {what}.")

    if PurePath(description.weights).name != description.weights or not description.weights:
        refuse("weights has to be the plain name of a file in the same folder")
    if description.data and description.format != "onnx":
        refuse("data belongs to models of the format onnx")
    for name, digest in description.data.items():
        if PurePath(name).name != name or name in ("", MODEL_FILE, description.weights):
            refuse("data has to name plain files in the same folder")
        if not re.fullmatch("[0-9a-fA-F]{64}", digest):
            refuse(f"the checksum of {name} has to be 64 hexadecimal digits")
    if not re.fullmatch("[0-9a-fA-F]{64}", description.sha256):
        refuse("sha256 has to be 64 hexadecimal digits")
    if len(description.classes) > CLASSES.most:
        refuse(f"it names {len(description.classes):,} classes (max. {CLASSES.most:,})")
    if description.patch_px <= 2 * description.margin_px:
        refuse("margin_px leaves nothing of patch_px")
    if description.stride > description.patch_px or (description.patch_px - description.stride) % 2:
        refuse("stride_px has to be at most patch_px, and both even or both odd")
    if description.task == "prompt" and description.format != "torchscript":
        refuse("models of the task prompt are torchscript")
    if description.task not in ("embedding", "prompt") and not description.classes:
        refuse("classes are missing")
    if (description.task == "slide") != (description.encoder is not None):
        refuse('encoder belongs to models of the task "slide", and only to them')
    if description.task == "slide" and description.format == "onnx":
        refuse("slide models are safetensors or torchscript")
    if (training := description.training) is not None and training.statistics is not None:
        if complaint := training.statistics.complaint:
            refuse(complaint)
        if training.statistics.features == "embedding" and description.task != "slide":
            refuse('statistics of embeddings belong to models of the task "slide"')
    if any(value <= 0 for value in description.normalization.std):
        refuse("std of normalization has to be above 0")
    norms = (*description.normalization.mean, *description.normalization.std)
    if max(map(abs, norms)) > _MOST_NORM:
        refuse(
            "mean and std of normalization are for values of 0 to 1; divide those of 0 to 255 "
            "by 255"
        )
    if description.head != "softmax" and description.task != "classification":
        refuse('head belongs to models of the task "classification"')
    if description.reference is not None and description.task != "embedding":
        refuse('reference belongs to models of the task "embedding"')
    if description.head == "logit" and len(description.classes) != 1:
        refuse('head "logit" has one class, the one that the logit is of')
    if description.format == "safetensors" and not description.architecture:
        refuse("safetensors need the name of an architecture")
