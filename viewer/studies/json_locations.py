"""On which line of a JSON text something is, so that a mistake in it can be found."""

from __future__ import annotations

import json
import re

JsonPath = tuple[str | int, ...]
"""Names of members and indices of elements from the outside in."""

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_BYTE = re.compile(r"\(byte (\d+)\)")


def line_of(text: str, path: JsonPath) -> int:
    """Counted from 1; of the nearest thing round it where the path leads nowhere."""
    at = _skip(text, 0)
    for step in path:
        further = _element(text, at, step) if isinstance(step, int) else _member(text, at, step)
        if further is None:
            break
        at = further
    return text.count("\n", 0, at) + 1


def line_of_byte(text: str, complaint: str) -> tuple[int, str]:
    """Return the line that a complaint of msgspec speaks of, and the complaint without it."""
    found = _BYTE.search(complaint)
    at = int(found[1]) if found else len(text.encode())
    what = _BYTE.sub("", complaint).removeprefix("JSON is malformed:").strip()
    return text.encode()[:at].count(b"\n") + 1, what


def _member(text: str, at: int, name: str) -> int | None:
    """Return where the value of a member of the object at `at` begins."""
    if text[at] != "{":
        return None
    at = _skip(text, at + 1)
    while text[at] == '"':
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if key == name:
            return at
        at = _behind_value(text, at)
    return None


def _element(text: str, at: int, index: int) -> int | None:
    if text[at] != "[":
        return None
    at = _skip(text, at + 1)
    for _ in range(index):
        at = _behind_value(text, at)
    return at


def _behind_value(text: str, at: int) -> int:
    """Return where the next member or element begins, if there is one."""
    _, at = _DECODER.raw_decode(text, at)
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
