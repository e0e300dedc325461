"""Messages and pixels between two processes, tried with a real child."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from viewer.processes.channel import (
    Channel,
    ChannelClosedError,
    ChannelError,
    ChannelTimeoutError,
    inherit,
    open_channel,
)
from viewer.processes.shared_pixels import (
    PixelsError,
    SharedPixels,
    Tile,
    hand_over,
    take_over,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

DECODER = msgspec.msgpack.Decoder(Tile)

INVERTING_CHILD = """
import sys, msgspec
from viewer.processes.channel import ChannelClosedError, inherited_channel
from viewer.processes.shared_pixels import SharedPixels, Tile, hand_over, take_over
channel = inherited_channel(int(sys.argv[1]), msgspec.msgpack.Decoder(Tile))
shared = SharedPixels(int(sys.argv[2]), int(sys.argv[3]), 2) if int(sys.argv[2]) >= 0 else None
try:
    while True:
        slot = 0 if shared is None else 1
        tile = take_over(channel.receive(), shared, 0)
        channel.send(hand_over(255 - tile, shared, slot, z=2, t=3, is_display=False))
except ChannelClosedError:
    print("ended with its parent")
"""


@pytest.mark.parametrize("is_shared", [True, False])
def test_pixels_go_to_a_child_and_come_back(is_shared: bool) -> None:
    shared = SharedPixels.create(3_000_000, 2) if is_shared else None
    channel, child_end = open_channel(DECODER)
    descriptor = shared.descriptor if shared else -1
    numbers = [child_end.fileno(), descriptor, shared.slot_bytes if shared else 0]
    inherited = inherit(*(n for n in numbers[:2] if n >= 0))
    command = [sys.executable, "-c", INVERTING_CHILD, *map(str, numbers)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **inherited)
    child_end.close()
    for side in (1, 77, 1000):
        pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
        channel.send(hand_over(pixels, shared, 0))
        answer = channel.receive(30)
        assert (answer.z, answer.t, answer.is_display) == (2, 3, False)
        assert np.array_equal(take_over(answer, shared, 1 if is_shared else 0), 255 - pixels)
    channel.close()
    output, _ = child.communicate(timeout=30)
    assert output == "ended with its parent\n"


def test_wide_pixels_and_many_channels_keep_their_values() -> None:
    shared = SharedPixels.create(1 << 20)
    assert shared
    for dtype in ("uint8", "uint16", "int16", "uint32", "int32", "float32"):
        pixels = (np.arange(5 * 7 * 9).reshape(5, 7, 9) - 20).astype(dtype)
        back = take_over(hand_over(pixels, shared), shared)
        assert back.dtype == pixels.dtype
        assert np.array_equal(back, pixels)
    shared.close()


def test_the_memory_can_neither_shrink_nor_grow_nor_lose_its_seals() -> None:
    shared = SharedPixels.create(1 << 16)
    assert shared
    for size in (0, 1 << 20):
        with pytest.raises(OSError, match=os.strerror(errno.EPERM)):
            os.ftruncate(shared.descriptor, size)
    with pytest.raises(OSError, match=os.strerror(errno.EPERM)):
        fcntl.fcntl(shared.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    shared.close()


def test_what_was_taken_over_is_a_copy() -> None:
    shared = SharedPixels.create(1 << 16)
    assert shared
    taken = take_over(hand_over(np.full((4, 4, 3), 7, np.uint8), shared), shared)
    shared.write(0, np.zeros((4, 4, 3), np.uint8))
    assert (taken == 7).all()
    shared.close()
    assert (taken == 7).all()


@pytest.mark.parametrize(
    "tile",
    [
        Tile(1 << 20, 1 << 20, 3, slot=0),
        Tile(1 << 62, 1 << 62, 1 << 62, slot=0),
        Tile(-5, -5, 3, slot=0),
        Tile(0, 10, 3, slot=0),
        Tile(10, 10, 3, slot=1),
        Tile(10, 10, 3, slot=-1, data=bytes(300)),
    ],
)
def test_lies_of_a_child_are_refused(tile: Tile) -> None:
    shared = SharedPixels.create(1 << 16)
    assert shared
    with pytest.raises(PixelsError):
        take_over(tile, shared)
    shared.close()


@pytest.mark.parametrize(
    "tile", [Tile(10, 10, 3, data=bytes(299)), Tile(0, 10, 3), Tile(-1, -1, 3, data=bytes(3))]
)
def test_lies_within_the_message_are_refused(tile: Tile) -> None:
    with pytest.raises(PixelsError):
        take_over(tile, None)


def test_freed_slots_take_no_memory() -> None:
    shared = SharedPixels.create(8 << 20, 2)
    assert shared
    shared.write(0, np.ones((8 << 20, 1, 1), np.uint8))
    shared.write(1, np.ones((8 << 20, 1, 1), np.uint8))
    full = os.fstat(shared.descriptor).st_blocks
    shared.free(0, kept_bytes=10_000)
    assert full * 512 >= 16 << 20
    assert os.fstat(shared.descriptor).st_blocks * 512 <= (8 << 20) + 3 * 4096
    shared.close()


def sender(action: Callable[[socket], None]) -> Channel[Tile]:
    channel, other = open_channel(DECODER)
    threading.Thread(target=action, args=(other,)).start()
    return channel


def test_a_length_beyond_all_bounds_takes_no_memory() -> None:
    channel = sender(lambda other: other.sendall(b"\xff" * 8))
    with pytest.raises(ChannelError, match="bytes was announced"):
        channel.receive(5)


@pytest.mark.parametrize("frame", [b"", b"\xc1", b"\x80", b"\x81\xa4type\xa4Evil", bytes(40)])
def test_what_is_no_message_is_refused(frame: bytes) -> None:
    channel = sender(lambda other: other.sendall(len(frame).to_bytes(8, "little") + frame))
    with pytest.raises(ChannelError, match="could not be understood"):
        channel.receive(5)


def test_a_child_that_says_nothing_or_half_a_message_is_given_up() -> None:
    for start in (b"", b"\x10\0\0\0\0\0\0\0half"):
        channel, other = open_channel(DECODER)
        other.sendall(start)
        began_s = time.monotonic()
        with pytest.raises(ChannelTimeoutError):
            channel.receive(0.2)
        assert time.monotonic() - began_s < 20
        other.close()


def test_a_child_that_always_has_more_to_say_is_given_up_when_no_time_is_left() -> None:
    channel, other = open_channel(DECODER)
    message = msgspec.msgpack.encode(Tile(1, 1, 1, data=b"abc"))
    other.sendall((len(message).to_bytes(8, "little") + message) * 2)
    assert channel.receive(5).data == b"abc"
    for left_s in (0, -1):
        with pytest.raises(ChannelTimeoutError):
            channel.receive(left_s)


def test_an_end_amid_a_message_is_an_end() -> None:
    channel, other = open_channel(DECODER)
    other.sendall(b"\x10\0\0\0\0\0\0\0half")
    other.close()
    with pytest.raises(ChannelClosedError):
        channel.receive(5)
    with pytest.raises(ChannelClosedError):
        channel.send(Tile(1, 1, 1, data=bytes(1 << 20)))


def test_closing_wakes_who_waits() -> None:
    channel, other = open_channel(DECODER)
    woken: list[Exception] = []

    about_to_wait = threading.Event()

    def wait() -> None:
        about_to_wait.set()
        try:
            channel.receive()
        except ChannelError as error:
            woken.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    about_to_wait.wait(5)
    channel.close()
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(woken[0], ChannelClosedError)
    other.close()
