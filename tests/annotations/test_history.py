"""Steps to undo: all of them come back as they were, and memory holds only the last."""

from __future__ import annotations

import random
from uuid import UUID

import numpy as np
import pytest
import shapely

from viewer.annotations import history
from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import Document, adding, changing, removing

POINTS = 2000
ANGLES = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
RING = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)


def _region(radius: float, id_: UUID | None = None) -> Annotation:
    shape = shapely.Polygon(RING * radius + 1000)
    made = Annotation(shape, shown_as=AnnotationClass("Tumor"), metadata={"Author": "anna"})
    return made if id_ is None else Annotation(shape, id_, shown_as=made.shown_as)


def _wait_for_the_disk() -> None:
    history._writer.submit(lambda: None).result(30)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Histories hold a few strokes alone."""
    monkeypatch.setattr(history, "MOST_BYTES", 400_000)


@pytest.mark.usefixtures("small")
def test_all_strokes_are_undone_and_done_again_in_bounded_memory() -> None:
    document = Document()
    first = _region(100)
    document.do(adding("Brush", [first]))
    states = [list(document)]
    for number in range(60):
        now = document[first.id]
        document.do(changing(f"Brush {number}", [(now, _region(101 + number, first.id))]))
        states.append(list(document))
    _wait_for_the_disk()
    assert document._undo.memory_bytes < 600_000
    for state in reversed(states[:-1]):
        assert document.undo() is not None
        assert list(document) == state
    _wait_for_the_disk()
    assert document._redo.memory_bytes < 600_000
    document.undo()
    assert document.undo() is None
    assert document.redo_label == "Brush"
    for state in states:
        assert document.redo() is not None
        assert list(document) == state
    assert document.redo() is None


@pytest.mark.usefixtures("small")
def test_random_steps_come_back_whenever_they_were_written() -> None:
    chance = random.Random(5)
    document = Document()
    states: list[dict[UUID, Annotation]] = [{}]
    for _ in range(300):
        held = list(document)
        what = chance.randrange(5)
        if what == 0 and len(states) > 1:
            document.undo()
            states.pop()
        elif what == 1 and held:
            document.do(removing("Delete", chance.sample(held, 1)))
            states.append({each.id: each for each in document})
        elif what == 2 and held:
            one = chance.choice(held)
            document.do(changing("Brush", [(one, _region(chance.uniform(50, 90), one.id))]))
            states.append({each.id: each for each in document})
        else:
            document.do(adding("Brush", [_region(chance.uniform(50, 90))]))
            states.append({each.id: each for each in document})
        if chance.random() < 0.1:
            _wait_for_the_disk()
        assert {each.id: each for each in document} == states[-1]
    while len(states) > 1:
        document.undo()
        states.pop()
        assert {each.id: each for each in document} == states[-1]
    assert document.undo() is None


@pytest.mark.usefixtures("small")
def test_the_last_step_is_joined_though_others_were_written() -> None:
    document = Document()
    first = _region(100)
    step = document.do(adding("Brush", [first]))
    for number in range(40):
        now = document[first.id]
        step = document.do(changing("Brush", [(now, _region(101 + number, first.id))]), step)
    document.undo()
    assert len(document) == 0
    assert document.undo() is None
