"""Projects of QuPath (project.qpproj): which of their images lie where on this machine.

Only addresses of local files are followed. QuPath keeps whole addresses, and the project's own as
it was when it was saved: an image that is not at its address is looked for at the same place as
seen from the project.
"""

from __future__ import annotations

import json
import posixpath
import re
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from viewer.annotations.formats.foreign_values import as_text
from viewer.annotations.formats.json_elements import (
    DamagedHeadError,
    JsonElements,
    Members,
    Torn,
    as_members,
)
from viewer.annotations.formats.packed_files import unpacked_bytes
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.annotations.palette import PaletteError, read_palette
from viewer.errors import CoverslipError, reason_of
from viewer.limits import JSON_BYTES
from viewer.plain_text import shown_line
from viewer.studies.cases import NOWHERE, CasePlace, place_in_metadata
from viewer.suffixes import QUPATH_PROJECT
from viewer.untyped import is_mapping, is_sequence, mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from viewer.annotations.palette import Palette

_GEOJSON = (".geojson", ".json", ".geojson.gz", ".json.gz", ".geojson.zip", ".zip")
_SERIES_DIGITS = 9
_DRIVE = re.compile(r"/?([A-Za-z]):(/.*)")


class QuPathProjectError(CoverslipError):
    """A project file that cannot be used; `str()` is one sentence."""


class QuPathImage(msgspec.Struct, frozen=True):
    """An image of a project.

    Attributes
    ----------
    address
        As the project has it.
    path
        Where the file lies here; None where it is not found or not to be opened.
    reason
        Why there is no path; empty where there is one.
    note
        Description and metadata, a line each.
    annotations
        GeoJSON beside the project that is named like the image.
    place
        Case, block and stain, where the metadata tell.
    """

    name: str
    address: str
    path: Path | None
    reason: str = ""
    note: str = ""
    annotations: Path | None = None
    place: CasePlace = NOWHERE


class QuPathProject(msgspec.Struct, frozen=True):
    """What of a project can be used here.

    Attributes
    ----------
    unread
        Images whose objects are only in QuPath's own `data.qpdata`.
    """

    title: str
    images: tuple[QuPathImage, ...]
    palette: Palette
    unread: int


def read_qupath_project(path: Path, look_in: Iterable[Path] = ()) -> QuPathProject:
    """Read a project file.

    Parameters
    ----------
    look_in
        Folders in which images are looked for that are not where the project has them.

    Raises
    ------
    QuPathProjectError
        It cannot be read, or is no project of QuPath.
    """
    document, is_torn = _document(path)
    listed = document.get("images")
    if not is_sequence(listed):
        raise QuPathProjectError(f"{path.name} is no project of QuPath: it lists no images.")
    folder = path.absolute().parent
    former = _local(document.get("uri"))
    places = _Places(folder, posixpath.dirname(former) if former else "", tuple(look_in))
    images = tuple(_image(each, number, places) for number, each in enumerate(listed, 1))
    if is_torn:
        reason = "the project file is cut short or damaged here"
        images = (*images, QuPathImage(f"Images behind number {len(listed)}", "", None, reason))
    try:
        palette = read_palette(folder / "classifiers" / "classes.json")
    except PaletteError:
        palette = ()
    unread = sum(1 for _ in (folder / "data").glob("*/data.qpdata"))
    return QuPathProject(folder.name, images, palette, unread)


def _document(path: Path) -> tuple[dict[str, object], bool]:
    """Return what the file holds, and whether only a part of it could be read."""
    try:
        data = unpacked_bytes(path, QUPATH_PROJECT, JSON_BYTES)
    except OSError as error:
        raise QuPathProjectError(f"{path.name} cannot be read ({reason_of(error)}).") from error
    except AnnotationFileError as error:
        raise QuPathProjectError(str(error)) from error
    try:
        document = json.loads(data)  # which reads the bare NaN of QuPath's writer
    except (ValueError, RecursionError):
        elements = JsonElements(BytesIO(data).read, as_members)
        try:
            document = elements.array_begins("images", frozenset())
        except DamagedHeadError:
            raise QuPathProjectError(f"{path.name} is damaged: it is no JSON.") from None
        read = [each for batch in elements.batches() for each in batch]
        whole = [each for each in read if not isinstance(each, Torn)]
        if not whole:
            raise QuPathProjectError(f"{path.name} is damaged: it is no JSON.") from None
        return document | {"images": [_decoded(each) for each in whole]}, True
    if not is_mapping(document):
        raise QuPathProjectError(f"{path.name} is no project of QuPath: it lists no images.")
    return document, False


def _decoded(members: Members) -> dict[str, object]:
    return {name: json.loads(bytes(raw)) for name, raw in members.items()}


