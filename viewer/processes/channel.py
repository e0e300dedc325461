"""Framed messages between a process and its child, over a socket that the child inherits.

The parent makes the channel, starts the child and closes the child's end:

    channel, child_end = open_channel(decoder_of_answers)
    process = Popen([..., str(child_end.fileno())], **inherit(child_end.fileno()))
    child_end.close()

and the child takes it up with `inherited_channel(int(sys.argv[-1]), decoder_of_requests)`.
Pixels do not go through the socket: see `viewer.processes.shared_pixels`.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from viewer.errors import CoverslipError
from viewer.prepared_types import DECODE_ERRORS

if TYPE_CHECKING:
    from typing import Protocol

    Sent = TypeVar("Sent", covariant=True)

    class Decoder(Protocol[Sent]):
        """What `msgspec.msgpack.Decoder(A | B)` gives, typed by the caller."""

        def decode(self, buf: bytes | bytearray, /) -> Sent: ...


Incoming = TypeVar("Incoming")

MAX_FRAME_BYTES = 1 << 30
"""A longer frame is refused before any memory is taken for it."""

_LENGTH = struct.Struct("<Q")
_TIMEVAL = struct.Struct("@ll")
_READ_BYTES = 4096
"""Most messages come whole, with their length, in one read of so many."""
_MAX_READ_BYTES = 1 << 20
_encoder = msgspec.msgpack.Encoder()


class ChannelError(CoverslipError):
    """The other side sent what is no message; it cannot be trusted to go on."""


class ChannelClosedError(ChannelError):
    """The other side is gone, or this side has been closed."""


class ChannelTimeoutError(ChannelError):
    """Nothing came in time."""


class Channel(Generic[Incoming]):
    """One end of a connection that carries msgspec structs.

    Any thread may send. One thread at a time may receive. Both may happen at once.

    Parameters
    ----------
    decoder
        Checks and makes what is received; `msgspec.msgpack.Decoder` of a union of tagged structs.
    max_frame_bytes
        The longest message that is accepted.
    """

    def __init__(
        self,
        connection: socket.socket,
        decoder: Decoder[Incoming],
        max_frame_bytes: int = MAX_FRAME_BYTES,
    ) -> None:
        self._socket = connection
        self._decoder = decoder
        self._max_frame_bytes = max_frame_bytes
        self._send_lock = threading.Lock()
        self._early = b""
        self._read_timeout_s: float | None = None

    def fileno(self) -> int:
        """Return the descriptor of this end."""
        return self._socket.fileno()

    def send(self, message: msgspec.Struct) -> None:
        """Send a message whole. Raises ChannelClosedError."""
        frame = bytearray(_LENGTH.size)
        _encoder.encode_into(message, frame, _LENGTH.size)
        _LENGTH.pack_into(frame, 0, len(frame) - _LENGTH.size)
        try:
            with self._send_lock:
                self._socket.sendall(frame)
        except OSError as error:
            raise ChannelClosedError(f"the message could not be sent ({error})") from error

    def receive(self, timeout_s: float | None = None) -> Incoming:
        """Return the next message; wait for it up to `timeout_s`, at 0 not at all, or for ever.

        Raises
        ------
        ChannelClosedError
            The other side ended.
        ChannelTimeoutError
            The whole message was not there in time; the channel is of no more use.
        ChannelError
            The frame is too long, or its content is none of the messages expected.
        """
        if timeout_s is not None and timeout_s <= 0:
            # Even where a message is there: of one who sends without end there always is.
            raise ChannelTimeoutError("no time is left")
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        if not self._early:
            self._early = self._first(timeout_s, deadline_s)
        (length,) = _LENGTH.unpack(self._bytes(_LENGTH.size, deadline_s))
        if length > self._max_frame_bytes:
            raise ChannelError(f"a message of {length} bytes was announced")
        data = self._bytes(length, deadline_s)
        try:
            return self._decoder.decode(data)
        except DECODE_ERRORS as error:
            raise ChannelError(f"a message could not be understood ({error})") from error

    def close(self) -> None:
        """End the connection; whoever waits in `receive` on either side gets an error."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _first(self, timeout_s: float | None, deadline_s: float | None) -> bytes:
        """Wait for the begin of a message, most often all of it."""
        if sys.platform != "linux":
            return self._some(_READ_BYTES, deadline_s)
        # The system waits as it reads: that is one call, where `_wait` makes two.
        if timeout_s != self._read_timeout_s:
            self._read_timeout_s = timeout_s
            microseconds = max(1, round((timeout_s or 0.0) * 1e6)) if timeout_s is not None else 0
            pause = _TIMEVAL.pack(*divmod(microseconds, 1_000_000))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, pause)
        return self._some(_READ_BYTES, None)

    def _bytes(self, size: int, deadline_s: float | None) -> bytes | bytearray:
        """Return the next bytes; what came beyond them waits for the next call."""
        if not self._early and 0 < size <= _READ_BYTES:
            self._early = self._some(_READ_BYTES, deadline_s)
        if len(self._early) >= size:
            data, self._early = self._early[:size], self._early[size:]
            return data
        data, self._early = bytearray(self._early), b""
        while len(data) < size:
            # Grown as it comes: a length alone takes no memory.
            data += self._some(min(size - len(data), _MAX_READ_BYTES), deadline_s)
        return data

    def _some(self, most: int, deadline_s: float | None) -> bytes:
        """Wait for bytes and return what is there, `most` of it."""
        if deadline_s is not None:
            self._wait(deadline_s)
        try:
            part = self._socket.recv(most)
        except BlockingIOError as error:
            raise ChannelTimeoutError("no answer in time") from error
        except OSError as error:
            raise ChannelClosedError(f"nothing could be received ({error})") from error
        if not part:
            raise ChannelClosedError("the other side has ended")
        return part

    def _wait(self, deadline_s: float) -> None:
        remaining_s = max(0.0, deadline_s - time.monotonic())
        try:
            if hasattr(select, "poll"):
                poll = select.poll()
                poll.register(self._socket, select.POLLIN)
                is_ready = bool(poll.poll(remaining_s * 1000))
            else:  # Windows
                is_ready = bool(select.select([self._socket], [], [], remaining_s)[0])
        except (OSError, ValueError) as error:
            raise ChannelClosedError("the channel has been closed") from error
        if not is_ready:
            raise ChannelTimeoutError("no answer in time")


def open_channel(
    decoder: Decoder[Incoming], max_frame_bytes: int = MAX_FRAME_BYTES
) -> tuple[Channel[Incoming], socket.socket]:
    """Return the parent's end and the socket that a child is to inherit. Raises OSError."""
    ours, theirs = socket.socketpair()
    return Channel(ours, decoder, max_frame_bytes), theirs


def inherited_channel(descriptor: int, decoder: Decoder[Incoming]) -> Channel[Incoming]:
    """Return the child's end of a channel whose descriptor the parent named. Raises OSError."""
    return Channel(socket.socket(fileno=descriptor), decoder)


def inherit(*descriptors: int) -> dict[str, Any]:
    """Return the arguments of `subprocess.Popen` that hand these and no other descriptors down."""
    if sys.platform != "win32":
        return {"pass_fds": descriptors}
    for descriptor in descriptors:
        os.set_handle_inheritable(descriptor, True)
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": list(descriptors)})
    return {"startupinfo": startup, "close_fds": True}
