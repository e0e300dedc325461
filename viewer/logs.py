"""Logs that rotate in the platform's log folder."""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.access import open_kept
from viewer.folders import log_folder
from viewer.limits import read_kept
from viewer.redaction import without_names

if TYPE_CHECKING:
    from io import TextIOWrapper

LEVELS = ("debug", "info", "warning", "error")
_FILE = "coverslip.log"
_LARGEST_BYTES = 1 << 20
_KEPT = 3


class _PrivateLog(RotatingFileHandler):
    """A log that nobody but its owner can read."""

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND
        return os.fdopen(open_kept(Path(self.baseFilename), flags), "a", encoding=self.encoding)


class _Nameless(logging.Formatter):
    """Writes no names of slides, folders and readers: a log is sent around when help is sought."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(without_names(line) for line in super().format(record).split("\n"))


def configure_logging(level: str = "info") -> None:
    """Write all logs of `level` and above to the log folder, warnings also to stderr."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    console = logging.StreamHandler()
    console.setLevel(max(logging.WARNING, root.level))
    console.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    root.addHandler(console)
    try:
        file = _PrivateLog(
            log_folder() / _FILE, maxBytes=_LARGEST_BYTES, backupCount=_KEPT, encoding="utf-8"
        )
    except OSError as error:
        root.warning("No log is written, since its folder cannot be used: %s", error)
        return
    file.setFormatter(_Nameless("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(file)


def last_lines(count: int) -> list[str]:
    """Return the newest lines of the log; empty where there is none."""
    try:
        text = read_kept(log_folder() / _FILE).decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]
