"""What an agent answered, and whether it is right: by option, by exact grade, or by a judge."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from viewer.agents.chat.json_in_text import objects_in
from viewer.agents.choices import choice_in_text, plain_words
from viewer.agents.policies.answers import GRADE_KEY

if TYPE_CHECKING:
    from viewer.agents.benchmark.questions import Question

_GRADE = re.compile(
    r"(?:isup|grade\s+group|isup[_ ]grade)\W{0,6}(?:grade\W{0,4}(?:group\W{0,4})?)?"
    r"(?:is\s+|of\s+|=\s*|:\s*)?([0-5])(?!\d|\.\d|\s*\+)",
    re.IGNORECASE,
)
_SAID = re.compile(r"^(?:the\s+)?(?:final\s+)?answer\s*(?:is|:)\s*", re.IGNORECASE)
_NAMES = {"true": "yes", "false": "no"}


def given_answer(question: Question, text: str, choice: int | None) -> str | None:
    """Return what was answered, as it is compared; None where the words choose nothing.

    Parameters
    ----------
    choice
        The index of the option that the agent chose, where it did.
    """
    if question.options:
        if choice is None:
            choice = choice_in_text(text, question.options, question.labels)
        return None if choice is None else question.options[choice]
    if question.is_grade:
        return grade_in(text)
    return text.strip() or None


def is_same(given: str, question: Question) -> bool:
    """Return whether an answer is the right one; a free one has to be it, not to contain it."""
    answer, right = plain_words(given), plain_words(question.answer)
    if question.is_free:
        answer = _SAID.sub("", answer).strip(" .!*\"'")
        right = right.strip(" .!*\"'")
        return _NAMES.get(answer, answer) == _NAMES.get(right, right)
    return answer == right


def grade_in(text: str) -> str | None:
    """Return the grade that a text gives; None where it gives none, or two."""
    for found in reversed(objects_in(text)):
        stated = found.get(GRADE_KEY, found.get("answer"))
        if isinstance(stated, int | str) and not isinstance(stated, bool):
            only = re.fullmatch(r"\D*([0-5])\D*", str(stated))
            return only[1] if only else None
    only = re.fullmatch(r"\W*(?:grade\s*)?([0-5])\W*", text.strip(), re.IGNORECASE)
    if only:
        return only[1]
    stated = {match[1] for match in _GRADE.finditer(text)}
    return stated.pop() if len(stated) == 1 else None
