"""The field of view of the environment, and what an action makes of it. No pixels."""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from viewer.geometry import Box, Point, Size

FINEST_DOWNSAMPLE = 1 / 16
_FARTHEST = 1e9
_COARSEST_FITS = 4.0
"""The coarsest field is so many times the one in which the whole slide fits."""


class FieldOfView(msgspec.Struct, frozen=True):
    """What the environment shows.

    Attributes
    ----------
    center
        Level-0 pixels.
    downsample
        Level-0 pixels per pixel of the observation.
    size_px
        Of the observation.
    slide
        Level-0 pixels.
    """

    center: Point
    downsample: float
    size_px: Size
    slide: Size

    @classmethod
    def of_whole(cls, slide: Size, size_px: Size) -> FieldOfView:
        """Return the field in which the whole slide fits."""
        middle = Point(slide.width / 2, slide.height / 2)
        return cls(middle, _fit(slide, size_px), size_px, slide)

    @classmethod
    def holding(cls, box: Box, slide: Size, size_px: Size) -> FieldOfView:
        """Return the field round the middle of a box that just holds it, within the limits."""
        downsample = max(box.width / size_px.width, box.height / size_px.height)
        field = cls(box.center, downsample, size_px, slide)
        return field._placed((0.0, 0.0), 0.0, field._downsample_within(downsample))

    @property
    def box(self) -> Box:
        """Return the field in level-0 pixels; it may reach beyond the slide."""
        return Box.around(self.center, *self._extent_px)

    def moved(self, by: tuple[float, float]) -> FieldOfView:
        """Return the field moved by so many widths to the right and heights down."""
        return self._placed(by, 1.0, self.downsample)

    def zoomed(self, octaves: float, at: tuple[float, float]) -> FieldOfView:
        """Return the field at 2 ** octaves times the magnification.

        What lies at `at`, in widths and heights from the middle, stays where it is on screen, as
        under the cursor when the wheel is turned.
        """
        downsample = self._downsample_within(self.downsample * 2.0 ** -_finite(octaves, 64.0))
        return self._placed(at, 1 - downsample / self.downsample, downsample)

    @property
    def _extent_px(self) -> tuple[float, float]:
        return self.size_px.width * self.downsample, self.size_px.height * self.downsample

    def _placed(self, by: tuple[float, float], share: float, downsample: float) -> FieldOfView:
        """Move by a share of `by`, in widths and heights of this field; the slide stays in view."""
        width, height = self._extent_px
        reach_x = self.size_px.width * downsample / 2
        reach_y = self.size_px.height * downsample / 2
        x = self.center.x + _finite(by[0], _FARTHEST) * width * share
        y = self.center.y + _finite(by[1], _FARTHEST) * height * share
        x = min(max(x, -reach_x), self.slide.width + reach_x)
        y = min(max(y, -reach_y), self.slide.height + reach_y)
        return replace(self, center=Point(x, y), downsample=downsample)

    def _downsample_within(self, wanted: float) -> float:
        coarsest = max(_COARSEST_FITS * _fit(self.slide, self.size_px), FINEST_DOWNSAMPLE)
        return min(max(wanted, FINEST_DOWNSAMPLE), coarsest)


def _fit(slide: Size, size_px: Size) -> float:
    return max(slide.width / size_px.width, slide.height / size_px.height)


def _finite(number: float, most: float) -> float:
    """Return a number of an action as one that can be reckoned with; 0 for what is none."""
    return 0.0 if math.isnan(number) else min(max(float(number), -most), most)
