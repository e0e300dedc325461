"""Where a window draws on a slide, for those that read what is drawn without the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.annotations.sets.places import AnnotationsPlace


def no_places(_identity: str) -> Sequence[AnnotationsPlace]:
    """Return what `drawn_in` gives where no window is open."""
    return ()


drawn_in: Callable[[str], Sequence[AnnotationsPlace]] = no_places
"""Gives the sets that a window draws in on a slide; called in worker threads."""
