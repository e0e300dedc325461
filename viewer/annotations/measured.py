"""Lengths and angles that rulers keep with their line, which follow it when it is changed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import shapely

from viewer.annotations.counted import current
from viewer.annotations.kept_geometry import is_line
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.geometry import Optics, Point

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation

ANGLE = "Angle deg"
_LENGTHS = ("Length um", "Length px")
RULED = (*_LENGTHS, ANGLE)
"""What rulers and angles keep."""
_ANGLE_PLACES = 3


def length_name(calibration: PixelCalibration) -> str:
    """Return what the length of a ruler is called among the measurements."""
    return f"Length {calibration.unit}"


def up_to_date(annotation: Annotation, mpp_um: tuple[float, float] | None) -> Annotation:
    """Return an annotation as files get it: rulers measured anew, outdated counts marked so.

    Parameters
    ----------
    mpp_um
        um per level-0 pixel in x and y; None where unknown.
    """
    counted = current(annotation, Optics(mpp_um).mean_mpp_um)
    return remeasured(counted, PixelCalibration(mpp_um))


def remeasured(annotation: Annotation, calibration: PixelCalibration) -> Annotation:
    """Return a ruler or angle with the measures of its present line; others as they are.

    An angle that no longer has three places loses its measure.
    """
    kept = annotation.measurements
    has_length, has_angle = any(name in kept for name in _LENGTHS), ANGLE in kept
    if not (has_length or has_angle) or not is_line(annotation):
        return annotation
    values = {name: value for name, value in kept.items() if name not in RULED}
    corners = shapely.get_coordinates(annotation.geometry).tolist()
    places = [Point(*corner) for corner in corners]
    if has_length:
        pairs = itertools.pairwise(places)
        values[length_name(calibration)] = sum(calibration.distance(*pair) for pair in pairs)
    if has_angle and len(places) == _ANGLE_PLACES:
        values[ANGLE] = calibration.angle_deg(*places)
    return replace(annotation, measurements=values)


def is_measured(annotation: Annotation) -> bool:
    """Return whether an annotation is the line of a ruler or of an angle."""
    kept = annotation.measurements
    return any(name in kept for name in RULED) and is_line(annotation)


def is_angle(annotation: Annotation) -> bool:
    """Return whether an annotation is the line of an angle."""
    return ANGLE in annotation.measurements and is_line(annotation)


def angle_of(annotation: Annotation, calibration: PixelCalibration) -> float | None:
    """Return the present angle in degrees; None where the line has no three places any more."""
    return remeasured(annotation, calibration).measurements.get(ANGLE)


def figure_of(annotation: Annotation, calibration: PixelCalibration) -> str:
    """Return the present length or angle of a ruler's line, as people read it."""
    values = remeasured(annotation, calibration).measurements
    if ANGLE in values:
        return f"{values[ANGLE]:.1f}°"
    return calibration.length_text(values.get(length_name(calibration), 0.0))
