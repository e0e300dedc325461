"""Files on web servers, by requests for ranges."""

from __future__ import annotations

import contextlib
import copy
import re
import threading
import time
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from viewer import __version__
from viewer.egress import EgressError, check_egress, is_local
from viewer.slides.remote.credentials import authorization_of
from viewer.slides.remote.errors import (
    PassingError,
    ServerError,
    denied,
    no_ranges,
    nothing_there,
    other_version,
)
from viewer.slides.remote.origin import Part

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from viewer.slides.remote.messages import OpenAddress

MOST_CONNECTIONS = 16
_CONNECT_S, _SILENCE_S = 8.0, 10.0
_LEAST_BYTES_PER_S = 2000
"""A server that is slower still is given up, and asked again."""
_PIECE_BYTES = 1 << 16
_WHOLE_S, _MOST_WHOLE_BYTES = 60.0, 256 << 20
_MOST_REDIRECTS = 5
_LONGEST_PAUSE_S = 10.0
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})(?!\d)", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}")
_TOTAL = re.compile(r"bytes \*/(\d{1,18})(?!\d)", re.IGNORECASE)


class WebFile:
    """One file on a web server; requests go where the server redirects to, if that may be."""

    def __init__(self, target: OpenAddress) -> None:
        parts = urlsplit(target.address)
        self._name = target.name
        self._host = parts.hostname or ""
        netloc = parts.netloc.rpartition("@")[2]
        self._address = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
        user = (unquote(parts.username or ""), unquote(parts.password or ""))
        self._authorization = authorization_of(self._host, user if parts.username else None)
        self._place = self._address
        """Where the last redirect led; asked first, until it answers no more."""

    def child(self, key: str) -> WebFile:
        """Return the file of a key below this address; a question of the address stays."""
        parts = urlsplit(self._address)
        other = copy.copy(self)
        path = f"{parts.path.rstrip('/')}/{quote(key)}"
        other._address = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
        other._place = other._address
        return other

    accept = ""
    """What kind of answer is wanted; "" for any."""

    def whole(self, until_s: float) -> Part:
        """Read all that the address gives, which is not much."""
        return self._followed("", None, until_s)

    def read_some(self, start: int, end: int | None) -> Part:
        """Read a part of an object, as `messages.Want` has it; all of it if that is not much.

        A server that gives objects as a whole only is asked for small ones.
        """
        last = "" if end is None else end - 1
        asked = f"bytes={start}-{last}" if start >= 0 else f"bytes={start}"
        return self._followed(asked, start if start >= 0 else None, time.monotonic() + _WHOLE_S)

    def _followed(self, asked: str, start: int | None, until_s: float) -> Part:
        """Read what is asked for, from where the server says that it lies now."""
        address = self._place
        for _ in range(_MOST_REDIRECTS):
            answer = self._ask(address, asked)
            try:
                if answer.status in _REDIRECTS:
                    address = self._place = self._redirected(address, answer)
                    continue
                return self._some(answer, start, until_s)
            finally:
                _leave(answer)
        raise ServerError(f"{self._host} redirects {self._name} in a circle: check the address.")

    def _some(self, answer: BaseHTTPResponse, start: int | None, until_s: float) -> Part:
        headers = answer.headers
        validator = headers.get("ETag") or headers.get("Last-Modified") or ""
        size = _length(headers.get("Content-Length", ""))
        if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return Part(b"", 0, validator)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise self._refusal(answer.status, headers.get("Retry-After", ""))
        if size is not None and size > _MOST_WHOLE_BYTES:
            raise no_ranges(self._name, self._host, size)
        found = _RANGE.match(headers.get("Content-Range", ""))
        if found and start is not None and int(found[1]) != start:
            raise no_ranges(self._name, self._host, int(found[3]))
        data = self._content(answer, size, until_s)
        return Part(data, int(found[3]) if found else len(data), validator)

    def read(self, offset: int, size: int) -> Part:
        try:
            return self._read(self._place, offset, size)
        except ServerError:
            if self._place == self._address:
                raise
            self._place = self._address  # a redirect holds for a while only
            return self._read(self._address, offset, size)

    def _read(self, address: str, offset: int, size: int) -> Part:
        until_s = time.monotonic() + _SILENCE_S + size / _LEAST_BYTES_PER_S
        for _ in range(_MOST_REDIRECTS):
            answer = self._ask(address, f"bytes={offset}-{offset + size - 1}")
            try:
                if answer.status in _REDIRECTS:
                    address = self._place = self._redirected(address, answer)
                    continue
                return self._part(answer, offset, size, until_s)
            finally:
                _leave(answer)
        raise ServerError(f"{self._host} redirects {self._name} in a circle: check the address.")

    def _ask(self, address: str, asked: str) -> BaseHTTPResponse:
        parts = urlsplit(address)
        is_same_host = parts.hostname == self._host
        authorization = self._authorization if is_same_host else ""
        check_egress(address, carries_key=bool(authorization))
        headers = {
            "User-Agent": f"coverslip/{__version__}",
            "Accept-Encoding": "identity",
        }
        if asked:
            headers["Range"] = asked
        if self.accept:
            headers["Accept"] = self.accept
        if authorization:
            headers["Authorization"] = authorization
        try:
            return _connections(parts.scheme, parts.hostname or "").request(
                "GET", address, headers=headers, preload_content=False, redirect=False,
                retries=False,
            )  # fmt: skip
        except (HTTPError, OSError, ValueError) as error:
            raise self._silent(error) from None

    def _redirected(self, address: str, answer: BaseHTTPResponse) -> str:
        try:
            other = urljoin(address, answer.headers.get("Location", ""))
            scheme = urlsplit(other).scheme
        except ValueError:
            raise ServerError(
                f"{self._host} redirects {self._name} to what is no address: check the address."
            ) from None
        if urlsplit(address).scheme == "https" and scheme != "https":
            raise EgressError(f"Nothing was fetched: {self._host} leads away from https.")
        return other

    def _part(self, answer: BaseHTTPResponse, offset: int, size: int, until_s: float) -> Part:
        status, headers = answer.status, answer.headers
        validator = headers.get("ETag") or headers.get("Last-Modified") or ""
        if status == HTTPStatus.PARTIAL_CONTENT:
            found = _RANGE.match(headers.get("Content-Range", ""))
            if found is None or int(found[1]) != offset:
                raise no_ranges(self._name, self._host, None)
            last, total = int(found[2]), int(found[3])
            wanted = min(last + 1 - offset, size)
            return Part(self._content(answer, wanted, until_s), total, validator)
        if status == HTTPStatus.OK:
            raise no_ranges(self._name, self._host, _length(headers.get("Content-Length", "")))
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            found = _TOTAL.match(headers.get("Content-Range", ""))
            if found is not None and offset < int(found[1]):
                raise no_ranges(self._name, self._host, int(found[1]))
            if found is not None and offset:
                raise other_version(self._name)  # it is shorter than it was
            return Part(b"", 0, validator)
        raise self._refusal(status, headers.get("Retry-After", ""))

    def _refusal(self, status: int, pause: str) -> ServerError:
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return nothing_there(f"{self._name} on {self._host} ({status})")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return denied(self._name, self._host, str(status))
        if status in _PASSING:
            pause_s = min(float(pause), _LONGEST_PAUSE_S) if pause.isdigit() else 0.0
            return PassingError(
                f"{self._host} cannot give {self._name} now ({status}): try again later.", pause_s
            )
        return ServerError(
            f"{self._host} does not give {self._name} (its answer is {status}): check the address."
        )

    def _content(self, answer: BaseHTTPResponse, size: int | None, until_s: float) -> bytes:
        """Read so many bytes; without a size all there are, which may be no more than a limit."""
        parts: list[bytes] = []
        missing = _MOST_WHOLE_BYTES if size is None else size
        try:
            while missing:
                part = answer.read(min(missing, _PIECE_BYTES), decode_content=False)
                if not part:
                    break
                parts.append(part)
                missing -= len(part)
                if time.monotonic() > until_s:
                    raise PassingError(
                        f"{self._host} sends {self._name} too slowly: check the network and try "
                        "again."
                    )
            if size is None and not missing and answer.read(1, decode_content=False):
                raise no_ranges(self._name, self._host, None)
        except (HTTPError, OSError) as error:
            raise self._silent(error) from None
        if missing and size is not None:
            raise PassingError(
                f"The connection to {self._host} was cut while {self._name} was read: check the "
                "network and try again."
            )
        return b"".join(parts)

    def _silent(self, error: Exception) -> ServerError:
        """Return what went wrong, without the words of the library: they repeat the address."""
        host = self._host
        if isinstance(error, NameResolutionError):
            return ServerError(f"There is no server {host}: check the address and the network.")
        if isinstance(error, SSLError) and "CERTIFICATE" not in str(error).upper():
            return ServerError(f"{host} does not answer by https: check the address.")
        if isinstance(error, SSLError):
            return ServerError(
                f"The certificate of {host} cannot be trusted: ask who runs the server."
            )
        if isinstance(error, NewConnectionError | ConnectionRefusedError):
            why = "does not answer"
        elif isinstance(error, ConnectTimeoutError | ReadTimeoutError):
            why = "does not answer in time"
        else:
            why = "broke the connection off"
        return PassingError(f"{host} {why}: check the address and the network, and try again.")


