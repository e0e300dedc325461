"""Files as they are or packed, read in pieces; written plain, as .gz or as .zip."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Protocol, cast

from viewer.annotations.formats.problems import AnnotationFileError
from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write
from viewer.limits import (
    LINES_BYTES,
    UNPACKED_RATIO,
    FileTooLargeError,
    LimitError,
    open_regular,
)
from viewer.progress import tell_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from viewer.limits import Limit

_TORN = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError,
    RuntimeError,
)  # fmt: skip
_MARK_BYTES = 64
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)  # fmt: skip
_ZIP = b"PK\x03\x04"
_STREAMS: tuple[tuple[bytes, Callable[[_PackedFile], AbstractContextManager[_Readable]]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lambda file: lzma.LZMAFile(cast("IO[bytes]", file))),  # noqa: SIM115
)
"""The first bytes of what is packed as a whole, and what unpacks it."""
PACKINGS = (".gz", ".zip", ".bz2", ".xz")
_MOST_IDLE_BYTES = 2 << 20
_FEW_BYTES = 16 << 20
"""Unpacked, of which nobody asks how well they were packed."""
_PIECE_BYTES = 1 << 20
_QUICK = 6
"""Of gzip's levels; the next better one takes half as long again."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _PackedFile:
    """A packed file that is read only while something comes of it.

    A stream may go on with empty members, or what only tells of it, for as long as the file lasts.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._idle_bytes = 0
        self.tell = file.tell
        self.seek = file.seek
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises OSError where the last megabytes unpacked to nothing."""
        if self._idle_bytes > _MOST_IDLE_BYTES:
            raise OSError(f"{self._idle_bytes:,} bytes of it unpack to nothing")
        data = self._file.read(size)
        self._idle_bytes += len(data)
        return data

    def gave(self) -> None:
        """Note that something came of what was read."""
        self._idle_bytes = 0


