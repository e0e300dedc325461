"""The tree of annotations follows the document, also with a hundred thousand of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import shapely
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QIcon
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import Document, adding, changing, removing
from viewer.annotations.kept_geometry import GEOMETRY_SLOT
from viewer.annotations.storage.packing import packed_all, unpacked_all
from viewer.ui.annotations.annotation_cells import AUTHOR, COLUMNS, LOCK, NAME, SIZE
from viewer.ui.annotations.annotation_model import AnnotationModel
from viewer.ui.annotations.annotations_panel import AnnotationTree

TUMOR, STROMA = AnnotationClass("Tumor", "#c80000"), AnnotationClass("Stroma", "#96c896")


def _square(side: float, which: AnnotationClass | None = TUMOR, name: str = "") -> Annotation:
    return Annotation(shapely.box(0, 0, side, side), shown_as=which, name=name)


@pytest.fixture
def model(qtbot: QtBot) -> AnnotationModel:
    """Watched by Qt's own tester, which complains of any inconsistent signal."""
    made = AnnotationModel()
    QAbstractItemModelTester(made, QAbstractItemModelTester.FailureReportingMode.Fatal, made)
    return made


def _text(model: AnnotationModel, index: QModelIndex) -> str:
    text = model.data(index)
    assert isinstance(text, str)
    return text


def _shown(model: AnnotationModel) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for row in range(model.rowCount()):
        parent = model.index(row, 0)
        children = [model.index(child, 0, parent) for child in range(model.rowCount(parent))]
        rows[_text(model, parent)] = [_text(model, child) for child in children]
    return rows


def _class_row(model: AnnotationModel, name: str) -> QModelIndex:
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    return next(row for row in rows if _text(model, row).startswith(f"{name} ("))


def _follow(model: AnnotationModel, held: Sequence[Annotation]) -> Document:
    document = Document(held)
    model.show_document(document, mpp_um=0.5)
    document.listen(model.apply)
    return document


def test_classes_hold_their_annotations_with_counts_and_totals(model: AnnotationModel) -> None:
    _follow(model, [_square(20, None), _square(20, name="b"), _square(40, STROMA), _square(10)])
    assert _shown(model) == {
        "Stroma (1)": ["Rectangle"],
        "Tumor (2)": ["b", "Rectangle"],
        "No class (1)": ["Rectangle"],
    }
    tumor = _class_row(model, "Tumor")
    assert model.data(tumor.siblingAtColumn(SIZE)) == "125.0 µm²"
    swatch = model.data(tumor, Qt.ItemDataRole.DecorationRole)
    assert isinstance(swatch, QIcon)
    assert not swatch.isNull()


def test_the_tree_follows_what_is_done_and_undone(model: AnnotationModel) -> None:
    a, b = _square(20, name="a"), _square(20, name="b")
    document = _follow(model, [a])
    document.do(adding("Add", [b, _square(20, STROMA, "c")]))
    assert _shown(model) == {"Stroma (1)": ["c"], "Tumor (2)": ["a", "b"]}
    document.do(changing("Set class", [(b, replace(b, shown_as=STROMA))]))
    assert _shown(model) == {"Stroma (2)": ["b", "c"], "Tumor (1)": ["a"]}
    document.do(changing("Rename", [(a, replace(a, name="z"))]))
    document.do(removing("Delete", [document[b.id]]))
    assert _shown(model) == {"Stroma (1)": ["c"], "Tumor (1)": ["z"]}
    for _ in range(4):
        document.undo()
    assert _shown(model) == {"Tumor (1)": ["a"]}
    for _ in range(4):
        document.redo()
    assert _shown(model) == {"Stroma (1)": ["c"], "Tumor (1)": ["z"]}


@pytest.mark.parametrize("column", [NAME, SIZE, LOCK, AUTHOR])
def test_new_rows_come_in_order_both_ways(model: AnnotationModel, column: int) -> None:
    document = _follow(model, [_square(side, name=str(side)) for side in (3, 1, 2)])
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        model.sort(column, order)
        added = [_square(side, name=str(side)) for side in (9, 0.5, 2.5)]
        document.do(adding("Add", added))
        incremental = _shown(model)
        model.show_document(document, 0.5)
        assert _shown(model) == incremental
        for each in document:
            assert model.annotation_at(model.index_of(each.id)) == each
        document.undo()
    if column == SIZE:
        assert _shown(model)["Tumor (3)"] == ["3", "2", "1"]


