"""What a network says of a whole field, patch by patch: the chance of a nucleus at each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription
    from viewer.inference.process.network import Network
    from viewer.slides.source import RgbImage


def nucleus_chances(
    network: Network, about: ModelDescription, rgb: RgbImage, tell_alive: Callable[[], object]
) -> NDArray[np.float32]:
    """Return float32 (height, width), from the first map of a network of nuclei.

    Patches overlap by the margin of the model, of which nothing is taken; beyond the field it sees
    the field mirrored. Where it gives no finite number there is no nucleus.
    """
    patch, margin = about.patch_px, about.margin_px
    core = patch - 2 * margin
    height, width = rgb.shape[:2]
    rows, columns = -(-height // core), -(-width // core)
    below, beyond = rows * core - height + margin, columns * core - width + margin
    padded = np.pad(rgb, ((margin, below), (margin, beyond), (0, 0)), "symmetric")
    found = np.zeros((rows * core, columns * core), np.float32)
    for row in range(rows):
        for column in range(columns):
            tell_alive()
            y, x = row * core, column * core
            tile = np.ascontiguousarray(padded[y : y + patch, x : x + patch])
            logits = network.answers([tile])[0][0]
            lost = (patch - logits.shape[0]) // 2
            inner = logits[
                margin - lost : margin - lost + core, margin - lost : margin - lost + core
            ]
            with np.errstate(over="ignore"):
                found[y : y + core, x : x + core] = 1 / (1 + np.exp(-inner))
    return np.nan_to_num(found[:height, :width], nan=0.0)
