"""What a model was trained on, and how a field that is unlike it is recognized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from viewer.inference.field_features import FEATURES, field_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage, SlideInfo

_MOST_SPREADS = 6.0
"""A feature farther from the mean counts as so far: nothing is known of how it goes on."""

Numbers = Annotated[tuple[float, ...], Meta(min_length=1, max_length=4096)]

_MOST_NAMES = 6
"""Names of channels in a sentence."""


class FeatureStatistics(msgspec.Struct, frozen=True):
    """Statistics of the features of training fields, and of others that are not like them.

    A multinomial logistic regression on standardized features.

    Attributes
    ----------
    features
        "field": of `field_features`. "embedding": the vectors of the encoder of a slide model.
    mean, spread
        (n,) of the features of training fields.
    kinds
        What a field can be; the first is like the training data.
    weights
        For each kind n numbers and a constant.
    least
        A field is unlike the training data where its probability of the first kind is lower.
    """

    features: Literal["field", "embedding"]
    mean: Numbers
    spread: Numbers
    kinds: Annotated[tuple[str, ...], Meta(min_length=2, max_length=32)]
    weights: tuple[Numbers, ...]
    least: Annotated[float, Meta(ge=0, le=1)]

    @property
    def complaint(self) -> str:
        """Return what is wrong with the numbers; empty where nothing is."""
        length = len(self.mean)
        if self.features == "field" and length != FEATURES:
            return f"statistics of fields have {FEATURES} features, not {length}"
        fits = len(self.spread) == length and len(self.weights) == len(self.kinds)
        if not fits or any(len(row) != length + 1 for row in self.weights):
            return "the numbers of its statistics do not fit together"
        return "" if min(self.spread) > 0 else "spreads in its statistics have to be above 0"

    def likeness(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probability (n,) that fields with features (n, d) are like the training's."""
        far = (features.astype(np.float64) - np.array(self.mean)) / np.array(self.spread)
        far = np.clip(np.nan_to_num(far), -_MOST_SPREADS, _MOST_SPREADS)
        weights = np.array(self.weights)
        logits = far @ weights[:, :-1].T + weights[:, -1]
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers[:, 0] / powers.sum(1)

    def is_unlike(self, features: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return whether fields with features (n, d) are unlike the training data."""
        return self.likeness(features) < self.least


class TrainingData(msgspec.Struct, frozen=True):
    """What a model was trained on.

    Attributes
    ----------
    organs, stains
        Such as "breast" and "H&E".
    mpp_um
        The least and the largest um/px of the fields.
    statistics
        Of their features; without them no field is called unlike.
    """

    organs: tuple[str, ...]
    stains: tuple[str, ...]
    mpp_um: tuple[float, float]
    statistics: FeatureStatistics | None = None

    @property
    def text(self) -> str:
        """Return it in words, such as "breast; H&E; 0.25 to 1 um/px"."""
        low, high = self.mpp_um
        scale = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        return f"{', '.join(self.organs)}; {', '.join(self.stains)}; {scale} um/px"

    @property
    def is_brightfield(self) -> bool:
        """Return whether no fluorescence was among it."""
        return not any("fluorescence" in stain.casefold() for stain in self.stains)


def refusal(training: TrainingData | None, model: str, info: SlideInfo) -> str:
    """Return why a model is not run on a slide, in a sentence; empty where it may be."""
    from viewer.slides.fluorescence import is_fluorescence

    channels = info.axes.channels
    if len(channels) > 1:
        names = ", ".join(channel.name for channel in channels[:_MOST_NAMES])
        more = f" and {len(channels) - _MOST_NAMES} more" if len(channels) > _MOST_NAMES else ""
        return (
            f"{model} takes RGB colors, and this slide has {len(channels)} channels ({names}"
            f"{more}): export a region of it as a color picture, or use a slide in RGB."
        )
    if training is None or not training.is_brightfield or not is_fluorescence(info):
        return ""
    return (
        f"This slide was scanned in fluorescence, and {model} was trained on {training.text}: "
        "use a model for fluorescence."
    )


def unlike_fields(training: TrainingData | None, images: list[RgbImage]) -> NDArray[np.bool_]:
    """Return (n,) which of n fields are unlike the training data; fields without tissue are not."""
    unlike = np.zeros(len(images), bool)
    if training is None or training.statistics is None:
        return unlike
    if training.statistics.features != "field":
        return unlike
    for index, image in enumerate(images):
        features = field_features(image)
        if features is not None:
            unlike[index] = training.statistics.is_unlike(features[np.newaxis])[0]
    return unlike
