"""Which parts of a tile speak for a class of a tile classifier, and whether that holds.

Integrated gradients (Sundararajan 2017) from a tile of its mean color; occlusion (Zeiler 2014)
where a network has no gradients, as in ONNX; attention roll-out (Abnar & Zuidema 2020) beside them
where it gives its attention. Deletion test after Petsiuk 2018, on each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from viewer.inference.errors import ModelFailedError
from viewer.inference.process.batches import Batches
from viewer.inference.process.explain_messages import Explained
from viewer.overlays.scoring import head_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from viewer.inference.models.description import Head
    from viewer.inference.process.explain_messages import Method
    from viewer.inference.process.network import Network
    from viewer.slides.source import RgbImage

_RANDOM_ORDERS = 8
_STEPS = 16
"""In which all parts are taken away, and by which gradients are integrated."""
_LEAST_CHANCE = 1e-6


def explained(
    network: Network,
    head: Head,
    picture: RgbImage,
    index: int,
    parts: int,
    on_progress: Callable[[], None],
) -> Explained:
    """Return how much each part of a tile speaks for a class.

    Parameters
    ----------
    index
        Of the class; -1 for the likeliest.
    parts
        Along a side.

    Raises
    ------
    ModelFailedError
        The model failed, or gives no finite number for the tile.
    """
    batches = Batches(network, on_progress)

    def chances(pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        return head_values(batches.answers(pictures), head).astype(np.float32)

    own = chances([picture])[0]
    if not np.isfinite(own).all():
        raise ModelFailedError("The model gives no finite number for this tile.")
    index = int(own.argmax()) if index < 0 else index
    edges = np.linspace(0, len(picture), parts + 1).round().astype(int)
    method: Method = "gradient"
    slopes = network.integrated_gradients(picture, index, _STEPS)
    if slopes is None:
        method = "occlusion"
        values = _occluded(picture, edges, lambda each: own[index] - chances(each)[:, index])
    else:
        values = np.add.reduceat(np.add.reduceat(slopes, edges[:-1], 0), edges[:-1], 1)
    whole = max(float(own[index]), _LEAST_CHANCE)

    def kept(order: NDArray[np.intp]) -> float:
        return float(chances(_deletion(picture, edges, order))[:, index].mean()) / whole

    def kept_by(weights: NDArray[np.float32]) -> float:
        return kept(np.argsort(-weights.ravel(), kind="stable"))

    spread = np.random.default_rng(0)
    by_chance = [kept(spread.permutation(values.size)) for _ in range(_RANDOM_ORDERS)]
    rolled = network.roll_out(picture)
    ways = [] if rolled is None else [_in_parts(each, parts) for each in rolled]
    return Explained(
        index,
        float(own[index]),
        method,
        values.astype(np.float32).tobytes(),
        kept_by(values),
        float(np.mean(by_chance)),
        b"".join(each.tobytes() for each in ways),
        [kept_by(each) for each in ways],
    )


def _in_parts(values: NDArray[np.float32], parts: int) -> NDArray[np.float32]:
    """Return a map of patches as one of as many parts along each side."""
    resized = Image.fromarray(values).resize((parts, parts), Image.Resampling.BOX)
    return np.asarray(resized, np.float32)


def _occluded(
    picture: RgbImage,
    edges: NDArray[np.int_],
    lost: Callable[[Sequence[RgbImage]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return what is lost where each part is taken away, (parts, parts)."""
    parts = len(edges) - 1
    without = [_without(picture, edges, [number]) for number in range(parts**2)]
    return lost(without).reshape(parts, parts)


def _deletion(
    picture: RgbImage, edges: NDArray[np.int_], order: NDArray[np.intp]
) -> list[RgbImage]:
    """Return the tile with ever more of its parts taken away, to the last."""
    shares = np.linspace(0, len(order), _STEPS + 1).round().astype(int)[1:]
    return [_without(picture, edges, order[:count].tolist()) for count in shares.tolist()]


def _without(picture: RgbImage, edges: NDArray[np.int_], numbers: Sequence[int]) -> RgbImage:
    parts = len(edges) - 1
    taken = picture.copy()
    mean = picture.reshape(-1, 3).mean(0).astype(np.uint8)
    for number in numbers:
        row, column = divmod(number, parts)
        taken[edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = mean
    return taken
