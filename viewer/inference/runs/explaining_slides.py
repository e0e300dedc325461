"""Why a slide model says what it says of a slide: the patches that speak for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.inference.process.explain_messages import ExplainedSlide, ExplainSlide
from viewer.inference.runs.one_answer import one_answer
from viewer.inference.runs.part_weights import PartWeights, rolled_names, why_no_attention
from viewer.inference.runs.running import RunError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.models.description import ModelDescription
    from viewer.inference.process.explain_messages import Method
    from viewer.overlays.patch_feature_map import PatchFeatureMap


class SlideExplanation(msgspec.Struct, frozen=True):
    """What speaks for a class on a slide.

    Attributes
    ----------
    name, chance
        The class, and what the model says of it.
    by_class
        Which patches speak for the class, by gradients or occlusion.
    heads
        Which patches each head of attention looks at, and attention roll-out through the layers
        before it.
    note
        Why there is no roll-out, where a model may have such layers; "" else.
    """

    name: str
    chance: float
    method: Method
    by_class: PartWeights
    heads: tuple[PartWeights, ...]
    note: str = ""

    @property
    def ways(self) -> tuple[PartWeights, ...]:
        """Return all maps, the one by class first."""
        return (self.by_class, *self.heads)

    @property
    def sentence(self) -> str:
        """Return what speaks for what, and which maps do not hold, for people."""
        of_attention = [each for each in self.heads if not each.name.startswith("head ")]
        weak = [each.name for each in of_attention if not each.is_faithful]
        others = f" The maps of these are no better than chance: {', '.join(weak)}." if weak else ""
        return (
            f"{self.name} {self.chance:.2f}: warm patches speak for it. "
            f"{self.by_class.sentence}{others}"
        )


def explain_slide(bundle: ModelBundle, found: PatchFeatureMap, name: str = "") -> SlideExplanation:
    """Return which of the known patches of a slide speak for a class of a slide model.

    Parameters
    ----------
    name
        Of the class; by default the likeliest.

    Raises
    ------
    RunError
        One sentence says why there is no explanation.
    """
    names = [each for each, _ in bundle.colors]
    if name and name not in names:
        raise RunError(f'{bundle.name} has no class "{name}"; it has {", ".join(names)}.')
    known = found.known
    features = found.values[known]
    need = bundle.description.encoder
    if not len(features):
        raise RunError("There is no tissue to explain.")
    if need is None or features.shape[1] != need.length:
        raise RunError(f"{bundle.name} does not judge these vectors.")
    request = ExplainSlide(
        features.astype(np.float16).tobytes(), len(features), names.index(name) if name else -1
    )
    answer = one_answer(bundle, lambda _: request, ExplainedSlide, RunError)

    def placed(data: NDArray[np.float32]) -> NDArray[np.float32]:
        values = np.full(known.shape, np.nan, np.float32)
        values[known] = data
        return values

    attention = np.frombuffer(answer.attention, np.float32).reshape(-1, len(features))
    heads = names if len(attention) == len(names) else ["attention"]
    tested = zip(answer.attention_deletion, answer.attention_random, strict=True)
    of_heads = [
        PartWeights(f"attention of {head}" if len(heads) > 1 else head, placed(row), *kept)
        for head, row, kept in zip(heads, attention, tested, strict=True)
    ]
    rolled = np.frombuffer(answer.rolled, np.float32).reshape(-1, len(features))
    of_layers = [
        PartWeights(way, placed(row), kept, answer.random)
        for way, row, kept in zip(
            rolled_names(len(rolled)), rolled, answer.rolled_deletion, strict=True
        )
    ]
    by_class = placed(np.frombuffer(answer.values, np.float32))
    return SlideExplanation(
        names[answer.index],
        answer.chances[answer.index],
        answer.method,
        PartWeights(answer.method, by_class, answer.deletion, answer.random),
        (*of_heads, *of_layers),
        _note(bundle.description, answer.method, len(of_layers)),
    )


def _note(about: ModelDescription, method: str, rolled: int) -> str:
    """Return what of the attention is not shown, and why; "" where all is."""
    if about.format != "safetensors":
        return why_no_attention(about, f"its last attention and {method}")
    if rolled == 1:
        return "There are too many patches to test each head: they are shown together."
    return ""
