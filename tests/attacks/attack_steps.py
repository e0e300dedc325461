"""Runs code inside the confinement and tells how it fared."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from viewer.processes import file_process
from viewer.processes.confinement.launching import confinement_gap, launch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

can_confine = confinement_gap() is None

_PROLOGUE = """
import ctypes, errno, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)

def name_of(error):
    return errno.errorcode.get(error, str(error))

def call(function, *arguments):
    "Call a function of libc, and return the name of its error or its value."
    ctypes.set_errno(0)
    value = getattr(libc, function)(*arguments)
    return name_of(ctypes.get_errno()) if value == -1 else value

def attempt(function, *arguments):
    try:
        return repr(function(*arguments))
    except OSError as error:
        return name_of(error.errno)

def tell(value):
    os.write({fd}, json.dumps(value).encode())
"""


def run_confined(
    code: str,
    *,
    readable_paths: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 30,
) -> Any:
    """What the code handed to `tell`, run by a child that was launched and confined as all are.

    The standard library's timeit has a `main` that runs code which it is given.
    """
    reading, writing = os.pipe()
    body = _PROLOGUE.replace("{fd}", str(writing)) + textwrap.dedent(code)
    child = launch(
        "timeit",
        ["-n1", "-r1", f"exec({body!r}, {{'__name__': 'attack'}})"],
        readable_paths=readable_paths,
        inherited_fds=[writing],
        environment=environment,
    )
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            child.popen.wait(timeout_s)
            data = pipe.read()
    finally:
        status = child.close()
    assert data, f"the child said nothing ({status}): {child.last_words()}"
    return json.loads(data)


_WITHOUT_LANDLOCK = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
parts = [(32, 0, 0, 0), (21, 0, 1, 444), (6, 0, 0, 0x50026), (6, 0, 0, 0x7FFF0000)]
code = b"".join(struct.pack("=HBBI", *part) for part in parts)
class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))
libc.prctl(38, *(ctypes.c_ulong(v) for v in (1, 0, 0, 0)))
program = Program(4, code)
zero = ctypes.c_ulong(0)
assert libc.prctl(22, ctypes.c_ulong(2), ctypes.byref(program), zero, zero) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def without_landlock() -> tuple[str, ...]:
    """A command before a command: runs it as on a kernel that has no Landlock."""
    return (sys.executable, "-c", _WITHOUT_LANDLOCK)


_ROGUE = """
import msgspec, socket, struct, time
channel = socket.socket(fileno={channel})
def say(**message):
    body = msgspec.msgpack.encode(message)
    channel.sendall(struct.pack("<Q", len(body)) + body)
{code}
time.sleep(60)
"""


def take_over_what_reads(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let each process that reads a file run this code instead, confined as it was."""

    def taken_over(_: str, arguments: Sequence[str], **options: Any) -> object:
        program = _ROGUE.format(channel=arguments[-1], code=textwrap.dedent(code))
        call = f"exec({program!r}, {{'__name__': 'rogue'}})"
        return launch("timeit", ["-n1", "-r1", call], **options)

    monkeypatch.setattr(file_process, "launch", taken_over)


def kill_what_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Kill each process that reads a foreign file as soon as it is there, as a fault would end it.

    Return their numbers, as they come. Takes real children.
    """
    ended: list[int] = []

    def started_and_killed(*arguments: object, **more: object) -> object:
        child = launch(*arguments, **more)  # pyright: ignore[reportArgumentType]
        ended.append(child.pid)
        os.kill(child.pid, signal.SIGSEGV)
        return child

    monkeypatch.setattr(file_process, "launch", started_and_killed)
    return ended
