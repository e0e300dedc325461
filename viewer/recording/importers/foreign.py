"""What every importer makes of another viewer's log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.events import Viewport


@dataclass(slots=True)
class ForeignView:
    """One view of another viewer.

    Attributes
    ----------
    at_ns
        Since any beginning; only differences count.
    pointer
        x, y in level-0 pixels, where the log has it.
    """

    at_ns: int
    view: Viewport
    pointer: tuple[float, float] | None = None


@dataclass(slots=True)
class ForeignSession:
    """What another viewer's log tells of one slide.

    Attributes
    ----------
    slide_name
        As the log has it; "" where it has none.
    size_px
        Of level 0; (0, 0) where the log does not tell.
    """

    slide_name: str
    size_px: tuple[int, int] = (0, 0)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    window_px: tuple[float, float] | None = None
    views: list[ForeignView] = field(default_factory=list[ForeignView])


def text_of(path: Path) -> str:
    """The text of a log; bytes that are no UTF-8 are replaced, since only ASCII is looked for.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    return path.read_bytes().decode("utf-8-sig", errors="replace")
