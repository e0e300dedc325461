"""What came from a decoder or from foreign code, as lists and mappings whose parts are objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_mapping(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether a value is a mapping, as of JSON."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Return whether a value is a list, as of JSON."""
    return isinstance(value, list)


def is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    """Return whether a value is a list or tuple."""
    return isinstance(value, list | tuple)


def mapping_of(value: object) -> dict[str, object]:
    """Return a mapping; an empty one for anything else."""
    return value if is_mapping(value) else {}
