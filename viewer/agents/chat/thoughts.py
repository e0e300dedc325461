"""What a model thought aloud, cut off from what it answered."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAMES = (
    "think|thinking|thought|thoughts|reasoning|reason|reflection|scratchpad|analysis|"
    r"inner_monologue|seed:think|(?:\w+:)?thinking"
)
_OPEN = (
    rf"<(?:{_NAMES})(?:\s[^<>]*)?>",
    r"<details\s[^<>]*reasoning[^<>]*>",
    r"\[think\]",
    r"\u25c1think\u25b7",
    r"<unused94>(?:thought)?",
    r"<\|(?:begin_of_thought|start_thinking|thinking|think)\|>",
    r"(?:<\|start\|>assistant)?<\|channel\|>analysis<\|message\|>",
)
_CLOSE = (
    rf"</(?:{_NAMES}|details)\s*>",
    r"\[/think\]",
    r"\u25c1/think\u25b7",
    r"<unused95>",
    r"<\|(?:end_of_thought|end_thinking|/thinking|/think)\|>",
    r"<\|end\|>",
)
_TOKEN = re.compile(
    # All begin so: the alternatives are tried there alone, since an answer is read at each update.
    rf"(?=[<\[\u25c1])(?:(?P<open>{'|'.join(_OPEN)})|(?P<close>{'|'.join(_CLOSE)}))",
    re.IGNORECASE,
)
_WRAPPING = re.compile(
    r"<\|(?:begin_of_solution|end_of_solution|start_response|end_response|return)\|>"
    r"|(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)


class Spoken(NamedTuple):
    """A model's text in two: what it answered, and what it thought on the way."""

    answer: str
    thoughts: str


def without_thoughts(text: str) -> Spoken:
    """Part a text into answer and thoughts, in whatever tags models and servers put them.

    A thought that is not closed reaches to the end. One that is closed but was never opened began
    before the text, since some servers write the opening tag into the prompt.
    """
    answer: list[str] = []
    thoughts: list[str] = []
    place, is_thought = 0, False
    for token in _TOKEN.finditer(text):
        piece = text[place : token.start()]
        if token["open"]:
            (thoughts if is_thought else answer).append(piece)
            is_thought = True
        else:
            thoughts += [piece] if is_thought else [*answer, piece]
            if not is_thought:
                answer = []
            is_thought = False
        place = token.end()
    (thoughts if is_thought else answer).append(text[place:])
    said = "".join(answer)
    if place:
        said = said.strip()
    if "<|" in said:
        said = _WRAPPING.sub("", said)
    return Spoken(said, "".join(thoughts).strip())
