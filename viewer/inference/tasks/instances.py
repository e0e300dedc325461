"""Objects with outlines, such as nuclei."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.task import Shape, TaskKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.inference.description import Decoder, ModelDescription

CHANNELS: Mapping[Decoder, int | str] = {"coverslip": 3, "labels": "classes"}
"""Of the maps that each decoder cuts into objects; "classes": one for each class."""


class Instances(TaskKind):
    """Maps of a block that a decoder cuts into objects (`viewer.inference.decoders`)."""

    name = "instances"
    finds = "objects"
    is_square = True

    def block_px(self, about: ModelDescription) -> tuple[int, int]:
        return about.patch_px - 2 * about.margin_px, about.margin_px

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:
        channels = CHANNELS[about.decoder]
        known = len(about.classes) if channels == "classes" else channels
        return count, known, height_px, width_px
