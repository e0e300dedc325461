"""How well what is typed fits a command's name."""

from __future__ import annotations


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