def test_rows_come_in_the_order_of_what_they_show(model: AnnotationModel) -> None:
    """Also of what has no name, which is called by its shape, and of angles."""
    line = shapely.LineString([(0, 0), (0, 7)])
    corner = shapely.LineString([(100, 0), (0, 0), (0, 100)])
    wide = shapely.LineString([(10, 0), (0, 0), (-10, 1)])
    angles = [
        Annotation(shape, shown_as=TUMOR, measurements={"Angle deg": 1.0}, name=name)
        for shape, name in ((wide, "wide"), (corner, "corner"))
    ]
    note = Annotation(shapely.Point(1, 1), shown_as=TUMOR)
    held = [*angles, _square(20), Annotation(line, shown_as=TUMOR), _square(30, name="margin")]
    document = _follow(model, [*held, note, Annotation(line, shown_as=TUMOR, name="Áz")])
    names = ["corner", "Line", "margin", "Point", "Rectangle", "wide", "Áz"]
    assert _shown(model)["Tumor (7)"] == names
    model.sort(NAME, Qt.SortOrder.DescendingOrder)
    assert _shown(model)["Tumor (7)"] == names[::-1]
    document.do(adding("Add", [_square(5)]))
    assert _shown(model)["Tumor (8)"] == ["Áz", "wide", "Rectangle", *names[-3::-1]]
    document.undo()
    model.sort(SIZE)
    parent = model.index(0, 0)
    sizes = [_text(model, model.index(row, SIZE, parent)) for row in range(7)]
    assert sizes == ["", "90.0°", "174.3°", "3.5 µm", "3.5 µm", "100.0 µm²", "225.0 µm²"]
    assert all(model.id_at(model.index_of(each.id)) == each.id for each in document)


def test_the_list_is_never_sorted_by_a_column_that_is_not_shown(qtbot: QtBot) -> None:
    tree = AnnotationTree()
    qtbot.addWidget(tree)
    tree.setModel(model := AnnotationModel(tree))
    tree.setSortingEnabled(True)
    held = [_square(5, name=name).signed(by) for name, by in (("a", "Z"), ("b", "Y"))]
    model.show_document(Document(held), 0.5)
    tree.resize(700, 300)
    tree.show()
    tree.sortByColumn(AUTHOR, Qt.SortOrder.AscendingOrder)
    assert _shown(model) == {"Tumor (2)": ["b", "a"]}
    tree.resize(300, 300)
    qtbot.waitUntil(lambda: tree.isColumnHidden(AUTHOR))
    assert tree.header().sortIndicatorSection() == NAME
    assert _shown(model) == {"Tumor (2)": ["a", "b"]}


def test_the_filter_finds_by_all_words_and_new_ones_must_pass_it(model: AnnotationModel) -> None:
    document = _follow(model, [_square(5, name="Margin left"), _square(5, STROMA, "Vessel")])
    model.set_filter("tumor MARGIN")
    assert _shown(model) == {"Tumor (1)": ["Margin left"]}
    document.do(adding("Add", [_square(5, name="margin right"), _square(5, name="other")]))
    assert _shown(model) == {"Tumor (2)": ["Margin left", "margin right"]}
    found = next(each for each in document if each.name == "margin right")
    document.do(changing("Rename", [(found, replace(found, name="x"))]))
    assert _shown(model) == {"Tumor (1)": ["Margin left"]}
    model.set_filter("")
    assert model.shown_count == 4


def test_a_hundred_thousand_are_listed_found_and_changed(model: AnnotationModel) -> None:
    classes = [AnnotationClass(name) for name in "ABCDE"]
    zeros, sides = np.zeros(100_000), np.arange(1.0, 100_001.0)
    squares = shapely.box(zeros, zeros, sides, zeros + 1)
    held = [
        Annotation(shape, shown_as=classes[at % 5], name=f"n{at}")
        for at, shape in enumerate(squares.tolist())
    ]
    document = Document(held)
    plain = AnnotationModel()
    plain.show_document(document, 0.5)
    document.listen(plain.apply)
    parents = [plain.index(row, 0) for row in range(plain.rowCount())]
    assert [plain.rowCount(parent) for parent in parents] == [20_000] * 5
    plain.sort(SIZE, Qt.SortOrder.DescendingOrder)
    assert plain.id_at(plain.index(0, 0, plain.index(4, 0))) == held[-1].id
    document.do(changing("Rename", [(held[7], replace(held[7], name="seven"))]))
    assert plain.data(plain.index_of(held[7].id)) == "seven"
    runs = plain.runs_of({each.id for each in held})
    assert [(first.row(), last.row()) for first, last in runs] == [(0, 19_999)] * 5
    runs = plain.runs_of({each.id for each in held[:-1]})
    assert [(first.row(), last.row()) for first, last in runs] == [(0, 19_999)] * 4 + [(1, 19_999)]
    document.do(removing("Delete", list(document)[:60_000]))
    assert plain.shown_count == 40_000
    document.undo()
    assert plain.shown_count == 100_000
    plain.set_filter("seven")
    assert plain.rowCount(plain.index(0, 0)) == 1


