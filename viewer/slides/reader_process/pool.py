"""The processes that read slides: one an open slide, a bounded number, one warm in reserve."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

from viewer.slides.file_version import FileVersion
from viewer.slides.reader_process.process import PATIENCE_S, ReaderProcess
from viewer.slides.reader_process.readable import readable_of
from viewer.slides.reader_process.reader import SlideReader

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.remote.client import RemoteSlide

_log = logging.getLogger(__name__)

MAX_PROCESSES = 8
_REFILL_AFTER_S = 1.0

_Version = tuple[object, ...]
"""Path, image and what each file was when it was looked at, or what a server tells of a version;
sources of the same share a process."""


class ReaderPool:
    """Gives a process to each slide that is read.

    When there are too many, that of the slide read least recently ends, and starts again at need.
    All methods may be called from any thread.
    """

    def __init__(
        self,
        max_processes: int = MAX_PROCESSES,
        lanes: int | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._max_processes = max_processes
        self._lanes = lanes or os.cpu_count() or 1
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._processes: OrderedDict[SlideReader, ReaderProcess] = OrderedDict()
        self._in_use: dict[SlideReader, int] = {}
        self._spare: ReaderProcess | None = None
        self._keeps_spare = False
        self._open_lock = threading.Lock()
        self._open: dict[_Version, tuple[SlideReader, int]] = {}

    def reader_of(
        self,
        path: Path,
        image: int | None = None,
        remote: RemoteSlide | None = None,
        files_version: FileVersion | None = None,
    ) -> SlideReader:
        """Return the reader of a slide, which all who open the same files share.

        Of a slide on a server `remote` gives the bytes.

        Give it back with `give_back`. Raises SlideError and OSError.
        """
        version = _version_of(path, image, remote, files_version)
        with self._open_lock:
            if known := self._open.get(version):
                if not known[0].has_changed:
                    self._open[version] = (known[0], known[1] + 1)
                    return known[0]
                # Of chunks of a Zarr the version does not tell; who opens it now sees these.
                self._open[*version, id(known[0])] = self._open.pop(version)
        files = readable_of(path) if remote is None else []
        reader = SlideReader(self, path, image, files, remote)
        with self._open_lock:
            other, users = self._open.get(version, (reader, 0))
            self._open[version] = (other, users + 1)
        if other is not reader:  # opened at the same time
            reader.close()
        return other

    def give_back(self, reader: SlideReader) -> None:
        """End the reader when nobody uses it any more."""
        with self._open_lock:
            for version, (known, users) in self._open.items():
                if known is reader:
                    if users > 1:
                        self._open[version] = (known, users - 1)
                        return
                    del self._open[version]
                    break
        reader.close()

    def keep_spare(self) -> None:
        """Have a process ready for the next slide, from now on."""
        self._keeps_spare = True
        self.refill()

    def refill(self) -> None:
        """Start the process in reserve if one is wanted and there is none."""
        with self._changed:
            if not self._keeps_spare or (self._spare is not None and self._spare.is_running()):
                return
            dead, self._spare = self._spare, None
            try:
                self._spare = self._new()
            except OSError as error:
                _log.warning("No reader can be started in reserve (%s)", error)
        if dead is not None:
            dead.end()

    def refill_soon(self) -> None:
        """Start the process in reserve a little later, when the first tiles have been read."""
        if self._keeps_spare:
            timer = threading.Timer(_REFILL_AFTER_S, self.refill)
            timer.daemon = True
            timer.start()

    def start(self, owner: SlideReader) -> ReaderProcess:
        """Return a process for a slide that has none; called within `using`. Raises OSError."""
        with self._changed:
            ended: list[ReaderProcess] = []
            process, self._spare = self._spare, None
            if process is not None and not process.is_running():
                ended.append(process)
                process = None
            process = process or self._new()
            self._processes.pop(owner, None)
            while len(self._processes) >= self._max_processes:
                idle = next(other for other in self._processes if other not in self._in_use)
                ended.append(self._processes.pop(idle))
            self._processes[owner] = process
        for other in ended:
            other.end()
        return process

    def using(self, owner: SlideReader) -> _Place:
        """Hold a place among the processes while a slide is being read, as a context.

        A process whose slide is being read is never ended for another's. So when too many slides
        are read at the same moment, the rest waits here.
        """
        return _Place(self, owner)

    def hold(self, owner: SlideReader) -> None:
        """Wait for a place and take it; `let_go` gives it back."""
        with self._changed:
            in_use = self._in_use
            while owner not in in_use and len(in_use) >= self._max_processes:
                self._changed.wait()
            in_use[owner] = in_use.get(owner, 0) + 1
            if owner in self._processes:
                self._processes.move_to_end(owner)

    def let_go(self, owner: SlideReader) -> None:
        """Give a place back."""
        with self._changed:
            users = self._in_use[owner] - 1
            if users:
                self._in_use[owner] = users
            else:
                del self._in_use[owner]
                self._changed.notify_all()

    def forget(self, owner: SlideReader) -> None:
        """Hold no process for a slide any more."""
        with self._changed:
            process = self._processes.pop(owner, None)
        if process is not None:
            process.end()

    def pids(self) -> list[int]:
        """Return the processes that run for slides, the one read least recently first."""
        with self._changed:
            return [each.pid for each in self._processes.values() if each.is_running()]

    def close(self) -> None:
        """End all processes."""
        with self._changed:
            processes = [*self._processes.values()]
            if self._spare is not None:
                processes.append(self._spare)
            self._processes.clear()
            self._spare, self._keeps_spare = None, False
        for process in processes:
            process.end()

    def _new(self) -> ReaderProcess:
        return ReaderProcess(self._lanes, self._patience_s)


class _Place:
    """A place among the processes; a class, since it is taken for each tile."""

    __slots__ = ("_owner", "_pool")

    def __init__(self, pool: ReaderPool, owner: SlideReader) -> None:
        self._pool, self._owner = pool, owner

    def __enter__(self) -> None:
        self._pool.hold(self._owner)

    def __exit__(self, *_: object) -> None:
        self._pool.let_go(self._owner)


@cache
def reader_pool() -> ReaderPool:
    """Return the pool of this program; its processes end with it."""
    pool = ReaderPool()
    atexit.register(pool.close)
    return pool


def _version_of(
    path: Path, image: int | None, remote: RemoteSlide | None, files_version: FileVersion | None
) -> _Version:
    if remote is not None:
        return str(path), image, remote.validator, remote.size_bytes
    return image, *(files_version or FileVersion(path)).opened_as
