"""One result of a model, as a reader meets it on the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from viewer.geometry import Box


class ResultAt(msgspec.Struct, frozen=True):
    """What is said of an object or a field, and where it lies (level-0 pixels)."""

    text: str
    box: Box
