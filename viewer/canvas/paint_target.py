"""The pixels that a painter paints, for those who write to them without the painter.

A widget's picture lies in the memory of the window. What is scaled right into it need not be
copied there, which on a large screen takes as long as half of the scaling.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPaintEngine, QRegion, QTransform

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter

_ROUNDING = 1e-6
_FORMATS = (QImage.Format.Format_RGB32, QImage.Format.Format_ARGB32_Premultiplied)


class PaintTarget(msgspec.Struct, frozen=True):
    """Where to write, valid as long as the painter paints.

    Attributes
    ----------
    picture
        What is painted to, four bytes a pixel.
    shift
        From the painter's coordinates to those of the picture.
    region
        What may be written, in the painter's coordinates: the rest is other widgets' or not asked.
    """

    picture: QImage
    shift: QPoint
    region: QRegion


def paint_target(painter: QPainter, place: QRect) -> PaintTarget | None:
    """Return where a rectangle lies that is to be painted; None where only the painter can.

    Parameters
    ----------
    painter
        It neither scales nor turns what it paints, and covers all.
    place
        In its coordinates.
    """
    engine = painter.paintEngine()
    if engine is None or engine.type() != QPaintEngine.Type.Raster or painter.hasClipping():
        return None
    picture = engine.paintDevice()
    if not isinstance(picture, QImage) or picture.format() not in _FORMATS:
        return None
    moves = painter.deviceTransform()
    if not _is_shift(moves) or painter.opacity() < 1.0:
        return None
    # As Qt rounds where it paints a picture: a widget may lie between two pixels of a screen.
    shift = QPoint(math.floor(moves.dx() + 0.5), math.floor(moves.dy() + 0.5))
    region = QRegion(picture.rect()).intersected(place.translated(shift))
    asked = engine.systemClip()
    if not asked.isEmpty():
        region = region.intersected(asked)
    return PaintTarget(picture, shift, region.translated(-shift))


def _is_shift(moves: QTransform) -> bool:
    """Return whether a transform does no more, but for what rounding leaves."""
    shift = QTransform.fromTranslate(moves.dx(), moves.dy())
    return all(
        abs(getattr(moves, name)() - getattr(shift, name)()) < _ROUNDING
        for name in ("m11", "m12", "m13", "m21", "m22", "m23", "m33")
    )
