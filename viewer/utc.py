"""Moments as they stand in files, ISO 8601 in UTC, and as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal


def utc_stamp(
    timespec: Literal["seconds", "milliseconds"] = "seconds", at: datetime | None = None
) -> str:
    """Return a moment with a time zone, by default now, such as "2026-11-24T08:00:00+00:00"."""
    return (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec=timespec)


def moment_of(stamp: str) -> datetime:
    """Return the moment of a stamp, which without a time zone is in UTC. Raises ValueError."""
    at = datetime.fromisoformat(stamp)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def shown_moment(utc: str, *, to_seconds: bool = True) -> str:
    """Return a stamp as the clock here shows it; what cannot be read as it is."""
    try:
        moment = moment_of(utc).astimezone()
    except ValueError:
        return utc
    return f"{moment:%Y-%m-%d %H:%M:%S}" if to_seconds else f"{moment:%Y-%m-%d %H:%M}"
