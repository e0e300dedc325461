"""A slide's reader that outlives its processes: started at need, and again after a crash."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from viewer.errors import reason_of
from viewer.slides.errors import (
    DamagedSlideError,
    SlideAccessError,
    SlideChangedError,
    SlideError,
    SlideLostError,
    TileError,
    damaged_image,
)
from viewer.slides.reader_process.messages import ReadChannels, ReadPicture, ReadTile
from viewer.slides.reader_process.plugins import named_readers
from viewer.slides.reader_process.process import ReaderEndedError, UnreadableTileError
from viewer.slides.reader_process.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.reader_process.messages import Opened, Request
    from viewer.slides.reader_process.pool import ReaderPool
    from viewer.slides.reader_process.process import ReaderProcess
    from viewer.slides.remote.client import RemoteSlide
    from viewer.slides.source import RgbImage, ScreenImage

_MAX_DEATHS_IN_A_ROW = 8
"""After so many processes that ended before they had read anything, no more are started."""


class SlideReader:
    """Reads one slide through processes of a pool.

    What ends a process is tried once more, alone in a new one: so the tile that did it is
    distinguished from the ones that were only being read at the same time. A tile that ends
    that one too is given up.

    Raises
    ------
    SlideError
        The slide cannot be opened; one sentence says why.
    """

    def __init__(
        self,
        pool: ReaderPool,
        path: Path,
        image: int | None,
        files: list[str],
        remote: RemoteSlide | None = None,
    ) -> None:
        self.path = path
        self.remote = remote
        self._pool = pool
        self._image = image
        self._files = files
        self._plugins, _ = named_readers()
        self._lock = threading.Lock()
        self._turns = _Turns()
        self._ahead = ReadAhead()
        self._reads_ahead = True
        self._given_up: dict[Request, str] = {}
        self._deaths_in_a_row = 0
        self._is_closed = False
        self._opened_ns = time.time_ns()
        self.has_changed = False
        self._process: ReaderProcess | None = None
        with pool.using(self):
            self.opened = self._open()

    def read_tile(
        self, level: int, column: int, row: int, *, for_screen: bool = False
    ) -> ScreenImage | RgbImage:
        """Return a tile of a stored level, uint8 (height, width, 3). Raises TileError.

        With `for_screen` it is (height, width, 4), as `screen_tile` says, where its reader has it.
        """
        try:
            return self._read(ReadTile(level, column, row, for_screen))
        except SlideLostError:
            raise
        except (UnreadableTileError, SlideError) as error:
            raise TileError(level, column, row, str(error)) from error

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int, t: int
    ) -> NDArray[Any]:
        """Return stored values of a tile, (channels * height, width, 1). Raises TileError."""
        try:
            return self._read(ReadChannels(level, column, row, channels, z, t))
        except SlideLostError:
            raise
        except (UnreadableTileError, SlideError) as error:
            raise TileError(level, column, row, str(error)) from error

    def read_associated(self, name: str) -> RgbImage:
        """Return an associated image, uint8 (height, width, 3). Raises SlideError."""
        try:
            return self._read(ReadPicture(name))
        except UnreadableTileError as error:
            raise damaged_image(self.path, name, error) from error

    def expect(self, tiles: Sequence[tuple[int, int, int]]) -> None:
        """Tell the process which tiles it will be asked for, if it runs."""
        process = self._process
        if process is not None and process.is_running():
            process.expect(tiles)

    def read_ahead(self, tiles: Sequence[tuple[int, int, int]], threads: int) -> None:
        """Have the process read each of these tiles while an earlier one is taken over."""
        self._ahead = ReadAhead(tiles, threads)

    def close(self) -> None:
        """End the process; reads under way raise an error."""
        self._is_closed = True
        process = self._process
        if process is not None:
            process.end()
        self._pool.forget(self)

    def _read(self, request: Request) -> NDArray[Any]:
        if reason := self._given_up.get(request):
            raise UnreadableTileError(reason)
        has_ended_one = False
        while True:
            alone = has_ended_one
            self._turns.begin(alone=alone)
            try:
                with self._pool.using(self):
                    process = self._running()
                    image = process.read(request, self.path, self._read_next(request))
            except ReaderEndedError as error:
                if error.was_wanted:
                    continue  # the slide was closed, or the process had just made room
                self._deaths_in_a_row += 1
                # From now on it has to be known which tile is being read.
                self._reads_ahead = False
                if error.is_stuck:
                    raise UnreadableTileError(str(error)) from error
                if has_ended_one:
                    self._given_up[request] = str(error)
                    raise UnreadableTileError(str(error)) from error
                has_ended_one = True
            except SlideChangedError:
                self.has_changed = True
                raise
            else:
                self._deaths_in_a_row = 0
                return image
            finally:
                self._turns.end(alone=alone)

    def _read_next(self, request: Request) -> ReadTile | None:
        """Return what the process is to read while a tile is taken over."""
        if not self._reads_ahead or not isinstance(request, ReadTile):
            return None
        place = self._ahead.after((request.level, request.column, request.row))
        return None if place is None else ReadTile(*place, request.for_screen)

    def _running(self) -> ReaderProcess:
        """Return the process that is to be asked, a new one where the last has ended."""
        process = self._process
        if process is not None and process.is_running():
            return process
        with self._lock:
            if self._process is None or not self._process.is_running():
                if self._deaths_in_a_row >= _MAX_DEATHS_IN_A_ROW:
                    raise SlideLostError(
                        self.path,
                        f"{self.path.name} cannot be read on: its reader crashed again and again. "
                        "The file may be damaged; copy it again from where it came.",
                    )
                if self._open() != self.opened:
                    raise SlideChangedError(self.path)
            assert self._process is not None
            return self._process

    def _open(self) -> Opened:
        """Open the slide in a new process."""
        if self._is_closed:
            raise UnreadableTileError("the slide has been closed")
        try:
            self._process = self._pool.start(self)
            opened = self._process.open(
                self.path,
                self._image,
                self._files,
                self.remote,
                self._plugins,
                self._opened_ns,
            )
        except ReaderEndedError as error:
            self._deaths_in_a_row += 1
            self._pool.forget(self)
            raise DamagedSlideError(
                self.path,
                f"{self.path.name} cannot be opened: {error}. The file may be damaged; copy it "
                "again from where it came.",
            ) from error
        except OSError as error:
            raise SlideAccessError(
                self.path,
                f"{self.path.name} cannot be opened, because no process can be started to read it "
                f"({reason_of(error)}); close other programs and try again.",
            ) from error
        except SlideError:
            self._pool.forget(self)
            raise
        if self._is_closed:
            self._process.end()
        self._pool.refill_soon()
        return opened


class _Turns:
    """Many readers at once, or one alone, who waits for the others and goes before new ones."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._active = 0
        self._has_one_alone = False
        self._waiting_alone = 0

    def begin(self, *, alone: bool) -> None:
        """Wait for a turn; `end` it with the same word."""
        with self._changed:
            if alone:
                self._waiting_alone += 1
                self._changed.wait_for(lambda: not self._active and not self._has_one_alone)
                self._waiting_alone -= 1
                self._has_one_alone = True
                return
            while self._has_one_alone or self._waiting_alone:
                self._changed.wait()
            self._active += 1

    def end(self, *, alone: bool) -> None:
        with self._changed:
            if alone:
                self._has_one_alone = False
            else:
                self._active -= 1
            if not self._active:
                self._changed.notify_all()
