"""One result of a model, as a reader meets it on the slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer.geometry import Box


@dataclass(frozen=True, slots=True)
class ResultAt:
    """What is said of an object or a field, and where it lies (level-0 pixels)."""

    text: str
    box: Box
