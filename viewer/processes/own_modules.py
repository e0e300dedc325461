"""Starts a module of Coverslip as a process of its own, which may do whatever this one may.

What reads foreign files or runs foreign code is started by `confinement` instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewer.cores import on_all_cores
from viewer.processes.channel import inherit, open_channel

if TYPE_CHECKING:
    from msgspec.msgpack import Decoder

    from viewer.processes.channel import Channel, Incoming

IMPORT_PATHS = [str(Path(__file__).parents[2])]
"""Where a process finds Coverslip; never the current folder, which may hold foreign modules."""


def own_environment() -> dict[str, str]:
    """Return the environment of a process that runs a module of Coverslip."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORT_PATHS)}


def start_module(
    module: str, answers: Decoder[Incoming], *, keeps_stderr: bool = False
) -> tuple[subprocess.Popen[bytes], Channel[Incoming]]:
    """Start a module that is given the descriptor of a channel; return it and our end.

    Parameters
    ----------
    keeps_stderr
        Whether it complains where this process does.

    Raises
    ------
    OSError
        It cannot be started.
    """
    channel, child_end = open_channel(answers)
    try:
        with on_all_cores():
            process: Any = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", module, str(child_end.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if keeps_stderr else subprocess.DEVNULL,
                env=own_environment(),
                **inherit(child_end.fileno()),
            )
    except OSError:
        channel.close()
        raise
    finally:
        child_end.close()
    return process, channel
