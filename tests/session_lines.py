"""What a recording or an agent left in its folder, line by line, for tests that look into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from viewer.agents.exchanges import EXCHANGES_FILE
from viewer.recording.log_reader import iter_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.log_line import LogLine


def read_lines(folder: Path) -> list[LogLine]:
    """Return all lines of a session's log."""
    return [line for block in iter_blocks(folder) for line in block]


def read_exchanges(folder: Path) -> list[dict[str, Any]]:
    """Return what a model was asked and answered; a line that a crash cut is left out."""
    path = folder / EXCHANGES_FILE
    found: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            found.append(msgspec.json.decode(line, type=dict[str, Any]))
        except msgspec.DecodeError:
            continue
    return found
