"""Annotations over the slide: outlines, fill, names; dots where they are too small."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen

from viewer.annotations.id_set import IdSet
from viewer.annotations.kept_geometry import array_of, geometries_of
from viewer.annotations.selection import Selection
from viewer.canvas.annotating.strokes import round_pen
from viewer.canvas.fast_paths import point_list
from viewer.canvas.measured_lines import MeasuredLines
from viewer.canvas.raster_cache import RasterCache, RasterGrid
from viewer.canvas.shape_paths import Placing, places_of, shape_path, shapes_path
from viewer.geometry import Box, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from uuid import UUID

    from numpy.typing import NDArray

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document, Edit
    from viewer.canvas.layer import Scene
    from viewer.canvas.raster_cache import Square
    from viewer.canvas.shape_paths import Shapes

OUTLINE_PX = 2.0
POINT_PX = 5.0
"""Radius of a point."""
_CASING = QColor(255, 255, 255, 110)
"""Round each line, which else is lost in tissue of its own color."""
_CHOSEN = QColor(255, 225, 0, 240)
"""Round what is chosen; no stain has this yellow."""
_MARGIN_PX = 10.0
"""How far what is painted reaches beyond the shapes."""
_SPECK_PX = 3.0
"""Smaller shapes are dots."""
_MOST_BOLD = 150
"""In a square up to which lines are two pixels wide; Qt strokes only those of one quickly."""
_AT_ONCE = 100
"""Shapes painted in one go, which is a few milliseconds."""
_STROKED_AT_ONCE = 10
"""Shapes that a wide pen strokes as one path, for which Qt takes longer than for each by itself."""
_SPECKS_AT_ONCE = 500
"""Of more in a square, those of no visible shape are painted by their bounds, so many in one go."""
_MOST_CIRCLES = 2000
"""Points of one annotation that are painted as circles; more are dots."""
_MOST_NAMES = 150
_NAMED_PX = 30.0
"""Smaller shapes show no name."""


class _Style(NamedTuple):
    """What is painted with one pen."""

    is_chosen: bool
    color: str
    is_locked: bool


class _Pen(NamedTuple):
    """How a whole square is painted."""

    is_filled: bool
    is_bold: bool


class AnnotationsLayer:
    """Paints a document; hears by itself of changes in it and in what is chosen.

    Parameters
    ----------
    on_change
        Called when there is something new to paint.
    reader
        Who looks at it.
    set_name
        Gives what a recording calls the set; "" for the one that is drawn on.
    owner
        Whose set it is.
    """

    def __init__(
        self,
        document: Document,
        selection: Selection,
        on_change: Callable[[], object],
        reader: str = "",
        set_name: Callable[[], str] = lambda: "",
        owner: str = "",
    ) -> None:
        self.opacity = 1.0
        self.reader = reader
        self._set_name = set_name
        self._owner = owner
        self._document = document
        self._selection = selection
        self._chosen = selection.ids
        self._on_change = on_change
        self._sheet = RasterCache(self._make)
        self._is_shown = True
        self._is_filled = False
        self._has_names = False
        self._hidden_classes: frozenset[str] = frozenset()
        self._lifted: frozenset[UUID] = frozenset()
        self._hovered: UUID | None = None
        self._measured = MeasuredLines(document)
        self._ends = (document.listen(self._follow), selection.listen(self._follow_chosen))

    def close(self) -> None:
        """Listen no more, and hold neither pictures nor what was chosen."""
        for end in self._ends:
            end()
        self._sheet.forget()
        self._chosen = IdSet()

    @property
    def shown_name(self) -> str:
        if not self._is_shown or not len(self._document):
            return ""
        what = "filled annotations" if self._is_filled else "annotations"
        name = self._set_name()
        hidden = len(self._hidden_classes & self._document.class_counts.keys())
        less = f", {hidden} of their classes hidden" if hidden else ""
        return (f'{what} "{name}"' if name else what) + less

    @property
    def shown_of(self) -> frozenset[str]:
        """Return the other readers whose annotations are shown."""
        return (self._document.authors | {self._owner}) - {"", self.reader}

    @property
    def is_shown(self) -> bool:
        return self._is_shown

    @property
    def is_filled(self) -> bool:
        return self._is_filled

    @property
    def has_names(self) -> bool:
        return self._has_names

    @property
    def hovered(self) -> UUID | None:
        """Return whose border is drawn boldly, as the hand is near it."""
        return self._hovered

    def show(
        self,
        *,
        is_shown: bool,
        is_filled: bool,
        has_names: bool,
        hidden_classes: frozenset[str] = frozenset(),
    ) -> None:
        """Set what is painted of the annotations."""
        if (is_filled, hidden_classes) != (self._is_filled, self._hidden_classes):
            self._sheet.invalidate()
        self._hidden_classes = hidden_classes
        self._is_shown, self._is_filled, self._has_names = is_shown, is_filled, has_names
        self._on_change()

    def for_figure(self) -> AnnotationsLayer:
        """Return a layer that paints the same with nothing chosen; its owner closes it."""
        nothing = Selection(self._document)
        layer = AnnotationsLayer(self._document, nothing, lambda: None, self.reader)
        layer.show(is_shown=self._is_shown, is_filled=self._is_filled, has_names=self._has_names)
        layer.opacity = self.opacity
        layer._ends = (*layer._ends, nothing.close)
        return layer

    @property
    def document(self) -> Document:
        """Return what is painted."""
        return self._document

    def hover(self, id_: UUID | None) -> None:
        if id_ != self._hovered:
            self._hovered = id_
            self._on_change()

    def lift(self, ids: Iterable[UUID]) -> None:
        """Leave these out: a tool paints them as it changes them."""
        lifted = frozenset(ids)
        if lifted != self._lifted:
            changed, self._lifted = lifted ^ self._lifted, lifted
            self._invalidate(self._document.of(changed))

    def paint(self, painter: QPainter, scene: Scene) -> bool:
        """Paint what is in view; return True while more of it is being made."""
        if not self._is_shown:
            return False
        is_unfinished = self._sheet.paint(painter, scene)
        hovered = self._document.get(self._hovered) if self._hovered is not None else None
        if hovered is not None and self._is_painted(hovered):
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(round_pen(QColor(hovered.shown_color), OUTLINE_PX + 1.5))
            painter.drawPath(shape_path(hovered.geometry, scene.view))
        self._measured.paint(painter, scene, self._lifted)
        if self._has_names and not scene.is_zooming:
            self._paint_names(painter, scene)
        return is_unfinished

    # What changed ----------------------------------------------------------------------------

    def _follow(self, step: Edit) -> None:
        self._measured.follow(step)
        if step.is_reset or len(step.changes) > _AT_ONCE:
            self._make_all_old()
            return
        both = [(change.before, change.after) for change in step.changes]
        self._invalidate([each for pair in both for each in pair if each is not None])

    def _follow_chosen(self) -> None:
        before, self._chosen = self._chosen, self._selection.ids
        changed = self._chosen.differing(before)
        if changed is None or len(changed) > _AT_ONCE:
            self._make_all_old()
        else:
            self._invalidate(self._document.of(changed))

    def _invalidate(self, annotations: Sequence[Annotation]) -> None:
        for annotation in annotations:
            if not annotation.geometry.is_empty:
                self._sheet.invalidate(Box(*annotation.geometry.bounds), _MARGIN_PX)
        self._on_change()

    def _make_all_old(self) -> None:
        self._sheet.invalidate()
        self._on_change()

    # A square's picture ----------------------------------------------------------------------

    def _make(self, picture: QImage, lattice: RasterGrid, square: Square) -> Iterator[bool]:
        """Paint a square, what is chosen on top; yield whether there was something to paint."""
        rows = self._document.rows_inside(lattice.box(square, _MARGIN_PX))
        placing = Placing(lattice.transform(square))
        pen = _Pen(is_filled=self._is_filled, is_bold=len(rows) <= _MOST_BOLD)
        yield False
        chosen: list[int] = []
        yield from self._paint_rows(picture, rows, placing, pen, chosen)
        yield from self._paint_rows(picture, np.array(chosen, np.intp), placing, pen)

    def _paint_rows(
        self,
        picture: QImage,
        rows: NDArray[np.intp],
        placing: Placing,
        pen: _Pen,
        chosen: list[int] | None = None,
    ) -> Iterator[bool]:
        """Paint rows of the document; those that are chosen go to `chosen` instead, where given.

        Where very many are seen, those too small to have a shape are painted by their bounds: to
        make the geometries of a million takes half a minute and half a gigabyte.
        """
        is_many = len(rows) > _SPECKS_AT_ONCE
        at_once = _SPECKS_AT_ONCE if is_many else _AT_ONCE
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            bounds = self._document.bounds_at(part)
            is_speck = _longer_sides(bounds) < _SPECK_PX * placing.per_px if is_many else None
            shapes: list[Annotation] = []
            specks: dict[str, list[int]] = {}
            for place, each in enumerate(self._document.at_rows(part)):
                if each is None or not self._is_painted(each):
                    continue
                if chosen is not None and each.id in self._chosen:
                    chosen.append(int(part[place]))
                elif is_speck is not None and is_speck[place]:
                    specks.setdefault(each.shown_color, []).append(place)
                else:
                    shapes.append(each)
            for color, places in specks.items():
                style = _Style(is_chosen=chosen is None, color=color, is_locked=False)
                _paint_specks(picture, bounds[places], style, placing)
            yield bool(specks)
            for first in range(0, len(shapes), _AT_ONCE):
                self._paint_some(picture, shapes[first : first + _AT_ONCE], placing, pen)
                yield True

    def _paint_some(
        self, picture: QImage, found: list[Annotation], placing: Placing, pen: _Pen
    ) -> None:
        by_style: dict[_Style, list[Annotation]] = {}
        for each in found:
            by_style.setdefault(self._style(each), []).append(each)
        for style, alike in by_style.items():
            shapes = geometries_of(alike)  # none of which stays: there may be a million in all
            is_point = shapely.get_dimensions(shapes) == 0
            is_speck = (_sizes(shapes) < _SPECK_PX * placing.per_px) & ~is_point
            _paint_specks(picture, shapely.bounds(shapes[is_speck]), style, placing)
            _paint_outlines(picture, shapes[~is_speck & ~is_point], style, placing, pen)
            _paint_points(picture, shapes[is_point], style, placing)

    def _is_painted(self, annotation: Annotation) -> bool:
        is_hidden = annotation.class_name in self._hidden_classes
        return not is_hidden and annotation.id not in self._lifted

    def _style(self, annotation: Annotation) -> _Style:
        is_chosen = annotation.id in self._chosen
        return _Style(is_chosen, annotation.shown_color, annotation.is_locked)

    # Names -----------------------------------------------------------------------------------

    def _paint_names(self, painter: QPainter, scene: Scene) -> None:
        """At the top of each shape; of the uppermost where they are too many."""
        found = self._document.inside(scene.view.box)
        shown = [each for each in found if each.class_name not in self._hidden_classes]
        named = [(each, each.name or each.class_name) for each in shown]
        named = [(each, text) for each, text in named if text]
        if not named:
            return
        sizes = _sizes(array_of([each.geometry for each, _ in named])) / scene.view.downsample
        is_large = [
            size >= _NAMED_PX or shapely.get_dimensions(each.geometry) == 0
            for size, (each, _) in zip(sizes.tolist(), named, strict=True)
        ]
        large = [pair for pair, is_shown in zip(named, is_large, strict=True) if is_shown]
        font = QFont(painter.font())
        font.setPixelSize(12)
        painter.setFont(font)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = QFontMetricsF(font)
        for annotation, text in large[-_MOST_NAMES:]:
            corners = Box(*annotation.geometry.bounds).corners
            on_screen = [scene.view.to_screen(corner) for corner in corners]
            x = sum(corner.x for corner in on_screen) / 4
            y = min(corner.y for corner in on_screen)
            _paint_name(painter, metrics, text, Point(x, y), QColor(annotation.shown_color))


def _paint_name(
    painter: QPainter, metrics: QFontMetricsF, text: str, at: Point, color: QColor
) -> None:
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, 180)
    width = metrics.horizontalAdvance(shown) + 10
    box = QRectF(at.x - width / 2, at.y - metrics.height() - 6, width, metrics.height() + 2)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(20, 20, 20, 190))
    painter.drawRoundedRect(box, 3, 3)
    painter.setBrush(color)
    painter.drawRect(QRectF(box.left(), box.bottom() - 2, box.width(), 2))
    painter.setPen(QColor("white"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, shown)


def _paint_outlines(
    picture: QImage, shapes: Shapes, style: _Style, placing: Placing, pen: _Pen
) -> None:
    if not len(shapes):
        return
    is_wide = pen.is_bold or style.is_chosen
    at_once = _STROKED_AT_ONCE if is_wide else len(shapes)
    parts = (shapes[first : first + at_once] for first in range(0, len(shapes), at_once))
    paths = [shapes_path(part, placing) for part in parts]
    color = QColor(style.color)
    with QPainter(picture) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if pen.is_filled:
            faint = QColor(color)
            faint.setAlphaF(0.25)
            areas = shapes[shapely.get_dimensions(shapes) == 2]
            painter.fillPath(shapes_path(areas, placing), faint)
        if style.is_chosen:
            _stroke(painter, paths, round_pen(_CHOSEN, OUTLINE_PX + 4.0))
        elif pen.is_bold:
            _stroke(painter, paths, round_pen(_CASING, OUTLINE_PX + 2.0))
        line = round_pen(color, OUTLINE_PX if is_wide else 1.0)
        if style.is_locked and pen.is_bold:
            line.setDashPattern([4.0, 3.0])
            line.setCapStyle(Qt.PenCapStyle.FlatCap)
        _stroke(painter, paths, line)


def _stroke(painter: QPainter, paths: Sequence[QPainterPath], pen: QPen) -> None:
    for path in paths:
        painter.strokePath(path, pen)


def _paint_specks(
    picture: QImage, bounds: NDArray[np.float64], style: _Style, placing: Placing
) -> None:
    """Paint a dot in the middle of each of (n, 4) bounds."""
    if not len(bounds):
        return
    middles = placing.points((bounds[:, :2] + bounds[:, 2:]) / 2)
    with QPainter(picture) as painter:
        if style.is_chosen:
            painter.setPen(_square_pen(_CHOSEN, 5.0))
            painter.drawPoints(point_list(middles))
        painter.setPen(_square_pen(QColor(style.color), 3.0))
        painter.drawPoints(point_list(middles))


def _paint_points(picture: QImage, shapes: Shapes, style: _Style, placing: Placing) -> None:
    """Circles of one size on the screen."""
    places = placing.points(places_of(shapes))
    if not len(places):
        return
    with QPainter(picture) as painter:
        if len(places) > _MOST_CIRCLES:
            painter.setPen(_square_pen(QColor(style.color), 3.0))
            painter.drawPoints(point_list(places))
            return
        paint_circles(painter, places.tolist(), QColor(style.color), is_chosen=style.is_chosen)


def paint_circles(
    painter: QPainter, places: Sequence[Sequence[float]], color: QColor, *, is_chosen: bool
) -> None:
    """Points of an annotation, on the screen or in a picture."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    faint = QColor(color)
    faint.setAlphaF(0.35)
    middles = [QPointF(x, y) for x, y in places]
    painter.setBrush(Qt.BrushStyle.NoBrush)
    rim = (
        round_pen(_CHOSEN, OUTLINE_PX + 4.0) if is_chosen else round_pen(_CASING, OUTLINE_PX + 2.0)
    )
    painter.setPen(rim)
    for middle in middles:
        painter.drawEllipse(middle, POINT_PX, POINT_PX)
    painter.setBrush(faint)
    painter.setPen(round_pen(color, OUTLINE_PX))
    for middle in middles:
        painter.drawEllipse(middle, POINT_PX, POINT_PX)


def _sizes(shapes: Shapes) -> NDArray[np.float64]:
    """Return (n,) the longer side of the bounds, level-0 pixels."""
    return _longer_sides(shapely.bounds(shapes))


def _longer_sides(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])


def _square_pen(color: QColor, width_px: float) -> QPen:
    pen = QPen(color, width_px)
    pen.setCapStyle(Qt.PenCapStyle.SquareCap)
    return pen
