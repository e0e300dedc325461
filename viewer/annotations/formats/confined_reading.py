"""Annotations of a foreign file that a confined process reads: how they are sent, and come.

What the file says that cannot be used comes with them, as it does where a file is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.storage.packing import packed, unpacked_all
from viewer.limits import TABLE_BYTES, open_regular
from viewer.processes.channel import inherited_channel
from viewer.processes.file_process import file_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.limits import Limit

_AT_ONCE = 2000


class ReadBatch(msgspec.Struct, frozen=True, tag=True):
    """Some annotations, as `storage.packing` has them; the last batch says so."""

    annotations: list[bytes]
    problems: list[Problem]
    is_last: bool = False


class NotReadable(msgspec.Struct, frozen=True, tag=True):
    """Says in one sentence why nothing is read."""

    sentence: str


_answers = msgspec.msgpack.Decoder(ReadBatch | NotReadable)
_nothing = msgspec.msgpack.Decoder(NotReadable)


def read_confined(
    main: str,
    path: Path,
    problems: list[Problem],
    more: Sequence[str] = (),
    readable_paths: Sequence[str] = (),
    limit: Limit | None = None,
) -> Iterator[Annotation]:
    """Read a file in a process of its own that is given it open, and `readable_paths`.

    Parameters
    ----------
    main
        The module that is started, with the file's name, `more`, and the numbers of the open file
        and of the channel.
    limit
        Of the file's bytes.

    Raises
    ------
    AnnotationFileError
        It cannot be read.
    """
    try:
        file = open_regular(path, limit)
    except OSError as error:
        raise AnnotationFileError(f"{path.name} cannot be read ({error.strerror}).") from error
    with (
        file,
        file_process(
            main, file, path.name, _answers, AnnotationFileError, more, readable_paths
        ) as next_answer,
    ):
        while True:
            answer = next_answer()
            if isinstance(answer, NotReadable):
                raise AnnotationFileError(answer.sentence)
            problems += answer.problems
            found = [each for each in unpacked_all(answer.annotations) if each is not None]
            if len(found) < len(answer.annotations):
                raise AnnotationFileError(
                    f"{path.name} cannot be read: the process that reads it gave no annotations."
                )
            yield from found
            if answer.is_last:
                return


class Sender:
    """Sends annotations as they are found, in the process that reads."""

    def __init__(self, descriptor: int) -> None:
        self._channel = inherited_channel(descriptor, _nothing)
        self.problems: list[Problem] = []
        self._found: list[bytes] = []

    def send_all(self, name: str, read: Callable[[], Iterator[Annotation]]) -> None:
        """Send what is read of the file of this name, or why it cannot be."""
        try:
            for annotation in read():
                self._found.append(packed(annotation))
                if len(self._found) >= _AT_ONCE:
                    self.flush()
            self.flush(is_last=True)
        except AnnotationFileError as error:
            self._channel.send(NotReadable(str(error)))
        except MemoryError:
            self._channel.send(NotReadable(TABLE_BYTES.sentence(name)))
        except Exception:  # of whatever the libraries make of a foreign file
            self._channel.send(
                NotReadable(
                    f"{name} cannot be read: the file is damaged, cut short or of another kind."
                )
            )

    def flush(self, *, is_last: bool = False) -> None:
        """Send what was found since, though it be nothing: so it is seen that it goes on."""
        self._channel.send(ReadBatch(self._found, self.problems, is_last))
        self._found.clear()
        self.problems.clear()
