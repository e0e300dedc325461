"""The wand: paints a region of like color round the hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from shapely import affinity

from viewer.annotations.shape_editing import EmptyShapeError
from viewer.canvas.annotating.brush_tool import RegionTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QImage
    from shapely.geometry.base import BaseGeometry

    from viewer.canvas.annotating.drawing_tool import PointerState
    from viewer.canvas.annotating.edit_context import EditContext
    from viewer.geometry import Point

    Look = Callable[[Point, int], QImage | None]

_SIDE_PX = 149
"""Of the square on the screen in which it looks; odd, so that the hand is on a pixel."""
_LEAST, _MOST = 0.3, 10.0
_PER_NOTCH = 1.15
_STEP_PX = 3.0
"""The hand moves so far before the wand looks again."""


class WandTool(RegionTool):
    """Sees the slide at the screen's zoom, so it takes nuclei near and whole tissues from afar.

    Brightness, stains and color profile change nothing of what it takes.

    Parameters
    ----------
    look
        Gives the slide's own pixels about a position on the screen, (side, side) logical pixels;
        None while they are being read.
    """

    name = "wand"
    label = "Wand"
    hint = "Press and drag over one kind of tissue. Ctrl and wheel: sensitivity."
    nothing_painted = "Nothing clear here. Zoom in, or take less with Ctrl and the wheel."

    def __init__(self, desk: EditContext, look: Look, parent: QObject | None = None) -> None:
        super().__init__(desk, parent)
        self._look = look

    def mark(self, last: PointerState, now: PointerState) -> BaseGeometry | None:
        from viewer.annotations.wand import wand_region

        away = np.hypot(now.screen.x - last.screen.x, now.screen.y - last.screen.y)
        if last is not now and away < _STEP_PX:
            return None
        picture = self._look(now.screen, _SIDE_PX)
        if picture is None:
            return None
        try:
            region = wand_region(_pixels(picture), self.desk.options.wand_sensitivity)
        except EmptyShapeError:
            return None
        # From the picture to the slide: its middle is the hand.
        a, b = now.view.slide_delta(1.0, 0.0)
        c, d = now.view.slide_delta(0.0, 1.0)
        half = _SIDE_PX / 2
        x = now.at.x - half * (a + c)
        y = now.at.y - half * (b + d)
        return affinity.affine_transform(region, [a, c, b, d, x, y])

    def wheel(self, hand: PointerState, notches: float) -> bool:
        options = self.desk.options
        wanted = options.wand_sensitivity * _PER_NOTCH**notches
        options.wand_sensitivity = min(max(wanted, _LEAST), _MOST)
        self.measure_changed.emit(f"Wand: sensitivity {options.wand_sensitivity:.1f}")
        return True


def _pixels(picture: QImage) -> NDArray[np.uint8]:
    """Return (height, width, 3) of a picture in RGB888."""
    rows = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), -1)
    return rows[:, : picture.width() * 3].reshape(picture.height(), picture.width(), 3)
