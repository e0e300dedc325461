"""Towers for words: of a CLIP, in its own weights or beside them, or in ONNX."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from viewer.inference.architectures.clip import Clip, ClipWords
from viewer.inference.errors import ModelFailedError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.loading import first_line
from viewer.inference.process.onnx_module import onnx_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.typed_onnxruntime import Port

_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
_BESIDE = ("attention_mask", "token_type_ids", "position_ids")
"""What exported towers take beside the tokens."""
_VECTORS = 2
"""Axes of vectors of phrases: (n, length)."""


class TextTower(Protocol):
    """What makes a vector of the tokens of a phrase."""

    most_tokens: int
    scale: float

    def vector(self, tokens: Sequence[int], pad: int) -> NDArray[np.float32]:
        """Return the vector (length,) of a phrase of at most `most_tokens` tokens.

        `pad` fills it up where a number of tokens is fixed.

        Raises
        ------
        ModelFailedError
            The tower has no answer for these tokens.
        """
        ...


def text_tower(bundle: ModelBundle, module: torch.nn.Module) -> TextTower:
    """Return the tower for words of a bundle, whose network is `module`.

    Raises
    ------
    BundleError
        Its file is no such tower.
    """
    words = bundle.description.words
    assert words is not None
    if words.weights.endswith(".onnx"):
        return _OnnxTower(bundle)
    if words.weights:
        return _tower_beside(bundle)
    assert isinstance(module, Clip)
    scale = float(module.logit_scale.detach().exp())
    return _ClipTower(bundle.name, module, scale, module.logit_scale.device)


class _ClipTower:
    """Of a CLIP as the transformers library has it."""

    def __init__(self, name: str, module: ClipWords, scale: float, device: torch.device) -> None:
        self._name, self._module, self._device = name, module, device
        self.scale, self.most_tokens = scale, module.most_tokens

    def vector(self, tokens: Sequence[int], pad: int) -> NDArray[np.float32]:  # noqa: ARG002
        if max(tokens) >= self._module.tokens:
            raise ModelFailedError(
                f"The tokenizer of {self._name} does not fit its network: it gives token "
                f"{max(tokens):,} for the words, and the network knows {self._module.tokens:,}."
            )
        with torch.inference_mode():
            given = torch.tensor([list(tokens)], device=self._device)
            return self._module.words(given)[0].float().cpu().numpy()


def _tower_beside(bundle: ModelBundle) -> _ClipTower:
    """Return the tower in a file of weights: of words alone, or of both towers."""
    about = bundle.description
    assert about.words is not None
    file = about.words.weights
    known = signature(ClipWords).parameters
    own = {name: size for name, size in about.settings.items() if name in known}
    try:
        held = load(bundle.data_bytes()[file])
        scale = held.get("logit_scale")
        module = ClipWords(**own)
        module.load_state_dict({name: each for name, each in held.items() if "text_" in name})
    except (SafetensorError, RuntimeError, ValueError, TypeError, ArithmeticError) as error:
        raise BundleError(
            f"{file} of {about.name} is no tower for words of a CLIP as its settings say: "
            f"{first_line(error)}"
        ) from error
    said = about.words.scale if scale is None else float(scale.exp())
    return _ClipTower(about.name, module.eval(), said, torch.device("cpu"))


class _OnnxTower:
    """In ONNX: tokens (n, tokens) in, vectors (n, length) out."""

    def __init__(self, bundle: ModelBundle) -> None:
        about = bundle.description
        assert about.words is not None
        self._what = f"The tower for words {about.words.weights} of {about.name}"
        self._session = onnx_session(bundle, torch.device("cpu"), about.words.weights)
        inputs = self._session.get_inputs()
        self._beside = {each.name: each for each in inputs if each.name in _BESIDE}
        others = [each for each in inputs if each.name not in self._beside]
        is_one = len(others) == 1 and len(others[0].shape) == _VECTORS
        if not is_one or any(each.type not in _INTEGERS for each in inputs):
            taken = ", ".join(f"{each.name} ({_in_words(each)})" for each in inputs) or "nothing"
            raise BundleError(
                f"{self._what} takes {taken}: export it with the tokens alone (input_ids, n x "
                f"tokens of int64), or with {', '.join(_BESIDE)} beside them."
            )
        self._tokens = others[0]
        self._count, length = (
            each if isinstance(each, int) else None for each in self._tokens.shape
        )
        self._is_fixed = length is not None
        self.most_tokens = length or about.words.most_tokens
        self.scale = about.words.scale
        self._output = self._chosen(about.words.output)

    def vector(self, tokens: Sequence[int], pad: int) -> NDArray[np.float32]:
        missing = self.most_tokens - len(tokens) if self._is_fixed else 0
        row = np.array([*tokens, *[pad] * missing])
        rows = {
            self._tokens.name: row,
            "attention_mask": np.arange(len(row)) < len(tokens),
            "token_type_ids": np.zeros(len(row)),
            "position_ids": np.arange(len(row)),
        }
        fed = {
            each.name: np.tile(rows[each.name], (self._count or 1, 1)).astype(_INTEGERS[each.type])
            for each in (self._tokens, *self._beside.values())
        }
        try:
            (given,) = self._session.run([self._output], fed)
        except Exception as error:  # onnxruntime's errors have no common base
            raise ModelFailedError(
                f"{self._what} failed for tokens up to {max(tokens):,}, {len(row)} of them; its "
                f"tokenizer may be another's: {first_line(error)}"
            ) from error
        if given.ndim != _VECTORS:
            raise ModelFailedError(
                f"{self._what} answers with {given.shape} where a vector of each phrase was "
                f"expected: name the output that is one as output of words; it has "
                f"{', '.join(each.name for each in self._session.get_outputs())}."
            )
        return np.asarray(given[0], np.float32)

    def _chosen(self, wanted: str) -> str:
        known = self._session.get_outputs()
        if wanted and wanted not in [each.name for each in known]:
            raise BundleError(
                f"{self._what} has no output {wanted}: its outputs are "
                f"{', '.join(each.name for each in known)}."
            )
        vectors = [each.name for each in known if len(each.shape or ()) == _VECTORS]
        return wanted or (vectors or [known[0].name])[0]


def _in_words(given: Port) -> str:
    shape = " x ".join("n" if not isinstance(each, int) else str(each) for each in given.shape)
    kind = str(given.type).removeprefix("tensor(").removesuffix(")")
    return f"{shape} of {kind}" if shape else kind
