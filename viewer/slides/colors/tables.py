"""What each color is in sRGB by a profile: worked out in a confined process, kept on the disk.

To parse a foreign profile and to work out 16.8 million colors takes half a second; the slides of
a scanner share a profile, so this happens once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import zlib
from typing import IO, TYPE_CHECKING

import msgspec
import numpy as np

from viewer.access import make_folder
from viewer.errors import CoverslipError, reason_of
from viewer.files.atomic_write import atomic_write
from viewer.folders import cache_folder
from viewer.limits import JSON_BYTES, PROFILE_BYTES, read_regular
from viewer.prepared_types import prepared
from viewer.processes.file_process import file_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

    ColorTable = NDArray[np.uint32]

_log = logging.getLogger(__name__)

SOME_STEPS = np.linspace(0, 255, 17).astype(np.uint8)
"""Of each channel: by these it is told whether a profile changes anything."""
REDS_AT_ONCE = 16
"""Of which all colors come in one answer, 3 MiB."""

_PROCESS = "viewer.slides.colors.process"
_COLORS = 1 << 24
_BYTES = 4 * _COLORS
_CHECKSUM_BYTES = 4
_MOST_FILES = 4


class Colors(msgspec.Struct, frozen=True, tag=True):
    """Tells what colors are in sRGB, uint8 RGB each, in the order of `colors_of`."""

    data: bytes


class Unusable(msgspec.Struct, frozen=True, tag=True):
    """Says in a clause why a profile cannot be used."""

    reason: str


class UnusableError(CoverslipError):
    """There are no colors of a profile; `str()` is a clause that says why."""


_answers = msgspec.msgpack.Decoder(prepared(Colors | Unusable))


def color_table(profile: bytes) -> ColorTable | None:
    """Return sRGB by red, green and blue, 8 bits each; None where a profile changes no color.

    Each color lies in the first three bytes of its number, in the order red, green, blue.

    Raises
    ------
    UnusableError
        The profile is damaged.
    """
    try:
        return _kept(_path(profile))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        _log.info("A kept color table is made again (%s)", error)
    table = _made(profile)
    try:
        _keep(_path(profile), table)
    except OSError as error:  # it is made again the next time
        _log.info("A color table cannot be kept (%s)", error)
    return table


def colors_of(reds: NDArray[np.uint8], others: NDArray[np.uint8]) -> RgbImage:
    """Return all colors of these steps, uint8 (reds, greens * blues, 3)."""
    grid = np.stack(np.meshgrid(reds, others, others, indexing="ij"), axis=-1)
    return grid.reshape(len(reds), -1, 3)


def _made(profile: bytes) -> ColorTable | None:
    """Have it worked out. Raises UnusableError."""
    try:
        with (
            _as_file(profile) as file,
            file_process(
                _PROCESS, file, "it", _answers, UnusableError, PROFILE_BYTES
            ) as next_answer,
        ):
            some = colors_of(SOME_STEPS, SOME_STEPS)
            changes = np.abs(_next_colors(next_answer, some.shape).astype(np.int16) - some)
            if changes.max() <= 1:  # by rounding
                return None
            table = np.zeros((256, 256 * 256, 4), np.uint8)
            for start in range(0, 256, REDS_AT_ONCE):
                part = table[start : start + REDS_AT_ONCE, :, :3]
                part[...] = _next_colors(next_answer, part.shape)
    except UnusableError as error:
        raise UnusableError(str(error).rstrip(".")) from error
    except OSError as error:
        raise UnusableError(f"no process can read it: {reason_of(error)}") from error
    return table.reshape(-1).view(np.uint32)


def _next_colors(
    next_answer: Callable[[], Colors | Unusable], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    answer = next_answer()
    if isinstance(answer, Unusable):
        raise UnusableError(answer.reason)
    if len(answer.data) != np.prod(shape):
        raise UnusableError("the process that reads it gave other colors than it was asked for")
    return np.frombuffer(answer.data, np.uint8).reshape(shape)


def _as_file(profile: bytes) -> IO[bytes]:
    """Return an open file that holds a profile, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        file: IO[bytes] = os.fdopen(os.memfd_create("profile"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(profile)
    file.seek(0)
    return file


def _path(profile: bytes) -> Path:
    return cache_folder() / "colors" / f"{hashlib.sha256(profile).hexdigest()}.table"


def _kept(path: Path) -> ColorTable | None:
    """Return what was kept: nothing in the file for a profile that changes no color.

    Raises
    ------
    OSError, ValueError
        Nothing was kept, or it was damaged.
    """
    data = np.frombuffer(read_regular(path, JSON_BYTES), np.uint8)
    with contextlib.suppress(OSError):
        os.utime(path)  # used last
    if not data.size:
        return None
    if data.size != _BYTES + _CHECKSUM_BYTES:
        raise ValueError("it has another length")
    table = data[:_BYTES].view(np.uint32)
    if _checksum(table) != data[_BYTES:].tobytes():
        raise ValueError("it is damaged")
    return table


def _keep(path: Path, table: ColorTable | None) -> None:
    """Keep a table, and those that were used last of the others. Raises OSError."""
    make_folder(path.parent)
    with atomic_write(path, synced=False) as file:
        if table is not None:
            file.write(table.data)
            file.write(_checksum(table))
    large = [each for each in path.parent.glob("*.table") if each.stat().st_size]
    for old in sorted(large, key=lambda each: each.stat().st_mtime)[:-_MOST_FILES]:
        old.unlink(missing_ok=True)


def _checksum(table: ColorTable) -> bytes:
    return zlib.crc32(table.data).to_bytes(_CHECKSUM_BYTES, "little")
