"""XML of annotations, read as far as it is sound and written so that it can be read again."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from viewer.annotations.formats.lxml_elements import (
    XmlElement,
    XmlSyntaxError,
    element_in,
    element_left_in,
    element_of,
)
from viewer.annotations.formats.packed_files import unpacked
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.files.atomic_write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import IO

_PIECE_BYTES = 1 << 20
_INDENT = b"  "
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0 has no place for these characters, not even escaped."""
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""")
_LEGACY = "windows-1252"
_MOST_CODE = 0x10FFFF
_FORBIDDEN_BYTES = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")
"""Zeros are not among them: they stand where a disk lost what was there."""
_REFERENCE = re.compile(rb"&#(?:(\d{1,7})|[xX]([\da-fA-F]{1,6}));")
_BARE_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-fA-F]+);)")
_BAD = (XmlSyntaxError, ValueError, LookupError)


def parsed(
    path: Path,
    problems: list[Problem],
    depths: dict[str, int],
    records: tuple[str, ...],
    outline: str,
) -> XmlElement:
    """Return the root of a file, without namespaces; of a damaged one, of what in it is sound.

    Nothing is fetched and no entity is expanded.

    Parameters
    ----------
    depths
        Of the tags that hold records; the root's is 0.
    records
        Tags of what is taken or left out as a whole.
    outline
        The tag in a record that holds its places: with that whole, a torn record is taken.

    Raises
    ------
    AnnotationFileError
        It cannot be read, or nothing in it is sound.
    """
    with unpacked(path, ".xml") as pieces:
        data = b"".join(iter(lambda: pieces[0](_PIECE_BYTES), b"")).lstrip()
    encoding = _encoding_of(data)
    try:
        root = element_in(data, encoding)
    except _BAD as error:
        data = _without_forbidden(data)
        reason = "characters that XML has no place for were replaced"
        problem = Problem(0, reason, is_repaired=True)
        try:
            root = element_in(data, encoding)
        except _BAD:
            root = _mended(data, encoding, depths, records, outline)
            problem = Problem(0, f"parts of the file, which is damaged ({_said(error)})")
        if root is None:
            raise AnnotationFileError(
                f"{path.name} is no XML that can be read ({_said(error)})."
            ) from error
        problems.append(problem)
    for element in root.iter("*"):
        if element.tag[:1] == "{":
            element.tag = element.tag.rpartition("}")[2]
    return root


def _mended(
    data: bytes,
    encoding: str | None,
    depths: dict[str, int],
    records: tuple[str, ...],
    outline: str,
) -> XmlElement | None:
    """Record by record, else what the parser makes of it."""
    root = _salvaged(data, depths, records, outline)
    if root is None:
        with contextlib.suppress(*_BAD):
            root = element_left_in(data, encoding)
    return root if root is not None and any(True for _ in root.iter(*records)) else None


def _without_forbidden(data: bytes) -> bytes:
    """Bare ampersands are escaped; control characters, however written, are replaced."""

    def allowed(found: re.Match[bytes]) -> bytes:
        code = int(found[1]) if found[1] else int(found[2], 16)
        is_bad = code > _MOST_CODE or _FORBIDDEN.match(chr(code)) is not None
        return b"&#xFFFD;" if is_bad else found[0]

    data = _REFERENCE.sub(allowed, _FORBIDDEN_BYTES.sub(b"&#xFFFD;", data))
    return _BARE_AMPERSAND.sub(b"&amp;", data)


def _encoding_of(data: bytes) -> str | None:
    """Return what overrides the declaration: text that came as UTF-16 is UTF-8 by now."""
    declared = _DECLARED.match(data)
    name = declared[1].decode().lower() if declared else "utf-8"
    if name not in ("utf-8", "utf8") and not name.startswith(("utf-16", "utf16", "ucs", "utf-32")):
        return None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        is_torn_end = error.start >= len(data) - 3
        return "utf-8" if is_torn_end else _LEGACY
    return "utf-8"


def _salvaged(
    data: bytes, depths: dict[str, int], records: tuple[str, ...], outline: str
) -> XmlElement | None:
    """Records one by one, each in the holder that was opened last before it."""
    whole, opening = "|".join(records), "|".join(depths)
    inside = rf"(?:(?!<(?:{whole})\b).)*?"
    torn = rf"(?P<torn><(?P<of>{whole})\b{inside}</{outline}>)"
    pattern = rf"<(?P<record>{whole})\b{inside}</(?P=record)>|{torn}|<(?:{opening})\b[^<>]*>"
    path: list[XmlElement] = []
    root: XmlElement | None = None
    has_records = False
    for found in re.finditer(pattern.encode(), data, re.DOTALL):
        if found["torn"]:
            text = found["torn"] + b"</" + found["of"] + b">"
        else:
            text = found[0] if found["record"] else found[0].rstrip(b"/>") + b"/>"
        try:
            element = element_in(text, "utf-8")
        except _BAD:
            continue
        if not found["record"] and not found["torn"]:
            path = _opened(path, element, depths)
            root = path[0] if root is None or depths[element.tag] == 0 else root
        elif path:
            path[-1].append(element)
            has_records = True
    return root if has_records else None


def _opened(
    path: list[XmlElement], element: XmlElement, depths: dict[str, int]
) -> list[XmlElement]:
    """Return the way to a holder; those around it that are missing are made."""
    path = path[: depths[element.tag]]
    while len(path) < depths[element.tag]:
        missing = next(tag for tag, depth in depths.items() if depth == len(path))
        path = _hung(path, element_of(missing))
    return _hung(path, element)


def _hung(path: list[XmlElement], element: XmlElement) -> list[XmlElement]:
    if path:
        path[-1].append(element)
    return [*path, element]


def _said(error: Exception) -> str:
    return str(error).split(" (<string>")[0]


def plain(text: str) -> str:
    """Without what XML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def written(element: Xml.Element, level: int) -> bytes:
    """Return an element as lines of a file, indented as one that is so many levels deep."""
    Xml.indent(element, level=level)
    for each in element.iter():
        each.attrib = {name: plain(value) for name, value in each.attrib.items()}
    return b"%s%s\n" % (_INDENT * level, Xml.tostring(element, "utf-8"))


@contextlib.contextmanager
def xml_lines(path: Path, root: str) -> Generator[IO[bytes]]:
    """Give a file for the lines in a root element, which are written as they come.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    with atomic_write(path) as file:
        file.write(b"<?xml version='1.0' encoding='utf-8'?>\n<%s>\n" % root.encode())
        yield file
        file.write(b"</%s>" % root.encode())
