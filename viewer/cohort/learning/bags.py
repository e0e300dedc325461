"""The features of labeled slides, as the bags that a slide model learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch

from viewer.cohort.learning.labels import LabelsError, classes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from viewer.cohort.features.rows import Encoder
    from viewer.cohort.features.store import FeatureStore
    from viewer.cohort.learning.labels import LabeledSlide

_MOST_PATCHES = 20_000
"""Of a slide, taken evenly: attention over more learns no better and takes more memory."""
_MOST_BYTES = 8 << 30
_SMALL_PATCHES = 1_000


class Bags(msgspec.Struct, frozen=True):
    """Vectors (n, d) float16 of each slide, and its class."""

    vectors: list[Tensor]
    classes: Tensor

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def is_small(self) -> bool:
        """Return whether so few patches a slide are there that a second thread only costs time."""
        return sum(map(len, self.vectors)) < _SMALL_PATCHES * len(self.vectors)

    def scale(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return mean and spread (d,) of the vectors of some slides, each slide counting once."""
        means = torch.stack([self.vectors[i].float().mean(0) for i in indices])
        squares = torch.stack([self.vectors[i].float().square().mean(0) for i in indices])
        mean = means.mean(0)
        return mean, (squares.mean(0) - mean.square()).clamp(min=0).sqrt() + 1e-4


def read_bags(
    store: FeatureStore, encoder: Encoder, labeled: Sequence[LabeledSlide],
    on_slide: Callable[[int], object] = lambda _: None,
) -> Bags:  # fmt: skip
    """Read the features of labeled slides.

    Raises
    ------
    LabelsError
        A slide has no features or such as are no numbers, or all together are too many for the
        memory.
    FeatureStoreError
        The store cannot be read.
    """
    names = classes_of(labeled)
    vectors: list[Tensor] = []
    for number, each in enumerate(labeled, 1):
        values = store.read_slide(encoder, each.slide).vectors
        if not len(values):
            raise LabelsError(f"{each.name} has no features: there is no tissue on it.")
        if not np.isfinite(values).all():
            raise LabelsError(
                f"The features of {each.name} hold values that are no numbers: {encoder.name} does "
                "not work on it; take its row out, or embed it by another encoder."
            )
        if len(values) > _MOST_PATCHES:
            values = values[np.linspace(0, len(values) - 1, _MOST_PATCHES).astype(int)]
        vectors.append(torch.as_tensor(np.ascontiguousarray(values)))
        if sum(each.nbytes for each in vectors) > _MOST_BYTES:
            raise LabelsError(
                f"The features of {number:,} slides take more than 8 GB: give fewer slides."
            )
        on_slide(number)
    return Bags(vectors, torch.tensor([names.index(each.label) for each in labeled]))
