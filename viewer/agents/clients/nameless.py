"""Sentences for an agent of another program, without the name of the slide that they speak of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from viewer.redaction import NAME_MARK, KnownNames
from viewer.slides.errors import IncompleteSlideError, SlideError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def nameless(error: Exception, slides: Iterable[Path] = ()) -> str:
    """Return what an error says, with "the slide" in place of the names of slides.

    Parameters
    ----------
    slides
        Others than the error speaks of itself, such as the one that is open.
    """
    sentence = str(error)
    names = KnownNames()
    for path in (*slides, *_paths_of(error)):
        below = re.escape(str(path.parent)) + r"""[/\\][^"'():;,\n]*"""
        sentence = re.sub(below, NAME_MARK, sentence) if path.is_absolute() else sentence
        names.add(path.name)
        if isinstance(error, IncompleteSlideError):
            names.add(path.stem, f"_{path.stem}_")  # the folder of its data
    sentence = names.left_out_of(sentence)
    if sentence.startswith(NAME_MARK):
        sentence = "The slide" + sentence.removeprefix(NAME_MARK)
    return sentence.replace(NAME_MARK, "the slide")


def _paths_of(error: BaseException | None) -> Iterator[Path]:
    for _ in range(10):
        if error is None:
            return
        if isinstance(error, SlideError):
            yield error.path
        error = error.__cause__
