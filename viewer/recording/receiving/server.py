"""`POST /sessions`: readings in web pages are received over HTTP, on this machine or with TLS."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import math
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from viewer.egress import LOOPBACK
from viewer.recording.receiving.incoming import RefusedUploadError
from viewer.recording.receiving.upload import MOST_BODY_BYTES, read_upload

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from viewer.recording.receiving.incoming import IncomingSessions

PATH = "/sessions"
_log = logging.getLogger(__name__)
_MOST_CONNECTIONS = 64
_SOCKET_S = 15.0
_REQUEST_S = 60.0
"""A connection that brings no whole request in this time is closed."""
_TICK_S = 1.0
_BLOCK = 64 << 10


class ServerOptions(msgspec.Struct, frozen=True):
    """Who may send, and how much.

    Attributes
    ----------
    token
        What a request must bear.
    origins
        Of pages that may send, such as "https://viewer.example.org"; pages of this machine may
        anyway.
    tls
        Certificate and key; None for plain HTTP, on this machine alone.
    requests_a_second, burst
        Of all pages together.
    """

    token: str
    host: str = "127.0.0.1"
    port: int = 0
    origins: frozenset[str] = frozenset()
    tls: ssl.SSLContext | None = None
    requests_a_second: float = 50.0
    burst: int = 200


class RecordServer(ThreadingHTTPServer):
    """Listens from its making; `serve_forever` answers, `close` ends.

    Raises
    ------
    OSError
        The port is in use, or the address none of this machine.
    ValueError
        Plain HTTP would listen to other machines.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, options: ServerOptions, incoming: IncomingSessions) -> None:
        if options.tls is None and options.host not in LOOPBACK:
            raise ValueError("other machines are listened to with TLS alone")
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)
        self.address_family = found[0][0]
        self.options, self.incoming = options, incoming
        self._rate = _Rate(options.requests_a_second, options.burst)
        self._connections: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        super().__init__((options.host, options.port), _Handler)
        threading.Thread(target=self._keep_house, name="received sessions", daemon=True).start()

    @property
    def address(self) -> str:
        """Return where to send to."""
        scheme = "http" if self.options.tls is None else "https"
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"{scheme}://{host}:{self.server_address[1]}{PATH}"

    def close(self) -> None:
        """Listen no more, and make sessions of all that came; from another thread than serves."""
        self._ended.set()
        self.shutdown()
        self.server_close()
        self.incoming.make_all()

    def allows_origin(self, origin: str) -> bool:
        """Return whether a page of this origin may send."""
        if origin in self.options.origins:
            return True
        with contextlib.suppress(ValueError):
            parts = urlsplit(origin)
            return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK
        return False

    def may_answer(self) -> bool:
        """Return whether one request more is within the rate."""
        with self._lock:
            return self._rate.take(time.monotonic())

    def note_request(self, connection: socket.socket, *, is_answered: bool) -> None:
        """A connection brought a whole request; once that is answered it may bring another."""
        with self._lock:
            if connection in self._connections:
                until_s = time.monotonic() + _REQUEST_S if is_answered else math.inf
                self._connections[connection] = until_s

    # Of socketserver -------------------------------------------------------------------------

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            is_full = len(self._connections) >= _MOST_CONNECTIONS
            if not is_full:
                self._connections[request] = time.monotonic() + _REQUEST_S
        if is_full:
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection, in a thread of its own, where a handshake may take its time."""
        request.settimeout(_SOCKET_S)
        if self.options.tls is None:
            super().finish_request(request, client_address)
            return
        with self.options.tls.wrap_socket(request, server_side=True) as secured:
            with self._lock:
                self._connections.pop(request, None)
                self._connections[secured] = time.monotonic() + _REQUEST_S
            try:
                super().finish_request(secured, client_address)
            finally:
                with self._lock:
                    self._connections.pop(secured, None)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Connections that break off are usual; what else goes wrong is logged."""
        _log.info("A connection to the recording server ended early", exc_info=True)

    def server_bind(self) -> None:
        # As HTTPServer does, but without asking the network for the machine's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.options.host, self.server_address[1]

    def _keep_house(self) -> None:
        while not self._ended.wait(_TICK_S):
            now_s = time.monotonic()
            with self._lock:
                late = [each for each, until_s in self._connections.items() if until_s < now_s]
            for connection in late:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            try:
                self.incoming.make_silent()
            except Exception:
                _log.exception("Sessions that were received cannot be made")


