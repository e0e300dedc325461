"""Where two lists of one length hold other objects: found without a line of Python for each."""

from __future__ import annotations

from operator import is_not
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def changed_places(before: Sequence[object], after: Sequence[object]) -> Iterator[int]:
    """Yield the places at which `after` does not hold the very object that `before` does."""
    flags = bytes(map(is_not, before, after))
    place = flags.find(1)
    while place >= 0:
        yield place
        place = flags.find(1, place + 1)
