"""Pixels that two processes share: one sealed stretch of memory, cut into slots.

The parent makes the memory and the child inherits it. It is sealed against shrinking and growing,
because a segment that one side shrinks kills the other at its next access. What a child wrote is
copied before it is looked at, because the child may write on at any time.
Where the system has no such memory (macOS, Windows), pixels travel inside the message instead.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PixelType = Literal[
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
]

_PAGE = mmap.PAGESIZE


class PixelsError(CoverslipError):
    """Pixels that are not where, or not as many as, their message says."""


class Tile(msgspec.Struct, frozen=True, tag=True):
    """Describes pixels that are handed over, shape (height, width, channels), row by row.

    Attributes
    ----------
    slot
        Where they lie in the shared memory; -1 where `data` holds them.
    z, t
        Plane and time point, from 0.
    is_display
        Whether the values are RGB to be shown as they are, against measured values of channels.
        With plane and time point it is part of the protocol from the start, though only RGB is sent
        now: a model of channels needs no other one.
    """

    width_px: int
    height_px: int
    channels: int
    dtype: PixelType = "uint8"
    z: int = 0
    t: int = 0
    is_display: bool = True
    slot: int = -1
    data: bytes = b""


class SharedPixels:
    """Memory for pixels in slots of equal size. Slots that were never used take no memory.

    Who writes a slot when is agreed by the messages; nothing here locks.
    """

    def __init__(self, descriptor: int, slot_bytes: int, slot_count: int) -> None:
        self.descriptor = descriptor
        self.slot_bytes = slot_bytes
        self.slot_count = slot_count
        self._map = mmap.mmap(descriptor, slot_bytes * slot_count)

    @classmethod
    def create(cls, slot_bytes: int, slot_count: int = 1) -> SharedPixels | None:
        """Return new memory, slots rounded up to whole pages; None where there can be none."""
        if not hasattr(os, "memfd_create"):
            return None
        import fcntl  # of POSIX only

        slot_bytes = -(-slot_bytes // _PAGE) * _PAGE
        try:
            descriptor = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            return None
        try:
            os.ftruncate(descriptor, slot_bytes * slot_count)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
            return cls(descriptor, slot_bytes, slot_count)
        except OSError:
            os.close(descriptor)
            return None

    def memory(self, slot: int) -> memoryview:
        """Return all of a slot, to be written to. Raises PixelsError."""
        return self._slot(slot, self.slot_bytes)

    def write(self, slot: int, pixels: NDArray[Any]) -> None:
        """Copy `pixels` to the begin of a slot. Raises PixelsError where they do not fit."""
        target = self._slot(slot, pixels.nbytes)
        np.frombuffer(target, pixels.dtype).reshape(pixels.shape)[...] = pixels

    def read(
        self,
        slot: int,
        shape: tuple[int, ...],
        dtype: PixelType,
        new: Callable[[tuple[int, ...]], NDArray[Any]] | None = None,
    ) -> NDArray[Any]:
        """Return a copy of what lies in a slot, in what `new` gives. Raises PixelsError."""
        if any(side <= 0 for side in shape):
            raise PixelsError(f"pixels of the shape {shape}")
        kind = np.dtype(dtype)
        size = kind.itemsize
        for side in shape:  # Python's numbers do not overflow
            size *= side
        pixels = np.frombuffer(self._slot(slot, size), kind).reshape(shape)
        if new is None:
            return pixels.copy()
        copy = new(shape)
        copy[...] = pixels
        return copy

    def free(self, slot: int, kept_bytes: int = 0) -> None:
        """Give the memory of a slot back, except its first `kept_bytes`."""
        start = slot * self.slot_bytes + -(-kept_bytes // _PAGE) * _PAGE
        end = (slot + 1) * self.slot_bytes
        if start < end and hasattr(mmap, "MADV_REMOVE"):
            self._map.madvise(mmap.MADV_REMOVE, start, end - start)

    def close(self) -> None:
        """Unmap and close; arrays that were read are copies and stay good."""
        with contextlib.suppress(BufferError):  # a read under way unmaps it when it ends
            self._map.close()
        os.close(self.descriptor)

    def _slot(self, slot: int, size_bytes: int) -> memoryview:
        if not 0 <= slot < self.slot_count:
            raise PixelsError(f"there is no slot {slot}")
        if size_bytes > self.slot_bytes:
            raise PixelsError(f"{size_bytes} bytes of pixels, where {self.slot_bytes} fit")
        start = slot * self.slot_bytes
        try:
            return memoryview(self._map)[start : start + size_bytes]
        except ValueError as error:
            raise PixelsError("the shared memory has been closed") from error


def hand_over(
    pixels: NDArray[Any],
    shared: SharedPixels | None,
    slot: int = 0,
    *,
    z: int = 0,
    t: int = 0,
    is_display: bool = True,
    is_there: bool = False,
) -> Tile:
    """Put pixels, shape (height, width, channels), where the other side finds them.

    Return the message that tells of them. With `is_there` they were written there already. Raises
    PixelsError where they do not fit into the slot.
    """
    height, width, channels = pixels.shape
    kind: Any = pixels.dtype.name
    if shared is None:
        data = np.ascontiguousarray(pixels).tobytes()
        return Tile(width, height, channels, kind, z, t, is_display, data=data)
    if not is_there:
        shared.write(slot, pixels)
    return Tile(width, height, channels, kind, z, t, is_display, slot)


def take_over(
    tile: Tile,
    shared: SharedPixels | None,
    slot: int = 0,
    new: Callable[[tuple[int, ...]], NDArray[Any]] | None = None,
) -> NDArray[Any]:
    """Return a copy of the pixels that a message tells of, shape (height, width, channels).

    Parameters
    ----------
    slot
        Where this side expects them; another is refused.
    new
        Makes an array of a shape that pixels of shared memory are copied to; a new one without it.

    Raises
    ------
    PixelsError
        The message does not fit what was agreed.
    """
    shape = (tile.height_px, tile.width_px, tile.channels)
    if shared is not None:
        if tile.slot != slot:
            raise PixelsError(f"pixels came in slot {tile.slot} and were expected in {slot}")
        return shared.read(slot, shape, tile.dtype, new)
    kind = np.dtype(tile.dtype)
    if len(tile.data) != tile.height_px * tile.width_px * tile.channels * kind.itemsize:
        raise PixelsError(f"{len(tile.data)} bytes are no pixels of the shape {shape}")
    if min(shape) <= 0:
        raise PixelsError(f"pixels of the shape {shape}")
    return np.frombuffer(tile.data, kind).reshape(shape).copy()
