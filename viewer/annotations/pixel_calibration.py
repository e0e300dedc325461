"""Lengths, areas and angles on a slide, whose pixels need not be square."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import shapely

from viewer.annotations.shape_numbers import areas, lengths
from viewer.geometry import UM2_PER_MM2, UM_PER_MM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.geometry import Point

MicronsPerPixel = float | tuple[float, float]
"""µm per level-0 pixel: of square pixels, or in x and y."""


class PixelCalibration(msgspec.Struct, frozen=True):
    """Measures in µm along each axis, or in level-0 pixels where the pixel size is unknown.

    Attributes
    ----------
    mpp_um
        µm per level-0 pixel in x and y; None where unknown.
    """

    mpp_um: tuple[float, float] | None = None

    @classmethod
    def of(cls, mpp_um: MicronsPerPixel | None) -> PixelCalibration:
        """Return the calibration of pixels of this size; one number stands for square pixels."""
        if mpp_um is None or isinstance(mpp_um, tuple):
            return cls(mpp_um)
        return cls((mpp_um, mpp_um))

    @property
    def unit(self) -> Literal["um", "px"]:
        """Return what lengths are in."""
        return "px" if self.mpp_um is None else "um"

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a level-0 pixel in `unit`."""
        return self.mpp_um or (1.0, 1.0)

    @property
    def mean_pixel(self) -> float:
        """Return the side, in `unit`, of a square as large as a level-0 pixel."""
        return math.sqrt(self.pixel[0] * self.pixel[1])

    @property
    def has_square_pixels(self) -> bool:
        return self.pixel[0] == self.pixel[1]

    # What is measured, in `unit` ------------------------------------------------------------

    def length(self, dx: float, dy: float) -> float:
        """Return the length of a way on the slide (level-0 pixels)."""
        return math.hypot(dx * self.pixel[0], dy * self.pixel[1])

    def distance(self, a: Point, b: Point) -> float:
        """Return the distance of two level-0 points."""
        return self.length(b[0] - a[0], b[1] - a[1])

    def angle_deg(self, end: Point, corner: Point, other: Point) -> float:
        """Return the angle between the two lines from a corner, 0 to 180."""
        x, y = self.pixel
        first = math.atan2((end[1] - corner[1]) * y, (end[0] - corner[0]) * x)
        second = math.atan2((other[1] - corner[1]) * y, (other[0] - corner[0]) * x)
        turn = math.degrees(abs(first - second)) % 360
        return min(turn, 360 - turn)

    def lengths(self, shapes: NDArray[np.object_]) -> NDArray[np.float64]:
        """Return (n,) the lengths of lines and the perimeters of regions."""
        x, y = self.pixel
        if x == y:
            return lengths(shapes) * x
        return lengths(shapely.transform(shapes, lambda places: places * (x, y)))

    def areas(self, shapes: NDArray[np.object_]) -> NDArray[np.float64]:
        """Return (n,) the areas, in µm² or px²."""
        return areas(shapes) * (self.pixel[0] * self.pixel[1])

    def length_of(self, shape: BaseGeometry) -> float:
        """Return the length of a line or the perimeter of a region."""
        return self.to_units(shape).length

    def area_of(self, shape: BaseGeometry) -> float:
        """Return the area of a region, in µm² or px²."""
        return shape.area * self.pixel[0] * self.pixel[1]

    # Shapes ---------------------------------------------------------------------------------

    def to_units(self, shape: BaseGeometry) -> BaseGeometry:
        """Return a shape in level-0 pixels with coordinates in `unit`."""
        x, y = self.pixel
        return shapely.transform(shape, lambda places: places * (x, y))

    def to_pixels(self, shape: BaseGeometry) -> BaseGeometry:
        """Return a shape in `unit` with coordinates in level-0 pixels."""
        x, y = self.pixel
        return shapely.transform(shape, lambda places: places / (x, y))

    # As people read it ----------------------------------------------------------------------

    def length_text(self, length: float) -> str:
        """Return a length in µm, in mm from 10 of them; in pixels where `unit` is that."""
        if self.unit == "px":
            return f"{length:,.1f} px"
        if length < 10 * UM_PER_MM:
            return f"{length:,.{_decimals(length)}f} µm"
        return f"{length / UM_PER_MM:,.2f} mm"

    def area_text(self, area: float) -> str:
        """Return an area in µm², in mm² from a tenth of one; in px² where `unit` is that."""
        if self.unit == "px":
            return f"{area:,.0f} px²"
        mm2 = area / UM2_PER_MM2
        if mm2 < 0.1:
            return f"{area:,.{_decimals(area)}f} µm²"
        return f"{mm2:,.{max(_decimals(mm2), 3)}f} mm²"

    def size_text(self, area: float, length: float) -> str:
        """Return an area, else a length, as text; "" of points."""
        if area:
            return self.area_text(area)
        return self.length_text(length) if length else ""

    def row_text(self, area: float, length: float) -> str:
        """Return the same in one unit for all rows of a column, which are compared at a glance."""
        value, unit = (area, f"{self.unit}²") if area else (length, self.unit)
        unit = unit.replace("um", "µm")
        return f"{value:,.{0 if value >= 10_000 else 1}f} {unit}" if value else ""


def _decimals(value: float) -> int:
    """Return how many decimals leave four digits, so that no figure is a thousandth off."""
    if value < 1e-3:
        return 4
    return min(max(3 - math.floor(math.log10(value)), 1), 4)
