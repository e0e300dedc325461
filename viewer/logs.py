"""Logs that rotate in the platform's log folder."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler

from viewer.folders import log_folder

LEVELS = ("debug", "info", "warning", "error")
_FILE = "coverslip.log"
_LARGEST_BYTES = 1 << 20
_KEPT = 3


def configure_logging(level: str = "info") -> None:
    """Writes all logs of `level` and above to the log folder, warnings also to stderr."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    console = logging.StreamHandler()
    console.setLevel(max(logging.WARNING, root.level))
    console.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    root.addHandler(console)
    try:
        file = RotatingFileHandler(
            log_folder() / _FILE, maxBytes=_LARGEST_BYTES, backupCount=_KEPT, encoding="utf-8"
        )
    except OSError as error:
        root.warning("No log is written, since its folder cannot be used: %s", error)
        return
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(file)


def last_lines(count: int) -> list[str]:
    """The newest lines of the log; empty where there is none."""
    try:
        text = (log_folder() / _FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]