class _Member:
    """A file in a .zip, opened as it is first read and let go of at its end: there may be many."""

    def __init__(self, archive: zipfile.ZipFile, about: zipfile.ZipInfo) -> None:
        self._open: Callable[[], IO[bytes]] | None = lambda: archive.open(about)
        self._file: IO[bytes] | None = None

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end. Raises what `zipfile` does."""
        if self._open is not None:
            self._file, self._open = self._open(), None
        data = self._file.read(size) if self._file is not None else b""
        if not data and self._file is not None:
            self._file.close()
            self._file = None
        return data


class PieceReader:
    """Gives a file piece by piece, text as UTF-8; a torn packing ends it early.

    Parameters
    ----------
    packed
        What `file` unpacks, where it does.
    stored_bytes
        How long the file is on the disk, to tell how far it is read; 0 tells nothing.
    place
        Returns how much of that was read, where `file` is a part of it.
    """

    def __init__(
        self,
        file: _Readable,
        name: str = "the text",
        packed: _PackedFile | None = None,
        stored_bytes: int = 0,
        place: Callable[[], int] | None = None,
    ) -> None:
        self._file = file
        self._place = packed.tell if place is None and packed is not None else place
        self._packed = packed
        self._stored_bytes = stored_bytes
        self._begin: bytes | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._name = name
        self._unpacked_bytes = 0
        self.trouble = ""

    def __call__(self, size: int) -> bytes:
        """Return at most so many bytes, none at the end or where nothing more can be unpacked.

        Raises
        ------
        AnnotationFileError
            It unpacks to more than any file of annotations does.
        """
        if self._begin is None:
            self._begin = self._read(_MARK_BYTES)
            encoding = encoding_of(self._begin)
            if encoding is not None:
                self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        if self._decoder is None:
            piece, self._begin = self._begin[:size], self._begin[size:]
            return piece if len(piece) == size else piece + self._read(size - len(piece))
        # A character of UTF-16 takes up to three bytes of UTF-8, where it took two.
        while True:
            data = self._begin or self._read(max(2, size // 2))
            self._begin = b""
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                self._begin = b""
                return text.removeprefix("\ufeff").encode("utf-8", "replace")

    def _read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except _TORN as error:
            self.trouble = str(error) or "it is torn"
            return b""
        self._unpacked_bytes += len(data)
        if self._packed is not None and data:
            self._packed.gave()
        if self._stored_bytes:
            read_bytes = self._unpacked_bytes if self._place is None else self._place()
            tell_progress(read_bytes / self._stored_bytes)
        if self._packed is not None and self._unpacked_bytes > _FEW_BYTES:
            _check_ratio(self._unpacked_bytes, self._packed.tell(), self._name)
        return data


def encoding_of(begin: bytes) -> str | None:
    """Return the encoding of a text by its first bytes; None for UTF-8 and what is no text."""
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            return encoding
    # Without a mark: every other byte of plain text is zero.
    if len(begin) >= 4 and begin[0] and not begin[1] and begin[2] and not begin[3]:
        return "utf-16-le"
    if len(begin) >= 4 and not begin[0] and begin[1] and not begin[2] and begin[3]:
        return "utf-16-be"
    return None


@contextmanager
def unpacked(path: Path, suffix: str | tuple[str, ...]) -> Generator[list[PieceReader]]:
    """Give the content of a file; that of a .zip is each file in it of this suffix.

    Raises
    ------
    AnnotationFileError
        It cannot be opened, or has no content.
    """
    with ExitStack() as stack:
        try:
            readers = _opened(path, suffix, stack)
        except _TORN as error:
            reason = reason_of(error)
            raise AnnotationFileError(f"{path.name} cannot be read ({reason}).") from error
        yield readers


def unpacked_bytes(path: Path, suffix: str | tuple[str, ...], limit: Limit) -> bytes:
    """Return the whole content of a file, packed or not, text as UTF-8.

    Raises
    ------
    AnnotationFileError
        It cannot be opened, has no content, or is larger than the limit.
    """
    data = bytearray()
    with unpacked(path, suffix) as readers:
        while piece := readers[0](_PIECE_BYTES):
            data += piece
            if len(data) > limit.most:
                raise AnnotationFileError(limit.sentence(path.name, len(data)))
    return bytes(data)


def _opened(path: Path, suffix: str | tuple[str, ...], stack: ExitStack) -> list[PieceReader]:
    try:
        stored = stack.enter_context(open_regular(path, LINES_BYTES))
    except FileTooLargeError as error:
        raise AnnotationFileError(reason_of(error)) from error
    stored_bytes = os.fstat(stored.fileno()).st_size
    if not stored_bytes:
        raise AnnotationFileError(f"{path.name} is empty.")
    begin = stored.read(_MARK_BYTES)
    stored.seek(0)
    for magic, unpack in _STREAMS:
        if begin.startswith(magic):
            packed_file = _PackedFile(stored)
            file = stack.enter_context(unpack(packed_file))
            return [PieceReader(file, path.name, packed_file, stored_bytes)]
    if not begin.startswith(_ZIP) and path.suffix.lower() != ".zip":
        return [PieceReader(stored, path.name, stored_bytes=stored_bytes)]
    archive = stack.enter_context(zipfile.ZipFile(stored))
    members = [
        about
        for about in archive.infolist()
        if about.filename.lower().endswith(suffix) and not about.filename.startswith("__MACOSX/")
    ]
    if not members:
        raise AnnotationFileError(f"{path.name} holds no file of annotations.")
    for about in members:
        if about.file_size > _FEW_BYTES:
            _check_ratio(about.file_size, about.compress_size, path.name)
    archive.open(members[0]).close()  # what is encrypted is so as a whole
    return [
        PieceReader(_Member(archive, about), path.name, None, stored_bytes, stored.tell)
        for about in members
    ]


def inner_names(path: Path) -> list[str]:
    """Return the names of the files in a .zip; none where it is no .zip that can be read."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
    except (OSError, zipfile.BadZipFile):
        return []


def _check_ratio(unpacked_bytes: int, packed_bytes: int, name: str) -> None:
    try:
        UNPACKED_RATIO.check(unpacked_bytes / max(packed_bytes, 1), name)
    except LimitError as error:
        raise AnnotationFileError(str(error)) from error


@contextmanager
def packed(path: Path, suffix: str) -> Generator[IO[bytes]]:
    """Open a file to write, packed as its name says; one that was there stays when this fails.

    Raises
    ------
    OSError
        It cannot be written.
    """
    with atomic_write(path) as file, ExitStack() as stack:
        match path.suffix.lower():
            case ".gz":
                zipped = gzip.GzipFile("", "wb", _QUICK, file)
                yield cast("IO[bytes]", stack.enter_context(zipped))
            case ".zip":
                archive = stack.enter_context(
                    zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_QUICK)
                )
                inner = path.stem if path.stem.lower().endswith(suffix) else f"{path.stem}{suffix}"
                yield stack.enter_context(archive.open(inner, "w", force_zip64=True))
            case _:
                yield file