class _Places(msgspec.Struct, frozen=True):
    """Where the project lies, where it lay when it was saved, and where else to look."""

    folder: Path
    former: str
    look_in: tuple[Path, ...]

    def found(self, address: str) -> Path | None:
        """Return the file of a local address with slashes: as is, else re-based, else by name."""
        name = posixpath.basename(address)
        tried = [Path(address)]
        if self.former:
            here, there = _without_drive(address), _without_drive(self.former)
            if here is not None and there is not None and here[0] == there[0]:
                tried.append(self.folder / posixpath.relpath(here[1], there[1]))
        elif not posixpath.isabs(address):
            tried.append(self.folder / address)
        tried += [folder / name for folder in self.look_in]
        for path in tried:
            try:
                if path.exists():
                    return path.resolve()
            except OSError:
                continue
        return None

    def beside(self, name: str, file_name: str) -> Path | None:
        """GeoJSON by the image's name, or by that of its file."""
        stems = dict.fromkeys((name, file_name, Path(name).stem, Path(file_name).stem))
        for stem in stems:
            if not stem or "/" in stem or "\\" in stem:
                continue
            for suffix in _GEOJSON:
                path = self.folder / f"{stem}{suffix}"
                if path.is_file():
                    return path
        return None


def _image(document: object, number: int, places: _Places) -> QuPathImage:
    document = mapping_of(document)
    builder = mapping_of(document.get("serverBuilder"))
    server_name = mapping_of(builder.get("metadata")).get("name")
    name = shown_line(as_text(document.get("imageName") or server_name or f"Image {number}"))
    note = _note(document)
    kind = builder.get("builderType")
    if kind is None and isinstance(builder.get("uri"), str) and "builder" not in builder:
        kind = "uri"
    if kind != "uri":
        what = f'"{shown_line(as_text(kind))}"' if kind else "unknown"
        address = as_text(mapping_of(builder.get("builder")).get("uri", ""))
        reason = f"QuPath changes it as it reads it ({what}), so it is not the slide as it is"
        return QuPathImage(name, shown_line(address), None, reason, note)
    address = shown_line(as_text(builder.get("uri") or ""))
    series = _series(builder.get("args"))
    if series:
        reason = f"it is image {series + 1} within its file; the first alone can be opened"
        return QuPathImage(name, address, None, reason, note)
    local = _local(builder.get("uri"))
    if local is None:
        scheme = urlsplit(address).scheme if "://" in address or ":" in address else ""
        what = f"it lies on another server ({scheme})" if scheme else "it has no address"
        return QuPathImage(name, address, None, f"{what}, and addresses are not followed", note)
    path = places.found(local)
    if path is None:
        name_there = posixpath.basename(local)
        reason = f"{name_there} is not found (on the command line, --look-in names its folder)"
        return QuPathImage(name, address, None, reason, note)
    beside = places.beside(name, posixpath.basename(local))
    texts = mapping_of(document.get("metadata"))
    place = place_in_metadata({str(key): shown_line(as_text(v)) for key, v in texts.items()})
    return QuPathImage(name, address, path, "", note, beside, place)


def _note(document: dict[str, object]) -> str:
    lines: list[str] = []
    if document.get("description"):
        lines.append(shown_line(as_text(document["description"])))
    metadata, tags = mapping_of(document.get("metadata")), document.get("tags")
    lines += [shown_line(f"{key}: {as_text(value)}") for key, value in metadata.items()]
    if is_sequence(tags) and tags:
        lines.append(shown_line("Tags: " + ", ".join(map(as_text, tags))))
    return "\n".join(lines)


def _series(args: object) -> int:
    """Return the number of the image within its file, from 0."""
    listed = list(map(str, args)) if is_sequence(args) else []
    for index, each in enumerate(listed):
        value = each.partition("=")[2]
        if each == "--series" and index + 1 < len(listed):
            value = listed[index + 1]
        if each.startswith("--series") and value.isdecimal() and len(value) <= _SERIES_DIGITS:
            return int(value)
    return 0


def _local(address: object) -> str | None:
    """Return the path of a file: address, or of a bare path, with slashes; None for all others."""
    if not isinstance(address, str) or not address.strip():
        return None
    text = address.strip()
    if not text.lower().startswith("file:"):
        plain = text.replace("\\", "/")
        is_path = plain.startswith("/") or _DRIVE.fullmatch(plain) or ":" not in plain
        return plain if is_path else None
    rest = unquote(text[5:], errors="replace").replace("\\", "/")
    if rest.startswith("//"):
        host, slash, tail = rest[2:].partition("/")
        rest = slash + tail if host.lower() in ("", "localhost") else rest
    if found := _DRIVE.fullmatch(rest):
        return f"{found[1].upper()}:{found[2]}"
    return rest or None


def _without_drive(path: str) -> tuple[str, str] | None:
    """Return the drive, and the path on it; None for a path that is not whole."""
    if found := _DRIVE.fullmatch(path):
        return found[1].upper(), posixpath.normpath(found[2])
    return ("", posixpath.normpath(path)) if path.startswith("/") else None
