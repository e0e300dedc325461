"""Marks that are kept up to date by each edit are those of all annotations looked at anew."""

from __future__ import annotations

import random
from dataclasses import replace

import shapely

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.bookmarks import bookmark
from viewer.annotations.document import Change, Document, Edit
from viewer.geometry import Point, Size, View
from viewer.inference.teaching.kept_marks import KeptMarks
from viewer.inference.teaching.marks import class_colors, marks_of

CLASSES = [AnnotationClass("Tumor", "#c80000"), AnnotationClass("Stroma", "#96c896"), None]


def some(chance: random.Random) -> Annotation:
    x, y = chance.randrange(1000), chance.randrange(1000)
    parts = [shapely.Point(x + n, y) for n in range(chance.randint(1, 3))]
    shape = chance.choice((shapely.MultiPoint(parts), shapely.box(x, y, x + 9, y + 9)))
    kind = chance.choice(("annotation", "annotation", "detection"))
    is_locked = chance.random() < 0.2
    return Annotation(shape, kind=kind, shown_as=chance.choice(CLASSES), is_locked=is_locked)


def test_a_thousand_edits_and_a_look_at_all_say_the_same() -> None:
    chance = random.Random(0)
    view = View(Point(5, 5), 1.0, Size(100, 100))
    document = Document([some(chance) for _ in range(30)])
    kept = KeptMarks(document.state)
    ends = document.listen(lambda step: kept.follow(step, document))
    for number in range(1000):
        held = list(document)
        match chance.randrange(5):
            case 0:
                document.do(Edit("Draw", (Change(None, some(chance)),)))
            case 1 if held:
                gone = chance.choice(held)
                document.do(Edit("Delete", (Change(gone, None),)))
            case 2 if held:
                one = chance.choice(held)
                other = replace(some(chance), id=one.id)
                document.do(Edit("Change", (Change(one, other),)))
            case 3:
                document.undo()
            case _:
                document.redo()
        if number == 500:
            document.do(Edit("Bookmark", (Change(None, bookmark(view, "View 1", "")),)))
        now = kept.now
        assert list(now) == [
            mark
            for each in document
            if each.kind == "annotation" and not each.is_locked and each.name != "View 1"
            for mark in marks_of(each)
        ]
        anew = KeptMarks(document.state).now
        assert dict(now.counts) == dict(anew.counts)
        assert now.colors == anew.colors == {n: class_colors(now)[n] for n in now.colors}
        assert len(now) == len(list(now))
    ends()


def test_what_teaches_nothing_changes_nothing_and_a_moment_stays_as_it_is() -> None:
    one = Annotation(shapely.box(0, 0, 9, 9), shown_as=CLASSES[0])
    document = Document([one])
    kept = KeptMarks(document.state)
    document.listen(lambda step: kept.follow(step, document))
    before = kept.now
    document.do(Edit("Describe", (Change(one, one.noted("Description", "a gland")),)))
    assert kept.now is before
    document.do(Edit("Draw", (Change(None, Annotation(shapely.box(5, 5, 9, 9))),)))
    assert kept.now is before, "it has no class"
    document.do(Edit("Delete", (Change(document[one.id], None),)))
    assert kept.now is not before
    assert (len(kept.now), len(before), [mark.name for mark in before]) == (0, 1, ["Tumor"])


def test_a_class_of_another_color_is_taught_in_it() -> None:
    one = Annotation(shapely.box(0, 0, 9, 9), shown_as=CLASSES[0])
    document = Document([one])
    kept = KeptMarks(document.state)
    document.listen(lambda step: kept.follow(step, document))
    blue = AnnotationClass("Tumor", "#0000c8")
    document.do(Edit("Edit classes", (Change(one, replace(one, shown_as=blue)),)))
    assert kept.now.colors == {"Tumor": "#0000c8"}
