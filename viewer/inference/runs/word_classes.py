"""What a model that takes words says of a slide by phrases: a similarity, or zero-shot classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec.structs import replace

from viewer.colors import class_color
from viewer.inference.models.description import ModelClass
from viewer.inference.process.words_messages import EncodedWords, EncodeWords
from viewer.inference.runs.one_answer import one_answer
from viewer.inference.runs.running import RunError
from viewer.overlays.scoring import softmax, word_similarity
from viewer.overlays.word_vectors import WordVectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.running import ModelRun

_MOST_PHRASES, _MOST_LETTERS = 32, 1000


def word_vectors(bundle: ModelBundle, phrases: Sequence[str]) -> WordVectors:
    """Return phrases as a model sees them, encoded in a process of its own.

    Raises
    ------
    RunError
        One sentence says why there are none.
    """
    asked = tuple(" ".join(each.split()) for each in phrases)
    if complaint := _complaint(bundle, asked):
        raise RunError(complaint)
    answer = one_answer(bundle, lambda _: EncodeWords(list(asked)), EncodedWords, RunError)
    vectors = np.frombuffer(answer.vectors, np.float32).reshape(len(asked), -1)
    return WordVectors(asked, vectors, answer.scale, tuple(answer.cut))


def check_words(bundle: ModelBundle, phrases: Sequence[str]) -> None:
    """Raise RunError where a model cannot be asked by phrases."""
    if complaint := _complaint(bundle, tuple(" ".join(each.split()) for each in phrases)):
        raise RunError(complaint)


def told_by_words(bundle: ModelBundle, phrases: Sequence[str]) -> ModelBundle:
    """Return what a model is once it is asked by words: a classifier of tiles by the phrases.

    Of one phrase it tells the similarity, of several which of them is the likeliest.
    """
    classes = tuple(
        ModelClass(" ".join(phrase.split()), class_color(place))
        for place, phrase in enumerate(phrases)
    )
    head = "regression" if len(classes) == 1 else "probabilities"
    about = msgspec.structs.replace(
        bundle.description, task="classification", classes=classes, head=head, words=None
    )
    return msgspec.structs.replace(bundle, description=about)


def run_by_words(run: ModelRun, words: WordVectors) -> ModelRun:
    """Return a run of a model of embeddings as what its vectors say of words."""
    found = run.found.as_patches
    assert found is not None
    values, head = np.full((found.rows, found.columns, 0), np.nan, np.float32), "regression"
    if found.count:
        values = word_similarity(found.values, words.vectors)
    if len(words.phrases) > 1:
        values, head = softmax(values * np.float32(words.scale)), "probabilities"
    return replace(
        run, found=found.told_as(values, head), troubles=[*run.troubles, *words.troubles()]
    )


def _complaint(bundle: ModelBundle, phrases: Sequence[str]) -> str:
    if bundle.description.words is None:
        return (
            f"{bundle.name} takes no words: only models with a tower for words do (docs/models.md)."
        )
    if not phrases or not all(phrases):
        return "A phrase is empty: say what to look for."
    if len(set(phrases)) < len(phrases):
        return "A phrase is given twice: give each once."
    if len(phrases) > _MOST_PHRASES:
        return f"{len(phrases)} phrases are too many: give at most {_MOST_PHRASES}."
    if any(len(each) > _MOST_LETTERS for each in phrases):
        return f"A phrase is longer than {_MOST_LETTERS:,} letters: say it shorter."
    return ""
