"""What a reader points at, to have it outlined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.geometry import Box

if TYPE_CHECKING:
    from viewer.geometry import Point

_ROUND_BOX = 1.6
"""The picture round a box, in sides of the box."""


class Prompt(msgspec.Struct, frozen=True):
    """Points inside and outside of what is meant, or a box round it; level-0 pixels."""

    inside: tuple[Point, ...] = ()
    outside: tuple[Point, ...] = ()
    box: Box | None = None

    @property
    def is_empty(self) -> bool:
        return not self.inside and self.box is None

    def without_last(self) -> Prompt:
        """Return the prompt with the last point taken back, those outside first."""
        if self.outside:
            return replace(self, outside=self.outside[:-1])
        return replace(self, inside=self.inside[:-1], box=None)

    def field(self, side_px: int, downsample: float) -> Box:
        """Return the square round the prompt that a model is shown, at about the view's zoom."""
        corners = [*self.inside, *self.outside, *(self.box.corners if self.box else [])]
        around = Box.enclosing(corners)
        longest = _ROUND_BOX * max(around.width, around.height)
        side = max(side_px * downsample, longest)
        return Box.around(around.center, side, side)

    def in_pixels(self, field: Box, side_px: int) -> list[tuple[float, float, int]]:
        """x, y in pixels of the picture of a field, and what it means.

        1 inside, 0 outside, 2 and 3 the first and last corner of the box: as SAM's exports take it.
        """
        points = [(point, 1) for point in self.inside] + [(point, 0) for point in self.outside]
        if self.box is not None:
            points += [(self.box.corners[0], 2), (self.box.corners[2], 3)]
        scale = side_px / field.width
        return [((p.x - field.x0) * scale, (p.y - field.y0) * scale, kind) for p, kind in points]
