"""The body of a request: the header of a session and events of it, checked line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.recording.importers.event_log import EventLogError, checked_event, checked_header
from viewer.recording.receiving.incoming import RefusedUploadError

if TYPE_CHECKING:
    from viewer.recording.importers.event_log import EventLogHeader, RawEvent

MOST_BODY_BYTES = 8 << 20
_MOST_LINES = 50_000
_MOST_LINE_BYTES = 64 << 10


class Upload(msgspec.Struct, frozen=True):
    """What one request brings.

    Attributes
    ----------
    header_line
        As it came, without its end.
    events
        Each with its line; their numbers follow one another.
    """

    header: EventLogHeader
    header_line: bytes
    events: list[tuple[RawEvent, bytes]]

    @property
    def next_number(self) -> int:
        """Return the number behind the last event; 0 where there is none."""
        return self.events[-1][0].number + 1 if self.events else 0


def read_upload(body: bytes) -> Upload:
    """Return what a body holds.

    Raises
    ------
    RefusedUploadError
        It is no header with events, or its reader did not agree.
    """
    lines = body.split(b"\n")
    if len(lines) > _MOST_LINES:
        raise RefusedUploadError(413, f"More than {_MOST_LINES:,} lines: send fewer at a time.")
    if max(map(len, lines)) > _MOST_LINE_BYTES:
        raise RefusedUploadError(413, f"A line is longer than {_MOST_LINE_BYTES:,} bytes.")
    header, header_line = None, b""
    events: list[tuple[RawEvent, bytes]] = []
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line:
            continue
        try:
            if header is None:
                header, header_line = checked_header(line), line
            else:
                events.append((checked_event(line), line))
        except EventLogError as error:
            raise RefusedUploadError(422, f"Line {number}: {error}".rstrip(".") + ".") from error
        if len(events) > 1:
            before, event = events[-2][0], events[-1][0]
            if event.number != before.number + 1 or event.elapsed_ns < before.elapsed_ns:
                raise RefusedUploadError(
                    422, f"Line {number}: its number or time does not follow on the line before."
                )
    if header is None:
        raise RefusedUploadError(422, "The body is empty: send a header and events.")
    if not header.consent.given_utc:
        raise RefusedUploadError(
            403, 'The reader has not agreed: ask first, and say when in "consent.given_utc".'
        )
    return Upload(header, header_line, events)