def test_only_names_of_unlocked_annotations_are_edited(model: AnnotationModel) -> None:
    free, locked = _square(5, name="a"), replace(_square(5, name="b"), is_locked=True)
    document = _follow(model, [free, locked])
    told: list[tuple[object, str]] = []
    model.renamed.connect(lambda id_, name: told.append((id_, name)))
    editable = Qt.ItemFlag.ItemIsEditable
    assert model.flags(model.index_of(free.id)) & editable
    assert not model.flags(model.index_of(locked.id)) & editable
    assert not model.flags(model.index_of(free.id).siblingAtColumn(SIZE)) & editable
    assert model.setData(model.index_of(free.id), " new ")
    assert model.setData(model.index_of(free.id), "a")
    assert told == [(free.id, "new")]
    document.is_read_only = True
    assert not model.flags(model.index_of(free.id)) & editable
    model.show_document(None, None)
    assert model.rowCount(QModelIndex()) == 0


def test_the_size_of_a_class_is_nothing_again_once_its_regions_are_gone(
    model: AnnotationModel,
) -> None:
    """A running sum of floats ended at "-0 µm²"."""
    point = Annotation(shapely.Point(5, 5), shown_as=TUMOR)
    document = _follow(model, [point])
    chance = random.Random(3)
    drawn = [_square(chance.uniform(0.1, 900.0)) for _ in range(60)]
    for each in drawn:
        document.do(adding("Rectangle", [each]))
    chance.shuffle(drawn)
    for each in drawn:
        document.do(removing("Delete", [each]))
    size = _class_row(model, "Tumor").siblingAtColumn(SIZE)
    assert model.data(size) == ""


def test_what_files_and_models_say_is_no_markup_in_tips(model: AnnotationModel) -> None:
    _follow(model, [_square(10, name='<img src="x.png"> & <b>bold</b>')])
    tip = model.data(model.index(0, 0, model.index(0, 0)), Qt.ItemDataRole.ToolTipRole)
    assert tip == '<img src="x.png"> & <b>bold</b>'
    # The style sheet of the window shows tips as they are: tests/ui/test_plain_texts.py.


def test_listing_makes_no_geometry_that_stays(model: AnnotationModel) -> None:
    held = [_square(10.5 + n, name=str(n)) for n in range(20)]
    read = [each for each in unpacked_all(list(packed_all(held))) if each is not None]
    _follow(model, read)
    shown = _shown(model)
    assert {type(GEOMETRY_SLOT.__get__(each)) for each in read} == {bytes}
    _follow(model, held)
    assert _shown(model) == shown


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_rows_are_found_again_whatever_they_are_sorted_by(column: int) -> None:
    """Without a place kept for each: areas of odd pixels are the same to the last digit."""
    held = [_square(0.1 + at / 7, name=f"n{at % 9}") for at in range(200)]
    document = Document(held)
    model = AnnotationModel()
    model.show_document(document, (0.2527, 0.2531))
    model.sort(column, Qt.SortOrder.DescendingOrder)
    document.listen(model.apply)
    assert all(model.id_at(model.index_of(each.id)) == each.id for each in held)
    document.do(changing("Rename", [(each, each.saying(name="New")) for each in held[::7]]))
    document.do(removing("Delete", held[1::7]))
    document.undo()
    document.do(removing("Delete", held[2::7]))
    left = [each.id for each in document]
    assert [model.id_at(model.index_of(id_)) for id_ in left] == left
    assert model.shown_count == len(left)
    assert not model.index_of(held[2].id).isValid()
    fresh = AnnotationModel()
    fresh.show_document(document, (0.2527, 0.2531))
    texts = [[each.data(each.index(0, at)) for at in range(2)] for each in (model, fresh)]
    assert texts[0] == texts[1], "what went and came back leaves nothing in the sums"


def test_rulers_angles_and_polylines_are_called_so_and_show_what_they_measure(
    model: AnnotationModel,
) -> None:
    ruler = Annotation(
        shapely.LineString([(0, 0), (30, 40)]), shown_as=TUMOR, measurements={"Length um": 25.0}
    )
    angle = Annotation(
        shapely.LineString([(10, 0), (0, 0), (0, 10)]),
        shown_as=TUMOR,
        measurements={"Angle deg": 90.0},
    )
    line = Annotation(shapely.LineString([(0, 0), (0, 7)]), shown_as=TUMOR)
    polyline = Annotation(shapely.LineString([(0, 0), (0, 7), (4, 7)]), shown_as=TUMOR)
    _follow(model, [ruler, angle, line, polyline])
    parent = model.index(0, 0)
    rows = {
        (_text(model, model.index(row, NAME, parent)), _text(model, model.index(row, SIZE, parent)))
        for row in range(4)
    }
    assert rows == {
        ("Ruler", "25.0 µm"),
        ("Angle", "90.0°"),
        ("Line", "3.5 µm"),
        ("Polyline", "5.5 µm"),
    }
