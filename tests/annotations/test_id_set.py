"""Sets of ids that share what they have in common, beside Python's own sets."""

from __future__ import annotations

import random
from uuid import UUID, uuid4

import pytest
import shapely

from viewer.annotations import id_set
from viewer.annotations.annotation import Annotation
from viewer.annotations.document import Document, removing
from viewer.annotations.id_set import IdSet
from viewer.annotations.selection import Selection

SHARED = 6000


@pytest.fixture(autouse=True)
def several_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the ids of the larger sets here into several tables, as those of very many are."""
    monkeypatch.setattr(id_set, "FEW", 4000)


def _ids(count: int) -> list[UUID]:
    return [uuid4() for _ in range(count)]


@pytest.mark.parametrize(
    ("count", "sizes"), [(300, (0, 1, 5, 60)), (9000, (1, 60, 1500, 2500, 5000))]
)
def test_they_hold_what_a_plain_set_holds(count: int, sizes: tuple[int, ...]) -> None:
    chance = random.Random(3)
    known = _ids(count)
    plain = frozenset(known[: count * 2 // 3])
    ids = IdSet.of(plain)
    assert IdSet.of(ids) is ids
    for _ in range(80):
        some = frozenset(chance.sample(known, min(chance.choice(sizes), count)))
        of_same_kind = IdSet.of(some) if chance.random() < 0.5 else some
        before, plain_before = ids, plain
        if chance.random() < 0.5:
            ids, plain = ids.with_ids(of_same_kind), plain | some
        else:
            ids, plain = ids.without(of_same_kind), plain - some
        assert len(ids) == len(plain)
        assert ids == plain
        assert set(ids) == plain
        assert sorted(ids) == sorted(plain), "each comes once"
        assert ids & some == some & ids == ids & of_same_kind == plain & some
        assert all((each in ids) == (each in plain) for each in known)
        assert before == plain_before, "it never changes"
        differing = ids.differing(before)
        assert differing == before.differing(ids)
        assert differing in (None, plain ^ plain_before)
        assert differing is not None or count > id_set._MOST_APART
    assert "text" not in ids


def test_one_more_or_less_shares_the_others() -> None:
    chosen = IdSet.of(_ids(SHARED))
    first, new = next(iter(chosen)), uuid4()
    less = chosen.without({first})
    more = less.with_ids({new})
    assert less.shared is more.shared is chosen.shared
    assert less.differing(chosen) == {first}
    assert more.differing(chosen) == {first, new}
    assert more.with_ids({first}).without({new}) == chosen
    assert len(more) == SHARED


def test_very_many_others_are_not_kept_apart() -> None:
    chosen = IdSet.of(_ids(SHARED))
    many = frozenset(_ids(id_set._MOST_APART + 1))
    both = chosen.with_ids(many)
    assert both.shared is not chosen.shared
    assert len(both.shared) == len(both) == SHARED + len(many)
    assert max(map(len, both.shared.parts)) < len(both) // 50, "no table is large"
    assert both.differing(chosen) is None, "to find out would take several frames"
    assert len(both.without(many)) == SHARED
    assert len(IdSet.of(_ids(3)).without(many)) == 3


def test_a_selection_of_many_is_changed_by_what_changes() -> None:
    held = [Annotation(shapely.box(n, 0, n + 1, 1)) for n in range(SHARED)]
    document = Document(held)
    selection = Selection(document)
    told: list[int] = []
    selection.listen(lambda: told.append(len(selection)))
    selection.choose(document.ids)
    shared = selection.ids.shared
    selection.turn(held[0].id)
    selection.turn(held[1].id)
    selection.turn(held[0].id)
    document.do(removing("Delete", held[5:7]))
    for _ in range(2):
        selection.choose(selection.ids.with_ids({held[1].id}))
    assert selection.ids.shared is shared
    assert selection.ids == document.ids
    n = SHARED
    assert told == [n, n - 1, n - 2, n - 1, n - 3, n - 2], "each change is told once"
