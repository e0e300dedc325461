"""One line of the log: an event with its number, its times and a hash that chains it to the last.

A line is a JSON array `[number, elapsed_ns, wall_ms, event, chain]`.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64

import msgspec

from viewer.prepared_types import prepared
from viewer.recording.events import AnyEvent  # noqa: TC001 - msgspec reads the annotations

CHAIN_START = ""
"""What the chain of the first line hashes in place of a line before it."""

_CHAIN_BYTES = 9
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """An event as the log holds it.

    Attributes
    ----------
    number
        Counts from 0, without a gap.
    elapsed_ns
        Since the session began, by a clock that is never set (monotonic).
    wall_ms
        Milliseconds since the session's start by the computer's clock, which can be set at any
        time: for comparing with other records, never for order.
    chain
        12 characters: 9 bytes of BLAKE2b over the chain of the line before and this line's
        bytes up to here, in URL-safe base64.
    """

    number: int
    elapsed_ns: int
    wall_ms: int
    event: AnyEvent
    chain: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(prepared(LogLine))


def encode_line(
    number: int, elapsed_ns: int, wall_ms: int, event: AnyEvent, chain: str
) -> tuple[bytes, str]:
    """Return the line with its line feed, and its own chain; `chain` is that of the line before."""
    body = _encoder.encode((number, elapsed_ns, wall_ms, event))[:-1]
    own = chain_of(chain, body)
    return body + b',"' + own.encode() + b'"]\n', own


def decode_line(line: bytes) -> LogLine:
    """Return one line, with or without its line feed.

    Raises
    ------
    DECODE_ERRORS
        The line is no JSON or not of the schema.
    """
    return _decoder.decode(line)


def chain_of(before: str, body: bytes) -> str:
    """Return the chain of a line; `body` is the line up to the comma before its chain."""
    digest = hashlib.blake2b(before.encode() + body, digest_size=_CHAIN_BYTES).digest()
    return b2a_base64(digest, newline=False).translate(_URL_SAFE).decode()
