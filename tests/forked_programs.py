"""Starts Python programs as forks of a process that has imported what they need already.

A program that is started imports Coverslip anew, in a quarter of a second to three seconds of a
core. Where a test needs a process, to kill it or to limit it, and not its start, `Popen` and `run`
stand in for those of `subprocess`: the program is a child of the tests with its own descriptors,
environment and folder, ends as any other, and forks its own children the same way.

What is not `python -c TEXT`, `python -m MODULE` or `python FILE` is started as always.
"""

from __future__ import annotations

import ast
import atexit
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from forked_children import (
    CONFINEMENT,
    ForkServer,
    be_subreaper,
    fork_for_parent,
    import_first,
    libraries_of_slides,
    receive,
    send,
    take_over,
    threads_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

PIPE, DEVNULL, STDOUT = subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT
CompletedProcess, TimeoutExpired = subprocess.CompletedProcess, subprocess.TimeoutExpired

REPOSITORY = Path(__file__).resolve().parent.parent
MODELS = (
    "viewer.inference.process.model_main",
    "viewer.inference.process.block_worker",
    "viewer.inference.steps.detection",
    "viewer.inference.steps.instances",
)
"""What a program needs to have imported for its models to start at once, too."""

_PRELOADED = (
    "pydantic.plugin._loader",
    "typer._click.decorators",
    "viewer.cli",
    "viewer.cohort.executor",
    *CONFINEMENT,
    "viewer.processes.helper",
    "viewer.slides.opener",
    "viewer.slides.opening_here",
    "viewer.slides.reader_process.host",
)
_ALONG = {
    "viewer.cli": ("typer._adapters", "rich.table", "viewer.logs", "viewer.recording.library"),
    "viewer.cli.one_after_another": ("viewer.cli.run", *MODELS),
}
"""What modules import later on, where most of their users need it."""
COMMANDS = (
    "cryptography.hazmat.primitives.serialization",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.TiffImagePlugin",
    "importlib_metadata",
    "keyring.core",
    "numpy.ma",
    "platformdirs",
    "pydantic",
    "viewer.annotations.formats.exchange",
    "viewer.annotations.masks.label_masks",
    "viewer.overlays.files.zarr_marks",
    "viewer.recording.importers.importing",
    "viewer.signing",
    "viewer.stand_in.left_behind",
    "viewer.tiles.kept_channels",
    "viewer.tiles.kept_display",
    "viewer.tiles.kept_view",
    "viewer.ui.figures.shot",
    "viewer.ui.figures.writing",
)
"""What commands import where they need it."""
_OPTIONS = ("-B", "-P")
_asking = threading.Lock()
_servers: list[socket.socket] = []


class Popen(subprocess.Popen[Any]):
    """A program that was forked; its arguments are those of `subprocess.Popen`.

    Parameters
    ----------
    limit
        Bytes that no file can become longer than, as on a full disk.
    along
        Modules that the program needs beyond those that its text imports.
    """

    def __init__(
        self,
        command: Sequence[object],
        *,
        limit: int | None = None,
        along: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self._limit, self._along = limit, along
        super().__init__([str(each) for each in command], **options)

    def _execute_child(self, *given: Any) -> None:
        names = ("args", "executable", "preexec_fn", "close_fds", "pass_fds", "cwd", "env")
        asked = dict(zip(names, given, strict=False))
        environment = {**(os.environ if asked["env"] is None else asked["env"])}
        program = _program_of(asked["args"])
        if (
            program is None
            or asked["preexec_fn"]
            or threads_of(environment) != threads_of(os.environ)
        ):
            assert self._limit is None
            super()._execute_child(*given)  # pyright: ignore[reportAttributeAccessIssue]
            return
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = given[10:16]
        ends = [
            ours if end == -1 else end for ours, end in enumerate((p2cread, c2pwrite, errwrite))
        ]
        order = {
            **program,
            "folder": os.fspath(asked["cwd"] or Path.cwd()),
            "environment": environment,
            "descriptors": [0, 1, 2, *asked["pass_fds"]],
            "limit": self._limit,
            "new_session": given[21],
            "along": [*self._along, *libraries_of_slides()],
        }
        with _asking:
            channel = _server()
            be_subreaper(yes=True)
            try:
                send(channel, order, [*ends, *asked["pass_fds"]])
                answer, _ = receive(channel)
            finally:
                be_subreaper(yes=False)
        self.pid, self._child_created = answer["pid"], True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # pyright: ignore


def run(command: Sequence[object], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a program to its end, as `subprocess.run` does."""
    given, timeout = options.pop("input", None), options.pop("timeout", None)
    check = options.pop("check", False)
    if options.pop("capture_output", False):
        options |= {"stdout": PIPE, "stderr": PIPE}
    if given is not None:
        options["stdin"] = PIPE
    with Popen(command, **options) as process:
        try:
            output, errors = process.communicate(given, timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, output, errors)
    if check:
        done.check_returncode()
    return done


def forked_coverslip(
    *arguments: object, limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as `coverslip` does, and return its exit code and what it says."""
    command = [sys.executable, REPOSITORY / "app.py", *arguments]
    return run(command, limit=limit, along=COMMANDS, capture_output=True, text=True, timeout=110)


def _program_of(words: Sequence[str]) -> dict[str, Any] | None:
    """Return what of a command line is run, and with which arguments."""
    if words[0] != sys.executable:
        return None
    rest = list(words[1:])
    safe = False
    while rest and rest[0] in _OPTIONS:
        safe |= rest.pop(0) == "-P"
    match rest:
        case ["-c", text, *arguments]:
            return {"text": text, "arguments": ["-c", *arguments], "safe": safe}
        case ["-m", module, *arguments]:
            return {"module": module, "arguments": [module, *arguments], "safe": safe}
        case [file, *_] if file.endswith(".py"):
            return {"file": file, "arguments": rest, "safe": safe}
        case _:
            return None


def _server() -> socket.socket:
    """Return the channel to the process that forks, which is started at first need."""
    if not _servers:
        _servers.append(_started())
    return _servers[0]


def _started() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours


# In the process that forks ---------------------------------------------------------------------


def _serve(channel: socket.socket) -> dict[str, Any]:
    """Fork until all is over; return in a child, what it is to run."""
    own = list(sys.path)
    import_first(*_PRELOADED)
    while True:
        try:
            order, descriptors = receive(channel)
        except EOFError:
            os._exit(0)
        sys.path[:] = own
        import_first(*order["along"], *_imported_by(order))
        pid = fork_for_parent(new_session=order["new_session"])
        if pid is None:
            # A descriptor of the program may get its number, which would be closed with it later.
            channel.close()
            return _become(order, descriptors)
        send(channel, {"pid": pid})
        for number in descriptors:
            os.close(number)


def _imported_by(order: dict[str, Any]) -> list[str]:
    """Return the modules of installed packages and of Coverslip that a program imports first."""
    if module := order.get("module"):
        return [module]
    text = order.get("text") or Path(order["folder"], order["file"]).read_text()
    found: list[str] = []
    try:
        statements = ast.parse(text).body
    except SyntaxError:  # which the program will tell
        return []
    for each in statements:
        if isinstance(each, ast.Import):
            found += [alias.name for alias in each.names]
        elif isinstance(each, ast.ImportFrom) and each.module:
            found.append(each.module)
    return [each for name in found for each in (name, *_ALONG.get(name, ()))]


def _become(order: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
    """Be the process that was asked for, up to what it runs, which is returned.

    Beside it are two that fork its own children. The programs among these return from here, too.
    """
    take_over(descriptors, order["descriptors"])
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    if order["limit"] is not None:
        # A compiled module that is cut off would break whoever imports it next.
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"], order["limit"]))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        take_over([os.open(os.devnull, os.O_RDWR), theirs.detach()], [2, 3])
        return _serve(socket.socket(fileno=3))
    theirs.close()
    from viewer.cohort import executor
    from viewer.processes import own_modules
    from viewer.processes.confinement import launching

    launching.spawn = ForkServer.of_this_process().spawn
    _servers[:] = [ours]
    here: Any = types.SimpleNamespace(
        Popen=Popen, PIPE=PIPE, DEVNULL=DEVNULL, TimeoutExpired=TimeoutExpired
    )
    executor.subprocess = own_modules.subprocess = here
    return order


def _run(order: dict[str, Any]) -> None:
    sys.argv[:] = order["arguments"]
    paths = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    first = str(Path(order["file"]).absolute().parent) if "file" in order else ""
    sys.path[:0] = paths if order["safe"] else [first, *paths]
    if "file" in order:
        runpy.run_path(order["file"], run_name="__main__")
    elif "module" in order:
        sys.modules.pop(order["module"], None)  # imported beforehand, for what it imports
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
    else:
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(order["text"], "<string>", "exec"), main.__dict__)  # noqa: S102


def _end(code: int) -> NoReturn:
    """End as Python does, but leave its modules as they are.

    To take them apart writes to nearly all that is shared with the server, which copies it: four
    times the work of a program that does nothing.
    """
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue] - waits for threads
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)  # Python tells of it
    os._exit(code)


if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        _run(asked)
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise
        _end(end.code or 0)
    _end(0)
