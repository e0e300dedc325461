"""What menus do to chosen annotations."""

from __future__ import annotations

import pytest
import shapely

from viewer.annotations import operations
from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import Document, Edit
from viewer.annotations.operations import OperationError
from viewer.geometry import Box

TUMOR = AnnotationClass("Tumor", "#c80000")
SLIDE = Box(0, 0, 1000, 800)


def _square(x: float, y: float, side: float = 100.0, **told: object) -> Annotation:
    return Annotation(shapely.box(x, y, x + side, y + side), **told)  # pyright: ignore[reportArgumentType]


def _done(held: list[Annotation], step: Edit) -> Document:
    document = Document(held)
    document.do(step)
    return document


def test_regions_merge_into_the_lowest_and_come_back_on_undo() -> None:
    low, high = _square(0, 0, shown_as=TUMOR), _square(50, 0)
    document = _done([low, high], operations.merge([low, high], "ada"))
    assert [each.id for each in document] == [low.id]
    assert document[low.id].geometry.area == pytest.approx(150 * 100)
    assert document[low.id].shown_as == TUMOR
    document.undo()
    assert list(document) == [low, high]


def test_a_region_does_not_merge_with_a_line() -> None:
    line = Annotation(shapely.LineString([(0, 0), (5, 5)]))
    with pytest.raises(OperationError, match="Only regions"):
        operations.merge([_square(0, 0), line], "")
    with pytest.raises(OperationError, match="two or more"):
        operations.merge([_square(0, 0)], "")


def test_subtract_leaves_the_others_and_intersect_takes_them() -> None:
    low, high = _square(0, 0), _square(50, 0)
    document = _done([low, high], operations.subtract([low, high], ""))
    assert document[low.id].geometry.area == pytest.approx(50 * 100)
    assert document[high.id] == high
    document = _done([low, high], operations.intersect([low, high], ""))
    assert [each.geometry.area for each in document] == pytest.approx([50 * 100])


@pytest.mark.parametrize("act", [operations.subtract, operations.intersect])
def test_nothing_left_is_an_error_and_no_step(act: type) -> None:
    covered, apart = _square(10, 10, 20), _square(500, 500)
    others = [_square(0, 0)] if act is operations.subtract else [apart]
    with pytest.raises(OperationError, match="Nothing would be left"):
        act([covered, *others], "")


def test_squares_that_share_only_an_edge_have_no_region_in_common() -> None:
    with pytest.raises(OperationError):
        operations.intersect([_square(0, 0), _square(100, 0)], "")


def test_a_line_splits_the_regions_that_it_goes_through() -> None:
    square, beside = _square(0, 0, shown_as=TUMOR), _square(300, 0)
    line = Annotation(shapely.LineString([(30, -10), (30, 110)]))
    document = _done([square, beside, line], operations.split([square, beside, line], "ada"))
    assert line.id not in document
    assert document[beside.id] == beside
    pieces = [each for each in document if each.shown_as == TUMOR]
    assert sorted(piece.geometry.area for piece in pieces) == pytest.approx([3000, 7000])
    assert document[square.id].geometry.area == pytest.approx(7000)
    assert len({piece.id for piece in pieces}) == 2
    short = Annotation(shapely.LineString([(30, 10), (30, 50)]))
    with pytest.raises(OperationError, match="right through"):
        operations.split([square, short], "")


def test_a_duplicate_is_new_lies_beside_and_is_no_longer_locked() -> None:
    ellipse = _square(0, 0, is_ellipse=True, is_locked=True, name="A").signed("ada")
    document = _done([ellipse], operations.duplicate([ellipse], "bob"))
    _, copy = document
    assert copy.id != ellipse.id
    assert (copy.name, copy.is_ellipse, copy.is_locked) == ("A", True, False)
    assert copy.author == "bob"
    assert copy.geometry.bounds == pytest.approx((2, 2, 102, 102))


def test_what_is_pasted_beside_the_slide_is_brought_onto_it() -> None:
    far = [_square(5000, 5000), _square(5200, 5000)]
    document = _done([], operations.paste(far, SLIDE, ""))
    one, two = document
    assert two.geometry.bounds[0] - one.geometry.bounds[0] == pytest.approx(200)
    union = shapely.union(one.geometry, two.geometry)
    assert shapely.box(0, 0, 1000, 800).contains(union)


def test_what_is_pasted_onto_its_own_slide_stays_in_place() -> None:
    square = _square(10, 10)
    _, pasted = _done([square], operations.paste([square], SLIDE, ""))
    assert pasted.geometry.equals(square.geometry)
    assert pasted.id != square.id


def test_a_class_that_changes_takes_its_annotations_with_it() -> None:
    red, other = _square(0, 0, shown_as=TUMOR), _square(9, 9)
    blue = AnnotationClass("Carcinoma", "#0000ff")
    document = _done([red, other], operations.recolor_class([red, other], blue, "Tumor"))
    assert document[red.id].shown_as == blue
    assert document[other.id] == other


def test_a_file_read_twice_gives_ids_of_its_own() -> None:
    square = _square(0, 0)
    document = Document([square])
    document.do(operations.taken_in("Import", [square, square], document.__contains__))
    assert len({each.id for each in document}) == 3


def test_a_file_without_ids_that_is_read_again_is_recognized() -> None:
    first, second, third = _square(0, 0, shown_as=TUMOR), _square(0, 0), _square(9, 9)
    held = Document([first, second]).snapshot().held
    again = [_square(0, 0), _square(0, 0), _square(0, 0, shown_as=TUMOR), third, second]
    found = operations.recognized(again, held)
    # Twice as many of one place as there were: one of them stands under its id, and no second time.
    assert [each.id for each in found] == [again[0].id, again[1].id, first.id, third.id, second.id]
    found = operations.recognized(again[:4], held)
    assert [each.id for each in found] == [second.id, again[1].id, first.id, third.id]
