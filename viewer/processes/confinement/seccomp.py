"""The seccomp filter of a confined process: a list of allowed system calls, all others fail.

Imports os and ctypes alone, because the child calls it before anything else is loaded.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from viewer.errors import CoverslipError
from viewer.processes.confinement.syscalls import ABSENT, ALWAYS, CHECKED, Numbers

_SET_SECCOMP, _GET_SECCOMP, _MODE_FILTER = 22, 21, 2

_LOAD, _AND, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
"""Operations of the kernel's filter machine, on 32-bit words."""
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets of what the filter sees of a call; an argument has 8 bytes, the low half first."""
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the tables of numbers, and the kernel's name of the architecture."""
_X32 = 0x40000000
"""Calls of the 32-bit table on x86-64 begin here."""

_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020080
_ANY_CLONE = _CLONE_THREAD | _CLONE_NAMESPACES
_TRUNCATING = 0o1003
_OPENING = (0, 1, 2, 0o1001, 0o1002)
"""Truncating without the right to write is not among them: early versions of Landlock allow it."""
_PRCTL = (3, 15, 16, 21, 23, 39, 51, 56, 64, 0x53564D41)
"""Names of threads and of memory, and questions."""
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1032, 1033, 1034)
"""Without those that send signals to others (F_SETOWN, F_SETSIG) or hear of others (F_NOTIFY)."""
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
_HARMFUL_IOCTL = (0x5412, 0x541C, 0x5452, 0x8901, 0x8902, 0x40086602, 0x40087602, 0x401C5820)
"""Typing into a terminal (TIOCSTI, TIOCLINUX), signals to others (FIOASYNC, FIOSETOWN, SIOCSPGRP),
attributes of files that may be read (FS_IOC_SETFLAGS, FS_IOC_SETVERSION, FS_IOC_FSSETXATTR)."""
_ALL_BITS = 0xFFFFFFFF

Check = tuple[int, int, tuple[int, ...]]
"""Number of an argument, mask, and the values of which the masked argument has to have one."""


class SeccompError(CoverslipError):
    """The filter cannot be set; `str()` is one sentence."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def machine() -> str | None:
    """Return the machine's name if the filter knows its system calls, else None."""
    name = os.uname().machine if hasattr(os, "uname") else ""
    is_64_bit = struct.calcsize("P") == 8
    return name if name in _MACHINES and is_64_bit else None


def has_seccomp() -> bool:
    """Return whether the kernel can filter system calls and the filter knows this machine."""
    if machine() is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(_GET_SECCOMP, *(ctypes.c_ulong(0),) * 4)) >= 0


def apply_filter(*, devices: bool = False) -> None:
    """Allow this thread, and all that it starts, nothing but the listed calls, for good.

    Parameters
    ----------
    devices
        Whether the process controls a graphics device, which needs any ioctl of its driver.

    Raises
    ------
    SeccompError
        The kernel refused, or the machine is unknown.
    """
    name = machine()
    if name is None:
        raise SeccompError("The system calls of this machine are unknown.")
    code = filter_program(name, os.getpid(), devices=devices)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program))
    if libc.prctl(_SET_SECCOMP, *arguments, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise SeccompError(f"The kernel refused the filter of system calls ({reason}).")


def filter_program(name: str, process: int, *, devices: bool) -> bytes:
    """Return the filter for a machine and a process of that id, 8 bytes an instruction."""
    column, architecture = _MACHINES[name]
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_EQUAL, architecture, 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
        _instruction(_JUMP_AT_LEAST, _X32, 0, 1),
        _instruction(_RETURN, _FAIL | errno.EPERM),
    ]
    for number in _numbers(ALWAYS, column).values():
        code += [_instruction(_JUMP_EQUAL, number, 0, 1), _instruction(_RETURN, _ALLOW)]
    for number in _numbers(ABSENT, column).values():
        code += [
            _instruction(_JUMP_EQUAL, number, 0, 1),
            _instruction(_RETURN, _FAIL | errno.ENOSYS),
        ]
    for call, number in _numbers(CHECKED, column).items():
        body = _checked(_checks(call, process, devices=devices), devices and call == "ioctl")
        code += [_instruction(_JUMP_EQUAL, number, 0, len(body)), *body]
    code.append(_instruction(_RETURN, _FAIL | errno.EPERM))
    return b"".join(code)


def _checks(call: str, process: int, *, devices: bool) -> tuple[Check, ...]:
    """Return what has to hold for the arguments of a call."""
    itself = (0, process)
    match call:
        case "open":
            return ((1, _TRUNCATING, _OPENING),)
        case "openat":
            return ((2, _TRUNCATING, _OPENING),)
        case "clone":
            return ((0, _ANY_CLONE, (_CLONE_THREAD,)),)
        case "prctl":
            return ((0, _ALL_BITS, _PRCTL),)
        case "fcntl":
            return ((1, _ALL_BITS, _FCNTL),)
        case "ioctl":
            return () if devices else ((1, _ALL_BITS, _IOCTL),)
        case "kill" | "tgkill":
            return ((0, _ALL_BITS, (process,)),)
        case "setpriority":
            return ((0, _ALL_BITS, (0,)), (1, _ALL_BITS, itself))
        case _:
            return ((0, _ALL_BITS, itself),)


def _checked(checks: tuple[Check, ...], forbids_harmful_ioctl: bool) -> list[bytes]:
    """Instructions that end with the verdict on a call whose number has been recognized."""
    deny = _instruction(_RETURN, _FAIL | errno.EPERM)
    body: list[bytes] = []
    if forbids_harmful_ioctl:
        body.append(_instruction(_LOAD, _ARGUMENTS + 8))
        for value in _HARMFUL_IOCTL:
            body += [_instruction(_JUMP_EQUAL, value, 0, 1), deny]
    for argument, mask, values in checks:
        body += [_instruction(_LOAD, _ARGUMENTS + 8 * argument), _instruction(_AND, mask)]
        for index, value in enumerate(values):
            rest = len(values) - index - 1
            body.append(_instruction(_JUMP_EQUAL, value, rest + 1, 0))
        body.append(deny)
    return [*body, _instruction(_RETURN, _ALLOW)]


def _numbers(table: Numbers, column: int) -> dict[str, int]:
    return {name: found for name, both in table.items() if (found := both[column]) is not None}


def _instruction(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)