class _Rate:
    """A bucket of tokens."""

    def __init__(self, a_second: float, burst: int) -> None:
        self._a_second, self._most = a_second, float(burst)
        self._left, self._at_s = self._most, 0.0

    def take(self, now_s: float) -> bool:
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._a_second)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class _Handler(BaseHTTPRequestHandler):
    server: RecordServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Coverslip", ""
    timeout = _SOCKET_S

    def do_POST(self) -> None:
        self._answered(self._post)

    def do_OPTIONS(self) -> None:
        self._answered(self._preflight)

    def do_GET(self) -> None:
        self._answered(self._only_post)

    do_HEAD = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the parser of requests refuses, in a sentence too."""
        del explain
        self.close_connection = True
        self._send(code, {"error": f"The request cannot be read ({message or code})."})

    def log_message(self, format: str, *args: object) -> None:
        _log.debug("recording server: " + format, *args)

    # -----------------------------------------------------------------------------------------

    def _answered(self, answer: Callable[[], tuple[int, dict[str, object] | None]]) -> None:
        try:
            if not self.server.may_answer():
                raise RefusedUploadError(429, "Too many requests: wait a second.")
            self._check_sender()
            status, content = answer()
        except RefusedUploadError as error:
            # What was not read of the body must not be taken for another request.
            self.close_connection = True
            status, content = error.status, _refusal(error)
        except OSError:
            raise
        except Exception:
            _log.exception("A request to the recording server failed")
            self.close_connection = True
            failed = RefusedUploadError(500, "The server failed: its log says why.")
            status, content = failed.status, _refusal(failed)
        self._send(status, content)
        self.server.note_request(self.connection, is_answered=True)

    def _check_sender(self) -> None:
        host = self.headers.get("Host", "")
        if self.server.options.tls is None and _hostname(host) not in LOOPBACK:
            raise RefusedUploadError(421, "This server answers on this machine's own names alone.")
        origin = self.headers.get("Origin")
        if origin is not None and not self.server.allows_origin(origin):
            raise RefusedUploadError(
                403, "Pages of this address may not send: start the server with --allow-origin."
            )
        if urlsplit(self.path).path != PATH:
            raise RefusedUploadError(404, f"There is only {PATH} here.")

    def _only_post(self) -> tuple[int, dict[str, object] | None]:
        raise RefusedUploadError(405, f"Send a session with POST {PATH}.")

    def _preflight(self) -> tuple[int, dict[str, object] | None]:
        return 204, None

    def _post(self) -> tuple[int, dict[str, object] | None]:
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, f"Bearer {self.server.options.token}".encode()):
            raise RefusedUploadError(
                401, "The token is missing or wrong: it was printed at the start."
            )
        body = self._body()
        self.server.note_request(self.connection, is_answered=False)
        receipt = self.server.incoming.take(read_upload(body))
        content: dict[str, object] = {
            "session": receipt.session, "next": receipt.next_number, "closed": receipt.closed
        }  # fmt: skip
        return 200, content

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") or "Content-Length" not in self.headers:
            raise RefusedUploadError(411, "Send the body whole, with its Content-Length.")
        if self.headers.get("Content-Encoding", "identity") != "identity":
            raise RefusedUploadError(415, "Send the body as it is, not packed.")
        stated = self.headers["Content-Length"].strip()
        if not stated.isascii() or not stated.isdecimal() or len(stated) > 18:
            raise RefusedUploadError(400, "Content-Length is no length.")
        length = int(stated)
        if length > MOST_BODY_BYTES:
            raise RefusedUploadError(
                413, f"The body is larger than {MOST_BODY_BYTES:,} bytes: send it in parts."
            )
        blocks: list[bytes] = []
        while length > 0:
            try:
                block = self.rfile.read1(min(length, _BLOCK))
            except TimeoutError:
                block = b""
            if not block:
                raise RefusedUploadError(400, "The body is shorter than its Content-Length.")
            blocks.append(block)
            length -= len(block)
        return b"".join(blocks)

    def _send(self, status: int, content: dict[str, object] | None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        headers = getattr(self, "headers", None)
        origin = headers.get("Origin") if headers is not None else None
        if origin is not None and self.server.allows_origin(origin):
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Methods", "POST")
            self.send_header("Access-Control-Allow-Headers", "Authorization, Content-Type")
            self.send_header("Access-Control-Max-Age", "600")
            if headers is not None and headers.get("Access-Control-Request-Private-Network"):
                self.send_header("Access-Control-Allow-Private-Network", "true")
        self.send_header("Vary", "Origin")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        if status == 429:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        if content is not None:
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _refusal(error: RefusedUploadError) -> dict[str, object]:
    known: dict[str, object] = {} if error.next_number is None else {"next": error.next_number}
    return {"error": str(error)} | known


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
