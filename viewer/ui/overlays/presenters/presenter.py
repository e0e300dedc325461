"""What shows results on the canvas of a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from PySide6.QtCore import QObject, Signal

from viewer.canvas.layer import Layer, LayerOrder

if TYPE_CHECKING:
    from viewer.canvas.canvas import SlideCanvas
    from viewer.geometry import Point
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.legend import LegendRow
    from viewer.overlays.objects import Objects
    from viewer.overlays.result_at import ResultAt
    from viewer.overlays.result_map import ResultMap
    from viewer.ui.overlays.overlay_source import OverlaySource
    from viewer.ui.view.layer_entries import Ramp


class FadingLayer(Layer, Protocol):
    """A layer that can fade."""

    opacity: float


class Presented(NamedTuple):
    """What a presenter shows, and where.

    Attributes
    ----------
    identity
        Content key of the slide.
    """

    canvas: SlideCanvas
    found: ResultMap
    origin: OverlaySource
    identity: str
    parent: QObject


class Presenter(QObject):
    """Keeps what is found on the canvas; subclasses say what differs from showing nothing of it.

    Attributes
    ----------
    stratum
        Where it is painted.
    tells_unlike
        Whether what it makes of results tells which are unlike the training data.
    """

    stratum: ClassVar[LayerOrder] = LayerOrder.HEATMAPS
    tells_unlike: ClassVar[bool] = False
    changed = Signal()

    def __init__(self, given: Presented) -> None:
        super().__init__(given.parent)
        self._canvas = given.canvas
        self._origin = given.origin
        self._identity = given.identity

    @property
    def painted(self) -> FadingLayer:
        """Return the layer of the results."""
        raise NotImplementedError

    @property
    def painted_over(self) -> tuple[Layer, ...]:
        """Return the layers above it, which are shown and hidden with it."""
        return ()

    def refresh(self, key: BlockKey) -> None:
        """Show what came of a block."""
        raise NotImplementedError

    def refresh_all(self) -> None:
        """Show everything anew."""
        raise NotImplementedError

    def show_preview(self, key: BlockKey, objects: Objects) -> None:
        """Show some objects of a block that is not known yet, until it is."""

    def end_preview(self) -> None:
        """Take off what was shown of a block that is not known yet."""

    def switch_class(self, index: int, *, on: bool) -> None:
        """Show a class again, or no longer."""

    def result_at(self, point: Point) -> ResultAt | None:
        """Return what is at a level-0 point; None where nothing is."""
        raise NotImplementedError

    def color_key(self) -> list[tuple[str, str]]:
        """Return names and colors of the classes that are painted; none where values are."""
        return []

    def ramp(self) -> Ramp | None:
        """Return the key of the values that are painted; None of classes."""
        return None

    def legend_rows(self) -> list[LegendRow]:
        """Return the key of the classes, with how much there is of each."""
        return []

    def lines(self) -> list[str]:
        """Return what the card tells."""
        return []

    def shut_down(self) -> None:
        """End what goes on by itself."""
