"""One child that reads one slide: started, asked, watched, ended."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import psutil

from viewer.errors import CoverslipError
from viewer.memory.warm_memory import warm_pixels
from viewer.prepared_types import prepared
from viewer.processes.channel import (
    Channel,
    ChannelClosedError,
    ChannelError,
    ChannelTimeoutError,
    open_channel,
)
from viewer.processes.confinement.launching import launch
from viewer.processes.giving_way import give_way
from viewer.processes.shared_pixels import PixelsError, SharedPixels, Tile, take_over
from viewer.resource_files import resource
from viewer.slides.errors import slide_error
from viewer.slides.reader_process.messages import (
    SLOTS_PER_LANE,
    Answer,
    AtWork,
    OpenAnswer,
    Opened,
    OpenSlide,
    ReadChannels,
    ReadTile,
    Refused,
    Request,
    slots_of,
)
from viewer.slides.remote.asked import give_bytes, wants
from viewer.slides.remote.messages import ExpectTiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from socket import socket

    from numpy.typing import NDArray

    from viewer.processes.confinement.launching import ChildProcess
    from viewer.slides.remote.client import RemoteSlide

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""A reader that gives no answer for so long, and no sign of progress, is ended."""
LONGEST_S = 900.0
"""One that gives no answer for so long is, whatever progress it makes."""
MAX_TILE_BYTES = 64 << 20
"""Of a tile or associated image; the memory is taken only where it is needed."""

