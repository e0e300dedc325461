"""Starts a child: confined where the system can, with a named environment and a private folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from viewer.cores import on_all_cores
from viewer.processes.channel import inherit
from viewer.processes.confinement import readable
from viewer.processes.confinement.spawning import can_spawn, spawn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ENTRY = Path(__file__).with_name("entry.py")
_OPTIONS = ("-B", "-P", "-E", "-s", "-S", "-X", "utf8")
"""No compiled files (a full disk would cut them off), no working folder, no PYTHON* variables, no
user packages, no `.pth` files."""
_KEPT_VARIABLES = frozenset(
    {
        "CUDA_DEVICE_ORDER",
        "CUDA_VISIBLE_DEVICES",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "SYSTEMROOT",
        "TZ",
    }
)
_KEPT_PREFIXES = ("OMP_", "OPENBLAS_", "MKL_")
_STDERR_LINES = 200
_STDERR_LINE_BYTES = 2000


class _Process(Protocol):
    """What `subprocess.Popen` and `SpawnedProcess` have in common."""

    pid: int

    @property
    def stderr(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None, /) -> int: ...
    def kill(self) -> None: ...


class ChildProcess:
    """A child that was launched, and its private folder, which goes with it.

    Attributes
    ----------
    popen
        The process. Its standard error is read here; standard input and output lead nowhere.
    is_confined
        Whether Landlock and seccomp hold it.
    """

    def __init__(self, popen: _Process, folder: str, *, is_confined: bool) -> None:
        self.popen = popen
        self.is_confined = is_confined
        self._folder = folder
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._reader = threading.Thread(target=self._read, name="child stderr", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def is_running(self) -> bool:
        """Return whether the process has not ended yet."""
        return self.popen.poll() is None

    def close(self) -> int:
        """End the process at once, remove its folder, and return its exit status."""
        self.popen.kill()
        status = self.popen.wait()
        self._reader.join(1.0)
        shutil.rmtree(self._folder, ignore_errors=True)
        return status

    def last_words(self) -> str:
        """Return the last lines of its standard error."""
        return "\n".join(self._stderr)

    def _read(self) -> None:
        assert self.popen.stderr is not None
        with self.popen.stderr as pipe:
            while line := pipe.readline(_STDERR_LINE_BYTES):
                self._stderr.append(line.decode(errors="replace").rstrip())


@cache
def confinement_gap() -> str | None:
    """Return in one sentence why children cannot be confined here; None where they can."""
    if sys.platform != "linux":
        return "Models and readers can be confined on Linux only."
    from viewer.processes.confinement import landlock, seccomp

    if seccomp.machine() is None:
        return "Models and readers can be confined on x86-64 and aarch64 only."
    if landlock.landlock_abi() < 1:
        return "This Linux kernel lacks Landlock (5.13 or newer has it), which confines models."
    if not seccomp.has_seccomp():
        return "This Linux kernel lacks seccomp filters, which confine models."
    return None


def launch(
    main: str,
    arguments: Sequence[str] = (),
    *,
    readable_paths: Sequence[str] = (),
    inherited_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    uses_cuda: bool = False,
) -> ChildProcess:
    """Start `main(arguments)` of a module in a child, confined where this system can.

    The child can read the interpreter, libraries, `viewer` and `readable_paths`; it can write in a
    private empty folder, which is its working folder, HOME and TMPDIR. It has no network, cannot
    start processes, and inherits no descriptor but the ones named.

    Parameters
    ----------
    main
        Name of a module of `viewer` with a function `main(arguments: list[str])`.
    readable_paths
        Absolute paths of files, and of folders with all that they hold.
    inherited_fds
        Descriptors that stay open under the same numbers.
    environment
        Variables beyond those that every child gets.
    uses_cuda
        Whether the devices of NVIDIA's driver stay reachable.

    Raises
    ------
    OSError
        The process cannot be started.
    """
    is_confined = confinement_gap() is None
    folder = tempfile.mkdtemp(prefix="coverslip-")
    orders = [f"main={main}", f"packages={readable.package_root()}"]
    orders += [f"path={path}" for path in readable.package_folders()]
    orders += [f"descriptor={number}" for number in inherited_fds]
    if is_confined:
        devices = readable.cuda_devices() if uses_cuda else []
        paths = [*readable.library_paths(), *(readable.cuda_paths() if devices else [])]
        orders += ["confined=", f"write={folder}", "device=/dev/null"]
        orders += [f"read={path}" for path in (*paths, *readable_paths)]
        orders += [f"device={path}" for path in devices]
        orders += ["ioctl=any"] if devices else []
    try:
        command = [sys.executable, *_OPTIONS, str(_ENTRY), *orders, "--", *arguments]
        variables = child_environment(folder) | dict(environment or {})
        with on_all_cores():
            popen = _started(command, folder, variables, inherited_fds)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return ChildProcess(popen, folder, is_confined=is_confined)


def _started(
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    inherited_fds: Sequence[int],
) -> _Process:
    """Start a program without a terminal that it could type into. Raise OSError."""
    if can_spawn():
        return spawn(command, folder=folder, environment=environment, inherited_fds=inherited_fds)
    popen: Any = subprocess.Popen(  # noqa: S603 - our own interpreter and entry
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        start_new_session=True,
        **inherit(*inherited_fds),
    )
    return popen


def child_environment(folder: str) -> dict[str, str]:
    """Return the variables of a child whose private folder is `folder`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    return {
        "OPENBLAS_NUM_THREADS": "1",
        **kept,
        **dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), folder),
        **dict.fromkeys(("USER", "LOGNAME"), "coverslip"),
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
    }
