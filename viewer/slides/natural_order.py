"""The order of names as people count: 2 before 10."""

from __future__ import annotations

import re
from functools import lru_cache

_DIGITS = re.compile(r"(\d{1,300})")
"""Python makes no number of thousands of digits."""


@lru_cache(maxsize=20_000)
def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key by which A2 comes before A10."""
    parts = _DIGITS.split(text.casefold())
    return tuple((int(part), "") if part.isdecimal() else (0, part) for part in parts)
