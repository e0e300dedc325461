"""What contradicts itself in the description of a model."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from viewer.inference.cells.settings import CellSettingsError, checked
from viewer.inference.models.description import MODEL_FILE, ModelDescription, ModelInput
from viewer.inference.tasks.known import TASKS
from viewer.inference.teaching import pixel_settings
from viewer.inference.teaching.object_vectors import FEATURES_VERSION
from viewer.limits import CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_NORM = 3.0
"""Mean and deviation of values from 0 to 1 are smaller."""
_MOST_PARTS = 100
_DEFAULTS: dict[str, object] = {
    each.name: each.default for each in msgspec.structs.fields(ModelDescription)
}


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
