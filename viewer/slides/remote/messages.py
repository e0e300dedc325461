"""What window, helper and reader say to each other about bytes on servers."""

from __future__ import annotations

import msgspec


class OpenAddress(msgspec.Struct, frozen=True):
    """Asks the helper to look at an address.

    Attributes
    ----------
    address
        As it was given, with whatever the server wants to see; never logged.
    name
        What it is called in sentences.
    plain
        The address without secrets: names it in the cache.
    """

    address: str
    name: str
    plain: str


class FoundAddress(msgspec.Struct, frozen=True):
    """What lies at an address.

    Attributes
    ----------
    validator
        Changes when the file does: the server's ETag, else the time of its last change; "" where
        the server tells neither.
    head
        The beginning of the file.
    """

    size_bytes: int
    validator: str
    head: bytes


class ReadRanges(msgspec.Struct, frozen=True):
    """Asks the helper for ranges; it reports each as a `RangeRead` as it arrives."""

    target: OpenAddress
    size_bytes: int
    validator: str
    runs: list[tuple[int, int]]


class RangeRead(msgspec.Struct, frozen=True):
    """The bytes of a range, and its place in the list that was asked for."""

    number: int
    data: bytes


Want = tuple[str, int, int | None]
"""A part of an object of a folder: its key, where it begins, and before what it ends.

A negative beginning counts from the end, and None is the end."""


class ReadObjects(msgspec.Struct, frozen=True):
    """Asks the helper for objects below an address; it reports each as an `ObjectRead`."""

    target: OpenAddress
    wants: list[Want]


class ObjectRead(msgspec.Struct, frozen=True):
    """A part of an object; `total_bytes` is -1 where there is no such object.

    It is -2 where the server denies it.
    """

    number: int
    data: bytes
    total_bytes: int
    validator: str


class WantObjects(msgspec.Struct, frozen=True, tag=True):
    """A reader asks the window for objects of its slide."""

    id: int
    wants: list[Want]


class ExpectTiles(msgspec.Struct, frozen=True, tag=True):
    """The window tells a reader which tiles it will ask for: level, column and row of each."""

    tiles: list[tuple[int, int, int]]


class WantBytes(msgspec.Struct, frozen=True, tag=True):
    """A reader asks the window for ranges of its slide."""

    id: int
    runs: list[tuple[int, int]]


class GivenBytes(msgspec.Struct, frozen=True, tag=True):
    """The window's answer: a range or a part of an object.

    Where `problem` is not "" it is one sentence why there is none.

    The last answer to a question has the number -1.
    """

    id: int
    number: int
    data: bytes = b""
    total_bytes: int = -1
    problem: str = ""
