"""Reads one color profile in a confined process, which has nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image, ImageCms

from viewer.prepared_types import prepared
from viewer.processes.channel import inherited_channel
from viewer.slides.colors.srgb import to_srgb
from viewer.slides.colors.tables import REDS_AT_ONCE, SOME_STEPS, Colors, Unusable, colors_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def main(arguments: list[str]) -> None:
    """Read the profile: what it is called, its descriptor, and that of the channel."""
    channel = inherited_channel(int(arguments[2]), msgspec.msgpack.Decoder(prepared(Unusable)))
    with os.fdopen(int(arguments[1]), "rb") as file:
        profile = file.read()
    for answer in answers(profile):
        channel.send(answer)


def answers(profile: bytes) -> Iterator[Colors | Unusable]:
    """Give what a few colors are in sRGB, then all of them, by red, green and blue.

    Relative colorimetric: the scanner's white becomes the screen's white, and colors that the
    screen can show stay true to each other.
    """
    try:
        transform = to_srgb(profile, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        yield Unusable(str(error).strip().rstrip(".") or "it is damaged")
        return
    every = np.arange(256, dtype=np.uint8)
    for red, others in (
        (SOME_STEPS, SOME_STEPS),
        *((every[start : start + REDS_AT_ONCE], every) for start in range(0, 256, REDS_AT_ONCE)),
    ):
        picture = Image.fromarray(colors_of(red, others))
        ImageCms.applyTransform(picture, transform, inPlace=True)
        yield Colors(picture.tobytes())
