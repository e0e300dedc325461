"""Files of JSON lines that only ever grow, and may end in a torn line after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from viewer.errors import reason_of
from viewer.limits import LOG_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS
from viewer.recording.review.entries import ReviewError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def read_json_lines(path: Path, decoder: msgspec.json.Decoder[T]) -> tuple[list[T], int]:
    """Return the whole lines of a file and the bytes that they take; a torn last line is left out.

    A file that is not there is empty.

    Raises
    ------
    ReviewError
        The file cannot be read, or a line other than the last is damaged.
    """
    try:
        data = read_regular(path, LOG_BYTES)
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise ReviewError(f"{path} cannot be read: {reason_of(error)}.") from error
    whole_bytes = data.rfind(b"\n") + 1
    lines = data[:whole_bytes].split(b"\n")[:-1]
    values: list[T] = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(decoder.decode(line))
        except DECODE_ERRORS as error:
            raise ReviewError(
                f"Line {number} of {path} is damaged ({error}): restore the file from a copy, "
                "or move it away to begin anew."
            ) from error
    return values, whole_bytes


def json_line(value: object) -> bytes:
    """Return one value as a line."""
    return msgspec.json.encode(value) + b"\n"
