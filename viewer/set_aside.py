"""Sets damaged files of the program's own aside, so that the next write does not replace them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


def set_aside(path: Path, reason: object, suffix: str = ".bad") -> Path | None:
    """Rename a file that cannot be understood, and log why; None where it stays.

    A home that cannot be written keeps nobody from going on: the file is read again next time.
    """
    aside = path.with_suffix(suffix)
    try:
        path.replace(aside)
    except OSError as error:
        _log.warning(
            "%s is damaged (%s) and cannot be set aside (%s)", path, reason, error.strerror
        )
        return None
    _log.warning("%s is damaged and set aside as %s (%s)", path, aside.name, reason)
    return aside
