"""JSON objects within the words of a model, which fences, quotes and explains them."""

from __future__ import annotations

import ast
import json
import re

from viewer.untyped import is_mapping

_MOST_CHARS = 400_000
_MOST_STARTS = 200
_MOST_LITERAL_CHARS = 20_000
_LOOSE_COMMA = re.compile(r",\s*([}\]])")
_DECODER = json.JSONDecoder(strict=False)  # models break lines within texts


def objects_in(text: str) -> list[dict[str, object]]:
    """Return the JSON objects of a text in their order, none of them within another.

    Trailing commas, Python's quotes and objects that were written as a text once more are read
    too; what stays broken is passed over.
    """
    text = text[:_MOST_CHARS]
    found: list[dict[str, object]] = []
    place = 0
    for _ in range(_MOST_STARTS):
        begin = text.find("{", place)
        if begin < 0:
            break
        value, end = _object_at(text, begin)
        if value is None:
            place = begin + 1
        else:
            found.append(value)
            place = end
    return found or _quoted(text)


def broken_object(text: str) -> str:
    """Return why the first object of a text cannot be read; empty where it can."""
    begin = text.find("{")
    if begin < 0:
        return "it holds no object"
    try:
        _DECODER.raw_decode(text[:_MOST_CHARS], begin)
    except (ValueError, RecursionError) as error:
        return str(error).partition(":")[0]
    return ""


def as_object(value: object) -> dict[str, object] | None:
    """Return a value as an object, also where it is the JSON text of one; None where it is none."""
    for _ in range(3):
        if not isinstance(value, str):
            break
        try:
            value = _DECODER.decode(value.strip() or "{}")
        except (ValueError, RecursionError):
            return None
    return value if is_mapping(value) else None


def _object_at(text: str, begin: int) -> tuple[dict[str, object] | None, int]:
    try:
        value, end = _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return _loose_object_at(text, begin)
    return value, end


def _loose_object_at(text: str, begin: int) -> tuple[dict[str, object] | None, int]:
    """Return what is nearly JSON: with commas too many, or in Python's writing."""
    end = _matching_brace(text, begin)
    if end is None:
        return None, begin
    piece = text[begin:end]
    try:
        value = _DECODER.decode(_LOOSE_COMMA.sub(r"\1", piece))
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(piece)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None, begin
    return (value, end) if is_mapping(value) else (None, begin)


def _matching_brace(text: str, begin: int) -> int | None:
    depth, quote, is_escaped = 0, "", False
    for place in range(begin, min(len(text), begin + _MOST_LITERAL_CHARS)):
        char = text[place]
        if quote:
            if is_escaped:
                is_escaped = False
            elif char == "\\":
                is_escaped = True
            elif char == quote:
                quote = ""
        elif char == '"' or (char == "'" and not text[place - 1].isalnum()):
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if not depth:
                return place + 1
    return None


def _quoted(text: str) -> list[dict[str, object]]:
    """Return the object that a text holds in quotes, as a JSON text of a JSON text."""
    begin = text.find('"{')
    if begin < 0:
        return []
    try:
        value, _ = _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return []
    known = as_object(value)
    return [] if known is None else [known]
