"""Asks a slide model about the vectors of a slide, in a process of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from viewer.errors import CoverslipError
from viewer.inference.bundle import BundleError
from viewer.inference.engine import worker_environment
from viewer.inference.messages import Judge, Judged, Refused, receive_answer, send
from viewer.overlays.slide_prediction import SlidePrediction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from viewer.inference.bundle import ModelBundle
    from viewer.overlays.patch_feature_map import PatchFeatureMap

_PATIENCE_S = 600.0


class JudgingError(CoverslipError):
    """A slide model that gave no answer; `str()` is one sentence."""


def engine_model(bundle: ModelBundle, models: Iterable[ModelBundle]) -> ModelBundle:
    """The model that the engine runs: the bundle itself, or the encoder of a slide model.

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
        is_it = other.task == "embedding" and other.sha256.lower() == need.sha256.lower()
        if is_it and (other.mpp_um, other.patch_px) == (about.mpp_um, about.patch_px):
            return model
    raise BundleError(
        f"{about.name} judges what the encoder {need.name} sees at {about.mpp_um:g} um/px in "
        f"fields of {about.patch_px} px: add that model first, with the same weights."
    )


def predict_slide(
    bundle: ModelBundle, found: PatchFeatureMap, among: NDArray[np.bool_] | None = None
) -> SlidePrediction:
    """What a slide model says of the known cells, or those of them in `among` (rows, columns).

    Raises
    ------
    JudgingError
        There is no answer; one sentence says why.
    """
    need = bundle.description.encoder
    assert need is not None
    cells = found.known if among is None else found.known & among
    vectors = found.values[cells].astype(np.float32)
    if not len(vectors):
        raise JudgingError("There is no tissue to judge.")
    if vectors.shape[1] != need.length:
        raise JudgingError(
            f"{bundle.description.name} judges vectors of {need.length} numbers; these have "
            f"{vectors.shape[1]}."
        )
    answer = _answer(
        Judge(
            str(bundle.folder), vectors.tobytes(), len(vectors), max(1, (os.cpu_count() or 2) - 1)
        )
    )
    logits = np.array(answer.logits)
    powers = np.exp(logits - logits.max())
    scores = np.frombuffer(answer.attention, np.float32).reshape(-1, len(vectors))
    attention = np.full((len(scores), *cells.shape), np.nan, np.float32)
    attention[:, cells] = scores
    return SlidePrediction((powers / powers.sum()).astype(np.float32), attention, len(vectors))


def _answer(request: Judge) -> Judged:
    told = io.BytesIO()
    send(told, request)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "viewer.inference.slide_head"],
            input=told.getvalue(),
            stdout=subprocess.PIPE,
            env=worker_environment(),
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JudgingError(f"The slide model gave no answer ({error}).") from error
    answer = receive_answer(io.BytesIO(done.stdout))
    match answer:
        case Judged():
            return answer
        case Refused(sentence):
            raise JudgingError(sentence)
        case _:
            raise JudgingError(
                f"The slide model's process ended without an answer ({done.returncode})."
            )
