"""The body of an answer as it comes: whole, or as server-sent events; bounded in length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.agents.chat.response_parsing import DamagedAnswerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_MOST_ANSWER_BYTES = 32 * 2**20


async def whole_body(pieces: AsyncIterator[bytes]) -> bytes:
    """Return all of an answer. Raises DamagedAnswerError where it is far too long."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > _MOST_ANSWER_BYTES:
            raise DamagedAnswerError("it is far too long")
    return bytes(body)


def is_event_stream(body: bytes) -> bool:
    """Return whether a body is a stream that is not called one."""
    return body.lstrip().startswith((b"data:", b"event:", b"id:", b": ", b":\n"))


class EventReader:
    """Parts a stream into the data of its events, up to its end mark."""

    def __init__(self) -> None:
        self.is_ended = False
        self._taken = 0
        self._line = bytearray()
        self._data: list[bytes] = []

    def read(self, piece: bytes) -> Iterator[bytes]:
        """Yield the events that are whole with this piece. Raises DamagedAnswerError."""
        self._taken += len(piece)
        if self._taken > _MOST_ANSWER_BYTES:
            raise DamagedAnswerError("it is far too long")
        self._line += piece
        if b"\n" not in piece:
            return  # a line of megabytes is looked through once, not with each of its pieces
        *whole, last = bytes(self._line).replace(b"\r\n", b"\n").split(b"\n")
        self._line = bytearray(last)
        for line in whole:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line.strip():
                yield from self._event()

    def end(self) -> Iterator[bytes]:
        """Yield the event that no empty line ended."""
        if self._line.startswith(b"data:"):
            self._data.append(bytes(self._line[5:]).strip())
            self._line.clear()
        yield from self._event()

    def _event(self) -> Iterator[bytes]:
        event, self._data = b"\n".join(self._data), []
        if event == b"[DONE]":
            self.is_ended = True
        elif event and not self.is_ended:
            yield event
