"""Why a server does not give what it is asked for; raised in the helper, each with its sentence."""

from __future__ import annotations

from viewer.errors import CoverslipError


class ServerError(CoverslipError):
    """A server that gives no bytes; `str()` is one sentence: why, and what to do."""


class PassingError(ServerError):
    """It may answer if it is asked again.

    Attributes
    ----------
    pause_s
        How long the server wants to be left alone.
    """

    def __init__(self, sentence: str, pause_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.pause_s = pause_s


class NothingThereError(ServerError):
    """The server answers that it has no such file."""


class DeniedError(ServerError):
    """The server does not let us read the file."""


class NoRangesError(ServerError):
    """The server gives the file as a whole or not at all."""


class OtherVersionError(ServerError):
    """The file is no longer the one that was opened."""


def size_text(size_bytes: int) -> str:
    """Return a size as people read it."""
    size = float(size_bytes)
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def nothing_there(name: str) -> NothingThereError:
    return NothingThereError(f"There is no {name}: check the address.")


def denied(name: str, host: str, status: str) -> DeniedError:
    return DeniedError(
        f"{host} does not let you read {name} ({status}): check that the address is not expired, "
        "and your credentials (docs/remote.md says where they are looked for)."
    )


def no_ranges(name: str, host: str, size_bytes: int | None) -> NoRangesError:
    size = f"all {size_text(size_bytes)} of it" if size_bytes else "all of it"
    return NoRangesError(
        f"{host} does not give parts of files (no range requests), so {name} cannot be browsed "
        f"there: download {size} and open the copy."
    )


def other_version(name: str) -> OtherVersionError:
    return OtherVersionError(
        f"{name} was changed on its server while it was open: open it again to see it as it is now."
    )
