"""The layers of a canvas: in which order they are painted, and which of them are."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from viewer.canvas.layer import LayerOrder, shown_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from viewer.canvas.layer import Layer

_FIXED = (LayerOrder.TILES, LayerOrder.HUD)
"""What can be neither moved nor hidden by a mode."""


class LayerStack:
    """Layers by stratum, unless the user moved them; the lowest first."""

    def __init__(self) -> None:
        self._layers: list[tuple[LayerOrder, Layer]] = []
        self._strata: dict[int, LayerOrder] = {}
        self._places: dict[int, int] = {}
        """Of each layer, by its `id`: a canvas of hundreds asks for each, frame by frame."""
        self._ranks: WeakKeyDictionary[Layer, float] = WeakKeyDictionary()
        self._masked: WeakSet[Layer] = WeakSet()
        self._only: frozenset[int] | None = None
        self.in_hand: object = None
        """The tool in hand, which no mode hides; None for none."""

    def __contains__(self, layer: object) -> bool:
        return id(layer) in self._strata

    def __iter__(self) -> Iterator[tuple[LayerOrder, Layer]]:
        """Yield what is painted, the lowest first."""
        return iter([pair for pair in self._layers if self._paints(*pair)])

    def add(self, layer: Layer, stratum: LayerOrder) -> None:
        """Put a layer above those of the same and lower strata, or where it was moved to."""
        self._layers.append((stratum, layer))
        self._sort()

    def remove(self, layer: Layer) -> None:
        """Take a layer out, and forget that it was hidden by itself."""
        self._layers = [pair for pair in self._layers if pair[1] is not layer]
        self._masked.discard(layer)
        self._sort()

    def paints(self, layer: Layer) -> bool:
        """Return whether a layer that is in the stack is painted."""
        stratum = self._strata.get(id(layer))
        return stratum is not None and self._paints(stratum, layer)

    def _paints(self, stratum: LayerOrder, layer: Layer) -> bool:
        if layer in self._masked:
            return False
        is_free = self._only is None or stratum in _FIXED or layer is self.in_hand
        return is_free or (self._only is not None and id(layer) in self._only)

    def paint_only(self, layers: Collection[Layer] | None) -> None:
        """Paint over the slide only these and the tool in hand; None paints all again."""
        self._only = None if layers is None else frozenset(id(layer) for layer in layers)

    def set_masked(self, layer: Layer, *, masked: bool) -> None:
        """Hide a layer, or show it again, whatever else is done with it."""
        if masked:
            self._masked.add(layer)
        else:
            self._masked.discard(layer)

    def is_masked(self, layer: Layer) -> bool:
        return layer in self._masked

    def order_of(self, layer: Layer, stratum: LayerOrder) -> float:
        """Return where a layer is painted, or would be; the lower the earlier."""
        held = self._strata.get(id(layer), stratum)
        rank = self._ranks.get(layer, float(held))
        return rank + self._places.get(id(layer), 0) * 1e-6

    def set_order(self, groups: Sequence[Sequence[Layer]]) -> None:
        """Paint groups of layers in this order, the lowest first, under the tools."""
        low, high = float(LayerOrder.HEATMAPS), float(LayerOrder.TOOLS)
        for place, group in enumerate(groups):
            rank = low + (high - low) * place / max(len(groups), 1)
            for layer in group:
                self._ranks[layer] = rank
        self._sort()

    def named(self) -> list[tuple[Layer, str]]:
        """Return the layers over the slide that say what they show now, painted or not."""
        over = [layer for stratum, layer in self._layers if stratum not in _FIXED]
        return [(layer, next(iter(shown_names(layer)), "")) for layer in over if _is_named(layer)]

    def _sort(self) -> None:
        self._layers.sort(key=lambda pair: self._ranks.get(pair[1], float(pair[0])))
        self._strata = {id(layer): stratum for stratum, layer in self._layers}
        self._places = {id(layer): place for place, (_, layer) in enumerate(self._layers)}


def _is_named(layer: Layer) -> bool:
    return bool(getattr(layer, "shown_name", ""))
