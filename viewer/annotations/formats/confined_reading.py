"""Annotations of a foreign file that a confined process reads: how they are sent, and come.

What the file says that cannot be used comes with them, as it does where a file is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import shapely

from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.kept_geometry import geometries_of
from viewer.annotations.storage.packing import packed, unpacked_all
from viewer.errors import reason_of
from viewer.limits import FileTooLargeError, LimitError, open_regular, unreadable
from viewer.prepared_types import prepared
from viewer.processes.channel import inherited_channel
from viewer.processes.file_process import file_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.limits import Limit

_AT_ONCE, _BYTES_AT_ONCE = 2000, 64 << 20
_PROBLEM_BYTES = 200
"""What a problem takes in memory beside its reason."""


class ReadBatch(msgspec.Struct, frozen=True, tag=True):
    """Some annotations, as `storage.packing` has them; the last batch says so."""

    annotations: Annotated[list[bytes], msgspec.Meta(max_length=_AT_ONCE)]
    problems: Annotated[list[Problem], msgspec.Meta(max_length=_AT_ONCE)]
    is_last: bool = False


class NotReadable(msgspec.Struct, frozen=True, tag=True):
    """Says in one sentence why nothing is read."""

    sentence: str


_answers = msgspec.msgpack.Decoder(prepared(ReadBatch | NotReadable))
_nothing = msgspec.msgpack.Decoder(prepared(NotReadable))


def read_confined(
    main: str,
    path: Path,
    problems: list[Problem],
    memory: Limit,
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
    memory
        Of the bytes that it holds, and of those that it answers in all.
    limit
        Of the file's bytes.

    Raises
    ------
    AnnotationFileError
        It cannot be read.
    """
    name = path.name
    try:
        file = open_regular(path, limit)
    except FileTooLargeError as error:
        raise AnnotationFileError(reason_of(error)) from error
    except OSError as error:
        raise AnnotationFileError(f"{name} cannot be read ({reason_of(error)}).") from error
    answered_bytes = 0
    with (
        file,
        file_process(
            main, file, name, _answers, AnnotationFileError, memory, more, readable_paths
        ) as next_answer,
    ):
        while True:
            answer = next_answer()
            if isinstance(answer, NotReadable):
                raise AnnotationFileError(answer.sentence)
            answered_bytes += sum(map(len, answer.annotations))
            answered_bytes += sum(len(each.reason) + _PROBLEM_BYTES for each in answer.problems)
            if answered_bytes > memory.most:
                raise AnnotationFileError(memory.sentence(name))
            problems += answer.problems
            yield from _annotations(answer.annotations, name)
            if answer.is_last:
                return


def _annotations(raw: list[bytes], name: str) -> list[Annotation]:
    """Return what a process sent, which a foreign file may have taken over."""
    found = [each for each in unpacked_all(raw) if each is not None]
    if (
        len(found) < len(raw)
        or not np.isfinite(shapely.get_coordinates(geometries_of(found))).all()
    ):
        raise AnnotationFileError(
            f"{name} cannot be read: the process that reads it gave no annotations."
        )
    return found


class Sender:
    """Sends annotations as they are found, in the process that reads.

    Parameters
    ----------
    descriptor
        Of the channel.
    memory
        What is said where there is none left.
    """

    def __init__(self, descriptor: int, memory: Limit) -> None:
        self._channel = inherited_channel(descriptor, _nothing)
        self.problems: list[Problem] = []
        self._memory = memory
        self._found: list[bytes] = []
        self._found_bytes = 0

    def send_all(self, name: str, read: Callable[[], Iterator[Annotation]]) -> None:
        """Send what is read of the file of this name, or why it cannot be."""
        try:
            for annotation in read():
                self._found.append(packed(annotation))
                self._found_bytes += len(self._found[-1])
                if len(self._found) >= _AT_ONCE or self._found_bytes >= _BYTES_AT_ONCE:
                    self.flush()
            self.flush(is_last=True)
        except (AnnotationFileError, LimitError) as error:
            self._channel.send(NotReadable(str(error)))
        except MemoryError:
            self._channel.send(NotReadable(self._memory.sentence(name)))
        except Exception:  # of whatever the libraries make of a foreign file
            self._channel.send(NotReadable(unreadable(name)))

    def flush(self, *, is_last: bool = False) -> None:
        """Send what was found since, though it be nothing: so it is seen that it goes on."""
        while len(self.problems) > _AT_ONCE:
            self._channel.send(ReadBatch([], self.problems[:_AT_ONCE]))
            del self.problems[:_AT_ONCE]
        self._channel.send(ReadBatch(self._found, self.problems, is_last))
        self._found.clear()
        self._found_bytes = 0
        self.problems.clear()
