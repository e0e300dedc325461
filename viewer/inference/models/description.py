"""What model.json says of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from viewer.files.atomic_write import atomic_write_bytes
from viewer.inference.cells.settings import CellSettings  # noqa: TC001 - read by msgspec
from viewer.inference.models.training_data import TrainingData  # noqa: TC001 - read by msgspec
from viewer.inference.tasks.detection import BoxLayout  # noqa: TC001 - read by msgspec
from viewer.inference.teaching.taught_card import TaughtCard  # noqa: TC001 - read by msgspec
from viewer.inference.teaching.taught_objects import TaughtObjects  # noqa: TC001 - read by msgspec
from viewer.untyped import is_list, is_mapping

if TYPE_CHECKING:
    from pathlib import Path

MODEL_FILE = "model.json"
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
