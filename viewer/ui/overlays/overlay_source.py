"""Where results on the canvas come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class OverlaySource(Protocol):
    """Where results come from: a model, or a file."""

    @property
    def key(self) -> str:
        """Tell it from all others."""
        ...

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    @property
    def place(self) -> Path: ...

    @property
    def task(self) -> str:
        """Return the task as of a `ModelDescription`, or "scores"."""
        ...

    @property
    def colors(self) -> list[tuple[str, str]]:
        """Name and color of each class."""
        ...
