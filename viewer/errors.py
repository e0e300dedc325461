"""The class above all errors of Coverslip, so that a script can catch them in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger


class CoverslipError(Exception):
    """Something went wrong that Coverslip can explain; `str()` is one sentence for the user."""


def reason_of(error: Exception) -> str:
    """Return why something failed: of an error of the system its words, not path and number."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def sentence_of(error: Exception, log: Logger, what: str) -> str:
    """Return what is said of a failure; one that Coverslip cannot explain is logged, too."""
    if not isinstance(error, CoverslipError):
        log.error(what, exc_info=error)
    return str(error)
