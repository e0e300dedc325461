"""What a review shows on the slide: the numbered boxes, and the way to the one in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.canvas.layer import LayerOrder
from viewer.geometry import Box, Size, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.recording.trace import Action
    from viewer.ui.slides.slide_pane import SlidePane

_MARGIN = 1.25
"""How much more than the box is on screen."""
_LEAST_DOWNSAMPLE = 1e-3


class ReviewCanvas:
    """Paints on one pane at a time, and moves its view."""

    def __init__(self) -> None:
        from viewer.canvas.numbered_boxes_layer import NumberedBoxesLayer

        self.pane: SlidePane | None = None
        self.boxes = NumberedBoxesLayer("review")

    def enter(self, pane: SlidePane) -> None:
        """Paint on this pane from now on."""
        self.leave()
        self.pane = pane
        pane.canvas.add_layer(self.boxes, LayerOrder.TOOLS)

    def leave(self) -> None:
        """Paint nowhere."""
        if self.pane is not None:
            self.pane.canvas.remove_layer(self.boxes)
        self.pane = None
        self.boxes.clear()

    def show(self, boxes: Sequence[Box], colors: Sequence[str], current: int) -> None:
        """Paint the boxes of actions; of none, nothing."""
        self.boxes.show_boxes(boxes, colors, current)
        if self.pane is not None:
            self.pane.canvas.update()

    def travel_to(self, action: Action) -> None:
        """Bring the whole box of an action on screen, turned as the slide is."""
        if self.pane is None:
            return
        canvas, box = self.pane.canvas, Box(*action.box)
        screen = Size(max(canvas.width(), 1), max(canvas.height(), 1))
        downsample = _MARGIN * max(box.width / screen.width, box.height / screen.height)
        view = View(
            box.center,
            max(downsample, _LEAST_DOWNSAMPLE),
            screen,
            canvas.destination.rotation_deg,
            canvas.view.mirrored,
        )
        # As a replay it is another's way, and no part of a reading that is recorded meanwhile.
        canvas.show_view(view, animated=True, cause="replay")
