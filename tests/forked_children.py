"""Forks the children of the tests from one process that has imported their libraries already.

A child of Coverslip is a new interpreter, which imports torch in two seconds of a core. The tests
start hundreds. Here `launch` gives them what it starts in 30 ms instead: a fork of an interpreter
that was started with the same options, imports the same modules at first need and has one thread.
The child then goes through the same entry, so it is confined, fed and watched as any other.

Tests in `tests/attacks` that do not say otherwise, those of the start itself (`real_children`) and
those that run the program as a process start children as it does.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viewer.processes.confinement.spawning import SpawnedProcess

CONFINEMENT = (
    "viewer.processes.confinement.landlock",
    "viewer.processes.confinement.seccomp",
)
"""What each confined child gives its rights up by."""
_LIBRARIES = {
    "viewer.inference.process.model_main": (
        "viewer.inference.process.block_worker",
        "viewer.inference.process.network",
        "viewer.inference.steps.detection",
        "viewer.inference.steps.instances",
    ),
    "viewer.annotations.formats.dicom.reading_process": ("highdicom",),
    "viewer.overlays.files.table_process": ("h5py", "pyarrow.parquet"),
    "viewer.cohort.query.process": ("duckdb", "pandas", "pyarrow.dataset"),
}
"""What children import beyond what their own module does, once they know what they are asked."""
_OF_SLIDES = {
    "zarr": ("zarr", "numcodecs.registry", "imagecodecs.numcodecs"),
    "dicom": ("pydicom", "wsidicom.file.io"),
}
"""What those import that read slides which the name of a test tells of."""
_MAX_MESSAGE_BYTES = 1 << 20
_MAX_DESCRIPTORS = 64
_SUBREAPER, _COLLAPSE = 36, 25
_GET_TID_ADDRESS = 40
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE_PARENT, _CLONE_CHILD_SETTID, _CLONE_CHILD_CLEARTID = 0x8000, 0x1000000, 0x200000
_is_fork = False
"""Whether this process was forked by one that is here."""
_not_there: set[str] = set()
_THREADS = ("OMP_", "OPENBLAS_", "MKL_")
"""Libraries read these once: where a child is to have others than the server, it is not forked."""


class ForkedChild(subprocess.Popen[bytes]):
    """A child of this process that was forked elsewhere, with its standard error."""

    def __init__(self, pid: int, stderr: IO[bytes]) -> None:
        self.args = [sys.executable]
        self.pid, self.returncode = pid, None
        self.stdin = self.stdout = None
        self.stderr = stderr
        self._child_created = True
        self._waitpid_lock = threading.Lock()


class ForkServer:
    """Stands in for `spawn` in `launch`: a process that forks, started at first need."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: dict[str, str] = {}
        self._ours: socket.socket | None = None

    @classmethod
    def of_this_process(cls) -> ForkServer:
        """Return one whose process is a fork of this one, which must have one thread."""
        server = cls()
        server._threads = threads_of(os.environ)
        server._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            try:
                sys.dont_write_bytecode = True
                nowhere = os.open(os.devnull, os.O_RDWR)
                take_over([nowhere, theirs.detach()], [2, 3])  # no pipe stays open in there
                _serve(socket.socket(fileno=3), list(sys.path), _standard_folders())
            finally:
                os._exit(0)
        theirs.close()
        return server

    def spawn(
        self,
        command: Sequence[str],
        *,
        folder: str,
        environment: dict[str, str],
        inherited_fds: Sequence[int] = (),
    ) -> ForkedChild | SpawnedProcess:
        """Do what `spawn` does for `launch`."""
        with self._lock:
            if self._ours is None:
                self._ours = self._started(command, environment)
            if threads_of(environment) != self._threads:
                # Here, as this file is a program, too, that finds no `viewer` as it begins.
                from viewer.processes.confinement.spawning import spawn

                return spawn(
                    command, folder=folder, environment=environment, inherited_fds=inherited_fds
                )
            reading, writing = os.pipe()
            inherited = list(inherited_fds)
            order = {
                "arguments": command[command.index("-X") + 2 :],
                "folder": folder,
                "environment": environment,
                "descriptors": inherited,
                "libraries": libraries_of_slides(),
            }
            be_subreaper(yes=True)
            try:
                send(self._ours, order, [writing, *inherited])
                answer, _ = receive(self._ours)
            finally:
                be_subreaper(yes=False)
                os.close(writing)
            return ForkedChild(answer["pid"], os.fdopen(reading, "rb"))

    def _started(self, command: Sequence[str], environment: dict[str, str]) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._threads = threads_of(environment)
        interpreter = command[: command.index("-X") + 2]
        orders = command[len(interpreter) + 1 : command.index("--")]
        folders = [
            order.partition("=")[2] for order in orders if order.startswith(("pack", "path"))
        ]
        with theirs:
            subprocess.Popen(
                [*interpreter, __file__, str(theirs.fileno()), *folders],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
            )
        return ours


