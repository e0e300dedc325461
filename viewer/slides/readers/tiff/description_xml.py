"""XML in the description of a TIFF, which anyone may have written."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    Element = ElementTree.Element


def description_root(xml: str) -> Element | None:
    """Return the root of the XML; None where it is damaged or has a document type.

    No vendor writes one, and it could define entities that expand without end.
    """
    if "<!DOCTYPE" in xml:
        return None
    try:
        return ElementTree.fromstring(xml)  # noqa: S314 - see above
    except (ElementTree.ParseError, ValueError):
        return None
