"""Tasks of the helper, which alone contacts servers of slides."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from cachetools import LRUCache

from viewer.prepared_types import prepared
from viewer.slides.remote.block_cache import BlockCache, cache_name
from viewer.slides.remote.endpoints import check_contact
from viewer.slides.remote.errors import (
    DeniedError,
    NothingThereError,
    PassingError,
    ServerError,
    other_version,
)
from viewer.slides.remote.messages import (
    FoundAddress,
    ObjectRead,
    OpenAddress,
    RangeRead,
    ReadObjects,
    ReadRanges,
    Want,
)
from viewer.slides.remote.objects import is_below
from viewer.slides.remote.origin import Origin, Part, origin_of
from viewer.slides.remote.ranged import BLOCK_BYTES, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.processes.helper_entry import TaskContext

MOST_CONNECTIONS = 16
HEAD_BYTES = 1 << 16
"""Fetched of a file when it is looked at."""
PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Before each further trial; the sum is how long a server may be silent unnoticed."""
_PATIENCE_S = 20.0
_MOST_RUN_BYTES = 1 << 20
"""Longer runs are fetched as several, side by side."""
_MOST_ORIGINS = 64

_pool = ThreadPoolExecutor(MOST_CONNECTIONS, "ranges")
_origins: LRUCache[str, Origin] = LRUCache(_MOST_ORIGINS)
_lock = threading.Lock()


class _StoppedError(ServerError):
    """Nobody wants the bytes any more."""


def open_address(body: bytes, context: TaskContext) -> bytes:
    """Look at an `OpenAddress`, and answer with `FoundAddress`."""
    target = msgspec.msgpack.decode(body, type=prepared(OpenAddress))
    with _lock:
        _origins.pop(target.address, None)  # what was learned of it may be old
    part = _persistent(target, 0, HEAD_BYTES, context)
    return msgspec.msgpack.encode(FoundAddress(part.total_bytes, part.validator, part.data))


def read_ranges(body: bytes, context: TaskContext) -> bytes:
    """Fetch `ReadRanges`; each is reported as it arrives."""
    request = msgspec.msgpack.decode(body, type=prepared(ReadRanges))
    kept = _kept_blocks() if request.validator else None
    name = cache_name(request.target.plain, request.validator, request.size_bytes)
    work = {
        _pool.submit(_piece, request, piece, kept, name, context): (number, piece[0])
        for number, run in enumerate(request.runs)
        for piece in _pieces(run)
    }
    arrived: dict[int, dict[int, bytes]] = {}
    try:
        for future in as_completed(work):
            number, offset = work[future]
            parts = arrived.setdefault(number, {})
            parts[offset] = future.result()
            if sum(map(len, parts.values())) == request.runs[number][1]:
                data = b"".join(parts[offset] for offset in sorted(parts))
                del arrived[number]
                context.report(msgspec.msgpack.encode(RangeRead(number, data)))
    finally:
        for future in work:
            future.cancel()
    return b""


def read_objects(body: bytes, context: TaskContext) -> bytes:
    """Fetch `ReadObjects`; each is reported as it arrives."""
    request = msgspec.msgpack.decode(body, type=prepared(ReadObjects))
    work = {
        _pool.submit(_object, request.target, want, context): number
        for number, want in enumerate(request.wants)
    }
    try:
        for future in as_completed(work):
            part = future.result()
            found = ObjectRead(work[future], part.data, part.total_bytes, part.validator)
            context.report(msgspec.msgpack.encode(found))
    finally:
        for future in work:
            future.cancel()
    return b""


def _object(target: OpenAddress, want: Want, context: TaskContext) -> Part:
    """Return a part of an object; one that is not there has -1 bytes.

    Stores whose lists may not be seen answer "denied" for what is not there: -2 bytes.
    """
    key, start, end = want
    if not is_below(key):
        raise ServerError(f"{target.name} names something outside of itself: it is not read.")
    try:
        child = _origin(target).child(key)
        return _patiently(lambda: child.read_some(start, end), context)
    except NothingThereError:
        return Part(b"", -1, "")
    except DeniedError:
        return Part(b"", -2, "")


def _piece(
    request: ReadRanges, piece: Run, kept: BlockCache | None, name: str, context: TaskContext
) -> bytes:
    """Return a piece of a run from the disk, else from the server."""
    offset, size = piece
    blocks = range(offset // BLOCK_BYTES, -(-(offset + size) // BLOCK_BYTES))
    if kept is not None:
        found: list[bytes] = []
        for block in blocks:
            length = min(BLOCK_BYTES, request.size_bytes - block * BLOCK_BYTES)
            data = kept.get(name, block, length)
            if data is None:
                break
            found.append(data)
        else:
            return b"".join(found)
    part = _persistent(request.target, offset, size, context)
    if (part.total_bytes, part.validator) != (request.size_bytes, request.validator):
        raise other_version(request.target.name)
    if kept is not None:
        data = part.data
        starts = range(0, len(data), BLOCK_BYTES)
        kept.put(name, [(blocks[at // BLOCK_BYTES], data[at : at + BLOCK_BYTES]) for at in starts])
    return part.data


def _persistent(target: OpenAddress, offset: int, size: int, context: TaskContext) -> Part:
    """Read a range, as often as it takes."""
    return _patiently(lambda: _origin(target).read(offset, size), context)


def _patiently(read: Callable[[], Part], context: TaskContext) -> Part:
    """Read, and try again with growing pauses where that may help."""
    until_s = time.monotonic() + _PATIENCE_S
    for pause_s in (*PAUSES_S, None):
        if context.is_stopped:
            raise _StoppedError("The bytes are not wanted any more.")
        try:
            return read()
        except PassingError as error:
            pause_s = None if pause_s is None else max(pause_s, error.pause_s)
            if pause_s is None or time.monotonic() + pause_s > until_s:
                raise
            _wait(pause_s, context)
    raise AssertionError


def _wait(pause_s: float, context: TaskContext) -> None:
    woken = threading.Event()
    context.when_stopped(woken.set)
    woken.wait(pause_s)


def _origin(target: OpenAddress) -> Origin:
    with _lock:
        origin = _origins.get(target.address)
    if origin is None:
        check_contact(target.address)
        origin = origin_of(target)
        with _lock:
            _origins[target.address] = origin
    return origin


def _pieces(run: Run) -> list[Run]:
    offset, size = run
    starts = range(offset, offset + size, _MOST_RUN_BYTES)
    return [(start, min(_MOST_RUN_BYTES, offset + size - start)) for start in starts]


@cache
def _kept_blocks() -> BlockCache | None:
    return BlockCache.usual()
