"""Which patches speak for a class of a slide model, which it looks at, and whether that holds.

Integrated gradients (Sundararajan 2017) from the mean vector of the slide; occlusion (Zeiler 2014)
where a model has no gradients. Its attention, and where there are layers before it attention
roll-out (Abnar & Zuidema 2020) through them. Deletion test after Petsiuk 2018, on each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.errors import ModelFailedError
from viewer.inference.process.explain_messages import ExplainedSlide
from viewer.overlays.scoring import softmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.inference.process.explain_messages import Method
    from viewer.inference.process.slide_head import SlideHead

_RANDOM_ORDERS = 8
_STEPS = 16
"""In which patches are taken away, and by which gradients are integrated."""
_GROUPS = 64
"""Of patches in a row that are taken away together, where there are no gradients."""
_MOST_FOR_HEADS = 20_000
"""Patches, with which each head of the layers before the last is still tested: it takes minutes."""
_LEAST_CHANCE = 1e-6


def explained_slide(
    head: SlideHead, vectors: NDArray[np.float32], index: int, on_progress: Callable[[], None],
    most_for_heads: int = _MOST_FOR_HEADS,
) -> ExplainedSlide:  # fmt: skip
    """Return how much each of n vectors (n, d) speaks for a class; -1 for the likeliest.

    Of more than `most_for_heads`, attention is rolled out by the mean of the heads alone.

    Raises
    ------
    ModelFailedError
        The model failed, or gives no finite number for the slide.
    """
    if len(vectors) < 2:
        raise ModelFailedError("The model has to know two patches or more to be explained.")

    def chances(kept: NDArray[np.intp]) -> NDArray[np.float32]:
        on_progress()
        return softmax(head.judge(vectors[kept])[0])

    logits, scores = head.judge(vectors)
    if not (np.isfinite(logits).all() and np.isfinite(scores).all()):
        raise ModelFailedError("The model gives no finite number for all patches of this slide.")
    own = softmax(logits)
    index = int(own.argmax()) if index < 0 else index
    attention = np.stack([softmax(row) for row in scores]).astype(np.float32)
    method: Method = "gradient"
    values = head.integrated_gradients(vectors, index, _STEPS, on_progress)
    if values is None:
        method, values = (
            "occlusion",
            _occluded(len(vectors), lambda kept: (own - chances(kept))[index]),
        )

    def deleted(order: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the mean chance of each class while patches are taken away, as a share."""
        counts = np.linspace(0, len(order) - 1, _STEPS + 1).round().astype(int)[1:]
        means = np.mean([chances(np.sort(order[count:])) for count in counts.tolist()], 0)
        return means / np.maximum(own, _LEAST_CHANCE)

    spread = np.random.default_rng(0)
    by_chance = [deleted(spread.permutation(len(vectors))) for _ in range(_RANDOM_ORDERS)]
    random = np.mean(by_chance, 0)
    of = list(range(len(own))) if len(attention) == len(own) else [index] * len(attention)
    kept = [
        float(deleted(np.argsort(-row, kind="stable"))[each])
        for row, each in zip(attention, of, strict=True)
    ]
    rolled = head.roll_out(vectors)
    ways = [] if rolled is None else list(rolled[: None if len(vectors) <= most_for_heads else 1])
    return ExplainedSlide(
        index,
        own.tolist(),
        method,
        values.astype(np.float32).tobytes(),
        attention.tobytes(),
        float(deleted(np.argsort(-values, kind="stable"))[index]),
        float(random[index]),
        kept,
        [float(random[each]) for each in of],
        b"".join(each.tobytes() for each in ways),
        [float(deleted(np.argsort(-each, kind="stable"))[index]) for each in ways],
    )


def _occluded(count: int, lost: Callable[[NDArray[np.intp]], float]) -> NDArray[np.float32]:
    """Return what is lost where each group of patches is taken away, shared among them."""
    values = np.zeros(count, np.float32)
    for group in np.array_split(np.arange(count), min(_GROUPS, count)):
        values[group] = lost(np.setdiff1d(np.arange(count), group)) / len(group)
    return values
