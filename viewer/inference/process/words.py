"""Words as vectors: a bundle's tokenizer and its tower for words."""

from __future__ import annotations

from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.errors import ModelFailedError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.text_towers import text_tower
from viewer.inference.process.words_messages import EncodedWords
from viewer.untyped import mapping_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import torch
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from viewer.inference.models.bundle import ModelBundle


_MOST_REASON_CHARS = 300


class WordsTower:
    """What gives the vectors of phrases.

    Raises
    ------
    BundleError
        tokenizers is not installed, the file of the tokenizer is none, or that of the tower.
    """

    def __init__(self, bundle: ModelBundle, module: torch.nn.Module) -> None:
        about = bundle.description
        assert about.words is not None
        self._name, self._words = about.name, about.words
        self._tokenizer, self._pad = _tokenizer(
            about.name, about.words.tokenizer, bundle.data_bytes()[about.words.tokenizer]
        )
        self._tower = text_tower(bundle, module)

    def encoded(self, phrases: Sequence[str], length: int | None = None) -> EncodedWords:
        """Return the vectors of phrases, each put into the model's template.

        Parameters
        ----------
        length
            Of the vectors of images, where the towers are apart.

        Raises
        ------
        ModelFailedError
            The tokenizer does not fit the tower, its vectors are no companions of the images', or
            what it gives is not finite.
        """
        found = [self._vector(phrase) for phrase in phrases]
        vectors = np.stack([vector for vector, _ in found])
        cut = [phrase for phrase, (_, is_cut) in zip(phrases, found, strict=True) if is_cut]
        if length not in (None, vectors.shape[1]):
            raise ModelFailedError(
                f"The tower for words {self._words.weights} of {self._name} gives vectors of "
                f"{vectors.shape[1]} numbers, and the tower for images of {length}: take two "
                "towers of one model."
            )
        if not (np.isfinite(vectors).all() and np.isfinite(self._tower.scale)):
            raise ModelFailedError(f"The model {self._name} gives no finite numbers for the words.")
        return EncodedWords(vectors.tobytes(), self._tower.scale, cut)

    def _vector(self, phrase: str) -> tuple[NDArray[np.float32], bool]:
        """Return the vector of a phrase, and whether it was too long."""
        with _refusing(ModelFailedError, f"The tokenizer of {self._name} cannot take the words"):
            text = self._words.template.replace("{}", phrase)
            tokens: list[int] = self._tokenizer.encode(text).ids
        if not tokens:
            raise ModelFailedError(
                f"The tokenizer of {self._name} does not fit its network: it gives no token for "
                "the words."
            )
        most = self._tower.most_tokens
        is_cut = len(tokens) > most
        if is_cut:  # the last one ends the phrase
            tokens = [*tokens[: most - 1], tokens[-1]]
        pad = next(each for each in (self._words.pad, self._pad, tokens[-1]) if each is not None)
        vector = self._tower.vector(tokens, pad)
        return vector / max(float(np.linalg.norm(vector)), 1e-9), is_cut


def _tokenizer(name: str, file: str, data: bytes) -> tuple[Tokenizer, int | None]:
    """Return a tokenizer, and the token that it fills phrases up with; None where it says none."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise BundleError(
            f"{name} takes words: install tokenizers (pip install coverslip[words])."
        ) from None
    with _refusing(BundleError, f"{file} of {name} is no tokenizer"):
        tokenizer = Tokenizer.from_buffer(data)
        padding: object = attrgetter("padding")(tokenizer)  # which brings no type of it
        tokenizer.no_padding()
        tokenizer.no_truncation()
    fills_with = mapping_of(padding).get("pad_id")
    return tokenizer, fills_with if isinstance(fills_with, int) else None


@contextmanager
def _refusing(kind: type[BundleError | ModelFailedError], sentence: str) -> Generator[None]:
    """Raise an error of ours for what the library raises: plain exceptions, and panics of Rust."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise kind(f"{sentence}: {error}"[:_MOST_REASON_CHARS]) from error
