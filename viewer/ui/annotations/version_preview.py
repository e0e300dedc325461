"""What bringing back a version would change, as a small picture and in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import shapely
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from viewer.annotations.kept_geometry import array_of
from viewer.canvas.annotations_layer import paint_circles
from viewer.canvas.shape_paths import Placing, places_of, shapes_path
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.geometry import Box

SIDE_PX = 240
_SHARPNESS = 2.0
"""Pixels of the picture a logical pixel of the screen."""
_GROUND = QColor("#f4f4f4")


class VersionPreview(msgspec.Struct, frozen=True):
    """Bold lines come back or change back, dashed ones go, thin ones stay."""

    picture: QImage
    sentence: str


def version_preview(
    held: Iterable[Annotation], then: Mapping[UUID, Annotation | None], slide: Box
) -> VersionPreview:
    """Compare what is held now with what was otherwise then; for worker threads.

    Parameters
    ----------
    then
        Annotations as they were, None for what was not there; others are as they are now.
    """
    now = {each.id: each for each in held}
    staying = [each for id_, each in now.items() if id_ not in then or then[id_] == each]
    going = [now[id_] for id_, each in then.items() if each is None and id_ in now]
    back = [each for id_, each in then.items() if each is not None and now.get(id_) != each]
    new = sum(each.id not in now for each in back)
    counts = (
        (new, "comes back", "come back"),
        (len(back) - new, "changes back", "change back"),
        (len(going), "goes", "go"),
    )
    parts = [plural(count, one, many) for count, one, many in counts if count]
    total = len(staying) + len(back)
    what = ", ".join(parts) if parts else "nothing changes"
    sentence = f"{plural(total, 'annotation')} then, {len(now):,} now: {what}."
    return VersionPreview(_picture(staying, going, back, slide), sentence)


def _picture(
    staying: Sequence[Annotation],
    going: Sequence[Annotation],
    back: Sequence[Annotation],
    slide: Box,
) -> QImage:
    scale = SIDE_PX / max(slide.width, slide.height, 1.0)
    width, height = max(slide.width * scale, 1.0), max(slide.height * scale, 1.0)
    picture = QImage(
        round(width * _SHARPNESS), round(height * _SHARPNESS), QImage.Format.Format_RGB32
    )
    picture.setDevicePixelRatio(_SHARPNESS)
    picture.fill(_GROUND)
    placing = Placing((scale, 0.0, 0.0, scale, -slide.x0 * scale, -slide.y0 * scale))
    with QPainter(picture) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _paint(painter, staying, placing, QPen(Qt.PenStyle.SolidLine), 1.0)
        _paint(painter, going, placing, QPen(Qt.PenStyle.DashLine), 1.5)
        _paint(painter, back, placing, QPen(Qt.PenStyle.SolidLine), 3.0)
    return picture


def _paint(
    painter: QPainter, some: Iterable[Annotation], placing: Placing, pen: QPen, width_px: float
) -> None:
    """Paint a color at a time."""
    by_color: dict[str, list[Annotation]] = {}
    for each in some:
        by_color.setdefault(each.shown_color, []).append(each)
    for color, alike in by_color.items():
        shapes = array_of([each.geometry for each in alike])
        is_point = shapely.get_dimensions(shapes) == 0
        pen.setColor(QColor(color))
        pen.setWidthF(width_px)
        if not is_point.all():
            painter.strokePath(shapes_path(shapes[~is_point], placing), pen)
        places = placing.points(places_of(shapes[is_point]))
        paint_circles(painter, places.tolist(), QColor(color), is_chosen=False)
