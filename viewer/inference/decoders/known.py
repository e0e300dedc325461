"""All decoders; another one is a module, a name in model.json and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.decoders import (
    cell_detection,
    cellpose,
    contours,
    coverslip,
    hover,
    labels,
    stardist,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from viewer.inference.decoders.labeled import Labeled
    from viewer.inference.models.description import Decoder, ModelDescription

    Decode = Callable[[NDArray[np.float32], ModelDescription], list[Labeled]]
    """Of maps (channels, rows, columns) without gaps; raises ModelFailedError."""

DECODERS: Mapping[Decoder, Decode] = {
    "coverslip": coverslip.decode,
    "labels": labels.decode,
    "stardist": stardist.decode,
    "hovernet": hover.decode,
    "cellvit": hover.decode,
    "cellpose": cellpose.decode,
    "contours": contours.decode,
    "cells": cell_detection.decode,
}
