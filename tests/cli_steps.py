"""The command line within the process of the tests: quick, since nothing is imported anew.

`app_py` of `tests/test_cli.py` and the tests in `tests/attacks` run it as a process of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import traceback
from typing import TYPE_CHECKING
from unittest import mock

from typer.testing import CliRunner, Result

from viewer.audit_log import trail
from viewer.cli import app_of
from viewer.cli.command_line import run_command_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def invoke(words: Sequence[str], input: str | None = None) -> Result:
    """Run a command with typer's own runner, which stops at no damage but tells of it."""
    return CliRunner().invoke(app_of(words), words, input=input)


def coverslip(
    *arguments: object, folder: str | Path = ".", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder as `coverslip` does, and return its exit code and what it says."""
    words = [str(each) for each in arguments]
    said, complained = _captured(), _captured()
    with (
        mock.patch.dict(os.environ, variables),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complained),
    ):
        code = _exit_code(words)
    trail.flush()
    return subprocess.CompletedProcess(words, code, _text(said), _text(complained))


def _exit_code(words: list[str]) -> int:
    try:
        return run_command_line(app_of(words), words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # as Python ends with one
        traceback.print_exc()
        return 1


def _captured() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True)


def _text(captured: io.TextIOWrapper) -> str:
    captured.seek(0)
    return captured.read()
