"""Objects with outlines, such as nuclei."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.objects import ObjectsTask
from viewer.inference.tasks.task import Shape, answer_complaint, map_advice, map_sides

if TYPE_CHECKING:
    from viewer.inference.models.description import Head, ModelDescription

LOGITS = 3
"""Of the decoder "coverslip"."""
RAYS = 32
"""Of StarDist, where `decoding` says no other number."""
_PROBABILITY_HEADS: dict[str, tuple[Head, ...]] = {
    "stardist": ("softmax", "sigmoid"),
    "hovernet": ("softmax", "probabilities"),
    "cellvit": ("softmax", "probabilities"),
    "contours": ("softmax", "probabilities"),
}
"""What `head` may be, by decoder."""
_ANY_SIZE = ("nuclei-unet",)
"""Architectures that answer for pictures of any size."""
_FEATURE_MAPS = {"nuclei-unet": 24}
"""How many finest maps each architecture gives, beside its logits, where features are asked for."""


class Instances(ObjectsTask):
    """Maps of a block that a decoder cuts into objects (`viewer.inference.decoders`)."""

    name = "instances"
    steps = "viewer.inference.steps.instances:InstanceSteps"
    outlines = True
    own = ("decoder", "taught")

    def heads(self, about: ModelDescription) -> tuple[Head, ...]:
        return _PROBABILITY_HEADS.get(about.decoder, ("softmax",))

    def complaint(self, about: ModelDescription) -> str:
        return answer_complaint(about)

    def block_px(self, about: ModelDescription) -> tuple[int, int]:
        return about.patch_px - 2 * about.margin_px, about.margin_px

    def shape_advice(self, about: ModelDescription, shape: Shape, wanted: Shape) -> str:
        return map_advice(about, shape, wanted)

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:
        return count, channels(about), *map_sides(about, height_px, width_px)


def takes_any_size(about: ModelDescription) -> bool:
    """Return whether a network answers for pictures of any size, not of `patch_px` alone."""
    return about.format == "safetensors" and about.architecture in _ANY_SIZE


def feature_maps(about: ModelDescription) -> int:
    """Return how many maps of the network come after its logits, to be pooled in each object."""
    is_asked = about.features and about.decoder == "coverslip" and about.format == "safetensors"
    return _FEATURE_MAPS.get(about.architecture or "", 0) if is_asked else 0


def channels(about: ModelDescription) -> int | str:
    """Return how many maps the decoder takes; a word where there are several ways."""
    classes = len(about.classes)
    match about.decoder:
        case "coverslip":
            return LOGITS + feature_maps(about)
        case "labels":
            return classes
        case "stardist":
            rays = int(about.decoding.get("rays", RAYS))
            return 1 + rays + (1 + classes if classes > 1 else 0)
        case "cellpose":
            return 3
        case "contours":
            return 3 * classes
        case "cells":
            return 3
        case _:
            return "np + hv + tp"
