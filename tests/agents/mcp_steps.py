"""Starts `coverslip mcp` and clients of it: the package's own, and one that misbehaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any

import forked_programs
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

APP = Path(__file__).resolve().parents[2] / "app.py"
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "rogue", "version": "1"},
}


_ALONG = ("viewer.agents.clients.mcp_server", "mcp.server.stdio", "uvicorn")


@asynccontextmanager
async def stdio_session(*arguments: object) -> AsyncIterator[ClientSession]:
    """The package's own client, which starts the server and speaks through its streams."""
    server = StdioServerParameters(
        command=sys.executable,
        args=[str(APP), "mcp", *map(str, arguments)],
        env=dict(os.environ),
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def http_session(address: str, token: str) -> AsyncIterator[ClientSession]:
    """The package's own client on a server that runs."""
    import httpx2

    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers) as client,
        streamable_http_client(address, http_client=client) as streams,
        ClientSession(*streams[:2]) as session,
    ):
        await session.initialize()
        yield session


@contextmanager
def http_server(*arguments: object) -> Iterator[tuple[str, str]]:
    """The address and the token of a server; it is ended as a user ends it."""
    process = forked_programs.Popen(
        [sys.executable, str(APP), "mcp", "--http", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        along=_ALONG,
    )
    try:
        assert process.stderr is not None
        address = process.stderr.readline().removeprefix("Address: ").strip()
        token = process.stderr.readline().removeprefix("Token: ").strip()
        yield address, token
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == ""


class RogueClient:
    """Writes any bytes to a server's input and reads its lines."""

    def __init__(self, *arguments: object) -> None:
        self.process = forked_programs.Popen(
            [sys.executable, str(APP), "mcp", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            along=_ALONG,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin: IO[bytes] = self.process.stdin
        self.stdout: IO[bytes] = self.process.stdout

    def send(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def ask(self, number: object, method: str, **parameters: object) -> None:
        """Send a request."""
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        self.send(json.dumps(message).encode() + b"\n")

    def call(self, number: object, tool: str, **arguments: object) -> None:
        """Call a tool."""
        self.ask(number, "tools/call", name=tool, arguments=arguments)

    def answer(self) -> dict[str, Any]:
        """Return the next line, which is a message of the protocol and nothing else."""
        message = json.loads(self.stdout.readline())
        assert message["jsonrpc"] == "2.0"
        return message

    def leave(self) -> int:
        """Go without a word; return the server's exit code."""
        self.stdin.close()
        code = self.process.wait(60)
        self.stdout.close()
        return code


def text_of(result: Any) -> str:
    """The text of a result of the package's client."""
    return next(part.text for part in result.content if part.type == "text")
