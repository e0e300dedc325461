"""Numbers of things and shares of a whole, as sentences say them."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """Return "1 slide" or "2,000 slides"; `many` is for what takes more than an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def percent(share: float, digits: int = 0) -> str:
    """Return a share of 0 to 1 as "42 %"; `digits` stand behind the point."""
    return f"{100 * share:.{digits}f} %"
