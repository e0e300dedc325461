"""Points, boxes and views: the one place where slide and screen coordinates meet.

The common coordinates are level-0 pixels of the slide, x to the right and y down. Screen
coordinates are logical (device-independent) pixels of the widget, same directions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

UM_PER_MM = 1e3
UM2_PER_MM2 = 1e6


class Point(NamedTuple):
    """A position; level-0 pixels unless a name says otherwise."""

    x: float
    y: float


ORIGIN = Point(0.0, 0.0)


class Size(NamedTuple):
    """A width and a height, in the pixels that the name of the variable tells."""

    width: float
    height: float


class Box(msgspec.Struct, frozen=True):
    """An axis-aligned box, half open: x0 <= x < x1 and y0 <= y < y1."""

    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def around(cls, center: Point, width: float, height: float) -> Box:
        """Return the box of this width and height with its middle at `center`."""
        return cls(
            center.x - width / 2, center.y - height / 2, center.x + width / 2, center.y + height / 2
        )

    @classmethod
    def enclosing(cls, points: list[Point]) -> Box:
        """Return the smallest box that holds all points."""
        xs = [point.x for point in points]
        ys = [point.y for point in points]
        return cls(min(xs), min(ys), max(xs), max(ys))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1, as shapely and files take them."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def polygon(self) -> BaseGeometry:
        """Return the box as a shape."""
        import shapely

        return shapely.box(*self.bounds)

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def center(self) -> Point:
        return Point((self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2)

    @property
    def corners(self) -> list[Point]:
        """Clockwise from the top left."""
        return [
            Point(self.x0, self.y0),
            Point(self.x1, self.y0),
            Point(self.x1, self.y1),
            Point(self.x0, self.y1),
        ]

    @property
    def is_empty(self) -> bool:
        return self.x1 <= self.x0 or self.y1 <= self.y0

    def contains(self, point: Point) -> bool:
        return self.x0 <= point.x < self.x1 and self.y0 <= point.y < self.y1

    def intersects(self, other: Box) -> bool:
        return (
            self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1
        )

    def intersection(self, other: Box) -> Box:
        """Return the common part; empty (`is_empty`) where there is none."""
        return Box(
            max(self.x0, other.x0),
            max(self.y0, other.y0),
            min(self.x1, other.x1),
            min(self.y1, other.y1),
        )

    def grown(self, margin: float) -> Box:
        """Return the box with `margin` added on every side."""
        return Box(self.x0 - margin, self.y0 - margin, self.x1 + margin, self.y1 + margin)

    def moved(self, dx: float, dy: float) -> Box:
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)


class View(msgspec.Struct, frozen=True):
    """What the screen shows of a slide.

    A slide point p lands on the screen at `M R (p - center) / downsample + size / 2`, where R
    turns clockwise by `rotation_deg` and M mirrors left and right where `mirrored` is set.

    Attributes
    ----------
    center
        The level-0 point in the middle of the screen.
    downsample
        Level-0 pixels per logical screen pixel; 1.0 is one to one, larger is farther out.
    rotation_deg
        Turn of the slide, in [0, 360).
    mirrored
        Whether the turned slide is then mirrored left to right.
    size
        Of the widget, in logical pixels.
    """

    center: Point
    downsample: float
    size: Size
    rotation_deg: float = 0.0
    mirrored: bool = False

    def _axes(self) -> tuple[float, float, float, float]:
        """M R as (a, b, c, d): screen dx = a x + b y, screen dy = c x + d y."""
        cos, sin = _cos_sin_deg(self.rotation_deg)
        mirror = -1.0 if self.mirrored else 1.0
        return mirror * cos, -mirror * sin, sin, cos

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Slide to screen as (m11, m12, m21, m22, dx, dy), in the order that QTransform takes."""
        a, b, c, d = self._axes()
        k = 1.0 / self.downsample
        x, y = self.center
        dx = self.size.width / 2 - (a * x + b * y) * k
        dy = self.size.height / 2 - (c * x + d * y) * k
        return a * k, c * k, b * k, d * k, dx, dy

    def to_screen(self, point: Point) -> Point:
        """Return where a level-0 point lands, in logical screen pixels."""
        a, b, c, d = self._axes()
        x = (point.x - self.center.x) / self.downsample
        y = (point.y - self.center.y) / self.downsample
        return Point(a * x + b * y + self.size.width / 2, c * x + d * y + self.size.height / 2)

    def to_slide(self, screen: Point) -> Point:
        """Return the level-0 point under a screen position; the inverse of `to_screen`."""
        dx, dy = self.slide_delta(screen.x - self.size.width / 2, screen.y - self.size.height / 2)
        return Point(self.center.x + dx, self.center.y + dy)

    def slide_delta(self, dx_screen: float, dy_screen: float) -> Point:
        """Return a movement on the screen as a movement on the slide, in level-0 pixels."""
        a, b, c, d = self._axes()
        # M R is orthogonal, so its transpose is its inverse.
        return Point(
            (a * dx_screen + c * dy_screen) * self.downsample,
            (b * dx_screen + d * dy_screen) * self.downsample,
        )

    @property
    def field(self) -> list[Point]:
        """Return the corners of the screen on the slide (level-0), clockwise from the top left."""
        width, height = self.size
        return [
            self.to_slide(Point(x, y))
            for x, y in ((0, 0), (width, 0), (width, height), (0, height))
        ]

    @property
    def box(self) -> Box:
        """Return the smallest level-0 box that holds the field of view."""
        return Box.enclosing(self.field)

    def sees(self, box: Box) -> bool:
        """Return whether any of a level-0 box is in view, however the view is turned."""
        # One of two rectangles has a side that lies between them where they are apart.
        on_screen = Box.enclosing([self.to_screen(corner) for corner in box.corners])
        return self.box.intersects(box) and on_screen.intersects(Box(0.0, 0.0, *self.size))

    def panned(self, dx_screen: float, dy_screen: float) -> View:
        """Return the view after the slide was dragged by this many screen pixels."""
        dx, dy = self.slide_delta(dx_screen, dy_screen)
        return replace(self, center=Point(self.center.x - dx, self.center.y - dy))

    def zoomed(self, downsample: float, anchor: Point | None = None) -> View:
        """Return the view at another downsample, the slide point under `anchor` (screen) held."""
        if anchor is None:
            return replace(self, downsample=downsample)
        held = self.to_slide(anchor)
        after = replace(self, downsample=downsample)
        moved = after.to_slide(anchor)
        center = Point(self.center.x + held.x - moved.x, self.center.y + held.y - moved.y)
        return replace(after, center=center)

    def turned(self, clockwise_deg: float) -> View:
        """Return the view with what is on screen turned clockwise about the screen's middle."""
        turn = -clockwise_deg if self.mirrored else clockwise_deg
        return replace(self, rotation_deg=(self.rotation_deg + turn) % 360.0)

    def flipped_horizontally(self) -> View:
        """Return the view with what is on screen mirrored left to right."""
        return replace(self, mirrored=not self.mirrored)

    def flipped_vertically(self) -> View:
        """Return the view with what is on screen mirrored top to bottom."""
        return replace(
            self, mirrored=not self.mirrored, rotation_deg=(self.rotation_deg + 180.0) % 360.0
        )

    def resized(self, size: Size) -> View:
        return replace(self, size=size)

    def showing(self, box: Box) -> View:
        """Return the view that shows a `box` (level-0) as large as it fits, turn and flip kept."""
        a, b, c, d = self._axes()
        width = abs(a) * box.width + abs(b) * box.height
        height = abs(c) * box.width + abs(d) * box.height
        downsample = max(width / max(self.size.width, 1), height / max(self.size.height, 1))
        return replace(self, center=box.center, downsample=max(downsample, 1e-9))