_MAX_LANES = 4
_SCREEN_CHANNELS = 4
_NICENESS = 5
_DEATH_S = 5.0
"""A process that closed its channel is gone by then."""
KEPT_SLOT_BYTES = 4 << 20
"""Of a tile; the memory of larger ones is given back."""
_MAX_ANSWER_BYTES = 256 << 20
_GIB = 1 << 30
_MAX_MEMORY_BYTES = 8 * _GIB
_ENVIRONMENT = {
    # Numeric libraries start threads at import otherwise, and a thread keeps the rights it had.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Of glibc: memory of one tile serves the next, instead of being returned in between.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

_open_answers = msgspec.msgpack.Decoder(prepared(OpenAnswer | AtWork))
_answers = msgspec.msgpack.Decoder(prepared(Answer | AtWork))


class ReaderEndedError(CoverslipError):
    """The process is gone; `str()` is a clause that says why.

    Attributes
    ----------
    was_wanted
        Whether this side ended it to make room or because the slide was closed.
    """

    def __init__(self, reason: str, *, was_wanted: bool = False, is_stuck: bool = False) -> None:
        super().__init__(reason)
        self.was_wanted = was_wanted
        self.is_stuck = is_stuck


class UnreadableTileError(CoverslipError):
    """The reader says that a tile cannot be read; `str()` is its reason."""


def awaited_answer(channel: Channel[_T | AtWork], patience_s: float) -> _T:
    """Return the next answer, however long the reader is at work on it. Raises ChannelError."""
    end_s = time.monotonic() + LONGEST_S
    while isinstance(answer := channel.receive(patience_s), AtWork):
        if time.monotonic() > end_s:
            raise ChannelTimeoutError
    return answer


class _Lane(msgspec.Struct, eq=False):
    """A channel to one thread of the child, and the slots that this thread writes to by turns.

    Attributes
    ----------
    ahead
        What was asked beforehand, so that it is read while the answer before is taken over.
    """

    channel: Channel[Answer | AtWork]
    slots: Sequence[int]
    ahead: Request | None = None
    answer_count: int = 0

    def receive(self, timeout_s: float) -> tuple[Answer, int]:
        """Return the next answer, and the slot for its pixels. Raises ChannelError."""
        answer = awaited_answer(self.channel, timeout_s)
        slot = self.slots[self.answer_count % len(self.slots)]
        self.answer_count += 1
        return answer, slot


class ReaderProcess:
    """A child that waits for a slide, then reads it in as many threads as there are lanes.

    All methods may be called from any thread.

    Raises
    ------
    OSError
        No process can be started.
    """

    def __init__(self, lanes: int = 2, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._was_wanted = False
        self._is_over = False
        lanes = max(1, min(lanes, _MAX_LANES))
        self._shared = SharedPixels.create(MAX_TILE_BYTES, SLOTS_PER_LANE * lanes)
        self._control, control_end = open_channel(_open_answers, _MAX_ANSWER_BYTES)
        self._bytes, bytes_end = open_channel(wants, _MAX_ANSWER_BYTES)
        child_ends = [control_end, bytes_end]
        self._lane_freed = threading.Condition()
        self._free_lanes: list[_Lane] = []
        """The one used last at the end: its thread sleeps again, its slots are in the caches."""
        self._all_lanes: list[_Lane] = []
        for number in range(lanes):
            channel, child_end = open_channel(_answers, _MAX_ANSWER_BYTES)
            child_ends.append(child_end)
            self._all_lanes.append(_Lane(channel, slots_of(number)))
        self._free_lanes.extend(self._all_lanes)
        self._child = self._launched(child_ends)
        _bound_memory(self._child.pid)
        # It is waited for less than the window: several start and read while one slide is opened.
        give_way(self._child.pid, _NICENESS)

    @property
    def pid(self) -> int:
        return self._child.pid

    def is_running(self) -> bool:
        """Return whether the process can be asked."""
        return not self._is_over and self._child.is_running()

    def open(
        self,
        path: Path,
        image: int | None,
        files: list[str],
        remote: RemoteSlide | None = None,
        plugins: Sequence[str] = (),
        opened_ns: int = 0,
    ) -> Opened:
        """Open the slide; from then on the child can read `files` and nothing else.

        Of a slide on a server it reads no file, but asks `remote` for its bytes. `plugins` are the
        names of readers of other packages that are asked too; `opened_ns` is when the slide was
        opened first, 0 for now.

        Raises
        ------
        SlideError
            The slide cannot be opened.
        ReaderEndedError
            The process crashed or was ended.
        """
        size_bytes = -1
        if remote is not None:
            size_bytes = remote.size_bytes
            give_bytes(self._bytes, remote)
        try:
            order = OpenSlide(
                str(path.absolute()), image, files, size_bytes, list(plugins), opened_ns
            )
            self._control.send(order)
            answer = awaited_answer(self._control, self._patience_s)
        except ChannelError as error:
            raise self._ended(error) from error
        if isinstance(answer, Refused):
            self.end()
            raise slide_error(answer.kind, path, answer.sentence)
        return answer

    def expect(self, tiles: Sequence[tuple[int, int, int]]) -> None:
        """Tell the reader of a slide on a server which tiles it will be asked for."""
        with contextlib.suppress(ChannelError):
            self._bytes.send(ExpectTiles(list(tiles)))

    def read(self, request: Request, path: Path, ahead: Request | None = None) -> NDArray[Any]:
        """Return the pixels that the request asks for, uint8 (height, width, 3).

        Of a tile for the screen it may be (height, width, 4), as `screen_tile` says; of channels it
        is their values below each other, (channels * height, width, 1).

        Parameters
        ----------
        ahead
            What is likely to be asked for next: it is read while this is taken over.

        Raises
        ------
        UnreadableTileError
            The tile cannot be read.
        SlideError
            The associated image cannot be read.
        ReaderEndedError
            The process crashed or was ended.
        """
        lane = self._lane(request)
        try:
            self._ask(lane, request, ahead)
            answer, slot = lane.receive(self._patience_s)
            if isinstance(answer, Tile):
                return self._pixels(answer, slot, request)
        except (ChannelError, PixelsError) as error:
            raise self._ended(error) from error
        finally:
            with self._lane_freed:
                self._free_lanes.append(lane)
                self._lane_freed.notify_all()
        if isinstance(answer, Refused):
            raise slide_error(answer.kind, path, answer.sentence)
        raise UnreadableTileError(answer.reason)

    def end(self, *, was_wanted: bool = True) -> None:
        """End the process; reads under way raise ReaderEndedError."""
        with self._lock:
            if self._is_over:
                return
            self._is_over, self._was_wanted = True, was_wanted
        self._child.close()
        self._control.close()
        self._bytes.close()
        for lane in self._all_lanes:
            lane.channel.close()
        if self._shared is not None:
            self._shared.close()

    def _launched(self, child_ends: list[socket]) -> ChildProcess:
        shared = self._shared
        descriptors = [end.fileno() for end in child_ends]
        pixels, slot_bytes = (shared.descriptor, shared.slot_bytes) if shared else (-1, 0)
        warm_up_slide = resource("slides", "CMU-1-Small-Region.svs")
        try:
            return launch(
                "viewer.slides.reader_process.host",
                [str(warm_up_slide), *map(str, (pixels, slot_bytes, *descriptors))],
                readable_paths=["/"],  # until it gets its slide
                inherited_fds=[*descriptors, pixels] if shared else descriptors,
                environment=_ENVIRONMENT,
            )
        finally:
            for end in child_ends:
                end.close()

    def _lane(self, request: Request) -> _Lane:
        """Wait for a lane that nobody uses: the one where the request was sent beforehand, if any.

        Of others one without such a request, whose thread is free.
        """
        with self._lane_freed:
            while True:
                fit = [each for each in self._all_lanes if each.ahead == request]
                free = [each for each in self._free_lanes if not fit or each in fit]
                if free:
                    lane = next((each for each in reversed(free) if each.ahead is None), free[-1])
                    self._free_lanes.remove(lane)
                    return lane
                self._lane_freed.wait()

    def _ask(self, lane: _Lane, request: Request, ahead: Request | None) -> None:
        """Send what has not been sent yet, so that the next answer is to the request."""
        if lane.ahead != request:
            if lane.ahead is not None:
                self._drop_answer(lane)
            lane.channel.send(request)
        lane.ahead = ahead
        if ahead is not None:
            lane.channel.send(ahead)

    def _drop_answer(self, lane: _Lane) -> None:
        """Wait for the answer to what nobody wants any more."""
        try:
            lane.receive(self._patience_s)
        except ChannelTimeoutError as error:
            ended = self._ended(error)
            ended.is_stuck = False  # at another tile than the one that is asked for
            raise ended from error

    def _pixels(self, tile: Tile, slot: int, request: Request) -> NDArray[Any]:
        is_color = not isinstance(request, ReadChannels)
        is_for_screen = isinstance(request, ReadTile) and request.for_screen
        expected = ((3, _SCREEN_CHANNELS) if is_for_screen else (3,)) if is_color else (1,)
        if (is_color and tile.dtype != "uint8") or tile.channels not in expected:
            raise PixelsError(f"{tile.channels} channels of {tile.dtype}")
        is_kept_for_screen = is_for_screen and tile.channels == _SCREEN_CHANNELS
        new = warm_pixels if is_kept_for_screen else None
        pixels = take_over(tile, self._shared, slot, new)
        if pixels.nbytes > KEPT_SLOT_BYTES and self._shared is not None:
            self._shared.free(slot, KEPT_SLOT_BYTES)
        return pixels

    def _ended(self, error: Exception) -> ReaderEndedError:
        """End what is left of the process and say why it ended."""
        if self._is_over:
            return ReaderEndedError("the reader was ended", was_wanted=self._was_wanted)
        status = None
        if isinstance(error, ChannelClosedError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._child.popen.wait(_DEATH_S)
        words = self._child.last_words()
        self.end(was_wanted=False)
        if isinstance(error, ChannelTimeoutError):
            reason = f"the reader made no progress for {self._patience_s:.0f} s and was stopped"
        elif status is None:
            reason = f"the reader sent what cannot be understood ({error})"
        elif status < 0:
            reason = f"the reader crashed ({signal.strsignal(-status) or -status})"
        else:
            reason = f"the reader ended with code {status}"
        # Whoever asked says so, where it is not made good by another process.
        _log.info("Reader process %d: %s. %s", self.pid, reason, words)
        return ReaderEndedError(reason, is_stuck=isinstance(error, ChannelTimeoutError))


def _bound_memory(pid: int) -> None:
    """Let a reader take half of the machine's memory, 8 GiB at most; beyond that its calls fail."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import resource  # of POSIX; `prlimit` of Linux

        most = max(2 * _GIB, min(_MAX_MEMORY_BYTES, psutil.virtual_memory().total // 2))
        resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))
