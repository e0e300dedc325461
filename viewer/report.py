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
_SLIDE_NAME = re.compile(
    r"[^\s\"'/\\]+(" + "|".join(re.escape(suffix) for suffix in sorted(SUFFIXES)) + r")\b",
    re.IGNORECASE,
)


def crash_report(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> str:
    """Versions, the traceback and the newest log lines.

    Slides are named after patients at times: their names and the user's home are left out.
    """
    lines = [
        f"Coverslip {__version__}, Python {sys.version.split()[0]}, {platform.platform()}",
        ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES),
        "",
        *traceback.format_exception(kind, error, trace),
        "Newest log lines:",
        *last_lines(_LOG_LINES),
    ]
    text = "\n".join(line.rstrip("\n") for line in lines)
    return _SLIDE_NAME.sub(r"<slide>\1", text.replace(str(Path.home()), "~"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
