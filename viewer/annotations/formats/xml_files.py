"""XML of annotations, read as far as it is sound and written so that it can be read again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from viewer.annotations.formats.packed_files import unpacked
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.atomic_write import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 1 << 20
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0 has no place for these characters, not even escaped."""


def parsed(
    path: Path, problems: list[Problem], depths: dict[str, int], records: tuple[str, ...]
) -> Xml.Element:
    """The root of a file; of a damaged one, of what in it is sound.

    Parameters
    ----------
    depths
        Of the tags that hold records; the root's is 0.
    records
        Tags of what is taken or left out as a whole.

    Raises
    ------
    AnnotationFileError
        It cannot be read, or nothing in it is sound.
    """
    with unpacked(path, ".xml") as pieces:
        data = b"".join(iter(lambda: pieces[0](_PIECE_BYTES), b""))
    try:
        return Xml.fromstring(data)  # noqa: S314 - expat refuses expanding entities since 2.4.1
    except (Xml.ParseError, ValueError, LookupError) as error:
        root = _salvaged(data, depths, records)
        if root is None:
            raise AnnotationFileError(
                f"{path.name} is no XML that can be read ({error})."
            ) from error
        problems.append(Problem(0, f"parts of the file, which is damaged ({error})"))
        return root


def _salvaged(data: bytes, depths: dict[str, int], records: tuple[str, ...]) -> Xml.Element | None:
    """Records one by one, each in the holder that was opened last before it."""
    whole, opening = "|".join(records), "|".join(depths)
    inside = rf"(?:(?!<(?:{whole})\b).)*?"
    pattern = rf"<(?P<record>{whole})\b{inside}</(?P=record)>|<(?:{opening})\b[^<>]*>"
    path: list[Xml.Element] = []
    root: Xml.Element | None = None
    has_records = False
    for found in re.finditer(pattern.encode(), data, re.DOTALL):
        text = found[0] if found["record"] else found[0].rstrip(b"/>") + b"/>"
        try:
            element = Xml.fromstring(text)  # noqa: S314 - as above
        except (Xml.ParseError, ValueError):
            continue
        if not found["record"]:
            path = _opened(path, element, depths)
            root = path[0] if root is None or depths[element.tag] == 0 else root
        elif path:
            path[-1].append(element)
            has_records = True
    return root if has_records else None


def _opened(
    path: list[Xml.Element], element: Xml.Element, depths: dict[str, int]
) -> list[Xml.Element]:
    """The way to a holder; those around it that are missing are made."""
    path = path[: depths[element.tag]]
    while len(path) < depths[element.tag]:
        missing = next(tag for tag, depth in depths.items() if depth == len(path))
        path = _hung(path, Xml.Element(missing))
    return _hung(path, element)


def _hung(path: list[Xml.Element], element: Xml.Element) -> list[Xml.Element]:
    if path:
        path[-1].append(element)
    return [*path, element]


def plain(text: str) -> str:
    """Without what XML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def write_xml(path: Path, root: Xml.Element) -> None:
    """Raises OSError; a file that was there is left as it was."""
    Xml.indent(root)
    for element in root.iter():
        element.attrib = {name: plain(value) for name, value in element.attrib.items()}
    with atomic_write(path) as file:
        Xml.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
