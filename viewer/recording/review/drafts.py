"""The drafts for a session: one file that all its reviewers judge."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.review.entries import Draft, ReviewError
from viewer.recording.review.json_lines import json_line, read_json_lines

if TYPE_CHECKING:
    from pathlib import Path

DRAFTS_FILE = "drafts.jsonl"
_decoder = msgspec.json.Decoder(Draft)


def read_drafts(session: Path) -> dict[str, Draft]:
    """By item; of several the last.

    Raises
    ------
    ReviewError
        The file is damaged.
    """
    drafts, _ = read_json_lines(session / DRAFTS_FILE, _decoder)
    return {draft.item: draft for draft in drafts}


def add_draft(session: Path, draft: Draft) -> None:
    """Appends a draft, synced; a line that a crash tore is taken off first.

    Raises
    ------
    ReviewError
        The file is damaged or cannot be written.
    """
    path = session / DRAFTS_FILE
    _, whole_bytes = read_json_lines(path, _decoder)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.truncate(whole_bytes)
            file.seek(whole_bytes)
            file.write(json_line(draft))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ReviewError(f"{path} cannot be written: {error.strerror}.") from error
