"""A server of the chat completions protocol for tests: real HTTP on this machine, scripted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Say:
    """An answer: text, calls of tools as (name, arguments), or both.

    Attributes
    ----------
    pause_s
        Before each piece of a stream.
    cut_after
        Pieces of a stream after which the connection is cut.
    """

    text: str = ""
    calls: tuple[tuple[str, object], ...] = ()
    tokens: tuple[int, int] | None = (100, 10)
    finish: str | None = None
    pause_s: float = 0.0
    cut_after: int | None = None


@dataclass(frozen=True)
class Message:
    """A message as some server writes it, whole or as the deltas of a stream.

    Attributes
    ----------
    deltas
        Of a stream; by default the message as one.
    """

    message: dict[str, Any]
    deltas: tuple[dict[str, Any], ...] = ()
    finish: str | None = "stop"
    tokens: tuple[int, int] | None = (100, 10)


@dataclass(frozen=True)
class Fail:
    """An error of HTTP; `body` takes the place of the usual one."""

    status: int
    message: str = "no"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True)
class Stall:
    """Says nothing for so long."""

    seconds: float


@dataclass(frozen=True)
class Raw:
    """A body as it is, with status 200."""

    body: str | bytes
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Endless:
    """Says `begin`, and then `piece` until the connection is cut."""

    piece: bytes
    status: int = 200
    kind: str = "application/json"
    begin: bytes = b""
    pause_s: float = 0.0


Answer = Say | Message | Fail | Stall | Raw | Endless
Script = Sequence[Answer] | Callable[[dict[str, Any]], Answer]


class ModelServer:
    """Answers by a script, and keeps what it was asked.

    Attributes
    ----------
    requests
        The bodies, in the order in which they came.
    keys
        What stood in the header Authorization.
    """

    def __init__(self, script: Script) -> None:
        self.script = script if callable(script) else list(script)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.headers: list[dict[str, str]] = []
        self.times_s: list[float] = []
        self._lock = threading.Lock()
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def next_answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        with self._lock:
            self.requests.append(body)
            self.keys.append(headers.get("authorization"))
            self.headers.append(headers)
            self.times_s.append(time.monotonic())
            if callable(self.script):
                return self.script(body)
            return self.script.pop(0) if self.script else Fail(400, "the script is over")

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def model_server(script: Script) -> Iterator[ModelServer]:
    server = ModelServer(script)
    try:
        yield server
    finally:
        server.close()


def texts_of(body: dict[str, Any], role: str | None = None) -> str:
    """All text of a request, or that of one role."""
    found: list[str] = []
    for message in body["messages"]:
        if role in (None, message["role"]):
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            found += [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(found)


def pictures_of(body: dict[str, Any]) -> list[str]:
    """The data URLs of a request."""
    return [
        part["image_url"]["url"]
        for message in body["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]


class _Handler(BaseHTTPRequestHandler):
    server_of: ModelServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        answer = self.server_of.next_answer(body, {k.lower(): v for k, v in self.headers.items()})
        try:
            match answer:
                case Fail():
                    told = json.dumps({"error": {"message": answer.message, "type": "test"}})
                    body = told if answer.body is None else answer.body
                    self._send(answer.status, body, "application/json", answer.headers)
                case Stall():
                    self.server_of.closing.wait(answer.seconds)
                    self.close_connection = True
                case Raw():
                    self._send(200, answer.body, answer.kind, answer.headers)
                case Endless():
                    self._send_on(answer)
                case Say() | Message() if body.get("stream"):
                    self._stream(answer)
                case Say():
                    self._whole(answer)
                case Message():
                    choice = {"index": 0, "message": answer.message} | _end(answer)
                    told = {"id": "a", "choices": [choice], "usage": _usage(answer)}
                    self._send(200, json.dumps(told), "application/json", {})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _send(self, status: int, body: str | bytes, kind: str, headers: dict[str, str]) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _send_on(self, endless: Endless) -> None:
        self.send_response(endless.status)
        self.send_header("Content-Type", endless.kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(endless.begin)
        while not self.server_of.closing.wait(endless.pause_s):
            self.wfile.write(endless.piece)

    def _whole(self, say: Say) -> None:
        self.server_of.closing.wait(say.pause_s)
        message: dict[str, Any] = {"role": "assistant", "content": say.text or None}
        if say.calls:
            message["tool_calls"] = _calls(say)
        choice = {"index": 0, "message": message, "finish_reason": _finish(say)}
        told = {"id": "a", "object": "chat.completion", "choices": [choice], "usage": _usage(say)}
        self._send(200, json.dumps(told), "application/json", {})

    def _stream(self, say: Say | Message) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if isinstance(say, Message):
            for piece in _deltas(say):
                self.wfile.write(f"data: {piece}\n\n".encode())
            return
        for count, piece in enumerate(_pieces(say)):
            if count == say.cut_after:
                return
            self.server_of.closing.wait(say.pause_s)
            self.wfile.write(f"data: {piece}\n\n".encode())
            self.wfile.flush()


def _deltas(say: Message) -> Iterator[str]:
    for delta in say.deltas or (say.message,):
        yield json.dumps({"id": "a", "choices": [{"index": 0, "delta": delta}]})
    yield json.dumps({"id": "a", "choices": [{"index": 0, "delta": {}} | _end(say)]})
    if say.tokens:
        yield json.dumps({"id": "a", "choices": [], "usage": _usage(say)})
    yield "[DONE]"


def _end(say: Message) -> dict[str, Any]:
    return {} if say.finish is None else {"finish_reason": say.finish}


def _pieces(say: Say) -> Iterator[str]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return json.dumps({"id": "a", "object": "chat.completion.chunk", "choices": [choice]})

    words = say.text.split(" ")
    for index, word in enumerate(words if say.text else []):
        yield chunk({"content": word if index == 0 else f" {word}"})
    for call in _calls(say):
        arguments = call["function"]["arguments"]
        middle = len(arguments) // 2
        first = {**call, "function": {**call["function"], "arguments": arguments[:middle]}}
        yield chunk({"tool_calls": [first]})
        rest = {"index": call["index"], "function": {"arguments": arguments[middle:]}}
        yield chunk({"tool_calls": [rest]})
    yield chunk({}, _finish(say))
    if say.tokens:
        yield json.dumps({"id": "a", "choices": [], "usage": _usage(say)})
    yield "[DONE]"


def _calls(say: Say) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call-{index}",
            "index": index,
            "type": "function",
            "function": {
                "name": name,
                "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
            },
        }
        for index, (name, arguments) in enumerate(say.calls)
    ]


def _finish(say: Say) -> str:
    return say.finish or ("tool_calls" if say.calls else "stop")


def _usage(say: Say | Message) -> dict[str, int] | None:
    if say.tokens is None:
        return None
    return {"prompt_tokens": say.tokens[0], "completion_tokens": say.tokens[1]}
