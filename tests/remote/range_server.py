"""A web server of the tests: it gives ranges of files, and what goes wrong with real ones."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote, urlsplit

import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from socket import socket


@dataclass
class Asked:
    """One request: what was asked for, when it began and ended, and the bytes that were sent."""

    path: str
    query: str
    headers: dict[str, str]
    began_s: float
    ended_s: float = 0.0
    sent_bytes: int = 0


@dataclass
class Faults:
    """What the server does wrong.

    Attributes
    ----------
    delay_s
        How long each request takes, as on a line of that latency.
    rest_s
        How long nothing more must have been asked for before it answers: what is asked for at once
        is under way at once, however long a busy machine takes to ask for it.
    refuse
        A status that it answers with instead of the file, for the next `refuse_times` requests.
    """

    delay_s: float = 0.0
    rest_s: float = 0.0
    refuse: int = 0
    refuse_times: int = 1 << 30
    has_ranges: bool = True
    has_length: bool = True
    shift_bytes: int = 0
    """How far behind the place that was asked for the bytes lie that it gives, and says so."""
    cut_times: int = 0
    redirect: str = ""
    has_etag: bool = True
    hang: threading.Event | None = None


@dataclass
class RangeServer:
    """Serves the files of a folder on loopback; `log` has all requests.

    With `behind`, the address of another server, it hands requests on to that.
    """

    folder: Path
    faults: Faults = field(default_factory=Faults)
    log: list[Asked] = field(default_factory=list)
    port: int = 0
    behind: str = ""
    asked_s: float = 0.0
    """When it was asked last."""

    def start(self) -> RangeServer:
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End the server as a crash does: open connections break off too."""
        self._http.shutdown()
        self._http.server_close()
        for each in list(_Handler.connections.get(self.port, ())):
            try:
                each.shutdown(2)
            except OSError:
                continue

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def sent_bytes(self) -> int:
        return sum(each.sent_bytes for each in self.log)

    def longest_chain(self) -> int:
        """Return how many requests came one after the other, each when the one before had ended."""
        chain, until_s = 0, 0.0
        for each in sorted(self.log, key=lambda asked: asked.ended_s):
            if each.began_s >= until_s:
                chain, until_s = chain + 1, each.ended_s
        return chain

    def most_at_once(self) -> int:
        """Return how many requests were under way at the same moment."""
        edges = [(each.began_s, 1) for each in self.log]
        edges += [(each.ended_s, -1) for each in self.log]
        most = now = 0
        for _, step in sorted(edges):
            now += step
            most = max(most, now)
        return most


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: RangeServer
    connections: ClassVar[dict[int, set[socket]]] = {}

    def setup(self) -> None:
        super().setup()
        self.connections.setdefault(self.owner.port, set()).add(self.request)

    def finish(self) -> None:
        self.connections.get(self.owner.port, set()).discard(self.request)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002 - as its base has it
        return

    def do_HEAD(self) -> None:
        self._serve(has_body=False)

    def do_GET(self) -> None:
        self._serve(has_body=True)

    def do_PUT(self) -> None:
        self._serve(has_body=True)

    def do_POST(self) -> None:
        self._serve(has_body=True)

    def do_DELETE(self) -> None:
        self._serve(has_body=True)

    def _serve(self, *, has_body: bool) -> None:
        parts = urlsplit(self.path)
        asked = Asked(parts.path, parts.query, dict(self.headers), time.monotonic())
        self.owner.log.append(asked)
        self.owner.asked_s = asked.began_s
        try:
            for piece in self._answer(unquote(parts.path), has_body=has_body):
                self.wfile.write(piece)
                asked.sent_bytes += len(piece)
        except OSError:
            self.close_connection = True
        finally:
            asked.ended_s = time.monotonic()

    def _answer(self, path: str, *, has_body: bool) -> Iterator[bytes]:
        faults = self.owner.faults
        if faults.hang is not None:
            faults.hang.wait(30)
        if faults.delay_s:
            time.sleep(faults.delay_s)
        while (left_s := self.owner.asked_s + faults.rest_s - time.monotonic()) > 0:
            time.sleep(left_s)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if faults.refuse and faults.refuse_times > 0:
            faults.refuse_times -= 1
            self._head(faults.refuse, {})
            return
        if self.owner.behind:
            yield self._handed_on(body)
            return
        file = self.owner.folder / path.lstrip("/")
        if faults.redirect and not path.startswith("/moved/"):
            self._head(302, {"Location": faults.redirect})
            return
        if not file.is_file():
            self._head(404, {})
            return
        size = file.stat().st_size
        headers = {"Accept-Ranges": "bytes"}
        if faults.has_etag:
            headers["ETag"] = f'"{file.stat().st_mtime_ns:x}-{size:x}"'
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and faults.has_ranges:
            first = int(wanted[1]) + faults.shift_bytes
            last = min(int(wanted[2] or size - 1), size - 1)
            if first >= size:
                self._head(416, {"Content-Range": f"bytes */{size}"})
                return
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
            status = 206
        else:
            status, first, last = 200, 0, size - 1
            headers.pop("Accept-Ranges")
        self._head(status, headers, last + 1 - first if faults.has_length else None)
        if not has_body:
            return
        with file.open("rb") as opened:
            opened.seek(first)
            body = opened.read(last + 1 - first)
        if faults.cut_times > 0:
            faults.cut_times -= 1
            yield body[: len(body) // 2]
            self.close_connection = True
            raise OSError("cut")
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    def _handed_on(self, body: bytes) -> bytes:
        """Return what the server behind answers."""
        answer = urllib3.request(
            self.command, self.owner.behind + self.path, body=body or None,
            headers=dict(self.headers), redirect=False, retries=False, decode_content=False,
        )  # fmt: skip
        named = ("content-type", "content-range", "etag", "last-modified", "accept-ranges")
        headers = {name: value for name, value in answer.headers.items() if name.lower() in named}
        self._head(answer.status, headers, len(answer.data))
        return answer.data

    def _head(self, status: int, headers: dict[str, str], length: int | None = 0) -> None:
        """Send the head of an answer; one without a length ends with its connection."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
