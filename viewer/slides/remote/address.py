"""Addresses of slides, as paths that hold no secret.

Everything that takes the `Path` of a slide takes a `RemotePath`, so lists, projects and sessions
name a slide on a server as they name one on the disk. A signature, a password or a token in an
address never gets into such a path: it stays in the memory of this process, and goes to the helper.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from io import BufferedReader

    from viewer.slides.remote.client import RemoteFolder
    from viewer.slides.remote.ranged import RangedBytes

SCHEMES = ("https", "http", "s3", "gs", "az")
_ADDRESS = re.compile(r"^(https?|s3|gs|az)://?(?=[^/\s])", re.IGNORECASE)
"""With one slash too: so is an address after it went through a plain path."""
_ANY_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]+):(?:/|$)")
"""Drives of Windows have one letter."""
_DICOM_SERIES = re.compile(r"^https?://.*/studies/[\d.]+/series/[\d.]+/?$")
_NAMING = frozenset(
    ("id", "file", "filename", "path", "name", "slide", "slide_id", "image", "key", "alt", "raw",
     "versionid", "generation")
)  # fmt: skip
"""Of the question of an address only these say which file is meant; all else may be a secret."""
_MOST_NAMING_LETTERS = 80
_MOST_KNOWN = 1000

_full: OrderedDict[str, str] = OrderedDict()
_lock = threading.Lock()


class RemotePath(type(Path())):
    """The address of a slide, as the path that it is known by.

    Attributes
    ----------
    ranges
        Where its bytes come from once it is open; None otherwise.
    """

    ranges: RangedBytes | None = None
    folder: RemoteFolder | None = None
    """The same for a folder of objects."""
    is_slide = False
    """Whether this is what a user or a list named, and not a folder or neighbor of it."""

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().replace("\\", "/").partition(":/")
        return f"{scheme}://{rest.lstrip('/')}"

    def __fspath__(self) -> str:
        return str(self)

    def as_posix(self) -> str:
        return str(self)

    def absolute(self) -> RemotePath:
        return self

    def resolve(self, *_: object, **__: object) -> RemotePath:
        return self

    def expanduser(self) -> RemotePath:
        return self

    def is_absolute(self) -> bool:
        return True

    def exists(self, *_: object, **__: object) -> bool:
        """Return whether it is a slide: nobody knows better without contacting the server."""
        return self.is_slide

    def is_file(self, *_: object, **__: object) -> bool:
        return self.is_slide

    def is_dir(self, *_: object, **__: object) -> bool:
        return False

    def open(self, mode: str = "r", *_: object, **__: object) -> BufferedReader:  # type: ignore[override]
        """Return the slide as a file, where its bytes are at hand. Raises OSError."""
        from viewer.slides.remote.ranged import open_ranged

        if self.ranges is None or mode != "rb":
            raise OSError(f"{self.name} lies on a server and is no file of this machine")
        return open_ranged(self.ranges)

    def with_folder(self, folder: RemoteFolder) -> RemotePath:
        """Return the same path with its objects at hand."""
        path = type(self)(*self.parts)
        path.folder, path.is_slide = folder, True
        return path

    def with_ranges(self, ranges: RangedBytes) -> RemotePath:
        """Return the same path with its bytes at hand."""
        path = type(self)(*self.parts)
        path.ranges, path.is_slide = ranges, True
        return path


def is_address(text: object) -> bool:
    """Return whether a text is the address of something on a server."""
    if isinstance(text, Path):
        return isinstance(text, RemotePath)
    return bool(_ADDRESS.match(str(text)))


def slide_path(text: str | Path) -> Path:
    """Return the path of a slide that a user, a list or a file names, on the disk or on a server.

    What an address holds beside the name of the slide is remembered until the program ends.
    """
    if isinstance(text, RemotePath) or not is_address(str(text)):
        return text if isinstance(text, Path) else Path(text)
    full = _ADDRESS.sub(lambda found: f"{found[1].casefold()}://", str(text).strip())
    plain = without_secrets(full)
    if full != plain:
        with _lock:
            _full[plain] = full
            _full.move_to_end(plain)
            while len(_full) > _MOST_KNOWN:
                _full.popitem(last=False)
    path = RemotePath(plain)
    path.is_slide = True
    return path


def is_zarr_address(path: Path) -> bool:
    """Return whether an address names an OME-Zarr: a folder whose name ends so, or one within."""
    return any(part.partition("?")[0].casefold().endswith(".zarr") for part in path.parts[2:])


def is_dicom_address(path: Path | str) -> bool:
    """Return whether an address names a series on a DICOMweb server."""
    return bool(_DICOM_SERIES.match(str(path)))


def address_problem(address: str) -> str:
    """Return why an address leads to no slide, one sentence; "" where it may."""
    plain = address.partition("?")[0]
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, or a port that cannot be
        has_host, parts = False, urlsplit("")
    if not has_host:
        return f"{plain} is no address: check its server and port."
    if not parts.path.strip("/") and not parts.query:
        return f"{plain} names a server or bucket, but no slide on it: add the path of the slide."
    return ""


def foreign_address_problem(path: Path) -> str:
    """Return what is wrong with an address of a kind that is not opened; "" for a plain path.

    Only its scheme is named: the rest may hold a password or signature.
    """
    found = _ANY_SCHEME.match(str(path))
    if found is None:
        return ""
    if (scheme := found[1].casefold()) in SCHEMES:
        return f"{scheme}:// names no server or bucket: add it, and the path of the slide."
    if scheme == "file":
        return "Give a slide on this machine as a path, without file://."
    known = ", ".join(f"{each}://" for each in SCHEMES)
    return f"Addresses of {scheme}:// are not opened: use one of {known}, or a copy of the slide."


def folder_beside(path: Path) -> Path:
    """Return where files for the user are offered to be saved: beside a slide, or at home."""
    return Path.home() if is_address(path) else path.parent


def full_address(path: Path) -> str:
    """Return the address as it was given, with whatever the server wants to see."""
    plain = str(path)
    with _lock:
        return _full.get(plain, plain)


def without_secrets(address: str) -> str:
    """Return an address that can be shown and kept: no user, no signature, no token.

    Of the question only parts that name a file stay, and no fragment.
    """
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return address.partition("?")[0].partition("#")[0]
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    named = [
        (name, value)
        for name, value in parse_qsl(parts.query)
        if name.casefold() in _NAMING and len(value) <= _MOST_NAMING_LETTERS
    ]
    path = re.sub("/+", "/", parts.path).rstrip("/")
    return urlunsplit((parts.scheme.casefold(), host + port, path, urlencode(named), ""))
