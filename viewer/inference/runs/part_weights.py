"""How much the parts of a tile, or the patches of a slide, count by one way to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.plurals import percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription

ROLL_OUT = "attention roll-out"


class PartWeights(msgspec.Struct, frozen=True, eq=False):
    """How much each part counts.

    Attributes
    ----------
    name
        The method, or the name of the head of attention.
    values
        (rows, columns), NaN where there is no patch.
    deletion, random
        The mean of what the model still says while parts are taken away, the weightiest first, and
        in random orders; shares of what it said of all.
    """

    name: str
    values: NDArray[np.float32]
    deletion: float
    random: float

    @property
    def is_faithful(self) -> bool:
        """Return whether what is said to count does so more than chance would."""
        return self.deletion < self.random

    @property
    def sentence(self) -> str:
        """Return what the deletion test says, for people."""
        holds = (
            "the map shows what the model relies on"
            if self.is_faithful
            else "the map is no better than chance, do not rely on it"
        )
        return (
            f"When the warmest are removed first, {percent(self.deletion)} of the score is left on "
            f"average; in random order, {percent(self.random)}: {holds}."
        )


def rolled_names(ways: int) -> list[str]:
    """Return what attention roll-out and each head of it are called."""
    return [ROLL_OUT, *(f"head {number}" for number in range(1, ways))][:ways]


def why_no_attention(about: ModelDescription, method: str) -> str:
    """Return why a model is explained without attention roll-out, in a sentence."""
    if about.format != "safetensors":
        kind = "ONNX" if about.format == "onnx" else "TorchScript"
        why = f"{kind} does not give the attention of its layers"
    elif about.settings.get("merge"):
        why = "patches are merged in it, so that its attention is no map"
    else:
        why = "the network has no attention"
    return f"No attention roll-out: {why}. Explained by {method} alone."
