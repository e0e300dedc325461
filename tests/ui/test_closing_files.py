"""A slide that is opened again waits until what was drawn on it before is written to the end."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import shapely
from pytestqt.qtbot import QtBot

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.opening import open_set
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage import autosave
from viewer.annotations.storage.autosave import Autosave
from viewer.annotations.storage.store import Stamped
from viewer.ui.annotations.closing_files import ClosingFiles
from viewer.ui.long_task import StoppedError


class Slow:
    """A set whose writing takes until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()
        write = SetStore.write

        def slow(store: SetStore, steps: Sequence[Stamped]) -> None:
            self.began.set()
            assert self.may_end.wait(30)
            write(store, steps)

        monkeypatch.setattr(SetStore, "write", slow)
        monkeypatch.setattr(autosave, "_CLOSE_WAIT_S", 0.01)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


@pytest.fixture
def drawn(slow: Slow, tmp_path: Path, qtbot: QtBot) -> tuple[ClosingFiles, AnnotationSet]:
    """A set on which one thing was drawn, and which is being closed."""
    which = AnnotationSet(tmp_path, "slide", SetKey("A"))
    opened = Autosave(open_set(which), lambda _: None, lambda _: None, lambda: None)
    opened.put(adding("Draw", [Annotation(shapely.box(0, 0, 1, 1))]))
    assert slow.began.wait(20)
    closing = ClosingFiles(None)  # pyright: ignore[reportArgumentType]
    closing.close("slide", opened)
    qtbot.waitUntil(lambda: opened.close() is False)
    return closing, which


def test_who_opens_it_again_waits_for_all_and_writes_to_the_same_file(
    drawn: tuple[ClosingFiles, AnnotationSet], slow: Slow
) -> None:
    closing, which = drawn
    asked: list[float] = []

    def tell(share: float) -> None:
        asked.append(share)
        if len(asked) == 3:
            slow.may_end.set()

    closing.wait_for("slide", tell)
    closing.wait_for("another slide", lambda _: pytest.fail("is not being closed"))
    again = open_set(which)
    assert len(again.annotations) == 1
    assert len(asked) >= 3
    again.store.write([Stamped.now(adding("Draw", [Annotation(shapely.box(2, 0, 3, 1))]))])
    again.close()
    assert len(list(which.files_folder.iterdir())) == 1
    closing.shut_down()


def test_who_does_not_want_to_wait_need_not(
    drawn: tuple[ClosingFiles, AnnotationSet], slow: Slow
) -> None:
    closing, _ = drawn

    def tell(_share: float) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        closing.wait_for("slide", tell)
    slow.may_end.set()
    closing.wait_for_all()
    closing.shut_down()


def test_a_drive_on_which_nothing_moves_is_not_waited_for(
    drawn: tuple[ClosingFiles, AnnotationSet], slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, _ = drawn
    monkeypatch.setattr(autosave, "_STUCK_S", 0.1)
    closing.wait_for_all()
    assert not slow.may_end.is_set()
    slow.may_end.set()
    closing.shut_down()
