"""Where a child begins: gives up its rights, then runs `main` of a module. Never execs after that.

Run as a script by `launching.launch`, with `-P -E -s -S`: neither the working folder nor the
environment nor a `.pth` file adds anything to what can be imported. Until the rights are gone it
imports os, sys and ctypes alone and has one thread.
"""

import os
import sys

_CORE_DUMPS = 4
_EXIT_UNCONFINED = 70
_STDERR = 2


def _split(arguments: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Sort `name=value` arguments by name; what follows `--` is for the module."""
    end = arguments.index("--")
    orders: dict[str, list[str]] = {}
    for argument in arguments[:end]:
        name, _, value = argument.partition("=")
        orders.setdefault(name, []).append(value)
    return orders, arguments[end + 1 :]


def _close_others(descriptors: list[str]) -> None:
    """Close what a library of the parent left open for programs that it starts."""
    if sys.platform == "linux":
        for number in os.listdir("/proc/self/fd"):
            if int(number) > _STDERR and number not in descriptors:
                try:  # noqa: SIM105 - contextlib would have to be imported
                    os.close(int(number))
                except OSError:  # the one that the list was read through
                    pass


def _confine(orders: dict[str, list[str]]) -> None:
    """Give up all rights but those in `orders`. Raise an error where the kernel refuses."""
    import ctypes

    from viewer.processes.confinement import landlock, seccomp

    if len(os.listdir("/proc/self/task")) != 1:
        raise landlock.LandlockError("A second thread runs already and would keep its rights.")
    limits = (ctypes.c_ulong * 2)(0, 0)
    ctypes.CDLL(None).setrlimit(_CORE_DUMPS, ctypes.byref(limits))
    landlock.forbid_new_privileges()
    landlock.restrict(*(orders.get(kind, []) for kind in ("read", "write", "device")))
    seccomp.apply_filter(devices="ioctl" in orders)


def _run() -> None:
    orders, arguments = _split(sys.argv[1:])
    _close_others(orders.get("descriptor", []))
    sys.argv[1:] = arguments
    packages = orders["packages"][0]
    sys.path.insert(0, packages)
    from viewer.processes.confinement import inside  # imports nothing else

    if "confined" in orders:
        try:
            _confine(orders)
        except Exception as error:  # whatever it is, nothing may run unconfined
            sys.stderr.write(f"This process cannot be confined: {error}\n")
            sys.stderr.flush()
            os._exit(_EXIT_UNCONFINED)
        inside.remember(orders.get("read", []) + orders.get("write", []))
    # `viewer` knows its own folder by now; what else lies beside it is not for import.
    sys.path.remove(packages)
    sys.path += orders.get("path", [])
    import importlib

    importlib.import_module(orders["main"][0]).main(arguments)


if __name__ == "__main__":
    _run()
