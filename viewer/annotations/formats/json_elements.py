"""The objects in a long JSON array, read piece by piece; torn ones are reported and passed over."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
import numpy as np

from viewer.errors import CoverslipError
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

Members = dict[str, msgspec.Raw]
"""Of an object, not decoded: coordinates go to shapely as they are, which is quick."""

_PIECE_BYTES = 1 << 20
_MOST_BYTES = 1 << 30
"""Of one object."""
_MOST_HEAD_BYTES = 1 << 26
_TRIED = 8
_MOST_DIGITS = 300
"""Of a whole number, which a float then still holds."""
_BETWEEN = b" \t\r\n,"
_QUOTE, _OPEN, _CLOSE = b'"{}'
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_NAME = re.compile(r'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*', re.DOTALL)
_FEATURE = re.compile(rb'\{\s*"type"\s*:\s*"Feature"')
_FEATURE_BYTES = 256
"""More than the beginning of a feature takes, blanks included."""

members_of = msgspec.json.Decoder(prepared(Members)).decode
_whole_value = msgspec.json.Decoder(msgspec.Raw).decode
_one_value = json.JSONDecoder().raw_decode


class Torn(msgspec.Struct, frozen=True):
    """Stands for what is no object or cannot be read."""

    reason: str


class DamagedHeadError(CoverslipError):
    """What comes before the array cannot be read."""


def as_members(text: bytes) -> Members:
    """Return the members of an object; numbers that are none to compute with become text.

    Raises
    ------
    ValueError
        It is no JSON object.
    """
    text = as_utf8(text)
    try:
        return members_of(text)
    except msgspec.ValidationError as error:
        raise ValueError("it is no object") from error
    except DECODE_ERRORS:
        try:
            return members_of(_mended(text))
        except (ValueError, RecursionError, TypeError) as error:
            raise ValueError("it is no JSON that can be read") from error


def decoded(text: bytes | msgspec.Raw) -> object:
    """Return the value of a member; numbers that are none to compute with become text.

    Raises
    ------
    ValueError
        It is no JSON.
    """
    try:
        return msgspec.json.decode(text)
    except DECODE_ERRORS:
        return msgspec.json.decode(_mended(bytes(text)))


def _mended(text: bytes) -> bytes:
    """Return JSON as the standard has it.

    Bare NaN and Infinity, which some tools write, and numbers of more digits than a float has room
    for become text, halves of surrogate pairs question marks.
    """
    stated = json.loads(text, parse_constant=str, parse_int=_number, parse_float=_number)
    return json.dumps(stated, ensure_ascii=False).encode(errors="replace")


def _number(digits: str) -> int | float | str:
    if not digits.lstrip("-").isdigit():
        return number if math.isfinite(number := float(digits)) else digits
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def as_utf8(text: bytes) -> bytes:
    """Text that is UTF-8, or was as Windows writes in the West."""
    if text.isascii():
        return text
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace").encode()
    return text


_T = TypeVar("_T")


@dataclass(slots=True)
class JsonElements(Generic[_T]):
    """Text of a file with a place in it: first its head, then the objects of its array.

    Parameters
    ----------
    read
        Gives at most so many bytes, none at the end of the file.
    decode
        Makes of an object what is given; raises ValueError where it is no JSON object.
    decode_all
        Makes the same of an array of objects at once, which is quicker; raises ValueError where one
        of them has to be looked at alone.
    """

    read: Callable[[int], bytes]
    decode: Callable[[bytes], _T]
    decode_all: Callable[[bytes], list[_T]] | None = None
    _text: bytes = b""
    _is_all: bool = False
    _is_array: bool = field(default=False, init=False)
    _has_ended: bool = field(default=False, init=False)

    def array_begins(self, name: str, alone: frozenset[str]) -> dict[str, object]:
        """Go to the array: the file itself, or its member of this name.

        Parameters
        ----------
        alone
            Members that tell that the file is not a collection but one element.

        Returns
        -------
        dict
            The members before the array.

        Raises
        ------
        DamagedHeadError
            There is no such array.
        """
        self._fill(_PIECE_BYTES)
        self._text = self._text.removeprefix(b"\xef\xbb\xbf").lstrip()
        if self._text.startswith(b"["):
            self._text, self._is_array = self._text[1:], True
            return {}
        if not self._text.startswith(b"{"):
            raise DamagedHeadError("it does not begin with { or [")
        while True:
            try:
                return self._past_head(name, alone)
            except DamagedHeadError:
                if self._is_all or len(self._text) > _MOST_HEAD_BYTES:
                    raise
                self._fill(2 * len(self._text))

    def next_feature(self) -> bool:
        """Go on to what looks like the beginning of a feature; return whether there is one."""
        while True:
            found = _FEATURE.search(self._text)
            if found is not None:
                self._text = self._text[found.start() :]
                return True
            if self._is_all:
                return False
            self._text = self._text[-_FEATURE_BYTES:]
            self._fill(_PIECE_BYTES)

    def batches(self) -> Iterator[list[_T | Torn]]:
        """Yield the elements, some hundreds at a time; never raises."""
        size = _PIECE_BYTES
        self._fill(size)
        while not self._has_ended:
            before = len(self._text)
            batch = self._batch()
            if batch:
                yield batch
            if self._has_ended:
                return
            if self._is_all and len(self._text) == before:
                yield from self._leftover()
                return
            size = _PIECE_BYTES if len(self._text) < before else 2 * size
            if size > _PIECE_BYTES and self._is_broken(size):
                yield [Torn("it is no JSON that can be read")]
                self._text = self._text[1:]
                if not self.next_feature():
                    return
                size = _PIECE_BYTES
            self._fill(size)

    def members_behind(self) -> dict[str, object]:
        """Return the members after the array, as far as they can be read."""
        self._fill(_MOST_HEAD_BYTES)
        try:
            stated = json.loads(b'{"":0' + self._text)
        except (ValueError, RecursionError):
            return {}
        del stated[""]
        return stated

    def _fill(self, size: int) -> None:
        while len(self._text) < size and not self._is_all:
            more = self.read(size - len(self._text))
            self._is_all = not more
            self._text += more

    def _past_head(self, name: str, alone: frozenset[str]) -> dict[str, object]:
        text, at = self._text.decode("latin-1"), 1
        before: dict[str, object] = {}
        while found := _NAME.match(text, at):
            at = found.end()
            if found[1] == name and text.startswith("[", at):
                self._text, self._is_array = self._text[at + 1 :], True
                return before
            if found[1] in alone:
                return {}
            try:
                _, end = _one_value(text, at)
                before[_utf8(found[1])] = json.loads(self._text[at:end])
            except (ValueError, RecursionError) as error:
                raise DamagedHeadError("its beginning is no JSON") from error
            if found[1] == "type" and before["type"] != "FeatureCollection":
                return {}
            at = end
        if text[at:].lstrip().startswith("}"):
            return {}
        raise DamagedHeadError("its beginning is no JSON")

    def _batch(self) -> list[_T | Torn]:
        """Return what is whole in the text; the text then begins behind it."""
        batch: list[_T | Torn] = []
        text, at = self._text, 0
        if (whole := self._all_at_once(text)) is not None:
            return whole
        spans = _objects_in(text).tolist()
        for index, (start, end) in enumerate(spans):
            if text[at:start].strip(_BETWEEN) and self._passed(text, at, start, batch):
                return batch
            try:
                batch.append(self.decode(text[start:end]))
            except ValueError as error:
                batch.append(Torn(str(error)))
                if not _goes_on(text, spans, index):
                    found = _FEATURE.search(text, start + 1)
                    self._text = text[found.start() if found else end :]
                    return batch
            at = end
        self._text = text[at:]
        return batch

    def _all_at_once(self, text: bytes) -> list[_T | Torn] | None:
        """All objects in the text where nothing but commas divides them; the text goes on then.

        Braces are counted as if none stood in a string: where one does that matters, what lies
        between is no JSON.
        """
        if self.decode_all is None:
            return None
        codes = np.frombuffer(text, np.uint8)
        places = np.flatnonzero((codes == _OPEN) | (codes == _CLOSE))
        is_open = codes[places] == _OPEN
        ends = places[np.cumsum(np.where(is_open, 1, -1)) == 0]
        if not len(ends) or text[: places[0]].strip(_BETWEEN):
            return None
        end = int(ends[-1]) + 1
        try:
            found = self.decode_all(b"[%b]" % text[places[0] : end])
        except (ValueError, RecursionError):
            return None
        self._text = text[end:]
        return [*found]

    def _passed(self, text: bytes, at: int, stop: int, batch: list[_T | Torn]) -> bool:
        """Take note of what is no object between two; return whether the array ends there."""
        between = text[at:stop].decode("latin-1")
        place = 0
        while True:
            while place < len(between) and between[place] in " \t\r\n,":
                place += 1
            if place == len(between):
                return False
            if between[place] == "]":
                self._text, self._has_ended = text[at + place + 1 :], True
                return True
            try:
                _, place = _one_value(between, place)
                batch.append(Torn("it is no object"))
            except (ValueError, RecursionError):
                batch.append(Torn("it is no JSON that can be read"))
                return False

    def _leftover(self) -> Iterator[list[_T | Torn]]:
        """Yield what remains at the end of the file: the end of the array, or what is torn."""
        batch: list[_T | Torn] = []
        opened = self._text.find(b"{")
        stop = len(self._text) if opened < 0 else opened
        if self._text[:stop].strip(_BETWEEN) and self._passed(self._text, 0, stop, batch):
            opened = -1
        if batch:
            yield batch
        if opened >= 0:
            yield [Torn("the file ends or is damaged in the middle of it")]
            self._text = self._text[opened + 1 :]
            if self.next_feature():
                yield from JsonElements(
                    lambda _: b"", self.decode, _text=self._text, _is_all=True
                ).batches()
        elif self._is_array and not self._has_ended:
            yield [Torn("the file breaks off here")]

    def _is_broken(self, size: int) -> bool:
        """Return whether the object that does not end here never will."""
        if size > _MOST_BYTES:
            return True
        try:
            _whole_value(self._text.lstrip(_BETWEEN))
        except msgspec.DecodeError as error:
            return self._text.lstrip(_BETWEEN)[:1] == b"{" and "truncated" not in str(error)
        except (UnicodeError, RecursionError):
            return True
        return False


def _objects_in(text: bytes) -> NDArray[np.int64]:
    """(n, 2) start and end of the objects that are whole in a text and in no other object."""
    plain = _ESCAPED.sub(b"  ", text) if b"\\" in text else text
    codes = np.frombuffer(plain, np.uint8)
    places = np.flatnonzero((codes == _QUOTE) | (codes == _OPEN) | (codes == _CLOSE))
    marks = codes[places]
    is_brace = (marks != _QUOTE) & (np.cumsum(marks == _QUOTE) % 2 == 0)
    places, is_open = places[is_brace], marks[is_brace] == _OPEN
    depth = np.cumsum(np.where(is_open, 1, -1))
    # What closes without having been opened counts for nothing.
    lowest = np.minimum(np.minimum.accumulate(depth), 0)
    is_stray = np.diff(lowest, prepend=0) < 0
    depth -= lowest
    starts = places[is_open & (depth == 1)]
    ends = places[~is_open & (depth == 0) & ~is_stray] + 1
    count = min(len(starts), len(ends))
    return np.stack([starts[:count], ends[:count]], 1)


def _goes_on(text: bytes, spans: list[list[int]], index: int) -> bool:
    """Return whether all is well again with one of the next objects after a bad one."""
    end = spans[index][1]
    for start, stop in spans[index + 1 : index + 1 + _TRIED]:
        if text[end:start].strip(_BETWEEN):
            return False
        try:
            as_members(text[start:stop])
        except ValueError:
            end = stop
        else:
            return True
    return False


def _utf8(text: str) -> str:
    return json.loads(f'"{text}"'.encode("latin-1").decode("utf-8", "replace"), strict=False)