def _leave(answer: BaseHTTPResponse) -> None:
    """Give the connection back; one with much that was not read is closed first."""
    rest = answer.length_remaining
    if rest is not None and rest <= _PIECE_BYTES:
        with contextlib.suppress(HTTPError, OSError):
            answer.drain_conn()
    else:
        answer.close()
    answer.release_conn()


def _length(text: str) -> int | None:
    """Return the length that a header states; None where it states none."""
    return int(text) if _LENGTH.fullmatch(text) else None


_pools: dict[str, urllib3.PoolManager] = {}
_lock = threading.Lock()


def _connections(scheme: str, host: str) -> urllib3.PoolManager:
    """Return the connections that are kept open, through the system's proxy where it has one."""
    proxy = urllib.request.getproxies().get(scheme, "")
    if is_local(f"{scheme}://{host}") or urllib.request.proxy_bypass(host):
        proxy = ""
    with _lock:
        pool = _pools.get(proxy)
        if pool is None:
            timeout = urllib3.Timeout(connect=_CONNECT_S, read=_SILENCE_S)
            pool = (
                urllib3.ProxyManager(proxy, maxsize=MOST_CONNECTIONS, block=True, timeout=timeout)
                if proxy
                else urllib3.PoolManager(maxsize=MOST_CONNECTIONS, block=True, timeout=timeout)
            )
            _pools[proxy] = pool
        return pool
