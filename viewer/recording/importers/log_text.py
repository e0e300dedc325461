"""The text of a log, read from its file as often as it is asked for and never held as a whole."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING

from viewer.annotations.formats.packed_files import unpacked
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.limits import LOG_BYTES, LOG_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PIECE_BYTES = 1 << 20


class LogText:
    """A log in UTF-8 or UTF-16, packed or not, with the line ends of any system.

    Bytes that are none of it are replaced, since only ASCII is looked for.

    Attributes
    ----------
    head
        Its beginning, some lines or all of it.

    Raises
    ------
    OSError
        The file cannot be read.
    AnnotationFileError
        It is empty or cannot be unpacked, or larger than a log may be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.head = next(self._pieces(), "")

    def lines(self) -> Iterator[str]:
        """Yield what `split` gives of the text, line by line.

        Raises as the class, and AnnotationFileError where a line is longer than any of a log.
        """
        rest = ""
        for piece in self._pieces():
            first, *others = piece.split("\n")
            rest += first
            if len(rest) > LOG_LINE_BYTES.most:
                sentence = LOG_LINE_BYTES.sentence(self._path.name, len(rest))
                raise AnnotationFileError(f"This is no log: {sentence}.")
            if others:
                yield rest
                yield from others[:-1]
                rest = others[-1]
        yield rest

    def whole(self) -> str:
        """Return all of it, for logs that are looked through as a whole. Raises as the class."""
        return "".join(self._pieces())

    def _pieces(self) -> Iterator[str]:
        decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True
        )
        taken = 0
        with unpacked(self._path, "") as readers:
            while piece := readers[0](_PIECE_BYTES):
                taken += len(piece)
                if taken > LOG_BYTES.most:
                    raise AnnotationFileError(LOG_BYTES.sentence(self._path.name, taken))
                yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
