"""Moments as they stand in files: ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal


def utc_stamp(
    timespec: Literal["seconds", "milliseconds"] = "seconds", at: datetime | None = None
) -> str:
    """Return a moment with a time zone, by default now, such as "2026-11-24T08:00:00+00:00"."""
    return (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec=timespec)
