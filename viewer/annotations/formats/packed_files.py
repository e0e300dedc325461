"""Files as they are, or packed as .gz or .zip; read in pieces and written whole or not at all."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, cast

from viewer.annotations.formats.problems import AnnotationFileError
from viewer.atomic_write import atomic_write

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_TORN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
_QUICK = 6
"""Of gzip's levels; the next better one takes half as long again."""


class PieceReader:
    """Gives a file piece by piece; a torn packing ends it early."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.trouble = ""

    def __call__(self, size: int) -> bytes:
        """At most so many bytes, none at the end or where nothing more can be unpacked."""
        try:
            return self._file.read(size)
        except _TORN as error:
            self.trouble = str(error) or type(error).__name__
            return b""


@contextmanager
def unpacked(path: Path, suffix: str) -> Generator[list[PieceReader]]:
    """The content of a file; that of a .zip is each file in it of this suffix.

    Raises
    ------
    AnnotationFileError
        It cannot be opened, or has no content.
    """
    with ExitStack() as stack:
        try:
            files = _opened(path, suffix, stack)
        except _TORN as error:
            raise AnnotationFileError(f"{path.name} cannot be read ({error}).") from error
        yield [PieceReader(file) for file in files]


def _opened(path: Path, suffix: str, stack: ExitStack) -> list[IO[bytes]]:
    if not path.stat().st_size:
        raise AnnotationFileError(f"{path.name} is empty.")
    match path.suffix.lower():
        case ".gz":
            return [cast("IO[bytes]", stack.enter_context(gzip.open(path)))]
        case ".zip":
            archive = stack.enter_context(zipfile.ZipFile(path))
            names = [
                name
                for name in archive.namelist()
                if name.lower().endswith(suffix) and not name.startswith("__MACOSX/")
            ]
            if not names:
                raise AnnotationFileError(f"{path.name} holds no file that ends in {suffix}.")
            return [stack.enter_context(archive.open(name)) for name in names]
        case _:
            return [stack.enter_context(path.open("rb"))]


@contextmanager
def packed(path: Path, suffix: str) -> Generator[IO[bytes]]:
    """A file to write to, packed as its name says; one that was there stays when this fails.

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
