"""Asks a slide model about the vectors of a slide, in a process of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from viewer.errors import CoverslipError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.messages import Judge, Judged
from viewer.inference.runs.one_answer import one_answer
from viewer.inference.tasks.known import TASKS
from viewer.overlays.scoring import softmax
from viewer.overlays.slide_prediction import SlidePrediction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.files.result_file import ResultFile
    from viewer.overlays.patch_feature_map import PatchFeatureMap


class JudgingError(CoverslipError):
    """A slide model that gave no answer; `str()` is one sentence."""


def engine_model(bundle: ModelBundle, models: Iterable[ModelBundle]) -> ModelBundle:
    """Return the model that the engine runs: the bundle itself, or the encoder of a slide model.

    Raises
    ------
    BundleError
        The encoder is not among `models`.
    """
    about, need = bundle.description, bundle.description.encoder
    if need is None:
        return bundle
    for model in models:
        other = model.description
        is_it = TASKS[other.task].encodes and other.sha256.lower() == need.sha256.lower()
        if is_it and (other.mpp_um, other.patch_px) == (about.mpp_um, about.patch_px):
            return model
    raise BundleError(
        f"{about.name} judges what the encoder {need.name} sees at {about.mpp_um:g} um/px in "
        f"fields of {about.patch_px} px: add that model first, with the same weights."
    )


def check_vectors(bundle: ModelBundle, file: ResultFile) -> list[str]:
    """See whether the vectors of a file are what a slide model judges; return what is not sure.

    Raises
    ------
    JudgingError
        They are of another encoder, length or size of tiles, or the file has none.
    """
    about, need, vectors = bundle.description, bundle.description.encoder, file.vectors
    if need is None:
        raise JudgingError(f"{bundle.name} judges no features: give the name of a slide model.")
    if vectors is None:
        raise JudgingError(f"{file.name} holds no features of tiles.")
    if vectors.length != need.length:
        raise JudgingError(
            f"{bundle.name} judges vectors of {need.length} numbers; those of {file.name} have "
            f"{vectors.length}."
        )
    side_um = about.patch_px * about.mpp_um
    if abs(vectors.side_um / side_um - 1) > _SAME_SIDE:
        raise JudgingError(
            f"{bundle.name} judges tiles of {side_um:g} um; those of {file.name} are "
            f"{vectors.side_um:.4g} um wide."
        )
    if not vectors.encoder:
        return [
            f"{file.name} does not say which encoder made its vectors: they are taken for those of "
            f"{need.name}."
        ]
    if _plain_name(vectors.encoder) != _plain_name(need.name):
        raise JudgingError(
            f"{bundle.name} judges vectors of {need.name}; those of {file.name} are of "
            f"{vectors.encoder}."
        )
    return []


_KNOWN_AS = {
    "univ1": "uni", "univ2": "uni2h", "uni2": "uni2h", "gigapath": "provgigapath",
    "hoptimus0": "hoptimus0", "hibou": "hiboul", "midnight12k": "midnight12k",
}  # fmt: skip
"""Names of encoders at TRIDENT, by those that we fetch them under."""
_SAME_SIDE = 0.03


def _plain_name(name: str) -> str:
    plain = re.sub("[^a-z0-9]", "", name.casefold())
    return _KNOWN_AS.get(plain, plain)


def predict_slide(
    bundle: ModelBundle, found: PatchFeatureMap, among: NDArray[np.bool_] | None = None
) -> SlidePrediction:
    """Return what a slide model says of the known cells, or of those in `among` (rows, columns).

    Cells for which it has no finite attention are holes of `found`, and the slide is judged without
    them.

    Raises
    ------
    JudgingError
        There is no answer; one sentence says why.
    """
    cells = found.known if among is None else found.known & among
    logits, attention = _judged(bundle, found, cells)
    answered: NDArray[np.bool_] = np.asarray(np.isfinite(attention).all(axis=0))
    if answered.any() and not np.isfinite(logits).all():
        # A patch without an answer spoils that for the slide: the model is asked without it.
        logits, attention = _judged(bundle, found, answered)
        answered &= np.isfinite(attention).all(0)
    if not answered.any() or not np.isfinite(logits).all():
        raise JudgingError(f"{bundle.name} gave no finite numbers for this slide.")
    found.mark_holes(cells & ~answered)
    attention[:, ~answered] = np.nan
    return SlidePrediction(softmax(logits), attention, int(answered.sum()))


def _judged(
    bundle: ModelBundle, found: PatchFeatureMap, cells: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return logits (classes,) and attention (heads, rows, columns), NaN beside the cells asked."""
    need = bundle.description.encoder
    assert need is not None
    features = found.values[cells]
    if not len(features):
        raise JudgingError("There is no tissue to judge.")
    if features.shape[1] != need.length:
        raise JudgingError(
            f"{bundle.description.name} judges vectors of {need.length} numbers; these have "
            f"{features.shape[1]}."
        )
    request = Judge(features.astype(np.float16).tobytes(), len(features))
    answer = one_answer(bundle, lambda _: request, Judged, JudgingError)
    logits = np.array(answer.logits)
    heads = len(answer.attention) // (4 * len(features))
    if logits.shape != (len(bundle.colors),) or len(answer.attention) != 4 * heads * len(features):
        raise JudgingError(f"{bundle.name} gave an answer of another shape.")
    attention = np.full((heads, *cells.shape), np.nan, np.float32)
    scores = np.frombuffer(answer.attention, np.float32).reshape(heads, len(features))
    attention[:, cells] = scores
    return logits, attention


def mark_unlike(bundle: ModelBundle, found: PatchFeatureMap) -> None:
    """Mark the known cells whose vectors are unlike those that a slide model was trained on."""
    training = bundle.description.training
    if training is None or training.statistics is None:
        return
    if training.statistics.features != "embedding" or not found.count:
        return
    known = found.known
    unlike = np.zeros_like(known)
    unlike[known] = training.statistics.is_unlike(found.values[known])
    found.mark_unlike(unlike)
