"""Patches of a slide for which something holds, such as that a model gave no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.geometry import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Point


class PatchMask(msgspec.Struct, frozen=True):
    """A lattice of square patches over a slide.

    Attributes
    ----------
    mask
        (rows, columns) where it holds.
    side
        Of a patch, level-0 pixels.
    """

    mask: NDArray[np.bool_]
    side: float

    @property
    def count(self) -> int:
        return int(self.mask.sum())

    def boxes(self, most: int) -> list[Box]:
        """Return the patches row by row, at most so many; level-0 pixels."""
        side = self.side
        return [
            Box(column * side, row * side, (column + 1) * side, (row + 1) * side)
            for row, column in np.argwhere(self.mask)[:most].tolist()
        ]

    def box_at(self, point: Point) -> Box | None:
        """Return the patch at a level-0 point where it holds there, else None."""
        row, column = int(point.y // self.side), int(point.x // self.side)
        rows, columns = self.mask.shape
        if not (0 <= row < rows and 0 <= column < columns and self.mask[row, column]):
            return None
        x, y = column * self.side, row * self.side
        return Box(x, y, x + self.side, y + self.side)

    def joined(self, other: PatchMask) -> PatchMask:
        """Return the mask of where this or another on the same lattice holds."""
        return PatchMask(self.mask | other.mask, self.side)

    def within(self, inside: NDArray[np.bool_]) -> PatchMask:
        """Return the mask with only those patches for which `inside` (rows, columns) is set."""
        return PatchMask(self.mask & inside, self.side)


def place_text(box: Box) -> str:
    """Return where a box begins, in words."""
    return f"x {box.x0:,.0f}, y {box.y0:,.0f}"
