"""What every importer makes of another viewer's log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from viewer.annotations.formats.packed_files import unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.events import Viewport

_PIECE_BYTES = 1 << 20


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
    with unpacked(path, "") as pieces:
        data = b"".join(iter(lambda: pieces[0](_PIECE_BYTES), b""))
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
