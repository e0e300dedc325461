"""The one way to write a file: it is there whole, or what was there before is untouched.

Exports, settings and records of a session are written beside their target, synced to the disk,
verified in size and only then renamed. Links are followed; devices and pipes, which cannot be
replaced, are written to.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

from viewer.access import OWNER_FILE, give_access
from viewer.errors import CoverslipError, reason_of
from viewer.files.unfinished import hold, remove_left
from viewer.folders import is_own
from viewer.policy import policy
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_BUFFER_BYTES = 1 << 20
_MOST_HELD_BYTES = 64 << 20
"""Of what goes to a pipe, before it is put on the disk."""
_NAME_CHARACTERS = 32
"""Of the target's name in that of its unfinished file: names have a longest length."""
_LARGE_BYTES = 1 << 20
"""A file for which it is worth while to look what killed programs left beside it."""
_PART = re.compile(r"\..+-[0-9a-f]{12}\.part", re.DOTALL)
"""What an unfinished file is called, whatever its target."""
_USUAL_MODE = 0o666
_MOST_LINKS = 8
on_export: Callable[[Path], object] | None = None
"""Hears of each file that was written for the user, outside of the program's own folders."""
_UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""What file systems say that have no way to wait for the disk."""
_UNLINKABLE = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""What file systems say that have no hard links."""


class ShortFileError(CoverslipError, OSError):
    """Fewer bytes are on the disk than were written."""

    def __init__(self, written_bytes: int, found_bytes: int) -> None:
        super().__init__(
            errno.EIO, f"only {found_bytes:,} of {written_bytes:,} bytes reached the disk"
        )


