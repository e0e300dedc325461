"""What the model process is asked and answers while a pixel classifier is taught."""

from __future__ import annotations

import msgspec

from viewer.inference.teaching.pixel_settings import PixelSettings  # noqa: TC001 - by msgspec
from viewer.inference.teaching.taught_card import HeldOutFigures  # noqa: TC001 - read by msgspec
from viewer.processes.shared_pixels import Tile  # noqa: TC001 - read by msgspec

LessonKey = tuple[int, int, int]
"""The number of a slide, and column and row of a block of it."""


class BeginLesson(msgspec.Struct, frozen=True, tag=True):
    """Begins anew with other settings; answered by Ready."""

    settings: PixelSettings
    threads: int


class SeeBlock(msgspec.Struct, frozen=True, tag=True):
    """Hands over a block with its margin, of which the features are kept; answered by Ready.

    Blocks in `forgotten` are needed no more.
    """

    key: LessonKey
    tile: Tile
    forgotten: list[LessonKey] = []


class SamplePixels(msgspec.Struct, frozen=True, tag=True):
    """Asks for the features of pixels of a block that was seen; answered by SampledPixels.

    `places` are int32 (n, 2): rows and columns from the corner of the block.
    """

    key: LessonKey
    places: bytes


class SampledPixels(msgspec.Struct, frozen=True, tag=True):
    """Features, float32 (n, d)."""

    features: bytes


class FitPixels(msgspec.Struct, frozen=True, tag=True):
    """Asks to learn from the features of marked pixels; answered by FittedPixels or Refused.

    Attributes
    ----------
    features, classes
        float32 (n, d), and int32 (n,).
    names
        Of the classes.
    """

    features: bytes
    classes: bytes
    names: list[str]


class FittedPixels(msgspec.Struct, frozen=True, tag=True):
    """What was learned, as safetensors."""

    weights: bytes


class EstimatePixels(msgspec.Struct, frozen=True, tag=True):
    """Asks how wrong the answers are on held-out regions; answered by EstimatedPixels.

    As `FitPixels`, with int32 (n,) numbers of slides, and float64 (n, 2) places in µm.
    """

    features: bytes
    classes: bytes
    names: list[str]
    slides: bytes
    places_um: bytes


class EstimatedPixels(msgspec.Struct, frozen=True, tag=True):
    """The estimate."""

    figures: HeldOutFigures


class ClassifyPixels(msgspec.Struct, frozen=True, tag=True):
    """Asks for the classes of a block that was seen; answered by ClassifiedPixels."""

    key: LessonKey


class ClassifiedPixels(msgspec.Struct, frozen=True, tag=True):
    """Mean probabilities of squares of 2 pixels, float16 (rows, columns, classes)."""

    chances: bytes


LessonRequest = BeginLesson | SeeBlock | SamplePixels | FitPixels | EstimatePixels | ClassifyPixels
LessonAnswer = SampledPixels | FittedPixels | EstimatedPixels | ClassifiedPixels
