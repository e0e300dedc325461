"""The lines of the protocol on standard input and output: bounded and checked."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

import anyio
import anyio.to_thread
from mcp import types

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST_LINE_BYTES = 32 << 20
_PARSE_ERROR, _INVALID_REQUEST = -32700, -32600
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
        self._incoming: IO[bytes] = os.fdopen(os.dup(0), "rb")
        self._outgoing: IO[bytes] = os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = anyio.Lock()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            line = await anyio.to_thread.run_sync(self._read_line, abandon_on_cancel=True)
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
            await anyio.to_thread.run_sync(self._write, data)

    async def flush(self) -> None:
        """Do nothing: each line is flushed."""

    def _write(self, data: bytes) -> None:
        self._outgoing.write(data)
        self._outgoing.flush()

    def _read_line(self) -> bytes | None:
        """Return the next line, `_LONG` for one that is too long, None at the end.

        What stands behind the last line feed is half a line, and no message.
        """
        line = self._incoming.readline(MOST_LINE_BYTES)
        if line.endswith(b"\n"):
            return line
        if len(line) < MOST_LINE_BYTES:
            return None
        while line and not line.endswith(b"\n"):
            line = self._incoming.readline(1 << 20)
        return _LONG


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
