"""The report of an unexpected error, for the user to copy; it stays on the machine until then."""

from __future__ import annotations

import platform
import re
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from viewer import __version__
from viewer.logs import last_lines
from viewer.slides.tray import SUFFIXES

if TYPE_CHECKING:
    from types import TracebackType

_LIBRARIES = ("PySide6-Essentials", "openslide-python", "numpy", "tifffile", "imagecodecs")
_LOG_LINES = 50
_SUFFIX = re.compile(
    "(" + "|".join(re.escape(suffix) for suffix in sorted(SUFFIXES)) + r")\b", re.IGNORECASE
)
_SAID_BY = re.compile(r"^(\d\S+ \S+ [A-Z]+ [\w.]+: |[\w.]+: |\s*)")
"""Before what is said: time, level and logger of a log line, or the kind of an error."""
_CODE_FILE = re.compile(r'File "([^"]*)"')
_PATH = re.compile(r"""(?<![^\s"'(=\[])(?:~[/\\]|/(?=\S)|[A-Za-z]:[/\\]|\\\\)[^"'\n]*""")
"""To the closing quote or the end of the line: folders may have spaces in their names."""


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
    return "\n".join(_without_names(line) for line in text.split("\n"))


def _without_names(line: str) -> str:
    """A line without names of slides and folders.

    A name may hold spaces, so nobody can tell where it begins: what is before it goes, too, back to
    where its path begins if it has one.
    """
    if _CODE_FILE.search(line):
        return _CODE_FILE.sub(lambda match: f'File "{_code_place(match[1])}"', line)
    said_by = _SAID_BY.match(line)
    begin = said_by.end() if said_by else 0
    rest = line[begin:]
    suffixes = list(_SUFFIX.finditer(rest))
    if suffixes:
        path = _PATH.search(rest)
        cut = path.start() if path and path.start() < suffixes[0].start() else 0
        rest = f"{rest[:cut]}<slide>{suffixes[-1][1]}{rest[suffixes[-1].end() :]}"
    return line[:begin] + _PATH.sub("<path>", rest)


def _code_place(path: str) -> str:
    """Where code lies, from the package on: what is before it tells of the user's folders."""
    parts = Path(path).parts
    for root in ("site-packages", "viewer"):
        if root in parts:
            return "/".join(parts[parts.index(root) :])
    return Path(path).name


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
