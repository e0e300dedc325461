"""Random annotating, each result held against shapely; also a process of its own to be killed.

`Annotator` draws and edits through the functions that tools and menus call. What it expects it
works out from the shapes before, with shapely alone.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

import shapely
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from viewer.annotations import operations, shape_editing
from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import Document, Edit, adding, changing, removing
from viewer.annotations.operations import OperationError
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.annotations.selection import Selection
from viewer.annotations.shape_editing import EmptyShapeError
from viewer.annotations.simplifying import simplified
from viewer.annotations.storage.autosave import Autosave
from viewer.annotations.storage.slide_file import open_annotations
from viewer.canvas.annotating.edit_context import DrawingOptions, EditContext
from viewer.geometry import Box, Point

CLASSES = (None, AnnotationClass("Tumor", "#c80000"), AnnotationClass("Stroma", "#96c896"))
SLIDE = Box(0, 0, 2000, 1500)
_ROUNDING = 0.02
"""Of a pixel, times the length of a border: what grids and slivers may change of an area."""

Snapshot = list[tuple[str, str, bytes]]


class Annotator:
    """Does one random thing after another to a document, and checks each."""

    def __init__(self, document: Document, seed: int) -> None:
        self.document = document
        self.said: list[str] = []
        self._chance = random.Random(seed)
        options = DrawingOptions(avoid_overlap=True)
        self._context = EditContext(document, Selection(document), options, self.said.append)
        self.counts: dict[str, int] = {}

    def step(self) -> None:
        """Do something, and check what came of it."""
        acts: list[tuple[int, Callable[[], None]]] = [
            (8, self._draw), (2, self._draw_beside), (3, self._erase), (2, self._merge),
            (2, self._subtract), (2, self._intersect), (3, self._split), (2, self._fill),
            (2, self._simplify), (2, self._grow), (3, self._corner), (1, self._duplicate),
            (1, self._set_class), (2, self._move), (2, self._delete), (2, self._undo),
        ]  # fmt: skip
        (act,) = self._chance.choices([act for _, act in acts], [weight for weight, _ in acts])
        self.counts[act.__name__] = self.counts.get(act.__name__, 0) + 1
        act()
        self._check(act.__name__)

    def snapshot(self) -> Snapshot:
        """What there is, in the order of drawing; ids differ from run to run."""
        return [(each.class_name, each.name, each.geometry.wkb) for each in self.document]

    # What there always is --------------------------------------------------------------------

    def _check(self, what: str) -> None:
        held = list(self.document)
        assert len({each.id for each in held}) == len(held) == len(self.document)
        for each in held:
            shape = each.geometry
            assert shape.is_valid, f"{what} left {shape}"
            assert not shape.is_empty
            assert shape.geom_type != "GeometryCollection"
            if shapely.get_dimensions(shape) == 2:
                assert all(part.area > 0 for part in shapely.get_parts(shape))

    # Drawing ---------------------------------------------------------------------------------

    def _draw(self) -> None:
        try:
            shape = self._shape()
        except EmptyShapeError:
            return
        drawn = self._context.new(shape)
        assert self._context.do(adding("Draw", [drawn])) is not None
        assert self.document[drawn.id] == drawn

    def _draw_beside(self) -> None:
        """With overlap avoided: what others cover is left out."""
        wanted = self._rectangle()
        if wanted.area < 1:
            return
        taken = shapely.union_all([each.geometry for each in self._regions()])
        try:
            shape = self._context.spared(wanted)
        except EmptyShapeError:
            assert wanted.difference(taken).area < _slack(wanted, taken)
            return
        _same(shape, wanted.difference(taken))
        self._context.do(adding("Rectangle", [self._context.new(shape)]))

    def _shape(self) -> BaseGeometry:
        chance = self._chance
        match chance.randrange(6):
            case 0:
                return shape_editing.polygon([self._point() for _ in range(chance.randint(3, 9))])
            case 1:
                return shape_editing.ellipse(self._point(), self._point(300))
            case 2:
                places = [self._point(400) for _ in range(chance.randint(1, 5))]
                calibration = PixelCalibration(chance.choice(((1.0, 1.0), (0.25, 0.5))))
                return shape_editing.brush_mark(places, chance.uniform(2, 40), calibration)
            case 3:
                return shapely.LineString([self._point() for _ in range(chance.randint(2, 6))])
            case 4:
                return shapely.MultiPoint([self._point() for _ in range(chance.randint(1, 4))])
            case _:
                return affinity.rotate(self._rectangle(), chance.choice((0.0, 33.0)))

    def _rectangle(self) -> shapely.Polygon:
        (ax, ay), (bx, by) = self._point(), self._point()
        return shapely.box(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))

    def _erase(self) -> None:
        target = self._one(self._regions())
        if target is None:
            return
        x, y = target.geometry.representative_point().coords[0]
        mark = shape_editing.brush_mark([Point(x, y), self._point()], self._chance.uniform(5, 60))
        expected = target.geometry.difference(mark)
        try:
            left = shape_editing.without(target.geometry, [mark])
        except EmptyShapeError:
            assert expected.area < _slack(target.geometry, mark)
            self._do(removing("Erase", [target]))
            return
        _same(left, expected)
        self._do(changing("Erase", [(target, self._context.reshaped(target, left))]))

    # Menus -----------------------------------------------------------------------------------

    def _merge(self) -> None:
        chosen = self._some(self._chance.choice((self._regions(), self._lines())))
        before = [each.geometry for each in chosen]
        first = self._act(lambda: operations.merge(chosen, "A"), chosen, is_fine=len(chosen) > 1)
        if first is None:
            return
        if operations.is_line(chosen[0]):
            assert math.isclose(first.geometry.length, sum(shape.length for shape in before))
        else:
            _same(first.geometry, shapely.union_all(before))
        assert not any(each.id in self.document for each in chosen[1:])

    def _subtract(self) -> None:
        chosen = self._with_a_line(self._some(self._regions(), 3))
        regions = [each for each in chosen if operations.is_region(each)]
        if not regions:
            return
        first, others = regions[0].geometry, [each.geometry for each in regions[1:]]
        expected = first.difference(shapely.union_all(others))
        is_fine = len(regions) > 1 and expected.area > _slack(first, *others)
        after = self._act(lambda: operations.subtract(chosen, "A"), regions, is_fine=is_fine)
        if after is not None:
            _same(after.geometry, expected)
            assert all(each.id in self.document for each in chosen)

    def _intersect(self) -> None:
        chosen = self._with_a_line(self._some(self._regions(), 2))
        regions = [each for each in chosen if operations.is_region(each)]
        if not regions:
            return
        expected = shapely.intersection_all([each.geometry for each in regions])
        slack = _slack(*(each.geometry for each in regions))
        is_fine = len(regions) > 1 and expected.area > slack
        after = self._act(lambda: operations.intersect(chosen, "A"), regions, is_fine=is_fine)
        if after is not None:
            _same(after.geometry, expected)
            assert not any(each.id in self.document for each in regions[1:])
            assert all(each.id in self.document for each in chosen if each not in regions)

    def _split(self) -> None:
        region = self._one(self._regions())
        if region is None:
            return
        x0, y0, x1, y1 = region.geometry.bounds
        at = self._chance.uniform(x0, x1)
        line = self._context.new(shapely.LineString([(at, y0 - 9), (at + 1, y1 + 9)]))
        self._do(adding("Line", [line]))
        before = {each.id for each in self.document}
        try:
            edit = operations.split([region, line], "A")
        except OperationError:
            left = region.geometry.difference(line.geometry.buffer(1e-6))
            assert _count(left) <= _count(region.geometry)
            return
        self._do(edit)
        new = [each for each in self.document if each.id not in before]
        pieces = [self.document[region.id], *new]
        assert len(pieces) > 1
        assert line.id not in self.document
        shapes = [each.geometry for each in pieces]
        _same(shapely.union_all(shapes), region.geometry)
        assert sum(each.area for each in shapes) <= region.geometry.area + _slack(*shapes)

    def _fill(self) -> None:
        def filled(shape: BaseGeometry) -> BaseGeometry:
            if shapely.get_dimensions(shape) < 2:
                return shape
            parts = shapely.get_parts(shape)
            return shapely.union_all([shapely.Polygon(part.exterior) for part in parts])

        self._reshape("Fill holes", shape_editing.without_holes, lambda a, b: _same(b, filled(a)))

    def _simplify(self) -> None:
        tolerance = self._chance.choice((1.0, 4.0, 16.0))

        def check(before: BaseGeometry, after: BaseGeometry) -> None:
            if shapely.get_dimensions(before) > 0:
                a, b = (each.boundary if each.area else each for each in (before, after))
                moved = shapely.hausdorff_distance(a, b, densify=0.1)
                assert moved <= tolerance * (1 + 1e-9)

        self._reshape("Simplify", lambda shape: simplified(shape, tolerance), check)

    def _grow(self) -> None:
        distance = self._chance.choice((-12.0, 5.0, 20.0))

        def check(before: BaseGeometry, after: BaseGeometry) -> None:
            if distance > 0:
                assert after.buffer(1e-6).covers(before)
                assert before.buffer(distance * 1.001, quad_segs=64).covers(after)
            else:
                assert before.buffer(1e-6).covers(after)

        self._reshape("Grow", lambda shape: shape_editing.grown(shape, distance), check)

    def _duplicate(self) -> None:
        chosen = self._some(list(self.document), 2)
        count = len(self.document)
        self._do(operations.duplicate(chosen, "A"))
        assert len(self.document) == count + len(chosen)

    def _set_class(self) -> None:
        chosen, which = self._some(list(self.document), 4), self._chance.choice(CLASSES)
        self._do(operations.set_class(chosen, which, "A"))
        assert all(self.document[each.id].shown_as == which for each in chosen)

    def _move(self) -> None:
        target = self._one(list(self.document))
        if target is not None:
            dx, dy = self._chance.uniform(-50, 50), self._chance.uniform(-50, 50)
            moved = shape_editing.moved(target.geometry, dx, dy)
            assert math.isclose(moved.area, target.geometry.area, rel_tol=1e-9, abs_tol=1e-6)
            self._do(changing("Move", [(target, self._context.reshaped(target, moved))]))

    def _delete(self) -> None:
        chosen = self._some(list(self.document), 2)
        self._do(removing("Delete", chosen))
        assert not any(each.id in self.document for each in chosen)

    def _corner(self) -> None:
        """One corner more, one elsewhere, or one less."""
        target = self._one([each for each in self.document if each.geometry.length > 0])
        if target is None:
            return
        shape, chance = target.geometry, self._chance
        which, place = chance.choice(shape_editing.corners_of(shape))
        try:
            match chance.randrange(3):
                case 0:
                    edge, at, _ = shape_editing.nearest_edge(shape, self._point())
                    after = shape_editing.with_new_corner(shape, edge, at)
                    _same(after, shape)
                case 1:
                    after = shape_editing.without_corner(shape, which)
                case _:
                    to = Point(place.x + chance.uniform(-60, 60), place.y + chance.uniform(-60, 60))
                    after = shape_editing.with_corner(shape, which, to)
        except EmptyShapeError:
            return
        self._do(changing("Corner", [(target, self._context.reshaped(target, after))]))

    def _undo(self) -> None:
        before = self.snapshot()
        if self.document.undo() is not None and self._chance.random() < 0.7:
            self.document.redo()
            assert self.snapshot() == before

    # -----------------------------------------------------------------------------------------

    def _act(
        self, make: Callable[[], Edit], regions: list[Annotation], *, is_fine: bool
    ) -> Annotation | None:
        """The first of what an operation was for, after it; None where it rightly refused."""
        before = self.snapshot()
        try:
            edit = make()
        except OperationError:
            assert not is_fine
            assert self.snapshot() == before
            return None
        self._do(edit)
        return self.document[regions[0].id]

    def _reshape(
        self,
        label: str,
        edit: Callable[[BaseGeometry], BaseGeometry],
        check: Callable[[BaseGeometry, BaseGeometry], object],
    ) -> None:
        chosen = self._some(list(self.document), 2)
        chosen = [each for each in chosen if shapely.get_dimensions(each.geometry) > 0]
        try:
            step = operations.reshape(label, chosen, edit, "A")
        except OperationError:
            return
        self._do(step)
        for each in chosen:
            check(each.geometry, self.document[each.id].geometry)

    def _do(self, edit: Edit) -> None:
        if edit.changes:
            assert self._context.do(edit) is not None

    def _regions(self) -> list[Annotation]:
        return [each for each in self.document if operations.is_region(each)]

    def _lines(self) -> list[Annotation]:
        return [each for each in self.document if operations.is_line(each)]

    def _one(self, held: list[Annotation]) -> Annotation | None:
        return self._chance.choice(held) if held else None

    def _some(self, held: list[Annotation], most: int = 4) -> list[Annotation]:
        chosen = self._chance.sample(held, min(self._chance.randint(1, most), len(held)))
        return self.document.of(each.id for each in chosen)

    def _with_a_line(self, chosen: list[Annotation]) -> list[Annotation]:
        line = self._one(self._lines())
        more = [line] if line is not None and self._chance.random() < 0.5 else []
        return self.document.of(each.id for each in [*chosen, *more])

    def _point(self, reach: float = 900) -> Point:
        x = self._chance.uniform(700 - reach / 2, 700 + reach / 2)
        y = self._chance.uniform(700 - reach / 2, 700 + reach / 2)
        return Point(round(x, 2), round(y, 2))


def _slack(*shapes: BaseGeometry) -> float:
    return 1e-6 + _ROUNDING * sum(shape.length for shape in shapes)


def _count(shape: BaseGeometry) -> int:
    """Parts that are more than slivers."""
    return sum(part.area > _slack(part) for part in shapely.get_parts(shape))


def _same(a: BaseGeometry, b: BaseGeometry) -> None:
    """The same place, but for slivers and the grid that corners lie on."""
    if shapely.get_dimensions(a) < 2:
        assert shapely.hausdorff_distance(a, b) < 0.01
    else:
        assert a.symmetric_difference(b).area <= _slack(a, b)


def main(path: Path, seed: int) -> None:
    """Annotate for ever into a file, saying how many steps are on the disk."""
    opened = open_annotations(path)
    document = Document(opened.annotations)
    autosave = Autosave(opened, lambda _: None, lambda _: None, lambda: None)
    document.listen(lambda edit: autosave.put(edit, "A"))
    annotator = Annotator(document, seed)
    for number in range(1, 100_000):
        annotator.step()
        if number % 5 == 0:
            autosave.flush()
            print(number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
