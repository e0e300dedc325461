"""A web server of the tests: it gives ranges of files, and what goes wrong with real ones."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
    refuse
        A status that it answers with instead of the file, for the next `refuse_times` requests.
    """

    delay_s: float = 0.0
    refuse: int = 0
    refuse_times: int = 1 << 30
    has_ranges: bool = True
    cut_times: int = 0
    redirect: str = ""
    has_etag: bool = True
    hang: threading.Event | None = None


@dataclass
class RangeServer:
    """Serves the files of a folder on loopback; `log` has all requests."""

    folder: Path
    faults: Faults = field(default_factory=Faults)
    log: list[Asked] = field(default_factory=list)
    port: int = 0

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
    connections: dict[int, set] = {}

    def setup(self) -> None:
        super().setup()
        self.connections.setdefault(self.owner.port, set()).add(self.request)

    def finish(self) -> None:
        self.connections.get(self.owner.port, set()).discard(self.request)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._serve(has_body=False)

    def do_GET(self) -> None:
        self._serve(has_body=True)

    def _serve(self, *, has_body: bool) -> None:
        parts = urlsplit(self.path)
        asked = Asked(parts.path, parts.query, dict(self.headers), time.monotonic())
        self.owner.log.append(asked)
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
        file = self.owner.folder / path.lstrip("/")
        if faults.refuse and faults.refuse_times > 0:
            faults.refuse_times -= 1
            self._head(faults.refuse, {})
            return
        if faults.redirect and not path.startswith("/moved/"):
            self._head(302, {"Location": faults.redirect})
            return
        if not file.is_file():
            self._head(404, {})
            return
        data = file.read_bytes()
        headers = {"Accept-Ranges": "bytes"}
        if faults.has_etag:
            headers["ETag"] = f'"{file.stat().st_mtime_ns:x}-{len(data):x}"'
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and faults.has_ranges:
            first = int(wanted[1])
            last = min(int(wanted[2] or len(data) - 1), len(data) - 1)
            if first >= len(data):
                self._head(416, {"Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            status, body = 206, data[first : last + 1]
        else:
            status, body = 200, data
            headers.pop("Accept-Ranges")
        self._head(status, headers, len(body))
        if not has_body:
            return
        if faults.cut_times > 0:
            faults.cut_times -= 1
            yield body[: len(body) // 2]
            self.close_connection = True
            raise OSError("cut")
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    def _head(self, status: int, headers: dict[str, str], length: int = 0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
