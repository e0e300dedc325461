"""Runs commands as processes of their own that are forked, not started.

A command that is started imports the program anew, in up to a second of a core. Where a test needs
a process, for its limits on files, and not the start, it is a fork of one that has imported it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

_PRELOADED = (
    "cryptography.hazmat.primitives.serialization",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.TiffImagePlugin",
    "platformdirs",
    "pydantic",
    "rich.table",
    "typer._adapters",
    "viewer.annotations.formats.exchange",
    "viewer.annotations.masks.label_masks",
    "viewer.logs",
    "viewer.overlays.files.zarr_marks",
    "viewer.recording.importers.importing",
    "viewer.recording.library",
    "viewer.signing",
    "viewer.slides.opener",
    "viewer.stand_in.left_behind",
    "viewer.ui.figures.shot",
    "viewer.ui.figures.writing",
)
_TIMEOUT_S = 110
_MAX_MESSAGE_BYTES = 1 << 20


def forked_coverslip(
    *arguments: object, limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as `coverslip` does, here, and return its exit code and what it says.

    Parameters
    ----------
    limit
        Bytes that no file can become longer than, as on a full disk.
    """
    words = [str(each) for each in arguments]
    order = {
        "arguments": words,
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "limit": limit,
    }
    pipes = [os.pipe(), os.pipe()]  # files would be limited, too
    with ThreadPoolExecutor(len(pipes)) as readers:
        socket.send_fds(_server(), [json.dumps(order).encode()], [end for _, end in pipes])
        for _, end in pipes:
            os.close(end)
        said = list(readers.map(_all_of, [end for end, _ in pipes]))
    code = int(_server().recv(64))
    return subprocess.CompletedProcess(words, code, *said)


def _all_of(descriptor: int) -> str:
    with open(descriptor) as pipe:
        return pipe.read()


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(_TIMEOUT_S)
    with theirs:
        subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours


# In the process that forks ---------------------------------------------------------------------


def _serve(channel: socket.socket) -> None:
    from viewer.cli import main

    for module in _PRELOADED:
        with contextlib.suppress(ImportError):  # of what is named otherwise by now
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what is never touched is never copied
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, _MAX_MESSAGE_BYTES, 2)
        if not data:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            _become(json.loads(data), *descriptors)
            main()  # and ends as a program does
            return
        for number in descriptors:
            os.close(number)
        _, status = os.waitpid(pid, 0)
        channel.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(order: dict[str, Any], out: int, err: int) -> None:
    """Be the process that was asked for."""
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.argv[:] = ["coverslip", *order["arguments"]]
    if order["limit"] is not None:
        # A compiled module that is cut off would break whoever imports it next.
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"], order["limit"]))


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    _serve(socket.socket(fileno=int(sys.argv[1])))
