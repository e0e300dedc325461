"""The lines of the protocol on standard input and output: bounded and checked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, TypeVar

import anyio
from mcp import types

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

T = TypeVar("T")

MOST_LINE_BYTES = 32 << 20
_PARSE_ERROR, _INVALID_REQUEST = -32700, -32600
_READ_BYTES = 1 << 16
_PAUSE_S = 0.01
_LONG = b"\0"
_TOO_LONG = f"A line is longer than {MOST_LINE_BYTES >> 20} MiB and was passed over."
_NO_JSON = "A line is no JSON and was passed over."
_NO_MESSAGE = "A line is no message of JSON-RPC 2.0 and was passed over."


class ProtocolLines:
    """Both streams of this process, for the server alone; what else is printed goes to stderr.

    It is given to `mcp.server.stdio.stdio_server` as both of its files. A line that is no message
    is answered with an error that belongs to no request, and passed over.
    """

    def __init__(self) -> None:
        # Plain descriptors: a thread that waits at one holds no lock that the end has to wait for.
        self._incoming, self._outgoing = os.dup(0), os.dup(1)
        self._early = bytearray()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = anyio.Lock()
        self._is_gone = False

    async def __aiter__(self) -> AsyncIterator[str]:
        while not self._is_gone:
            while self._lock.locked():
                # Who does not read the answers is not read either, so that nothing piles up.
                await anyio.sleep(_PAUSE_S)
            line = await _in_thread(self._read_line)
            if line is None:
                return
            code, problem = _checked(line)
            if not problem:
                yield line.decode(errors="replace")
            elif line.strip():
                await self.write(_error(code, problem))

    async def write(self, text: str) -> None:
        """Write a line whole."""
        data = text.encode(errors="replace")
        async with self._lock:
            await _in_thread(lambda: self._write(data))

    async def flush(self) -> None:
        """Do nothing: each line is flushed."""

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._outgoing, data) :]
        except OSError:  # nobody reads any more
            self._is_gone = True

    def _read_line(self) -> bytes | None:
        """Return the next line, `_LONG` for one that is too long, None at the end.

        What stands behind the last line feed is half a line, and no message.
        """
        is_long = False
        begin = 0
        while (end := self._early.find(b"\n", begin)) < 0:
            begin = len(self._early)
            if begin > MOST_LINE_BYTES:
                is_long, begin = True, 0
                self._early.clear()
            try:
                part = os.read(self._incoming, _READ_BYTES)
            except OSError:
                part = b""
            if not part:
                return None
            self._early += part
        line = bytes(self._early[: end + 1])
        del self._early[: end + 1]
        return _LONG if is_long or len(line) > MOST_LINE_BYTES else line


async def _in_thread(work: Callable[[], T]) -> T:
    """Return what `work` gives, in a thread that does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        result = work()
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(result))

    threading.Thread(target=run, name="protocol", daemon=True).start()
    return await future


def _checked(line: bytes) -> tuple[int, str]:
    """Return the code and the sentence of what is wrong with a line; "" where it is a message."""
    if line == _LONG:
        return _INVALID_REQUEST, _TOO_LONG
    try:
        types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError as error:
        first = error.errors()[0]["type"] if hasattr(error, "errors") else ""  # pyright: ignore
        return (_PARSE_ERROR, _NO_JSON) if first == "json_invalid" else (
            _INVALID_REQUEST, _NO_MESSAGE
        )  # fmt: skip
    return 0, ""


def _error(code: int, sentence: str) -> str:
    error = f'{{"code":{code},"message":"{sentence}"}}'
    return f'{{"jsonrpc":"2.0","id":null,"error":{error}}}\n'
