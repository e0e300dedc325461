"""What a feature of GeoJSON says of itself, each attribute read on its own.

One that cannot be read costs neither the object nor the others: it is stated, and its text goes to
the description where it says something.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, get_args
from uuid import UUID, uuid4

import msgspec

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
from viewer.untyped import is_list, is_mapping, is_sequence, mapping_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Json = dict[str, object]

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


def id_of(stated: object) -> tuple[UUID, bool]:
    """Return an id, a new one where the file's is none, and whether that is then lost."""
    try:
        return UUID(stated if isinstance(stated, str) else ""), False
    except ValueError:
        is_kind = isinstance(stated, str) and stated in OLD_KINDS
        return uuid4(), stated is not None and not is_kind


def kind_of(id_: object, stated: Json) -> tuple[Kind, str]:
    """Return the kind, by the newest spelling, and the member that gave it.

    Files of version 0.2 tell it in place of an id.
    """
    for key in _KIND_KEYS:
        name = stated.get(key)
        if isinstance(name, str) and name.strip().lower() in _SPELT_KINDS:
            return _SPELT_KINDS[name.strip().lower()], key
    if isinstance(id_, str) and id_ in OLD_KINDS:
        return OLD_KINDS[id_], _KIND_KEYS[0]
    return "annotation", _KIND_KEYS[0]


def _named_value(stated: object) -> tuple[str, object] | None:
    """Of an object that holds a name and a value; None for all else."""
    if not is_mapping(stated):
        return None
    lowered = {str(key).lower(): value for key, value in stated.items()}
    name = next((lowered[key] for key in _PAIR_NAMES if lowered.get(key) is not None), None)
    value = next((lowered[key] for key in _PAIR_VALUES if key in lowered), None)
    has_more = len(lowered) > 1 and "value" not in lowered and "name" not in lowered
    return None if name is None or isinstance(name, dict | list) or has_more else (str(name), value)


class Attributes(msgspec.Struct):
    """Reads the attributes of one feature.

    Parameters
    ----------
    tell
        Takes what was not read as it is.
    """

    tell: Callable[[str], object]
    _texts: list[str] = msgspec.field(default_factory=list)

    def unread(self, what: str, stated: object, reason: str = "") -> None:
        """Tell of what was not read, and keep its text for the description."""
        was = "were" if what in ("properties", "measurements") else "was"
        self.tell(f"its {what} {was} not read{f': {reason}' if reason else f' ({quoted(stated)})'}")
        if stated not in (None, "", [], {}):
            self._texts.append(f"{what}: {shown_text(as_text(stated))}")

    def properties(self, stated: object) -> Json:
        """Return an object of properties, whatever was in its place."""
        stated = parsed_text(stated)
        if is_mapping(stated):
            return stated
        if is_list(stated) and stated and all(isinstance(each, dict) for each in stated):
            self.tell("its properties were a list and are joined")
            return {key: value for each in stated for key, value in mapping_of(each).items()}
        if stated is not None:
            self.unread("properties", stated, "they are no object")
        return {}

    def name(self, stated: object) -> str:
        if stated is None or isinstance(stated, str):
            return shown_line(stated or "")
        return shown_line(as_text(stated))

    def color(self, stated: object, what: str = "color") -> str | None:
        try:
            color, is_clamped = color_of(stated)
        except (ValueError, OverflowError, TypeError) as error:
            self.unread(what, stated, str(error))
            return None
        if is_clamped:
            self.tell(f"its {what} {quoted(stated)} is out of range and was set to {color}")
        return color

    def flag(self, stated: object, what: str) -> bool:
        try:
            return flag_of(stated)
        except ValueError as error:
            self.unread(what, stated, str(error))
            return False

    def class_(self, stated: object) -> AnnotationClass | None:
        """Return the class from its object, its name, or a list of either."""
        stated = parsed_text(stated)
        if stated is None or stated == "":
            return None
        names = [part.strip() for name in self._names(stated) for part in name.split(":")]
        name = ": ".join(part for part in names if part)
        color = None
        if is_list(stated) and len(stated) == 1:
            stated = parsed_text(stated[0])
        if is_mapping(stated):
            color = self.color(stated.get("color", stated.get("colorRGB")), "class's color")
        if not name:
            if stated not in ({}, []) and not (is_mapping(stated) and not any(stated.values())):
                self.unread("class", stated, "it has no name")
            return None
        return AnnotationClass(name, color or NO_COLOR)

    def _names(self, stated: object) -> list[str]:
        stated = parsed_text(stated)
        if is_sequence(stated):
            return [name for each in stated for name in self._names(each)]
        if is_mapping(stated):
            if names := parsed_text(stated.get("names")):
                return self._names(names)
            above = stated.get("parentClass")
            lowered = {str(key).lower(): value for key, value in stated.items()}
            name = next((lowered[key] for key in _NAME_KEYS if lowered.get(key)), None)
            return [*(self._names(above) if above else ()), *self._names(name)]
        return [] if stated is None or isinstance(stated, bool) else [shown_line(str(stated))]

    def measurements(self, stated: object) -> dict[str, float]:
        """Return numbers by their name, from an object or from a list of names and values."""
        stated = parsed_text(stated)
        if stated is None or stated == "":
            return {}
        pairs: Iterable[tuple[str, object]]
        if is_list(stated):
            pairs = self._pairs(stated)
        elif is_mapping(stated):
            pairs = stated.items()
        else:
            self.unread("measurements", stated, "they have no names")
            return {}
        numbers: dict[str, float] = {}
        for name, value in pairs:
            self._measure(shown_line(str(name)), value, numbers)
        return numbers

    def _pairs(self, stated: list[object]) -> Iterable[tuple[str, object]]:
        for number, each in enumerate(stated, 1):
            each = parsed_text(each)
            if is_mapping(each) and (pair := _named_value(each)) is not None:
                yield pair
            elif is_mapping(each):
                yield from each.items()
            elif is_list(each) and len(each) == 2 and isinstance(each[0], str):
                yield each[0], each[1]
            else:
                yield f"Measurement {number}", each

    def _measure(self, name: str, value: object, numbers: dict[str, float]) -> None:
        value = parsed_text(value)
        if is_mapping(value) or is_sequence(value):
            inner = value.items() if is_mapping(value) else enumerate(value, 1)
            for key, each in itertools.islice(inner, _MOST_LISTED):
                self._measure(f"{name} {key}", each, numbers)
            if len(value) > _MOST_LISTED:
                self.tell(f"of its measurement {name} the first {_MOST_LISTED} were read")
            return
        try:
            numbers[name] = number_of(value)
        except ValueError as error:
            self.unread(f"measurement {name}", value, str(error))

    def metadata(self, stated: object) -> dict[str, str]:
        """Return texts by their name, with the description last and what was not read in it."""
        stated = parsed_text(stated)
        texts: dict[str, str] = {}
        if is_mapping(stated):
            texts = {shown_line(str(name)): shown_text(as_text(v)) for name, v in stated.items()}
        elif is_list(stated) and (pairs := [_named_value(each) for each in stated if each]):
            named = [pair for pair in pairs if pair is not None]
            texts = {shown_line(name): shown_text(as_text(value)) for name, value in named}
            if len(named) < len(pairs):
                self.unread("metadata", stated, "some have no names")
        elif stated is not None and stated not in ("", []):
            self.unread("metadata", stated, "they have no names")
        if self._texts:
            lines = [texts[DESCRIPTION]] if texts.get(DESCRIPTION) else []
            texts[DESCRIPTION] = "\n".join([*lines, *self._texts])
        return texts