@contextmanager
def atomic_write(
    path: Path, *, mode: int | None = None, synced: bool = True, kept: bool = False
) -> Generator[IO[bytes]]:
    """Give a binary file to write to, which takes the place of `path` at the end of the block.

    When the block raises, `path` is left as it was and nothing remains beside it; what a killed
    program left beside a large file goes with the next one, beside a small one with
    `remove_abandoned`. The file can be read and sought in;
    its `name` is the path of the unfinished file, for libraries that write to paths alone.

    Parameters
    ----------
    mode
        Permissions of the file, whatever the umask; by default those of `viewer.access` in the
        program's own folders, elsewhere those of the file that it replaces, else the usual.
    synced
        Whether to wait until the disk has the bytes; only caches do without.
    kept
        Whether the program keeps the file, so that `viewer.access` says who may read it; else it
        is the user's, such as an export.

    Raises
    ------
    OSError
        It cannot be written, such as on a full disk.
    """
    target = _target_of(path, is_ours=kept or is_own(path.parent))
    if target is None:
        if _descriptor_of(path) is None:  # what is open already may be written to anyway
            check_allowed(path, path)
        with _through(path) as file:
            yield file
        tell_export(path)
        return
    unfinished = target.with_name(f".{target.name[:_NAME_CHARACTERS]}-{os.urandom(6).hex()}.part")
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        is_inside = is_own(target)
        is_private = kept or is_inside
        if not is_inside:
            check_allowed(target, path)
        # One that others may not read is none of theirs while it is written anew, either.
        usual = OWNER_FILE if is_private or target.exists() else _USUAL_MODE
        os.close(os.open(unfinished, flags, usual if mode is None else mode))
        raw = _Measured(unfinished, "r+b")
        hold(raw.fileno())
        with io.BufferedRandom(raw, _BUFFER_BYTES) as file:
            yield file
            file.flush()
            _verify(raw)
            if mode is not None:
                _give_mode(raw.fileno(), mode)
            elif kept or is_private:
                give_access(raw.fileno(), target.parent)
            else:
                _keep_mode(target, raw.fileno())
            if synced:
                _sync(raw.fileno())
                _verify(raw)
        os.replace(unfinished, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)  # messages name what was to be written
        raise
    if synced:
        sync_folder(target.parent)
    if raw.expected_bytes >= _LARGE_BYTES:
        remove_left(_unfinished_of(target))
    if not is_private:
        tell_export(path)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed programs left of small files in a folder, and in those below it.

    What may still be written stays; see `remove_left`.
    """
    for parent, _, names in os.walk(folder):
        remove_left(Path(parent, name) for name in giving_way(names) if _PART.fullmatch(name))


def _unfinished_of(target: Path) -> Generator[Path]:
    """Yield the unfinished files of a target: those that programs write now, and what is left."""
    beside = re.compile(rf"\.{re.escape(target.name[:_NAME_CHARACTERS])}-[0-9a-f]{{12}}\.part")
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        yield from (Path(entry.path) for entry in entries if beside.fullmatch(entry.name))


def atomic_write_bytes(
    path: Path,
    data: bytes | bytearray | memoryview,
    *,
    mode: int | None = None,
    synced: bool = True,
    kept: bool = False,
) -> None:
    """Write a file whole or not at all, as `atomic_write` does. Raises OSError."""
    with atomic_write(path, mode=mode, synced=synced, kept=kept) as file:
        file.write(data)


def create_whole(path: Path, data: bytes) -> bool:
    """Write a file whole that is kept for the program, unless there is one; return whether it was.

    Of several processes and machines that write the same name, one writes it.

    Raises
    ------
    OSError
        It cannot be written, such as on a full disk.
    """
    if os.path.lexists(path):
        return False
    unfinished = path.with_name(f".{path.name[:_NAME_CHARACTERS]}-{os.urandom(6).hex()}.part")
    try:
        atomic_write_bytes(unfinished, data, kept=True)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _UNLINKABLE:
                raise
            _create_in_place(path, data)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
    sync_folder(path.parent)
    return True


def _create_in_place(path: Path, data: bytes) -> None:
    """Write a file where the drive knows no second names of files."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_FILE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            give_access(handle, path.parent)
            _sync(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()  # else whoever tries again would take it for whole
        raise


@contextmanager
def atomic_write_text(path: Path) -> Generator[TextIO]:
    """Give a text file (UTF-8, line ends as written), as `atomic_write` gives a binary one."""
    with atomic_write(path) as file, as_text(file) as text:
        yield text


@contextmanager
def as_text(file: IO[bytes]) -> Generator[TextIO]:
    """Give a text file (UTF-8, line ends as written) over a binary one, which stays open."""
    text = io.TextIOWrapper(cast("Any", file), "utf-8", errors="replace", newline="")
    try:
        yield text
        text.flush()
    finally:
        with contextlib.suppress(OSError, ValueError):
            text.detach()


def unwritable(path: Path, error: Exception) -> str:
    """Return the sentence that says why a file was not written, and what to do."""
    return f"{path} cannot be written ({reason_of(error)}): choose another place."


def check_allowed(target: Path, path: Path) -> None:
    """See that the administrator lets the user write there. Raises PermissionError."""
    allowed = policy()
    if not allowed.allows_path(target):
        refusal = f"the administrator's policy allows no files there{allowed.only_in}"
        raise PermissionError(errno.EACCES, refusal, str(path))


class _Measured(io.FileIO):
    """Knows how many bytes the file must have."""

    expected_bytes = 0

    def write(self, data: Any) -> int:
        count = super().write(data)
        self.expected_bytes = max(self.expected_bytes, self.tell())
        return count

    def truncate(self, size: int | None = None) -> int:
        self.expected_bytes = super().truncate(size)
        return self.expected_bytes


def _verify(file: _Measured) -> None:
    found = os.fstat(file.fileno()).st_size
    if found < file.expected_bytes:
        raise ShortFileError(file.expected_bytes, found)


def _target_of(path: Path, *, is_ours: bool) -> Path | None:
    """Return the file to replace, links followed; None for what has to be written to in place.

    A pipe or device in place of a file of the program's own is replaced: nobody reads it.
    """
    if _descriptor_of(path) is not None:
        return None
    target = Path(os.path.realpath(path))
    try:
        found = target.lstat()
    except FileNotFoundError:
        return target
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if not stat.S_ISREG(found.st_mode):
        return path.absolute() if is_ours else None
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it is protected against writing", str(path))
    return target


@contextmanager
def _through(path: Path) -> Generator[IO[bytes]]:
    """Hold what is written until it is whole, then send it to a device, pipe or open file."""
    with tempfile.SpooledTemporaryFile(_MOST_HELD_BYTES) as held:
        yield held
        held.seek(0)
        descriptor = _descriptor_of(path)
        # A copy of an open file shares its place: what is printed later goes on behind it.
        with path.open("wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb") as file:
            shutil.copyfileobj(held, file, _BUFFER_BYTES)
            file.flush()


def _descriptor_of(path: Path) -> int | None:
    """Return the number of the open file of this process that a path such as /dev/stdout names."""
    for _ in range(_MOST_LINKS):
        if os.path.realpath(path.parent) == f"/proc/{os.getpid()}/fd" and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / os.readlink(path)
    return None


def tell_export(path: Path) -> None:
    """Tell that a file or folder was written for the user."""
    if on_export is not None and _descriptor_of(path) is None and not path.is_char_device():
        on_export(path)


def sync_open(handle: int, mode: int | None = None) -> None:
    """Wait until the disk has an open file, of the permissions `mode`; not every drive can.

    Raises OSError, such as of a disk that fails, and of a device, which keeps nothing.
    """
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if mode is not None:
        _give_mode(handle, mode)
    _sync(handle)


def _give_mode(handle: int, mode: int) -> None:
    with contextlib.suppress(OSError):  # some drives have no permissions
        os.chmod(handle, mode)


def _keep_mode(target: Path, handle: int) -> None:
    with contextlib.suppress(OSError):
        os.chmod(handle, stat.S_IMODE(target.stat().st_mode))


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSYNCABLE:
            raise


def sync_folder(folder: Path) -> None:
    """So that the new name outlives a loss of power; not every file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
