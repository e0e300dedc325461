"""Colors, numbers, switches and nested texts as the tools of others spell them."""

from __future__ import annotations

import ast
import json
import math
import re
from typing import TYPE_CHECKING

from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_PX = 1e9
"""No slide is wider: what lies further out is no place."""
_MOST_QUOTED = 60
_MOST_NESTED = 1 << 20
"""Characters of a text that is looked into."""
_HEX = re.compile(r"(?:#|0x|&h)?([0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)
_SHORT_HEX = re.compile(r"#([0-9a-f])([0-9a-f])([0-9a-f])[0-9a-f]?", re.IGNORECASE)
_LISTED = re.compile(r"(?:rgba?)?\s*[(\[]?\s*([-+\d.eE%\s,;]+)[)\]]?", re.IGNORECASE)
_IN_GROUPS = re.compile(r"[-+]?\d{1,3}(?:\s\d{3})+(?:[.,]\d*)?")
"""A number whose thousands blanks divide, of any width."""
_NUMPY = re.compile(r"\b(?:np\.|numpy\.)?(?:u?int\d+|float\d+|str_|bool_|array|list|tuple)\(")
_YES = {"true", "yes", "y", "1", "on", "locked"}
_NO = {"false", "no", "n", "0", "off", "unlocked", "none", "null", "nan", ""}
_WORDS = {"nan": "None", "null": "None", "true": "True", "false": "False", "inf": "1e999"}
_WORD = re.compile(r"(?<!['\"\w])(?:nan|null|true|false|inf)(?!['\"\w])")
_CHANNELS = (("r", "red"), ("g", "green"), ("b", "blue"))
_CHANNEL = 255


def quoted(value: object) -> str:
    """Return a value as messages quote it, cut where it is long."""
    text = value if isinstance(value, str) else as_text(value)
    return f'"{text[:_MOST_QUOTED]}..."' if len(text) > _MOST_QUOTED else f'"{text}"'


def as_text(value: object) -> str:
    """Return a value as people read it: texts as they are, all else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def parsed_text(value: object) -> object:
    """Return what a text holds that is JSON, or the same as Python prints it; all else as it is."""
    if not isinstance(value, str) or len(value) > _MOST_NESTED:
        return value
    text = value.strip()
    if text[:1] not in "{[(" or not text:
        return value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    for spelled in (text, _python_only(text)):
        try:
            return ast.literal_eval(spelled)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return value


def _python_only(text: str) -> str:
    """With numpy's wrappers taken off, and null and nan as literals have them."""
    bare = _NUMPY.sub("(", text)
    return _WORD.sub(lambda found: _WORDS[found[0]], bare)


def number_of(value: object) -> float:
    """Return a number from one, or from a text with a decimal point or comma.

    "NaN", "Infinity" and "-inf" are read in any case; null is NaN. A switch, as among measurements,
    is 1 or 0.

    Raises
    ------
    ValueError
        It is no number.
    """
    if value is None:
        return math.nan
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError as error:
            raise ValueError(f"{quoted(value)} is no number") from error
    if isinstance(value, str):
        text = value.strip().replace("\u2212", "-")
        if not text:
            return math.nan
        try:
            return float(text)
        except ValueError:
            if _IN_GROUPS.fullmatch(text):
                text = re.sub(r"\s", "", text)
            if text.count(",") == 1 and "." not in text:
                text = text.replace(",", ".")
            try:
                return float(text)
            except ValueError:
                pass
    raise ValueError(f"{quoted(value)} is no number")


def amount_of(value: object) -> float:
    """Return a number as `number_of` where a switch is none, such as a time. Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError(f"{quoted(value)} is no number")
    return number_of(value)


def place_of(value: object) -> float:
    """Return a coordinate in level-0 pixels.

    Raises
    ------
    ValueError
        It is no number, or lies outside any slide.
    """
    number = amount_of(value)
    if not abs(number) < MOST_PX:
        raise ValueError(f"{quoted(value)} is no place on a slide")
    return number


def flag_of(value: object) -> bool:
    """Return a switch from a truth value, a number or a word.

    Raises
    ------
    ValueError
        It says neither yes nor no.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, int | float):
        return bool(value) and not math.isnan(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _YES:
            return True
        if word in _NO:
            return False
    if value in ([], {}):
        return False
    raise ValueError(f"{quoted(value)} is neither true nor false")


def color_of(value: object) -> tuple[str | None, bool]:
    """Return a color as "#rrggbb", None where nothing is said, and whether it had to be clamped.

    Known are lists and objects of 0 to 255 or of 0 to 1, with or without alpha, packed integers
    (ARGB), hexadecimal and CSS texts.

    Raises
    ------
    ValueError
        It is no color.
    """
    value = parsed_text(value)
    if value in (None, "", [], (), {}):
        return None, False
    if isinstance(value, str):
        return _color_of_text(value.strip())
    if is_mapping(value):
        value = _channels_of(value)
    if isinstance(value, bool):
        raise ValueError(f"{quoted(value)} is no color")
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and -(1 << 31) <= value < 1 << 32:
        return f"#{value & 0xFFFFFF:06x}", False
    if is_sequence(value):
        if len(value) == 1 and is_sequence(value[0]):
            value = value[0]
        if len(value) in (3, 4):
            return _color_of_channels(value)
    raise ValueError(f"{quoted(value)} is no color")


def _channels_of(stated: dict[str, object]) -> object:
    lowered = {str(key).strip().lower(): channel for key, channel in stated.items()}
    for names in zip(*_CHANNELS, strict=True):
        if all(name in lowered for name in names):
            return [lowered[name] for name in names]
    for key in ("rgb", "color", "colour", "hex", "value"):
        if key in lowered and not isinstance(lowered[key], dict):
            return lowered[key]
    return stated


def _color_of_channels(stated: Sequence[object]) -> tuple[str, bool]:
    channels = [number_of(channel) for channel in stated]
    red_green_blue, alpha = channels[:3], channels[3:]
    if not all(math.isfinite(channel) for channel in red_green_blue):
        raise ValueError(f"{quoted(stated)} is no color")
    is_unit = all(0 <= channel <= 1 for channel in red_green_blue) and (
        any(not channel.is_integer() for channel in channels)
        or all(isinstance(channel, float) for channel in stated[:3])
    )
    scaled = [channel * _CHANNEL if is_unit else channel for channel in red_green_blue]
    clamped = [min(max(round(channel), 0), _CHANNEL) for channel in scaled]
    is_clamped = any(not 0 <= channel <= _CHANNEL for channel in scaled)
    del alpha
    return "#{:02x}{:02x}{:02x}".format(*clamped), is_clamped


def _color_of_text(text: str) -> tuple[str | None, bool]:
    if text.lower() in ("none", "null", "nan"):
        return None, False
    if short := _SHORT_HEX.fullmatch(text):
        return "#" + "".join(2 * digit for digit in short.groups()).lower(), False
    if re.fullmatch(r"[-+]?\d+(?:\.0*)?", text) and not (len(text) == 6 and text.isdigit()):
        return color_of(float(text))
    if found := _HEX.fullmatch(text):
        digits = found[1].lower()
        # CSS puts alpha behind, packed integers before.
        is_packed = len(digits) == 8 and text[:1] != "#"
        return f"#{digits[2:] if is_packed else digits[:6]}", False
    if listed := _LISTED.fullmatch(text):
        parts = [part for part in re.split(r"[\s,;]+", listed[1].strip()) if part]
        if len(parts) in (3, 4):
            return _color_of_channels([_channel_of(part) for part in parts])
    # With it comes Pillow, which is needed for names of colors alone.
    from PIL import ImageColor

    try:
        return "#{:02x}{:02x}{:02x}".format(*ImageColor.getrgb(text)[:3]), False
    except ValueError:
        raise ValueError(f"{quoted(text)} is no color") from None


def _channel_of(text: str) -> float | int:
    if text.endswith("%"):
        return number_of(text[:-1]) / 100
    return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else number_of(text)
