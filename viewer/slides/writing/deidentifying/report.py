"""What was taken out of a slide, and which texts are still in it."""

from __future__ import annotations

import struct
from collections import Counter

import msgspec

_MOST_TEXT = 2000
_MOST_ICC_TAGS = 200
_ICC_HEADER_BYTES = 128


class Report(msgspec.Struct):
    """What a de-identified copy holds and holds no more; never a value that was removed.

    Attributes
    ----------
    kind
        What the slide is, such as "Aperio SVS".
    removed
        What was taken out, with how often it was there.
    remaining
        Where a text still stands, and the text.
    notes
        Sentences on what else the reader of the report should know.
    """

    kind: str
    removed: Counter[str] = msgspec.field(default_factory=Counter[str])
    remaining: list[tuple[str, str]] = msgspec.field(default_factory=list[tuple[str, str]])
    notes: list[str] = msgspec.field(default_factory=list[str])

    def remove(self, what: str) -> None:
        self.removed[what] += 1

    def keep(self, where: str, text: str) -> None:
        """Tell of a text that stays, once."""
        text = "".join(each if each.isprintable() else " " for each in text[:_MOST_TEXT]).strip()
        if text and (where, text) not in self.remaining:
            self.remaining.append((where, text))

    def keep_profile(self, profile: bytes) -> None:
        """Tell of the texts in an ICC profile, which stays as it is."""
        for name, text in profile_texts(profile):
            self.keep(f"ICC profile, {name}", text)

    def as_data(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "removed": [
                {"what": what, "count": count} for what, count in sorted(self.removed.items())
            ],
            "remaining": [{"where": where, "text": text} for where, text in self.remaining],
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """Return the report as lines for people."""
        removed = [
            what if count == 1 else f"{what} ({count:,} times)"
            for what, count in sorted(self.removed.items())
        ]
        lines = [f"Removed: {'; '.join(removed) or 'nothing, there was nothing to remove'}."]
        lines += [f'Remaining text: {where}: "{text}"' for where, text in self.remaining]
        if not self.remaining:
            lines.append("Remaining text: none.")
        return lines + self.notes


def whole_profile(data: bytes) -> bytes | None:
    """Return the ICC profile that bytes begin with, without what follows; None where none is."""
    size = int.from_bytes(data[:4], "big")
    if data[36:40] != b"acsp" or not _ICC_HEADER_BYTES < size <= len(data):
        return None
    return data[:size]


def profile_texts(profile: bytes) -> list[tuple[str, str]]:
    """Return the names and texts of an ICC profile's text tags; damage ends the list."""
    found: list[tuple[str, str]] = []
    try:
        (count,) = struct.unpack_from(">I", profile, _ICC_HEADER_BYTES)
        for index in range(min(count, _MOST_ICC_TAGS)):
            place = _ICC_HEADER_BYTES + 4 + 12 * index
            name, offset, size = struct.unpack_from(">4sII", profile, place)
            text = _text_of(profile[offset : offset + size])
            if text:
                found.append((name.decode("latin-1").strip(), text))
    except struct.error:
        return found
    return found


def _text_of(data: bytes) -> str:
    match data[:4]:
        case b"text":
            return data[8:].split(b"\0")[0].decode("latin-1")
        case b"desc":
            (count,) = struct.unpack_from(">I", data, 8)
            return data[12 : 12 + count].split(b"\0")[0].decode("latin-1")
        case b"mluc":
            (count,) = struct.unpack_from(">I", data, 8)
            texts: list[str] = []
            for index in range(min(count, 50)):
                length, offset = struct.unpack_from(">II", data, 16 + 12 * index + 4)
                texts.append(data[offset : offset + length].decode("utf-16-be", "replace"))
            return "; ".join(dict.fromkeys(texts))
        case _:
            return ""
