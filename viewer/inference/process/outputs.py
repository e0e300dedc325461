"""Several outputs of a network as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from viewer.inference.errors import ModelFailedError
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_IMAGE_AXES = 3


def joined(outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return outputs (n, channels, ...) joined along their channels; maps (n, h, w) have one.

    Raises
    ------
    ModelFailedError
        They are not of one size.
    """
    if len(outputs) == 1:
        return outputs[0]
    maps = [each[:, np.newaxis] if each.ndim == _IMAGE_AXES else each for each in outputs]
    try:
        return np.concatenate(maps, 1)
    except ValueError:
        shapes = " and ".join(str(each.shape) for each in outputs)
        raise ModelFailedError(
            f"The outputs of the model, {shapes}, are not of one size and cannot be joined."
        ) from None


def named_outputs(answer: object, names: Sequence[str]) -> object:
    """Return what of an answer of a network is named: a tensor as it is where nothing is.

    Raises
    ------
    ModelFailedError
        The answer has no such part.
    """
    if not names:
        return answer
    if is_mapping(answer):
        held = {str(name): each for name, each in answer.items()}
    elif is_sequence(answer):
        held = {str(place): each for place, each in enumerate(answer)}
    else:
        held = {"0": answer}
    missing = [name for name in names if not isinstance(held.get(name), torch.Tensor)]
    if missing:
        raise ModelFailedError(
            f"The model has no output {missing[0]}: its outputs are {', '.join(held)}."
        )
    tensors = [cast("torch.Tensor", held[name]).float().cpu().numpy() for name in names]
    return torch.as_tensor(joined(tensors))
