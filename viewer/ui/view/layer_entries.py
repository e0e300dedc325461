"""The list of what lies over a slide, as the Layers list shows it; without Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.canvas.layer import Layer


class Ramp(msgspec.Struct, frozen=True):
    """The key of a continuous coloring.

    Attributes
    ----------
    colors
        "#rrggbb", evenly spaced from the low end to the high end.
    ends
        What the first and the last color stand for, each with its unit.
    """

    colors: tuple[str, ...]
    ends: tuple[str, str]


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """One row of the list.

    Attributes
    ----------
    key
        Tells it from all others of the pane.
    show, fade
        Shows or hides it, sets its opacity (0 to 1), in the state that its own page has too;
        `fade` is None where there is no opacity.
    layers
        What the canvas paints for it, which move together; none for what always lies lowest.
    order
        The lower are painted first.
    classes
        Names and colors ("#rrggbb") of its color key.
    note
        One sentence on why it is not seen though it is shown, "" otherwise.
    """

    key: str
    name: str
    is_shown: bool
    show: Callable[[bool], object] = field(compare=False)
    opacity: float = 1.0
    fade: Callable[[float], object] | None = field(default=None, compare=False)
    layers: tuple[Layer, ...] = field(default=(), compare=False)
    order: float = 0.0
    classes: tuple[tuple[str, str], ...] = ()
    ramp: Ramp | None = None
    note: str = ""

    @property
    def can_move(self) -> bool:
        """Return whether it can be painted above or below others."""
        return bool(self.layers)


def from_top(entries: Sequence[LayerEntry]) -> list[LayerEntry]:
    """Return the entries in the order of the list, what is painted last first."""
    return sorted(entries, key=lambda entry: -entry.order)


def moved(entries: Sequence[LayerEntry], key: str, step: int) -> list[LayerEntry]:
    """Return the entries of the list, from the top, with one moved up (-1) or down (1).

    What cannot be moved keeps its place, and one at the end of the others stays where it is.
    """
    order = list(entries)
    places = [place for place, entry in enumerate(order) if entry.can_move]
    found = next((n for n, place in enumerate(places) if order[place].key == key), None)
    if found is not None and 0 <= found + step < len(places):
        a, b = places[found], places[found + step]
        order[a], order[b] = order[b], order[a]
    return order
