"""What is asked of the helper about a store in a bucket."""

from __future__ import annotations

import msgspec


class ReadObject(msgspec.Struct, frozen=True):
    """Asks for an object of a store, by the store's address and the object's name in it.

    The answer is one byte and the object, or nothing where there is none.
    """

    store: str
    name: str


class CreateObject(msgspec.Struct, frozen=True):
    """Asks to write an object; one that is there stays unless it is to be replaced."""

    store: str
    name: str
    data: bytes
    replaces: bool = False


class Created(msgspec.Struct, frozen=True):
    """Whether the object was written."""

    is_new: bool


class ListObjects(msgspec.Struct, frozen=True):
    """Asks for the names of all objects directly in a folder of a store."""

    store: str
    below: str


class Listed(msgspec.Struct, frozen=True):
    """Names of objects in a folder, without it and in order, and of the folders in it."""

    names: list[str]
    folders: list[str] = []
