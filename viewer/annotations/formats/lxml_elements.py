"""lxml, which brings no types: what is asked of its elements and of its parser."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

_etree = import_module("lxml.etree")

XmlSyntaxError: type[Exception] = _etree.XMLSyntaxError
"""Is raised where a text is no XML."""
_CAREFUL = {
    "resolve_entities": False, "no_network": True, "huge_tree": False, "load_dtd": False,
    "remove_comments": True, "remove_pis": True,
}  # fmt: skip


class XmlElement(Protocol):
    """An element as lxml holds it."""

    tag: str
    text: str | None

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    @overload
    def get(self, name: str, default: str | None) -> str | None: ...
    def find(self, path: str) -> XmlElement | None:
        """Return the first element at a path."""
        ...

    def iterfind(self, path: str) -> Iterator[XmlElement]:
        """Yield the elements at a path."""
        ...

    def iter(self, *tags: str) -> Iterator[XmlElement]:
        """Yield this element and those in it that have one of the tags; "*" is any."""
        ...

    def append(self, element: XmlElement) -> None:
        """Put an element behind those in this one."""
        ...


def element_of(tag: str) -> XmlElement:
    """Return an element that holds nothing."""
    return _etree.Element(tag)


def element_in(data: bytes, encoding: str | None) -> XmlElement:
    """Return the root of a text; nothing is fetched and no entity is expanded.

    Parameters
    ----------
    encoding
        Overrides what the text declares.

    Raises
    ------
    XmlSyntaxError
        It is no XML.
    """
    return _etree.fromstring(data, _etree.XMLParser(encoding=encoding, **_CAREFUL))


def element_left_in(data: bytes, encoding: str | None) -> XmlElement | None:
    """Do as `element_in`, but pass over what is no XML; None where nothing is left."""
    return _etree.fromstring(data, _etree.XMLParser(encoding=encoding, recover=True, **_CAREFUL))
