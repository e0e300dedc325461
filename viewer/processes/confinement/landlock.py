"""Landlock through its three system calls: which files a thread and its later threads may touch.

Imports os and ctypes alone, because the child calls it before anything else is loaded.
"""

from __future__ import annotations

import ctypes
import os
import stat

from viewer.errors import CoverslipError

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = ctypes.c_uint32(1)
_PATH_BENEATH = 1
_SET_NO_NEW_PRIVS = 38

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15

_FILE_RIGHTS_BY_ABI = (0, 13, 14, 15, 15, 16)
"""How many rights to files each version knows; those after it know as many as the last."""
_NET_ABI, _SCOPE_ABI = 4, 6
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2


class LandlockError(CoverslipError):
    """Landlock refused a rule; `str()` is one sentence."""


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel offers, 0 where there is none."""
    return max(0, _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG))


def forbid_new_privileges() -> None:
    """Set no_new_privs, which Landlock and seccomp ask for. Raise LandlockError if it fails."""
    if _libc.prctl(_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0))) != 0:
        raise LandlockError(f"no_new_privs cannot be set ({os.strerror(ctypes.get_errno())}).")


def restrict(
    readable: list[str] | tuple[str, ...],
    writable: list[str] | tuple[str, ...] = (),
    devices: list[str] | tuple[str, ...] = (),
) -> None:
    """Deny the calling thread, and all that it starts, every file that is not named.

    Rules add up: what an earlier call denied stays denied. Threads that exist already keep their
    rights, so call it while there is only one.

    Parameters
    ----------
    readable
        Files, and folders with all that they hold; those that do not exist are passed over.
    writable
        Folders in which files may be made, changed and removed too.
    devices
        Device files that may be read, written and controlled.

    Raises
    ------
    LandlockError
        The kernel has no Landlock or refused a rule.
    """
    abi = landlock_abi()
    if abi < 1:
        raise LandlockError("This kernel has no Landlock.")
    handled = (1 << _FILE_RIGHTS_BY_ABI[min(abi, len(_FILE_RIGHTS_BY_ABI) - 1)]) - 1
    ruleset = _new_ruleset(abi, handled)
    try:
        reading = _READ_FILE | _READ_DIR
        writing = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
        for paths, rights in (
            (readable, reading),
            (writable, reading | writing),
            (devices, reading | _WRITE_FILE | _IOCTL_DEV),
        ):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        if _syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) != 0:
            raise LandlockError(f"Landlock refused ({os.strerror(ctypes.get_errno())}).")
    finally:
        os.close(ruleset)


def _new_ruleset(abi: int, handled: int) -> int:
    attributes = _RulesetAttributes(handled_access_fs=handled)
    size = 8
    if abi >= _NET_ABI:
        attributes.handled_access_net, size = _BIND_TCP | _CONNECT_TCP, 16
    if abi >= _SCOPE_ABI:
        attributes.scoped, size = _ABSTRACT_SOCKETS | _SIGNALS, 24
    ruleset = _syscall(
        _CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        raise LandlockError(f"Landlock refused ({os.strerror(ctypes.get_errno())}).")
    return ruleset


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
        rule = _PathBeneath(rights, place)
        arguments = (ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
        if _syscall(_ADD_RULE, ctypes.c_int(ruleset), *arguments) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise LandlockError(f"Landlock refused the rule for {path} ({reason}).")
    finally:
        os.close(place)


def _syscall(number: int, *arguments: object) -> int:
    return int(_libc.syscall(ctypes.c_long(number), *arguments))
