"""How well what is typed fits a command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_STEM, _LONGEST_ENDING = 4, 2


def match_score(typed: str, name: str) -> float | None:
    """Higher is better; None where the letters of `typed` do not occur in `name` in this order.

    Letters that start a word, follow the letter matched before, or come early count for more.
    Case and spaces of `typed` do not matter.
    """
    wanted = typed.casefold().replace(" ", "")
    text = name.casefold()
    if not wanted:
        return 0.0
    scores = [
        score
        for start, letter in enumerate(text)
        if letter == wanted[0] and (score := _score_from(wanted, text, start)) is not None
    ]
    return max(scores, default=None)


def _score_from(wanted: str, text: str, start: int) -> float | None:
    """Return the score of matching greedily with the first letter at `start`."""
    score = -0.1 * start - 0.01 * len(text)
    position = start - 1
    for letter in wanted:
        found = text.find(letter, position + 1)
        if found < 0:
            return None
        if found == 0 or not text[found - 1].isalnum():
            score += 3.0
        if found == position + 1:
            score += 4.0
        score += 1.0
        position = found
    return score


class Match(msgspec.Struct, frozen=True):
    """How a command fits what is typed.

    Attributes
    ----------
    rank
        From 0, the words of its name, over beginnings of them, other names and what is said of it
        to 5, its letters in this order.
    score
        Higher is better, among those of a rank.
    other_name
        The other name that fits, where its own does not.
    """

    rank: int
    score: float
    other_name: str = ""


def command_match(
    typed: str, name: str, menu: str, other_names: Sequence[str], tip: str
) -> Match | None:
    """Return how well a command fits what is typed; None where it does not.

    Words may be typed in any order, and only their beginnings; those of its menu count as well.
    """
    words = _words(typed)
    if not words:
        return Match(0, 0.0)
    in_name, in_menu = _words(name), _words(menu)
    in_order = match_score(typed, f"{menu}: {name}")
    if set(words) <= set(in_name):
        return Match(0, in_order or 0.0)
    exact = next((each for each in other_names if _words(each) == words), None)
    if exact is not None:
        return Match(1, 0.0, exact)
    in_name += in_menu
    if _has_all(words, in_name):
        return Match(2, in_order or 0.0)
    fitting = [each for each in other_names if _has_all(words, (*_words(each), *in_name))]
    if fitting:
        # What names the thing in fewest words beside those typed names it best.
        best = min(fitting, key=lambda each: abs(len(_words(each)) - len(words)))
        return Match(3, -float(abs(len(_words(best)) - len(words))), best)
    if _has_all(words, (*_words(tip), *in_name)):
        return Match(4, 0.0)
    return None if in_order is None else Match(5, in_order)


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.casefold()))


def _has_all(wanted: Sequence[str], words: Sequence[str]) -> bool:
    return all(any(_is_same(each, word) for word in words) for each in wanted)


def _is_same(wanted: str, word: str) -> bool:
    """Return whether a word begins as wanted, or wanted is its plural or the like."""
    is_longer = len(word) >= _LEAST_STEM and wanted.startswith(word)
    return word.startswith(wanted) or (is_longer and len(wanted) - len(word) <= _LONGEST_ENDING)