class Optics(msgspec.Struct, frozen=True):
    """What is known of a slide's scale.

    Attributes
    ----------
    mpp_um
        Micrometers per level-0 pixel in x and y, or None where nobody has said.
    objective_power
        Of the scan, e.g. 20.0 or 40.0, or None.
    """

    mpp_um: tuple[float, float] | None = None
    objective_power: float | None = None

    @property
    def mean_mpp_um(self) -> float | None:
        return None if self.mpp_um is None else math.sqrt(self.mpp_um[0] * self.mpp_um[1])

    @property
    def native_magnification(self) -> float | None:
        """Return the objective's power, else 10 um / mpp (10x is 1 um per pixel), else None.

        The rule 10x = 1 um/px is the one QuPath uses for slides that name no objective.
        """
        if self.objective_power is not None:
            return self.objective_power
        mpp_um = self.mean_mpp_um
        return None if mpp_um is None else 10.0 / mpp_um

    def magnification(self, downsample: float) -> float | None:
        """Return what a view at `downsample` shows; None where the slide tells no scale."""
        native = self.native_magnification
        return None if native is None else native / downsample

    def downsample(self, magnification: float) -> float | None:
        """Return the inverse of `magnification`."""
        native = self.native_magnification
        return None if native is None else native / magnification

    def um(self, point: Point) -> Point | None:
        """Return a level-0 position in micrometers from the slide's top left corner."""
        if self.mpp_um is None:
            return None
        return Point(point.x * self.mpp_um[0], point.y * self.mpp_um[1])


def _cos_sin_deg(angle_deg: float) -> tuple[float, float]:
    """Exact at the quarter turns, so that a slide turned by 90 degrees stays on the pixel grid."""
    quarter, rest = divmod(angle_deg % 360.0, 90.0)
    if rest == 0.0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarter)]
    angle = math.radians(angle_deg)
    return math.cos(angle), math.sin(angle)
