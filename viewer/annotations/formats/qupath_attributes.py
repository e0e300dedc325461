"""What a feature of GeoJSON says of itself, each attribute read on its own.

One that cannot be read costs neither the object nor the others: it is told, and its text goes to
the description where it says something.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID, uuid4

from viewer.annotations.annotation import DESCRIPTION, NO_COLOR, AnnotationClass, Kind
from viewer.annotations.formats.foreign_values import (
    as_text,
    color_of,
    flag_of,
    number_of,
    parsed_text,
    quoted,
)
from viewer.plain_text import shown_line, shown_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Json = dict[str, Any]

_KINDS: tuple[Kind, ...] = get_args(Kind)
OLD_KINDS: dict[str, Kind] = {
    "PathAnnotationObject": "annotation",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tmaCore",
    "tma_core": "tmaCore",
    "PathRootObject": "root",
}
_SPELT_KINDS: dict[str, Kind] = {
    name.lower(): kind
    for name, kind in (dict(zip(_KINDS, _KINDS, strict=True)) | OLD_KINDS).items()
}
_KIND_KEYS = ("objectType", "object_type", "type")
_NAME_KEYS = ("name", "class", "label", "value", "title")
_PAIR_NAMES, _PAIR_VALUES = ("name", "key", "label"), ("value", "val")
_MOST_LISTED = 256
"""Numbers of a list that become measurements."""


def id_of(told: Any) -> tuple[UUID, bool]:
    """Return an id, a new one where the file's is none, and whether that is then lost."""
    try:
        return UUID(told), False
    except (ValueError, AttributeError, TypeError):
        is_kind = isinstance(told, str) and told in OLD_KINDS
        return uuid4(), told is not None and not is_kind


def kind_of(id_: Any, told: Json) -> tuple[Kind, str]:
    """Return the kind, by the newest spelling, and the member that told it.

    Files of version 0.2 tell it in place of an id.
    """
    for key in _KIND_KEYS:
        name = told.get(key)
        if isinstance(name, str) and name.strip().lower() in _SPELT_KINDS:
            return _SPELT_KINDS[name.strip().lower()], key
    if isinstance(id_, str) and id_ in OLD_KINDS:
        return OLD_KINDS[id_], _KIND_KEYS[0]
    return "annotation", _KIND_KEYS[0]


def _named_value(told: Any) -> tuple[str, Any] | None:
    """Of an object that holds a name and a value; None for all else."""
    if not isinstance(told, dict):
        return None
    lowered = {str(key).lower(): value for key, value in told.items()}
    name = next((lowered[key] for key in _PAIR_NAMES if lowered.get(key) is not None), None)
    value = next((lowered[key] for key in _PAIR_VALUES if key in lowered), None)
    has_more = len(lowered) > 1 and "value" not in lowered and "name" not in lowered
    return None if name is None or isinstance(name, dict | list) or has_more else (str(name), value)


