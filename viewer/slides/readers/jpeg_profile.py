"""The color profile within a JPEG, which may lie in several of its segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.slides.readers.jpeg_markers import markers

if TYPE_CHECKING:
    from collections.abc import Iterable

APPLICATION_2 = 0xE2
INCOMPLETE = b"incomplete"
"""Stands for a profile of which a part is missing: whoever shows it says that it is damaged."""

_NAME = b"ICC_PROFILE\0"
_LENGTH_BYTES = 4
"""Of a marker and the length of what belongs to it."""


def profile_of_jpeg(data: bytes) -> bytes | None:
    """Return the profile in a JPEG as `joined_profile` does."""
    return joined_profile(
        data[marker.start + _LENGTH_BYTES : marker.end]
        for marker in markers(data)
        if marker.code == APPLICATION_2
    )


def joined_profile(segments: Iterable[bytes]) -> bytes | None:
    """Return the profile of the segments of application 2; None where none of them holds any.

    One of which a segment is missing or comes twice is `INCOMPLETE`.
    """
    found = [each.removeprefix(_NAME) for each in segments if each.startswith(_NAME)]
    if not found:
        return None
    # Each begins with its number, from 1, and how many there are.
    parts = sorted(found, key=lambda part: part[:1])
    wanted = [bytes((number, len(parts) & 0xFF)) for number in range(1, min(len(parts), 255) + 1)]
    is_whole = [part[:2] for part in parts] == wanted
    return b"".join(part[2:] for part in parts) if is_whole else INCOMPLETE
