"""What the model process is asked and answers while a nuclei network learns from outlines."""

from __future__ import annotations

import msgspec

from viewer.processes.shared_pixels import Tile  # noqa: TC001 - read by msgspec


class SeeField(msgspec.Struct, frozen=True, tag=True):
    """Hands over a field with what was corrected in it; answered by FieldSeen.

    Attributes
    ----------
    labels
        int32 (height, width): the number of each nucleus, 0 for none, -1 where it is not known.
    is_held
        bool (height, width): what is held back to measure by.
    margin_px
        What another field measures, too.
    is_whole
        Whether all nuclei are outlined where anything is known.
    """

    tile: Tile
    labels: bytes
    is_held: bytes
    margin_px: int
    is_whole: bool


class FieldSeen(msgspec.Struct, frozen=True, tag=True):
    """A field was taken, and the network as it came was measured on it."""


class TuneSteps(msgspec.Struct, frozen=True, tag=True):
    """Asks to learn for some more of all steps; answered by TunedSteps."""

    count: int
    total: int


class TunedSteps(msgspec.Struct, frozen=True, tag=True):
    """The mean loss of the steps."""

    loss: float


class MeasureTuned(msgspec.Struct, frozen=True, tag=True):
    """Asks how well outlines are met; answered by TunedNetwork."""


class Agreement(msgspec.Struct, frozen=True):
    """How well found nuclei meet outlined ones.

    Attributes
    ----------
    f1, quality
        F1 at an IoU of 0.5, and panoptic quality.
    found, outlined
        How many nuclei.
    """

    f1: float
    quality: float
    found: int
    outlined: int


class TunedNetwork(msgspec.Struct, frozen=True, tag=True):
    """What was learned.

    Attributes
    ----------
    learned
        How well the network as it came meets the outlines that it learned from.
    before, after
        How well it meets those that were held back, as it came and now.
    weights
        As safetensors.
    """

    learned: Agreement
    before: Agreement
    after: Agreement
    weights: bytes


TuningRequest = SeeField | TuneSteps | MeasureTuned
TuningAnswer = FieldSeen | TunedSteps | TunedNetwork