@dataclass(slots=True)
class Attributes:
    """Reads the attributes of one feature.

    Parameters
    ----------
    tell
        Takes what was not read as it is.
    """

    tell: Callable[[str], object]
    _texts: list[str] = field(default_factory=list)

    def unread(self, what: str, told: Any, reason: str = "") -> None:
        """Tell of what was not read, and keep its text for the description."""
        was = "were" if what in ("properties", "measurements") else "was"
        self.tell(f"its {what} {was} not read{f': {reason}' if reason else f' ({quoted(told)})'}")
        if told not in (None, "", [], {}):
            self._texts.append(f"{what}: {shown_text(as_text(told))}")

    def properties(self, told: Any) -> Json:
        """Return an object of properties, whatever was in its place."""
        told = parsed_text(told)
        if isinstance(told, dict):
            return told
        if isinstance(told, list) and told and all(isinstance(each, dict) for each in told):
            self.tell("its properties were a list and are joined")
            return {key: value for each in told for key, value in each.items()}
        if told is not None:
            self.unread("properties", told, "they are no object")
        return {}

    def name(self, told: Any) -> str:
        if told is None or isinstance(told, str):
            return shown_line(told or "")
        return shown_line(as_text(told))

    def color(self, told: Any, what: str = "color") -> str | None:
        try:
            color, is_clamped = color_of(told)
        except (ValueError, OverflowError, TypeError) as error:
            self.unread(what, told, str(error))
            return None
        if is_clamped:
            self.tell(f"its {what} {quoted(told)} is out of range and was set to {color}")
        return color

    def flag(self, told: Any, what: str) -> bool:
        try:
            return flag_of(told)
        except ValueError as error:
            self.unread(what, told, str(error))
            return False

    def class_(self, told: Any) -> AnnotationClass | None:
        """Return the class from its object, its name, or a list of either."""
        told = parsed_text(told)
        if told is None or told == "":
            return None
        names = [part.strip() for name in self._names(told) for part in name.split(":")]
        name = ": ".join(part for part in names if part)
        color = None
        if isinstance(told, list) and len(told) == 1:
            told = parsed_text(told[0])
        if isinstance(told, dict):
            color = self.color(told.get("color", told.get("colorRGB")), "class's color")
        if not name:
            if told not in ({}, []) and not (isinstance(told, dict) and not any(told.values())):
                self.unread("class", told, "it has no name")
            return None
        return AnnotationClass(name, color or NO_COLOR)

    def _names(self, told: Any) -> list[str]:
        told = parsed_text(told)
        if isinstance(told, list | tuple):
            return [name for each in told for name in self._names(each)]
        if isinstance(told, dict):
            if names := parsed_text(told.get("names")):
                return self._names(names)
            above = told.get("parentClass")
            lowered = {str(key).lower(): value for key, value in told.items()}
            name = next((lowered[key] for key in _NAME_KEYS if lowered.get(key)), None)
            return [*(self._names(above) if above else ()), *self._names(name)]
        return [] if told is None or isinstance(told, bool) else [shown_line(str(told))]

    def measurements(self, told: Any) -> dict[str, float]:
        """Return numbers by their name, from an object or from a list of names and values."""
        told = parsed_text(told)
        if told is None or told == "":
            return {}
        if isinstance(told, list):
            pairs = self._pairs(told)
        elif isinstance(told, dict):
            pairs = told.items()
        else:
            self.unread("measurements", told, "they have no names")
            return {}
        numbers: dict[str, float] = {}
        for name, value in pairs:
            self._measure(shown_line(str(name)), value, numbers)
        return numbers

    def _pairs(self, told: list[Any]) -> Iterable[tuple[str, Any]]:
        for number, each in enumerate(told, 1):
            each = parsed_text(each)
            if isinstance(each, dict) and (pair := _named_value(each)) is not None:
                yield pair
            elif isinstance(each, dict):
                yield from each.items()
            elif isinstance(each, list) and len(each) == 2 and isinstance(each[0], str):
                yield each[0], each[1]
            else:
                yield f"Measurement {number}", each

    def _measure(self, name: str, value: Any, numbers: dict[str, float]) -> None:
        value = parsed_text(value)
        if isinstance(value, list | tuple | dict):
            inner = value.items() if isinstance(value, dict) else enumerate(value, 1)
            for key, each in itertools.islice(inner, _MOST_LISTED):
                self._measure(f"{name} {key}", each, numbers)
            if len(value) > _MOST_LISTED:
                self.tell(f"of its measurement {name} the first {_MOST_LISTED} were read")
            return
        try:
            numbers[name] = number_of(value)
        except ValueError as error:
            self.unread(f"measurement {name}", value, str(error))

    def metadata(self, told: Any) -> dict[str, str]:
        """Return texts by their name, with the description last and what was not read in it."""
        told = parsed_text(told)
        texts: dict[str, str] = {}
        if isinstance(told, dict):
            texts = {shown_line(str(name)): shown_text(as_text(v)) for name, v in told.items()}
        elif isinstance(told, list) and (pairs := [_named_value(each) for each in told if each]):
            named = [pair for pair in pairs if pair is not None]
            texts = {shown_line(name): shown_text(as_text(value)) for name, value in named}
            if len(named) < len(pairs):
                self.unread("metadata", told, "some have no names")
        elif told is not None and told not in ("", []):
            self.unread("metadata", told, "they have no names")
        if self._texts:
            lines = [texts[DESCRIPTION]] if texts.get(DESCRIPTION) else []
            texts[DESCRIPTION] = "\n".join([*lines, *self._texts])
        return texts
