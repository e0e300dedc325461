"""Text of files, slides and models as it may be shown: without what steers a terminal."""

from __future__ import annotations

import re

_STEERING = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
)
_NOT_SHOWN = re.compile(f"[{_STEERING}]")
_NOT_IN_A_LINE = re.compile(f"[\t\n\r\u2028\u2029{_STEERING}]+")


def shown_text(text: str) -> str:
    """Return a text of several lines in which each character that steers is a question mark."""
    if text.isascii() and text.isprintable():
        return text
    return _NOT_SHOWN.sub("\ufffd", text)


def shown_line(text: str) -> str:
    """Return a text as one line: ends of lines, tabs and what steers become a blank."""
    if text.isprintable() and text.isascii():
        return text
    return _NOT_IN_A_LINE.sub(" ", text).strip() if _NOT_IN_A_LINE.search(text) else text


def without_name(sentence: str, name: str) -> str:
    """Return a sentence without "NAME: " before it, for where the name stands beside it."""
    return sentence.removeprefix(f"{name}: ")


def is_text(name: str) -> bool:
    """Return whether a name is UTF-8; those of files, and what a shell hands over, need not be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
