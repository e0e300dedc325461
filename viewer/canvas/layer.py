"""What the canvas is made of: layers painted in a fixed order over one another."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtGui import QPainter

    from viewer.geometry import Box, Optics, View


class LayerOrder(IntEnum):
    """The order in which layers are painted, the lowest first."""

    TILES = 0
    HEATMAPS = 1
    OBJECTS = 2
    SETS = 3
    ANNOTATIONS = 4
    TOOLS = 5
    HUD = 6


class Scene(msgspec.Struct, frozen=True):
    """What a layer needs to know to paint itself.

    Attributes
    ----------
    slide
        The level-0 box of the whole slide.
    device_pixel_ratio
        Device pixels per logical pixel of the screen.
    is_zooming
        Whether the next frame comes soon and all of it will be different: speed before finish.
    """

    view: View
    slide: Box
    optics: Optics
    device_pixel_ratio: float
    is_zooming: bool = False


def shown_names(layer: Layer) -> Iterator[str]:
    """Yield what a recording tells of a layer at this moment: what it shows, and whose it is."""
    name = getattr(layer, "shown_name", "")
    if name:
        yield name
        for other in getattr(layer, "shown_of", ()):
            yield f"{name} of {other}"


class Layer(Protocol):
    """One layer of the canvas; paints in logical screen pixels.

    A layer that a recording is to tell of has an attribute `shown_name`: what it shows at this
    moment, "" while it paints nothing. One that may show what others made also has `shown_of`,
    the pseudonyms of those others. One that can fade has `opacity`, 0 to 1, with which the canvas
    has it painted.
    """

    def paint(self, painter: QPainter, scene: Scene) -> bool | None:
        """True when there is more to paint in the next frame."""
        ...
