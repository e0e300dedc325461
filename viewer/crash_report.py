"""The report of an unexpected error, for the user to copy; it stays on the machine until then."""

from __future__ import annotations

import platform
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from viewer import __version__
from viewer.logs import last_lines
from viewer.redaction import without_names

if TYPE_CHECKING:
    from types import TracebackType

_LIBRARIES = ("PySide6-Essentials", "openslide-python", "numpy", "tifffile", "imagecodecs")
_LOG_LINES = 50


def crash_report(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> str:
    """Versions, the traceback and the newest log lines.

    Slides and folders are named after patients at times: their names are left out.
    """
    return _report([*traceback.format_exception(kind, error, trace), *_log_lines()])


def native_crash_report(trace: str) -> str:
    """Return the report of a crash in a library, whose stacks `faulthandler` wrote as `trace`."""
    return _report([*trace.splitlines(), *_log_lines()])


def _log_lines() -> list[str]:
    return ["Newest log lines:", *last_lines(_LOG_LINES)]


def _report(lines: list[str]) -> str:
    head = [
        f"Coverslip {__version__}, Python {sys.version.split()[0]}, {platform.platform()}",
        ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES),
        "",
    ]
    text = "\n".join(line.rstrip("\n") for line in [*head, *lines])
    return "\n".join(without_names(line) for line in text.split("\n"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
