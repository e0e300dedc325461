"""What every importer makes of another viewer's log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from viewer.annotations.formats.packed_files import unpacked_bytes
from viewer.limits import LOG_BYTES

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
    skipped: list[str] = field(default_factory=list[str])
    """Why each row that was left out could not be read."""
    unread: int = 0
    """Values beside the view, such as of the cursor, that could not be read."""


GAP_S = 60.0
"""A longer time between two views counts as away: no log tells whether anybody looked (ours)."""


def put_in_order(session: ForeignSession) -> tuple[list[tuple[int, int]], list[str]]:
    """Make the times of the views never fall; the order of the file holds, not that of its clock.

    Returns
    -------
    list of (int, int)
        Spans of nanoseconds that are too long to count as looked at.
    list of str
        Sentences on what was found.
    """
    jumps = 0
    away: list[tuple[int, int]] = []
    ordered: list[ForeignView] = []
    for part in _parts(session.views):
        shift_ns = max(0, ordered[-1].at_ns - part[0].at_ns) if ordered else 0
        jumps += shift_ns > 0
        for seen in part:
            seen.at_ns += shift_ns
        ordered += part
    session.views = ordered
    for before, seen in pairwise(ordered):
        if seen.at_ns - before.at_ns > GAP_S * 1e9:
            away.append((before.at_ns, seen.at_ns))
    notes: list[str] = []
    if jumps:
        times = "once" if jumps == 1 else f"{jumps} times"
        notes.append(
            f"The clock of the log was set back {times}: the order of the file holds, and no time "
            "is counted there."
        )
    if session.unread:
        values = "1 value" if session.unread == 1 else f"{session.unread:,} values"
        notes.append(
            f"{values} of the rotation, scale or cursor could not be read and are left out; the "
            "views are kept."
        )
    if away:
        spans = "1 gap" if len(away) == 1 else f"{len(away)} gaps"
        notes.append(f"{spans} of more than {GAP_S:g} s between views: not counted as looked at.")
    return away, notes


def _parts(views: list[ForeignView]) -> list[list[ForeignView]]:
    """Cut where the clock fell by more than `GAP_S`; sort what is less out of order."""
    parts: list[list[ForeignView]] = []
    latest_ns = 0
    for seen in views:
        if not parts or seen.at_ns < latest_ns - GAP_S * 1e9:
            parts.append([])
            latest_ns = seen.at_ns
        parts[-1].append(seen)
        latest_ns = max(latest_ns, seen.at_ns)
    for part in parts:
        part.sort(key=lambda view: view.at_ns)
    return parts


def text_of(path: Path) -> str:
    """Return the text of a log in UTF-8 or UTF-16, packed or not, with the line ends of any system.

    Bytes that are none of it are replaced, since only ASCII is looked for.

    Raises
    ------
    OSError
        The file cannot be read.
    AnnotationFileError
        It is empty or cannot be unpacked.
    """
    data = unpacked_bytes(path, "", LOG_BYTES)
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
