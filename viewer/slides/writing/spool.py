"""Coded tiles on the disk, with a journal of where each lies: what a killed run goes on from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import struct
import threading
import zlib
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

import numpy as np

from viewer.files.unfinished import is_held, remove
from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from viewer.slides.writing.plan import ConvertPlan

_ENTRY = struct.Struct("<IIQQII")
"""Plane, level, tile, offset, bytes, CRC-32."""
_DTYPE = np.dtype(
    [
        *(("plane", "<u4"), ("level", "<u4"), ("tile", "<u8")),
        *(("at", "<u8"), ("n", "<u4"), ("crc", "<u4")),
    ]
)
_SYNC_BYTES = 64 << 20
_RESERVED_BYTES = 16
"""At the start, for the header of a TIFF."""
_NAME_CHARACTERS, _KEY_CHARACTERS = 48, 12
FOLDER_SUFFIXES = (".ome.zarr", ".dicom")
"""Of folders that are made of a spool, until they are whole."""


class Spool:
    """A file of coded tiles beside the output; its name tells which work it belongs to.

    Parameters
    ----------
    out
        What is written in the end.
    key
        Tells the work apart from any other: a run of the same work goes on where the last ended.

    Raises
    ------
    WritingError
        Another run writes the same.
    OSError
        It cannot be written.
    """

    def __init__(self, out: Path, key: str, plan: ConvertPlan) -> None:
        stem = f"{_stem_of(out)}{key[:_KEY_CHARACTERS]}"
        self.path = out.with_name(f"{stem}.part")
        self._journal_path = out.with_name(f"{stem}.journal")
        self._lock = threading.Lock()
        self._syncer = ThreadPoolExecutor(1, "sync")
        self._syncing: Future[None] | None = None
        self._synced_at = 0
        shape = [level.tiles for level in plan.levels]
        self.offsets = [[np.zeros(n, np.int64) for n in shape] for _ in plan.planes]
        self.sizes = [[np.zeros(n, np.int64) for n in shape] for _ in plan.planes]
        try:
            self._journal: IO[bytes] = open(self._journal_path, "ab+")  # noqa: SIM115 - closed by close()
        except OSError as error:  # nobody asked for a file of that name
            raise OSError(error.errno, error.strerror, str(out)) from error
        try:
            _lock(self._journal.fileno(), out)
            self._data = open(self.path, "ab+")  # noqa: SIM115
            self._data.close()
            self._data = open(self.path, "rb+")  # noqa: SIM115
            self.resumed = self._resume()
        except BaseException:
            self._journal.close()
            raise

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def is_done(self, plane: int, level: int, tile: int) -> bool:
        return bool(self.sizes[plane][level][tile])

    def put(self, plane: int, level: int, tiles: Sequence[int], data: Sequence[bytes]) -> None:
        """Write coded tiles; a run that is killed later finds them. Raises OSError."""
        with self._lock:
            entries: list[bytes] = []
            for tile, each in zip(tiles, data, strict=True):
                entries.append(
                    _ENTRY.pack(plane, level, tile, self._at, len(each), zlib.crc32(each))
                )
                self.offsets[plane][level][tile] = self._at
                self.sizes[plane][level][tile] = len(each)
                self._at += len(each)
            self._data.write(b"".join(data))
            self._data.flush()
            self._journal.write(b"".join(entries))
            self._journal.flush()
            self._sync_behind()

    def _sync_behind(self) -> None:
        """Have the disk take what was written while the work goes on; the end waits less then."""
        is_idle = self._syncing is None or self._syncing.done()
        if is_idle and self._at - self._synced_at >= _SYNC_BYTES:
            self._synced_at = self._at
            self._syncing = self._syncer.submit(_sync_now, self._data.fileno())

    def read(self, plane: int, level: int, tile: int) -> bytes:
        """Return a coded tile that was put, from any thread. Raises OSError."""
        size = int(self.sizes[plane][level][tile])
        place = int(self.offsets[plane][level][tile])
        if hasattr(os, "pread"):
            return os.pread(self._data.fileno(), size, place)
        with self._lock:
            self._data.seek(place)
            data = self._data.read(size)
            self._data.seek(self._at)
            return data

    def end(self) -> IO[bytes]:
        """Return the file for what follows, at the end of the last tile."""
        self._data.seek(self._at)
        self._data.truncate()
        return self._data

    def close(self) -> None:
        self._syncer.shutdown(wait=True)
        self._data.close()
        self._journal.close()

    def remove(self) -> None:
        """Remove both files, and folders made of them; what was renamed is no longer there."""
        self.close()
        for suffix in FOLDER_SUFFIXES:
            shutil.rmtree(self.path.with_suffix(suffix), ignore_errors=True)
        self._journal_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _resume(self) -> int:
        """Take over what an earlier run wrote; return how many tiles.

        After a loss of power the journal may know of tiles that the disk never took.
        """
        self._journal.seek(0)
        known: bytes = self._journal.read()
        whole = known[: len(known) // _ENTRY.size * _ENTRY.size]
        entries: list[tuple[int, int, int, int, int, int]] = np.frombuffer(whole, _DTYPE).tolist()
        size = self.path.stat().st_size
        self._at = _RESERVED_BYTES
        count = 0
        for plane, level, tile, at, n, crc in entries:
            is_here = plane < len(self.offsets) and level < len(self.offsets[plane])
            if not is_here or tile >= len(self.offsets[plane][level]) or at + n > size:
                break  # what follows was not written whole
            self._data.seek(at)
            if zlib.crc32(self._data.read(n)) != crc:
                break
            self.offsets[plane][level][tile], self.sizes[plane][level][tile] = at, n
            self._at = max(self._at, at + n)
            count += 1
        self._journal.truncate(count * _ENTRY.size)
        self._data.truncate(self._at)
        if self._at == _RESERVED_BYTES:
            self._data.write(bytes(_RESERVED_BYTES))
        self._data.seek(self._at)
        return count


def remove_leftovers(out: Path) -> None:
    """Remove what other runs of the same output left that were killed; one that runs is spared."""
    left: dict[str, list[Path]] = defaultdict(list)
    pattern = re.compile(
        rf"{re.escape(_stem_of(out))}([0-9a-f]{{{_KEY_CHARACTERS}}})"
        rf"({'|'.join(map(re.escape, (*FOLDER_SUFFIXES, '.part', '.journal')))})"
    )
    for path in out.parent.iterdir():
        if found := pattern.fullmatch(path.name):
            left[found[1]].append(path)
    for paths in left.values():
        with contextlib.suppress(OSError):
            if not any(map(is_held, paths)):
                for path in paths:
                    remove(path)


def _stem_of(out: Path) -> str:
    """Return how the names of what is beside an output begin, of no other output's."""
    name = out.name
    if len(name) > _NAME_CHARACTERS:
        digest = hashlib.blake2b(os.fsencode(name), digest_size=6).hexdigest()
        name = f"{name[: _NAME_CHARACTERS - len(digest) - 1]}-{digest}"
    return f".{name}-"


def _sync_now(handle: int) -> None:
    with contextlib.suppress(OSError):  # whoever gives the file its name syncs and hears of errors
        os.fsync(handle)


def _lock(handle: int, out: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: an open file cannot be replaced there anyway
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise WritingError(f"{out.name} is being written by another run: wait for it.") from error
