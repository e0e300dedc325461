"""What model.json says of a model."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from viewer.files.atomic_write import atomic_write_bytes
from viewer.inference.cells.settings import CellSettings, CellSettingsError, checked
from viewer.inference.models.training_data import TrainingData  # noqa: TC001 - read by msgspec
from viewer.inference.tasks.detection import BoxLayout  # noqa: TC001 - read by msgspec
from viewer.inference.tasks.known import TASKS
from viewer.inference.teaching import pixel_settings
from viewer.inference.teaching.object_vectors import FEATURES_VERSION
from viewer.inference.teaching.taught_card import TaughtCard  # noqa: TC001 - read by msgspec
from viewer.inference.teaching.taught_objects import TaughtObjects  # noqa: TC001 - read by msgspec
from viewer.limits import CLASSES
from viewer.untyped import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL_FILE = "model.json"
_MOST_NORM = 3.0
"""Mean and deviation of values from 0 to 1 are smaller."""
_MOST_PARTS = 100
_ON_DISK = {"color": "colour", "normalization": "normalisation", "license": "licence"}
"""Names in model.json since version 0.1, by ours. A model.json may also say ours."""

Color = Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")]
Positive = Annotated[float, Meta(gt=0)]
Triple = tuple[float, float, float]
Percent = Annotated[float, Meta(ge=0, le=100)]
Filter = Literal["box", "nearest", "bilinear", "bicubic", "lanczos"]
Head = Literal["softmax", "sigmoid", "probabilities", "logit", "regression", "indices"]
Decoder = Literal[
    "coverslip", "labels", "stardist", "hovernet", "cellvit", "cellpose", "contours", "cells",
]  # fmt: skip
Task = str
"""Name of one of `viewer.inference.tasks.known.TASKS`."""


class ModelClass(msgspec.Struct, frozen=True, rename=_ON_DISK):
    """What an object or tile can be."""

    name: str
    color: Color


class Normalization(msgspec.Struct, frozen=True):
    """(value - mean) / std of values as `ModelInput` scales them, by channel in RGB order."""

    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)


class ModelInput(msgspec.Struct, frozen=True, omit_defaults=True):
    """How pixels become what the model is fed, before the normalization.

    Attributes
    ----------
    scaling
        Values of 0 to 255 are fed as "0-1" (value / 255), as "0-255" (as they are), or by
        "percentiles": (value - low) / (high - low) of each channel of the whole slide, or by
        "standard": (value - mean) / deviation of the tissue of the whole slide. Both are taken
        once from its low magnification, never from a single tile.
    jointly
        Whether percentiles, mean and deviation are those of all channels together.
    percentiles
        The low and the high one.
    channels
        Their order.
    slide_channels
        Names of one or three channels of the slide, which are fed as gray or as red, green and
        blue, each from its smallest to its largest value; none for a model of colors.
    resampling
        How a finer level is averaged down to `mpp_um`, by the names of Pillow's filters.
    resize_px
        Side to which each patch is resized at last; None feeds it as it is.
    resize_by
        The filter of that, as Pillow (and torchvision on Pillow's images) applies it.
    """

    scaling: Literal["0-1", "0-255", "percentiles", "standard"] = "0-1"
    jointly: bool = False
    percentiles: tuple[Percent, Percent] = (0.1, 99.9)
    channels: Literal["rgb", "bgr"] = "rgb"
    slide_channels: tuple[str, ...] = ()
    resampling: Filter = "box"
    resize_px: Annotated[int, Meta(ge=8, le=8192)] | None = None
    resize_by: Filter = "bilinear"


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


class Words(msgspec.Struct, frozen=True):
    """How a model of embeddings takes words.

    Attributes
    ----------
    tokenizer
        The file beside the weights that cuts them into tokens, in the format of the library
        tokenizers; its checksum is named in `data`.
    template
        What a phrase is put into, in place of {}.
    weights
        The file beside the weights with the tower for words, .onnx or .safetensors, named in
        `data`; "" where the network has that tower itself.
    output
        Of ONNX: the name of the output that is the vector; "" for the first that can be one.
    most_tokens
        Of ONNX: tokens that a phrase has at most, where the graph does not say it.
    pad
        Of ONNX that takes a fixed number of tokens: what shorter phrases are filled up with; None
        for what the tokenizer says, else the token that ends them.
    scale
        By which similarities are multiplied before a softmax over phrases (the exponential of
        CLIP's `logit_scale`), where the weights do not hold it.
    """

    tokenizer: Annotated[str, Meta(min_length=1, max_length=200)] = "tokenizer.json"
    template: Annotated[str, Meta(max_length=400)] = "{}"
    weights: Annotated[str, Meta(max_length=200)] = ""
    output: Annotated[str, Meta(max_length=200)] = ""
    most_tokens: Annotated[int, Meta(ge=3, le=8192)] = 77
    pad: Annotated[int, Meta(ge=0)] | None = None
    scale: Annotated[float, Meta(gt=0, le=1000)] = 100.0

    @property
    def files(self) -> tuple[str, ...]:
        """Return the files beside the weights that are for words."""
        return (self.tokenizer, self.weights) if self.weights else (self.tokenizer,)


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True, rename=_ON_DISK):
    """What model.json says.

    Attributes
    ----------
    task
        "instances": maps that `decoder` cuts into objects. "segmentation": a class or value for
        each pixel. "detection": boxes with a class and a score.
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
        From one patch to the next, for answers patch by patch; the patch's side by default, and
        three quarters of it for segmentation, where patches overlap.
    answer_px
        Side of the middle part of a patch that maps answer for, in pixels that are fed; all of it
        by default.
    answer_downsample
        Pixels that are fed for each of the pixels of maps, along a side.
    head
        What the answers of a classification are: "softmax": logits of classes that exclude each
        other; "sigmoid": logits of labels that do not; "probabilities": as they are; "logit": one
        logit of one class; "regression": values as they are; "indices": of segmentation, the
        number of the class of each pixel. Of instances: "softmax" is what the published network
        gives, and "probabilities" and "sigmoid" say otherwise of the probability of an object.
    boxes
        Of detection: how boxes lie in the answer (`viewer.inference.tasks.detection`); None where
        its shape tells.
    input
        How pixels are fed.
    outputs
        Which of several outputs count: names (of ONNX and of dictionaries) or places in a tuple
        ("0", "1"). They are joined along their channels, in this order. None named: the only one,
        or of ONNX the first.
    decoder
        Of instances: "coverslip": three maps (nucleus, edge, depth) as logits; "labels": for each
        class a map whose pixels hold the number of their object, 0 for none; the others are
        published networks: "stardist", "hovernet", "cellvit", "cellpose", and "contours" (for each
        class background, inner part and contour, as DCAN and Cerberus). "cells": the pixels
        themselves, in which cells are detected by `cells`.
    cells
        Of instances: how cells are detected and measured; classes and pixel size follow from it
        (`viewer.inference.cells.models`). None measures nuclei without stains of their own.
    decoding
        Numbers for the decoder, such as thresholds.
    parts
        More that the same weights answer: each says by the names of model.json what differs, and
        its own name, under which it is a model of its own ("Cerberus: tissue").
    encoder
        Of slide models: what makes the vectors.
    reference
        Of embeddings: what vectors of any slide are seen from, where slides are compared.
    words
        Of embeddings: how words become vectors in the space of the images; None where they do not.
    settings
        Numbers for the architecture.
    origins
        Of predictors of attention: what kinds of sessions taught it, as `SessionHeader.origin`.
    training
        What it was trained on; None where the laboratory does not say.
    features
        Of instances: the version of the features that are pooled in each object, by which
        classifiers are taught; 0 pools none.
    taught
        Of instances: the classifier that a reader taught, which gives objects their classes.
    teaching
        Who taught it and by how many marks, of models that a reader taught by marks.
    format
        "safetensors" for a registered architecture, "torchscript", or "onnx".
    sha256
        Of the weights.
    data
        Of ONNX: the names of files beside the weights that hold some of them, and their checksums;
        of models that take words: of the tokenizer, and of the tower for words where it is apart.
    """

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    version: Annotated[str, Meta(min_length=1, max_length=40)]
    task: Task
    mpp_um: Positive
    patch_px: Annotated[int, Meta(ge=32, le=8192)]
    margin_px: Annotated[int, Meta(ge=0)] = 0
    stride_px: Annotated[int, Meta(ge=16)] | None = None
    normalization: Normalization = Normalization()
    classes: Annotated[tuple[ModelClass, ...], Meta(max_length=256)] = ()
    head: Head = "softmax"
    answer_px: Annotated[int, Meta(ge=8, le=8192)] | None = None
    answer_downsample: Annotated[int, Meta(ge=1, le=64)] = 1
    boxes: BoxLayout | None = None
    input: ModelInput = ModelInput()
    outputs: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    decoder: Decoder = "coverslip"
    decoding: dict[str, float] = {}
    parts: Annotated[tuple[dict[str, object], ...], Meta(max_length=16)] = ()
    cells: CellSettings | None = None
    encoder: EncoderNeed | None = None
    reference: Reference | None = None
    words: Words | None = None
    settings: dict[str, Annotated[int, Meta(ge=0, le=65_536)]] = {}
    origins: tuple[Literal["recorded", "imported", "simulated", "agent"], ...] = ()
    training: TrainingData | None = None
    features: Annotated[int, Meta(ge=0)] = 0
    taught: TaughtObjects | None = None
    teaching: TaughtCard | None = None
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
        """Return the step from one patch to the next, pixels of `mpp_um`."""
        return self.stride_px or self.patch_px


_DEFAULTS: dict[str, object] = {
    each.name: each.default for each in msgspec.structs.fields(ModelDescription)
}


def write_description(folder: Path, about: ModelDescription) -> None:
    """Write model.json, without what it does not say. Raises OSError."""
    card = msgspec.to_builtins(about)
    held = {name: value for name, value in card.items() if value not in (None, "", [], {})}
    data = msgspec.json.format(msgspec.json.encode(held), indent=2)
    atomic_write_bytes(folder / MODEL_FILE, data + b"\n")


def names_as_stored(card: object) -> object:
    """Return a decoded model.json with the names of version 0.1, whichever it has."""
    if not is_mapping(card):
        return card
    about = {_ON_DISK.get(name, name): value for name, value in card.items()}
    if is_list(classes := about.get("classes")):
        about["classes"] = [
            {_ON_DISK.get(name, name): value for name, value in each.items()}
            if is_mapping(each)
            else each
            for each in classes
        ]
    return about


def missing_names(card: object) -> list[str]:
    """Return what a decoded model.json has to say and does not, in quotes, all of it at once."""
    if not isinstance(card, dict):
        return []
    fields = msgspec.structs.fields(ModelDescription)
    wanted = [each for each in fields if each.required]
    return [f'"{each.name}"' for each in wanted if each.encode_name not in card]


def complaint(about: ModelDescription) -> str:
    """Return what contradicts itself in a description, as the end of a sentence, or ""."""
    if about.task not in TASKS:
        return f'task "{about.task}" is unknown: say one of {", ".join(TASKS)}'
    return next((each for each in _complaints(about)), "")


def _complaints(about: ModelDescription) -> Iterator[str]:
    kind = TASKS[about.task]
    yield from _of_files(about)
    if len(about.classes) > CLASSES.most:
        yield f"it names {len(about.classes):,} classes (max. {CLASSES.most:,})"
    if len(about.parts) > _MOST_PARTS:
        yield f"it has {len(about.parts):,} parts (max. {_MOST_PARTS})"
    if about.patch_px <= 2 * about.margin_px:
        yield "margin_px leaves nothing of patch_px"
    if not kind.overlaps and (about.stride > about.patch_px or (about.patch_px - about.stride) % 2):
        yield "stride_px has to be at most patch_px, and both even or both odd"
    if kind.needs_classes and not about.classes:
        yield "classes are missing"
    if (kind.asks_for == "slide") != (about.encoder is not None):
        yield 'encoder belongs to models of the task "slide", and only to them'
    if (training := about.training) is not None and training.statistics is not None:
        if complaint := training.statistics.complaint:
            yield complaint
        if training.statistics.features == "embedding" and kind.asks_for != "slide":
            yield 'statistics of embeddings belong to models of the task "slide"'
    yield from _of_input(about)
    if about.head not in kind.heads(about):
        yield f'head "{about.head}" does not belong to models of the task "{about.task}"'
    yield from _of_other_tasks(about)
    yield from _of_words(about)
    if (about.decoder == "cells") > (about.cells is not None):
        yield 'cells is missing, by which the decoder "cells" detects'
    if about.cells is not None:
        try:
            checked(about.cells)
        except CellSettingsError as error:
            yield str(error).rstrip(".")
    if about.cells is not None and about.decoder not in ("cells", "coverslip"):
        yield 'cells belongs to the decoders "cells" and "coverslip"'
    yield from _of_teaching(about)
    if about.architecture == pixel_settings.ARCHITECTURE:
        yield from _of_pixel_classifier(about)
    if complaint := kind.complaint(about):
        yield complaint


def _of_other_tasks(about: ModelDescription) -> Iterator[str]:
    own = TASKS[about.task].own
    for kind in TASKS.values():
        for name in kind.own:
            if name not in own and getattr(about, name) != _DEFAULTS[name]:
                yield f'{name} belongs to models of the task "{kind.name}"'


def _of_words(about: ModelDescription) -> Iterator[str]:
    if about.words is None:
        return
    words = about.words
    is_clip = about.format == "safetensors" and about.architecture == "clip"
    if not words.weights and not is_clip:
        yield (
            "words needs a tower for them: name its file as weights of words (.onnx or "
            '.safetensors), or take the architecture "clip", which has one'
        )
    if words.weights and PurePath(words.weights).suffix not in (".onnx", ".safetensors"):
        yield f"{words.weights} is no tower for words: give one in .onnx or .safetensors"
    missing = [name for name in words.files if name not in about.data]
    if missing or (about.format != "onnx" and not words.weights and len(about.data) > 1):
        name = (missing or words.files)[0]
        yield f'data has to name {name} and its checksum: {{"FILE": "SHA-256"}}'
    if "{}" not in words.template:
        yield "template of words has to hold {}, where the phrase is put"


def _of_teaching(about: ModelDescription) -> Iterator[str]:
    known = [(about.features, FEATURES_VERSION)]
    if about.architecture == pixel_settings.ARCHITECTURE and about.teaching is not None:
        known.append((about.teaching.features_version, pixel_settings.FEATURES_VERSION))
    for taught_on, made in known:
        if taught_on not in (0, made):
            yield (
                f"it was taught on features of version {taught_on}, and this Coverslip makes "
                f"version {made}: teach it anew with its marks"
            )
    if about.taught is None:
        return
    if about.taught.base_sha256.lower() != about.sha256.lower():
        yield (
            "it was taught on what other weights see: teach it anew with its marks, or get the "
            "weights that it was taught on"
        )
    if complaint := about.taught.classifier.complaint(len(about.classes)):
        yield complaint
    if not about.features and about.taught.classifier.takes_pooled:
        yield (
            "it was taught on features of the network, and features has no version of them: teach "
            "it anew with its marks"
        )


def _of_pixel_classifier(about: ModelDescription) -> Iterator[str]:
    known = ("classes", "scales", "texture")
    if unknown := [name for name in about.settings if name not in known]:
        yield f"settings of a pixel classifier are {', '.join(known)}, and not {unknown[0]}"
    classes = about.settings.get("classes", 2)
    if classes != len(about.classes):
        yield (
            f"settings say classes {classes}, and classes names {len(about.classes)}: make them "
            "the same"
        )
    most = pixel_settings.MOST_SCALES
    if not 1 <= about.settings.get("scales", most) <= most:
        yield f"scales of settings has to be 1 to {most}"
    if about.settings.get("texture", 1) not in (0, 1):
        yield "texture of settings has to be 1 or 0"


def _of_files(about: ModelDescription) -> Iterator[str]:
    if PurePath(about.weights).name != about.weights or not about.weights:
        yield "weights has to be the plain name of a file in the same folder"
    if about.data and about.format != "onnx" and about.words is None:
        yield "data belongs to models of the format onnx, and to those that take words"
    for name, digest in about.data.items():
        if PurePath(name).name != name or name in ("", MODEL_FILE, about.weights):
            yield "data has to name plain files in the same folder"
        if not re.fullmatch("[0-9a-fA-F]{64}", digest):
            yield f"the checksum of {name} has to be 64 hexadecimal digits"
    if not re.fullmatch("[0-9a-fA-F]{64}", about.sha256):
        yield "sha256 has to be 64 hexadecimal digits"
    if about.format == "safetensors" and not about.architecture:
        yield "safetensors need the name of an architecture"


def _of_input(about: ModelDescription) -> Iterator[str]:
    if any(value <= 0 for value in about.normalization.std):
        yield "std of normalization has to be above 0"
    norms = (*about.normalization.mean, *about.normalization.std)
    if about.input.scaling != "0-255" and max(map(abs, norms)) > _MOST_NORM:
        yield (
            "mean and std of normalization are for values of 0 to 1; divide those of 0 to 255 "
            "by 255"
        )
    low, high = about.input.percentiles
    if low >= high:
        yield "percentiles of input have to be a low and a high one"
    if TASKS[about.task].asks_for != "blocks" and (about.input != ModelInput() or about.outputs):
        yield "input and outputs belong to models that are fed blocks or patches"
    if len(about.input.slide_channels) not in (0, 1, 3):
        yield "slide_channels of input names one channel or three"
    if about.input.resize_px is not None and not TASKS[about.task].is_by_patch:
        yield "resize_px of input belongs to models that answer patch by patch"
