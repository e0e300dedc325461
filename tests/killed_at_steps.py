"""Kills a program ahead of each step by which it changes what lies in a folder.

A kill at a random moment hits the instant between two renames once in thousands of runs. Here the
program is killed by itself, with SIGKILL, ahead of its first change of a name below the folder, in
the next run ahead of its second, and so on until one run comes to its end.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import forked_programs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MOST_STEPS = 400
_KILLED = """
import os, signal, sys
_folder, _left = sys.argv[1], [int(sys.argv[2])]
_changes = ("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "open")
_writes = os.O_WRONLY | os.O_RDWR
def _count(event, given):
    if event not in _changes or not isinstance(given[0], (str, bytes, os.PathLike)):
        return
    if event == "open" and not (isinstance(given[2], int) and given[2] & _writes):
        return
    if not os.path.abspath(os.fsdecode(given[0])).startswith(_folder):
        return
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    _left[0] -= 1
sys.addaudithook(_count)
"""


def kill_at_each_step(
    folder: Path,
    program: str,
    before: Callable[[], object],
    check: Callable[[], object],
    *,
    every: int = 1,
) -> int:
    """Run a program to its end, killed ahead of one step further each time; return the steps.

    Parameters
    ----------
    program
        Python; its arguments are the folder and what is left out of sight.
    before
        Prepares the folder for each run.
    check
        Looks at what a killed run left, and at what the last one made.
    every
        How many steps further it comes each time.
    """
    for step in range(0, _MOST_STEPS, every):
        before()
        words = [sys.executable, "-c", _KILLED + program, str(folder), str(step)]
        code = forked_programs.run(words, check=False, timeout=120).returncode
        assert code in (0, -signal.SIGKILL), f"step {step}"
        check()
        if code == 0:
            return step
    raise AssertionError(f"it has more than {_MOST_STEPS} steps")