def libraries_of_slides() -> list[str]:
    """Return what the running test needs for its slides; forks for others take less without."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "")
    return [each for kind in _OF_SLIDES if kind in test for each in _OF_SLIDES[kind]]


def threads_of(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_THREADS)}


def be_subreaper(*, yes: bool) -> None:
    """Be the parent of what descendants leave behind while that is on, as a forked child is."""
    ctypes.CDLL(None).prctl(_SUBREAPER, ctypes.c_ulong(yes), *(ctypes.c_ulong(0),) * 3)


def send(channel: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    numbers = array.array("i", descriptors)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if descriptors else []
    channel.sendmsg([json.dumps(message).encode()], ancillary)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    room = socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4)
    data, ancillary, _, _ = channel.recvmsg(_MAX_MESSAGE_BYTES, room)
    if not data:
        raise EOFError
    numbers = array.array("i")
    for _, _, part in ancillary:
        numbers.frombytes(part)
    return json.loads(data), list(numbers)


# In the process that forks ---------------------------------------------------------------------


def _serve(channel: socket.socket, folders: list[str], bare: list[str]) -> None:
    while True:
        try:
            order, descriptors = receive(channel)
        except EOFError:
            return
        (main,) = (each[5:] for each in order["arguments"] if each.startswith("main="))
        sys.path[:] = [*folders, *bare]
        import_first(main, *CONFINEMENT, *_LIBRARIES.get(main, ()), *order["libraries"])
        sys.path[:] = bare
        pid = fork_for_parent(new_session=True)
        if pid is None:
            _begin(order, descriptors)
        send(channel, {"pid": pid})
        for number in descriptors:
            os.close(number)


def import_first(*modules: str) -> None:
    """Import what forks of this process will need, but for what is not installed."""
    # A thread of Arrow's would make two forks of each.
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    missing = {each for each in modules if each not in sys.modules} - _not_there
    gc.disable()
    for module in missing:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.enable()
    _not_there.update(missing - sys.modules.keys())
    if missing:
        gc.collect()
        gc.freeze()  # what is never touched is never copied
        if not _is_fork:
            _join_pages()


def _join_pages() -> None:
    """Let memory lie in large pages, where the kernel has any: a fork then takes half as long.

    It copies the number of each page; of a process that imported torch there are 40,000 small ones.
    A fork shares its pages, which would be copied by this.
    """
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, _, _, file, *name = line.split()
        first, beyond = (int(each, 16) for each in addresses.split("-"))
        if rights == "rw-p" and file == "0" and name != ["[stack]"]:
            advise(first, beyond - first, _COLLAPSE)  # what cannot be joined stays as it is


def _standard_folders() -> list[str]:
    """Return where an interpreter finds modules that looks for no installed packages."""
    folders = (each for each in sys.path if each.startswith(sys.base_prefix))
    return [each for each in folders if not each.endswith("-packages")]


def fork_for_parent(*, new_session: bool) -> int | None:
    """Fork a child of the process that started this one; return its number, None in there.

    Parameters
    ----------
    new_session
        Whether the child leads a session of its own. It does when its number is returned, as of
        `spawn` and `subprocess`: who lets it give way does so to its session, too.
    """
    if not new_session:
        return _forked()
    reading, writing = os.pipe()
    pid = _forked()
    if pid is None:
        os.setsid()
        os.close(reading)
        os.close(writing)
        return None
    os.close(writing)
    os.read(reading, 1)  # ends as the child closes its end
    os.close(reading)
    return pid


def _forked() -> int | None:
    number = _CLONE.get(os.uname().machine)
    place = ctypes.c_void_p()
    c_library = ctypes.PyDLL(None)  # which goes on without a moment for another thread
    is_alone = len(os.listdir("/proc/self/task")) == 1
    if number is None or not is_alone or c_library.prctl(_GET_TID_ADDRESS, ctypes.byref(place)):
        return _fork_twice()  # where libraries may have to hear of it, too
    ctypes.pythonapi.PyOS_BeforeFork()
    flags = _CLONE_PARENT | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID | signal.SIGCHLD
    # The two kinds of processor take the last two in either order; the other one is not used.
    pid = c_library.syscall(number, flags, None, None, place, place)
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        _note_fork()
        return None
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    return _fork_twice() if pid < 0 else pid


def _note_fork() -> None:
    global _is_fork
    _is_fork = True


def _fork_twice() -> int | None:
    """Do the same with twice the work: the child is nobody's, and so its subreaper's."""
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        pid = os.fork()
        if pid == 0:
            _note_fork()
            return None
        os.write(writing, str(pid).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(between, 0)
    with os.fdopen(reading) as pipe:
        return int(pipe.read())


def _begin(order: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be the child that `launch` asked for."""
    try:
        take_over(descriptors, [2, *order["descriptors"]])
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv[:] = order["arguments"]
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def take_over(descriptors: Sequence[int], wanted: Sequence[int]) -> None:
    """Give descriptors the numbers that are wanted, and close all others but those to nowhere."""
    beyond = max([*descriptors, *wanted]) + 1
    for place, number in enumerate(descriptors):
        os.dup2(number, beyond + place)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nowhere, number)
    for place, number in enumerate(wanted):
        os.dup2(beyond + place, number)
    kept = sorted({0, 1, *wanted})
    for low, high in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:], list(sys.path))
