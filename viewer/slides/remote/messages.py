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


class WantBytes(msgspec.Struct, frozen=True, tag=True):
    """A reader asks the window for ranges of its slide."""

    id: int
    runs: list[tuple[int, int]]


class GivenBytes(msgspec.Struct, frozen=True, tag=True):
    """The window's answer: a range, or where `problem` is not "" one sentence why there is none.

    The last answer to a question has the number -1.
    """

    id: int
    number: int
    data: bytes = b""
    problem: str = ""
