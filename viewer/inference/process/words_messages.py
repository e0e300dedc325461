"""What the model process is asked about words, of models that have a tower for them."""

from __future__ import annotations

import msgspec


class EncodeWords(msgspec.Struct, frozen=True, tag=True):
    """Asks for the vectors of phrases; answered by EncodedWords or Refused."""

    phrases: list[str]


class EncodedWords(msgspec.Struct, frozen=True, tag=True):
    """The vectors of phrases, of unit length.

    Attributes
    ----------
    vectors
        float32 (phrases, length).
    scale
        By which the model multiplies cosine similarities before a softmax over phrases.
    cut
        The phrases that have more tokens than the model takes, and lost some.
    """

    vectors: bytes
    scale: float
    cut: list[str]
