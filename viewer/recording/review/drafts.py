"""The drafts for a session: one file that all its reviewers judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.access import OWNER_FILE
from viewer.errors import reason_of
from viewer.files.appending import append_whole
from viewer.prepared_types import prepared
from viewer.recording.review.entries import Draft, ReviewError
from viewer.recording.review.json_lines import json_line, read_json_lines

if TYPE_CHECKING:
    from pathlib import Path

DRAFTS_FILE = "drafts.jsonl"
_decoder = msgspec.json.Decoder(prepared(Draft))


def read_drafts(session: Path) -> dict[str, Draft]:
    """Return the drafts by item; of several the last.

    Raises
    ------
    ReviewError
        The file is damaged.
    """
    drafts, _ = read_json_lines(session / DRAFTS_FILE, _decoder)
    return {draft.item: draft for draft in drafts}


def add_draft(session: Path, draft: Draft) -> None:
    """Append a draft, synced; a line that a crash tore is taken off first.

    Raises
    ------
    ReviewError
        The file is damaged or cannot be written.
    """
    path = session / DRAFTS_FILE
    read_json_lines(path, _decoder)
    try:
        append_whole(path, [json_line(draft)], cuts_torn=True, mode=OWNER_FILE)
    except OSError as error:
        raise ReviewError(f"{path} cannot be written: {reason_of(error)}.") from error
