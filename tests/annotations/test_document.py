"""The annotations of a slide: any sequence of acts, undone, is as it was."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import (
    Change,
    Document,
    Edit,
    ReadOnlyError,
    adding,
    changing,
    removing,
)
from viewer.annotations.selection import Selection
from viewer.geometry import Box


def square(x: float, y: float = 0.0, side: float = 10.0, *, name: str = "") -> Annotation:
    return Annotation(shapely.box(x, y, x + side, y + side), name=name)


def test_a_step_is_undone_and_redone_as_a_whole() -> None:
    document = Document()
    a, b = square(0), square(20)
    document.do(adding("Brush", [a, b]))
    document.do(removing("Delete", [a]))
    assert list(document) == [b]
    assert document.undo_label == "Delete"
    document.undo()
    assert list(document) == [a, b]
    assert document.redo_label == "Delete"
    document.redo()
    document.undo()
    document.undo()
    assert list(document) == []
    assert document.undo() is None


def test_what_a_step_found_otherwise_is_not_done() -> None:
    document = Document()
    a = square(0)
    document.do(adding("Draw", [a]))
    with pytest.raises(ValueError, match="as the step found it"):
        document.do(adding("Draw", [square(5), a]))
    assert list(document) == [a]
    assert document.undo_label == "Draw"


def test_the_parts_of_a_stroke_are_undone_as_one() -> None:
    document = Document()
    a, b = square(0), square(20)
    document.do(adding("Draw", [b]))
    larger, largest = replace(a, name="larger"), replace(a, name="largest")
    stroke = document.do(adding("Brush", [a]))
    stroke = document.do(changing("Brush", [(a, larger)]), stroke)
    document.do(changing("Brush", [(larger, largest)]), stroke)
    assert list(document) == [b, largest]
    document.undo()
    assert list(document) == [b]
    document.redo()
    assert list(document) == [b, largest]


def test_a_step_joins_no_other_than_the_one_meant() -> None:
    document = Document()
    a = square(0)
    stroke = document.do(adding("Brush", [a]))
    document.do(adding("Draw", [square(20)]))
    document.do(changing("Brush", [(a, replace(a, name="larger"))]), stroke)
    document.undo()
    assert next(iter(document)) == a
    document.undo()
    document.do(removing("Brush", [a]), stroke)
    assert list(document) == []
    assert document.undo_label is None


def test_a_new_step_ends_what_could_be_redone() -> None:
    document = Document()
    document.do(adding("Draw", [square(0)]))
    document.undo()
    document.do(adding("Draw", [square(9)]))
    assert document.redo() is None


def test_what_lies_in_a_box_is_found_in_the_order_of_drawing() -> None:
    low, high, far = square(0, name="low"), square(5, name="high"), square(500, name="far")
    document = Document([low, high, far])
    assert document.inside(Box(0, 0, 30, 30)) == [low, high]
    moved = replace(far, geometry=shapely.box(1, 1, 2, 2))
    document.do(changing("Move", [(far, moved)]))
    assert document.inside(Box(0, 0, 30, 30)) == [low, high, moved]
    document.do(removing("Delete", [low]))
    document.undo()
    assert document.inside(Box(0, 0, 30, 30)) == [low, high, moved]


def test_what_is_read_only_takes_nothing() -> None:
    document = Document([square(0)])
    document.is_read_only = True
    with pytest.raises(ReadOnlyError, match="close it there first"):
        document.do(adding("Draw", [square(1)]))
    assert len(document) == 1


def test_listeners_hear_of_each_change_until_they_end() -> None:
    document, heard = Document(), list[Edit]()
    end = document.listen(heard.append)
    document.do(adding("Draw", [square(0)]))
    document.undo()
    end()
    document.redo()
    assert [len(step.changes) for step in heard] == [1, 1]
    assert heard[1].changes[0].after is None


def test_a_snapshot_stays_as_it_is_for_whoever_holds_any_part_of_it() -> None:
    a, b, c = square(0), square(20), square(40)
    document = Document([a])
    state = document.snapshot()
    document.do(adding("Draw", [b]))
    assert list(state) == [a]
    assert not document.holds(state)
    held = document.snapshot().held
    document.do(removing("Delete", [a]))
    assert list(held) == [a.id, b.id]
    walk, counts = iter(document.snapshot()), document.snapshot().class_counts
    document.do(adding("Draw", [c]))
    assert (list(walk), counts[""]) == ([b], 1)
    assert list(document) == [b, c]


def test_a_snapshot_that_nobody_holds_any_more_is_not_copied() -> None:
    """Else the first stroke after a million were listed would wait for a copy of them."""
    a, b, c = square(0), square(20), square(40)
    document = Document([a])
    before = id(document.state)
    assert list(document.snapshot()) == [a]
    document.do(adding("Draw", [b]))
    assert id(document.state) == before
    document.undo()
    list(document.snapshot().held.values())
    document.do(adding("Draw", [c]))
    assert id(document.state) == before
    kept = document.snapshot()
    document.do(adding("Draw", [b]))
    assert id(document.state) != before
    assert list(kept) == [a, c]


def test_the_box_of_all_and_of_some() -> None:
    a, b, c = square(0), square(20, 5), square(100)
    document = Document([a, b, c])
    assert document.state.box_of(document.ids) == Box(0, 0, 110, 15)
    assert document.state.box_of([b.id, a.id]) == Box(0, 0, 30, 15)
    document.do(removing("Delete", [c]))
    assert document.state.box_of(document.ids) == Box(0, 0, 30, 15)
    assert document.state.box_of([c.id]) is None
    assert Document().state.box_of([]) is None


def test_one_more_is_chosen_and_one_less() -> None:
    a, b, c = square(0), square(20), square(40)
    document = Document([a, b, c])
    selection = Selection(document)
    selection.choose([a.id, b.id])
    before = selection.ids
    selection.turn(c.id)
    assert selection.ids == {a.id, b.id, c.id}
    assert selection.ids.differing(before) == {c.id}
    selection.turn(a.id)
    assert selection.ids == {b.id, c.id}
    assert selection.ids.differing(before) == {a.id, c.id}
    document.do(removing("Delete", [a, c]))
    assert selection.ids == {b.id}
    assert selection.ids.differing(before) == {a.id}


def test_what_is_removed_is_chosen_no_more() -> None:
    a, b = square(0), replace(square(20), is_locked=True)
    document = Document([a, b])
    selection, told = Selection(document), list[int]()
    selection.listen(lambda: told.append(len(selection)))
    selection.choose([a.id, b.id])
    assert selection.changeable == [a]
    document.do(removing("Delete", [a]))
    assert set(selection) == {b.id}
    selection.turn(b.id)
    assert told == [2, 1, 0]


IDS = [UUID(int=number) for number in range(6)]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove", "undo", "redo"]),
        st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True),
        st.integers(0, 50),
    ),
    max_size=40,
)


@given(ACTS)
def test_any_sequence_of_acts_returns_to_each_state(
    acts: list[tuple[str, list[UUID], int]],
) -> None:
    document = Document()
    states: list[dict[UUID, Annotation]] = [{}]
    """From the empty slide to now, a state a step that can be undone."""
    ahead: list[dict[UUID, Annotation]] = []
    for act, ids, number in acts:
        if act == "undo":
            if document.undo() is not None:
                ahead.append(states.pop())
        elif act == "redo":
            if document.redo() is not None:
                states.append(ahead.pop())
        else:
            changes = [
                Change(before, after)
                for id_ in ids
                if (before := document.get(id_)) != (after := put(act, id_, number))
            ]
            document.do(Edit(act, tuple(changes)))
            if changes:
                states.append(state(document))
                ahead.clear()
        assert state(document) == states[-1]
        assert document.inside(Box(-100, -100, 100, 100)) == list(document)
    last = [*states, *reversed(ahead)][-1]
    while document.redo() is not None:
        pass
    assert state(document) == last
    while document.undo() is not None:
        pass
    assert len(document) == 0


def put(act: str, id_: UUID, number: int) -> Annotation | None:
    if act == "remove":
        return None
    shape = shapely.box(number, 0, number + 5, 5)
    return Annotation(shape, id_, shown_as=AnnotationClass(str(number)))


def state(document: Document) -> dict[UUID, Annotation]:
    return {annotation.id: annotation for annotation in document}
