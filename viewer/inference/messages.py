"""What the window's process and the model's process say to each other over two pipes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from typing import IO

_LENGTH = struct.Struct("<I")


class Start(msgspec.Struct, frozen=True, tag=True):
    """Which model works on which slide; the first message, sent once."""

    slide: str
    model: str
    mpp_um: float
    device: str
    threads: int


class Compute(msgspec.Struct, frozen=True, tag=True):
    """Asks for a block."""

    column: int
    row: int


class Judge(msgspec.Struct, frozen=True, tag=True):
    """Asks a slide model about vectors, float32 (count, length); sent instead of Start."""

    model: str
    vectors: bytes
    count: int
    threads: int


class Judged(msgspec.Struct, frozen=True, tag=True):
    """Logits of the classes, and attention before the softmax, float32 (heads, count)."""

    logits: list[float]
    attention: bytes


class Segment(msgspec.Struct, frozen=True, tag=True):
    """Asks for the outline of what is pointed at in a picture, uint8 (side, side, 3).

    `model` is the folder of a model, or empty; `told` as of `Prompt.in_pixels`.
    """

    model: str
    side: int
    pixels: bytes
    told: list[tuple[float, float, int]]


class Outlined(msgspec.Struct, frozen=True, tag=True):
    """Rings in pixels, the largest first."""

    rings: list[list[tuple[float, float]]]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded and has worked once; `depth` blocks at a time keep it busy."""

    device: str
    depth: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The model or slide cannot be used at all; one sentence says why."""

    sentence: str


class Done(msgspec.Struct, frozen=True, tag=True):
    """A block's result as its `to_bytes` gives it, and where the time went."""

    column: int
    row: int
    result: bytes
    read_s: float = 0.0
    forward_s: float = 0.0
    cut_s: float = 0.0


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """A block whose pixels cannot be read; one sentence says why."""

    column: int
    row: int
    sentence: str


Request = Start | Compute | Judge | Segment
Answer = Ready | Refused | Done | Unreadable | Judged | Outlined

_requests = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(Answer)
_encoder = msgspec.msgpack.Encoder()


def send(pipe: IO[bytes], message: Request | Answer) -> None:
    """Raises OSError and ValueError where the other side is gone."""
    data = _encoder.encode(message)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def receive_request(pipe: IO[bytes]) -> Request | None:
    """The next message, None at the end."""
    data = _frame(pipe)
    return None if data is None else _requests.decode(data)


def receive_answer(pipe: IO[bytes]) -> Answer | None:
    """The next message, None at the end."""
    data = _frame(pipe)
    return None if data is None else _answers.decode(data)


def _frame(pipe: IO[bytes]) -> bytes | None:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    return data if len(data) == length else None
