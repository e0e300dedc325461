"""Blocks of slides on servers, kept on the disk: bounded, their owner's alone, checked when read.

Each slide has two files, named by its plain address and its version: one as long as the slide, with
holes for what was not fetched, and a list of the checksum of each block. A signature of an address
is in neither name.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING

from viewer.access import make_folder, open_kept
from viewer.errors import reason_of
from viewer.folders import cache_folder
from viewer.slides.remote.ranged import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_log = logging.getLogger(__name__)

MOST_BYTES = 2 << 30
_LOOK_EVERY_BYTES = 32 << 20
"""How much may be written until all is measured again."""
_SUM = struct.Struct("<I")


class BlockCache:
    """All kept blocks of this account. Nothing here raises; any thread may call.

    When there is too much, the slides go whose blocks were used longest ago.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._unmeasured = 0
        self._lock = threading.Lock()

    @classmethod
    def usual(cls) -> BlockCache | None:
        """Return that of the cache folder; None where there can be none."""
        try:
            return cls(cache_folder() / "remote")
        except OSError as error:
            _log.warning("There is no cache folder (%s)", error)
            return None

    def get(self, name: str, block: int, size: int) -> bytes | None:
        """Return a block of a slide; None where it is not kept whole."""
        try:
            expected = _read(self._folder / f"{name}.sums", block * _SUM.size, _SUM.size)
            if len(expected) != _SUM.size or expected == bytes(_SUM.size):
                return None
            data = _read(self._folder / f"{name}.blocks", block * BLOCK_BYTES, size)
        except OSError:
            return None
        is_whole = len(data) == size and _SUM.pack(zlib.crc32(data)) == expected
        return data if is_whole else None

    def put(self, name: str, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Keep blocks of a slide."""
        try:
            make_folder(self._folder)
            data_fd = open_kept(self._folder / f"{name}.blocks", os.O_RDWR)
            try:
                sums_fd = open_kept(self._folder / f"{name}.sums", os.O_RDWR)
                try:
                    for block, data in blocks:
                        _write(data_fd, block * BLOCK_BYTES, data)
                        _write(sums_fd, block * _SUM.size, _SUM.pack(zlib.crc32(data)))
                        self._unmeasured += len(data)
                finally:
                    os.close(sums_fd)
            finally:
                os.close(data_fd)
            if self._unmeasured > min(_LOOK_EVERY_BYTES, self._most_bytes // 8):
                self._make_room()
        except OSError as error:
            _log.warning("fetched blocks cannot be kept (%s)", reason_of(error))

    def _make_room(self) -> None:
        with self._lock:
            self._unmeasured = 0
            slides = sorted(
                (status.st_mtime, entry.path, _held_bytes(status))
                for entry in os.scandir(self._folder)
                if entry.name.endswith(".blocks") and (status := entry.stat())
            )
            too_many = sum(held for _, _, held in slides) - self._most_bytes
            for _, path, held in slides:
                if too_many <= 0:
                    return
                for file in (path, path.removesuffix(".blocks") + ".sums"):
                    os.unlink(file)
                too_many -= held


def cache_name(plain_address: str, validator: str, size_bytes: int) -> str:
    """Return the name under which the blocks of a version of a slide are kept."""
    digest = blake2b(digest_size=20, person=b"coverslip blocks")
    for part in (plain_address, validator, str(size_bytes)):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _held_bytes(status: os.stat_result) -> int:
    """Return what a file with holes takes on the disk."""
    return getattr(status, "st_blocks", status.st_size // 512) * 512


def _read(path: Path, offset: int, size: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)
    finally:
        os.close(fd)


def _write(fd: int, offset: int, data: bytes) -> None:
    os.lseek(fd, offset, os.SEEK_SET)
    os.write(fd, data)
