"""A field of a known area in mm², as a microscope's eyepiece shows it, laid on a slide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import shapely
from shapely import affinity

from viewer.errors import CoverslipError
from viewer.geometry import UM2_PER_MM2, UM_PER_MM, Point

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.pixel_calibration import PixelCalibration
    from viewer.geometry import Box

Shape = Literal["circle", "square"]
SHAPES: tuple[Shape, ...] = ("circle", "square")
HPF_AREAS_MM2 = (0.1959, 0.2375)
"""High-power fields of a 40x objective: field numbers 20 and 22, 0.50 and 0.55 mm across."""
AREAS_MM2 = (*HPF_AREAS_MM2, 1.0, 2.0)
LEAST_MM2, MOST_MM2 = 0.0001, 10_000.0
NO_PIXEL_SIZE = "Pixel size unknown: set it to count per mm²."
_QUARTER_SEGMENTS = 64
_WHOLE = 1 - 1e-6


class CountingError(CoverslipError):
    """A field that cannot be counted; `str()` is one sentence."""


class PlacedField(NamedTuple):
    """A frame on a slide.

    Attributes
    ----------
    outline
        Level-0 pixels.
    area_mm2
        Of the outline; less than the frame's where only a part of it lies on the slide.
    is_whole
        Whether all of the frame lies on the slide.
    """

    outline: shapely.Polygon
    area_mm2: float
    is_whole: bool


class CountingFrame(msgspec.Struct, frozen=True):
    """A circle or a square of a fixed area.

    Raises
    ------
    CountingError
        The area is none.
    """

    area_mm2: float = HPF_AREAS_MM2[1]
    shape: Shape = "circle"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.area_mm2) and LEAST_MM2 <= self.area_mm2 <= MOST_MM2):
            raise CountingError(
                f"A field of {self.area_mm2:g} mm² cannot be counted: give {LEAST_MM2:g} to "
                f"{MOST_MM2:,.0f} mm²."
            )
        if self.shape not in SHAPES:
            raise CountingError(
                f'A field cannot be a "{self.shape}": choose {" or ".join(SHAPES)}.'
            )

    @property
    def side_mm(self) -> float:
        """Return the diameter of a circle, or the side of a square."""
        if self.shape == "circle":
            return 2 * math.sqrt(self.area_mm2 / math.pi)
        return math.sqrt(self.area_mm2)

    @property
    def text(self) -> str:
        """Return what the frame is, for people."""
        sign = "Ø " if self.shape == "circle" else "side "
        return f"{self.shape} of {self.area_mm2:g} mm² ({sign}{self.side_mm:.3g} mm)"

    def outline(self, center: Point, calibration: PixelCalibration) -> shapely.Polygon:
        """Return the frame about a level-0 point, in level-0 pixels, exactly as large as it says.

        Raises
        ------
        CountingError
            The pixel size of the slide is unknown.
        """
        if calibration.unit == "px":
            raise CountingError(NO_PIXEL_SIZE)
        if self.shape == "circle":
            round_ = shapely.Point(0, 0).buffer(1.0, quad_segs=_QUARTER_SEGMENTS)
            # A polygon in a circle is a little smaller than the circle.
            side = math.sqrt(self.area_mm2 * UM2_PER_MM2 / round_.area)
            frame = affinity.scale(round_, side, side, origin=(0, 0))
        else:
            half = self.side_mm * UM_PER_MM / 2
            frame = shapely.box(-half, -half, half, half)
        on_slide = affinity.translate(calibration.to_pixels(frame), *center)
        assert isinstance(on_slide, shapely.Polygon)
        return on_slide

    def placed(self, center: Point, slide: Box, calibration: PixelCalibration) -> PlacedField:
        """Return the frame about a point, moved onto the slide where it would reach beyond it.

        Parameters
        ----------
        slide
            The whole slide, level-0 pixels.

        Raises
        ------
        CountingError
            The pixel size is unknown, or nothing of the frame lies on the slide.
        """
        outline = self.outline(Point(0.0, 0.0), calibration)
        _, _, half_x, half_y = outline.bounds
        middle = Point(
            _within(center.x, slide.x0 + half_x, slide.x1 - half_x),
            _within(center.y, slide.y0 + half_y, slide.y1 - half_y),
        )
        whole = affinity.translate(outline, *middle)
        kept = whole.intersection(slide.polygon)
        if not isinstance(kept, shapely.Polygon) or kept.is_empty:
            raise CountingError("The field does not lie on the slide: move there first.")
        is_whole = kept.area >= whole.area * _WHOLE
        shown = whole if is_whole else kept
        assert isinstance(shown, shapely.Polygon)
        return PlacedField(shown, area_mm2(shown, calibration), is_whole)


def area_mm2(region: BaseGeometry, calibration: PixelCalibration) -> float:
    """Return the area of a region in level-0 pixels at a known pixel size."""
    width_um, height_um = calibration.pixel
    return region.area * width_um * height_um / UM2_PER_MM2


def _within(value: float, low: float, high: float) -> float:
    """Return the nearest value of a range; its middle where it is none."""
    return (low + high) / 2 if low > high else min(max(value, low), high)
