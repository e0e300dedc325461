"""Words as vectors: a bundle's tokenizer and its network's tower for words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from viewer.inference.architectures.clip import Clip
from viewer.inference.errors import ModelFailedError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.words_messages import EncodedWords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer

    from viewer.inference.models.bundle import ModelBundle


class WordsTower:
    """What gives the vectors of phrases.

    Raises
    ------
    BundleError
        tokenizers is not installed, or the file of the tokenizer is none.
    """

    def __init__(self, bundle: ModelBundle, module: torch.nn.Module) -> None:
        about = bundle.description
        assert isinstance(module, Clip)
        assert about.words is not None
        self._name, self._module, self._template = about.name, module, about.words.template
        self._tokenizer = _tokenizer(
            about.name, about.words.tokenizer, bundle.data_bytes()[about.words.tokenizer]
        )

    def encoded(self, phrases: Sequence[str]) -> EncodedWords:
        """Return the vectors of phrases, each put into the model's template.

        Raises
        ------
        ModelFailedError
            The tokenizer does not fit the network, or what it gives is not finite.
        """
        found = [self._vector(phrase) for phrase in phrases]
        vectors = torch.stack([vector for vector, _ in found])
        cut = [phrase for phrase, (_, is_cut) in zip(phrases, found, strict=True) if is_cut]
        scale = float(self._module.logit_scale.detach().exp())
        if not (bool(torch.isfinite(vectors).all()) and torch.isfinite(torch.tensor(scale))):
            raise ModelFailedError(f"The model {self._name} gives no finite numbers for the words.")
        return EncodedWords(vectors.numpy().tobytes(), scale, cut)

    def _vector(self, phrase: str) -> tuple[torch.Tensor, bool]:
        """Return the vector of a phrase, and whether it was too long."""
        tokens: list[int] = self._tokenizer.encode(self._template.replace("{}", phrase)).ids
        if not tokens or max(tokens) >= self._module.tokens:
            raise ModelFailedError(
                f"The tokenizer of {self._name} does not fit its network: it gives "
                f"{'no token' if not tokens else f'token {max(tokens):,}'} for the words, and the "
                f"network knows {self._module.tokens:,}."
            )
        most = self._module.most_tokens
        is_cut = len(tokens) > most
        if is_cut:  # the last one ends the phrase
            tokens = [*tokens[: most - 1], tokens[-1]]
        device = self._module.logit_scale.device
        with torch.inference_mode():
            vector = self._module.words(torch.tensor([tokens], device=device))[0].float().cpu()
        return vector / vector.norm().clamp(min=1e-9), is_cut


def _tokenizer(name: str, file: str, data: bytes) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise BundleError(
            f"{name} takes words: install tokenizers (pip install coverslip[words])."
        ) from None
    try:
        tokenizer = Tokenizer.from_buffer(data)
        tokenizer.no_padding()
        tokenizer.no_truncation()
    except Exception as error:  # the library raises plain exceptions
        raise BundleError(f"{file} of {name} is no tokenizer: {error}"[:300]) from error
    return tokenizer
