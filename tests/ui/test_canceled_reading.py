"""Reading many annotations shows how far it is; Cancel leaves all as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import shapely
from PIL import Image
from pytestqt.qtbot import QtBot
from ui_steps import cancel_of, show_slide

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.formats.exchange import FORMATS
from viewer.annotations.storage import autosave
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.store import AnnotationStore, Stamped
from viewer.progress import tell_progress
from viewer.slides.slide_key import slide_key
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.main_window import MainWindow

COUNT = 3000


def _drawn() -> list[Annotation]:
    return [Annotation(shapely.box(n, n, n + 9, n + 9), name=f"cell {n}") for n in range(COUNT)]


@contextmanager
def _held_up(runner: BackgroundRunner) -> Iterator[None]:
    """Let no work of a runner begin within the block."""
    may_go = threading.Event()
    runner.run(may_go.wait, lambda _: None)
    try:
        yield
    finally:
        may_go.set()


def _cancel(window: MainWindow, what: str, qtbot: QtBot) -> None:
    bar = window.annotations.reading
    qtbot.waitUntil(lambda: bar.isVisible() and what in bar.sentence.text(), timeout=20_000)
    assert window.isActiveWindow(), "the next key is for the slide"
    bar.button.click()


def test_opening_is_canceled_and_done_later(
    window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    with closing(AnnotationStore(annotations_path(slide_key(sample_slide)))) as store:
        store.write([Stamped.now(adding("Import", _drawn()))])
    annotations = window.annotations
    with _held_up(annotations._disk):
        show_slide(window, sample_slide, qtbot)
        _cancel(window, "annotations of this slide", qtbot)
    qtbot.waitUntil(annotations.banner.isVisible, timeout=20_000)
    assert "not read" in annotations.banner.sentence.text()
    assert annotations.active is None
    annotations.banner.button.click()
    qtbot.waitUntil(lambda: annotations.active is not None, timeout=20_000)
    assert annotations.active is not None
    assert len(annotations.active.document) == COUNT
    assert annotations.banner.isHidden()
    assert annotations.reading.isHidden()


def test_an_import_is_canceled_while_it_is_read_or_put_in(
    opened_annotations: PaneAnnotations, slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "cells.geojson"
    FORMATS["qupath"].write(path, _drawn())
    annotations, pane = slide_window.annotations, opened_annotations.pane
    sets, files = annotations.sets_of(pane), annotations.files
    assert sets is not None
    with _held_up(files._background):
        files.take(path, pane)
        _cancel(slide_window, "cells.geojson", qtbot)
    qtbot.waitUntil(lambda: not files._reading, timeout=20_000)
    assert len(sets.entries) == 1
    with _held_up(annotations.editing.bulk.background):
        files.take(path, pane)
        qtbot.waitUntil(lambda: len(sets.entries) == 2, timeout=20_000)
        qtbot.waitUntil(lambda: annotations.editing.bulk.is_busy, timeout=20_000)
        cancel_of(slide_window).click()
    qtbot.waitUntil(lambda: len(sets.entries) == 1, timeout=20_000)
    files.take(path, pane)
    qtbot.waitUntil(
        lambda: any(e.annotations and len(e.annotations.document) == COUNT for e in sets.entries),
        timeout=20_000,
    )


def test_what_another_changed_is_read_with_progress_and_only_if_wanted(
    opened_annotations: PaneAnnotations,
    slide_window: MainWindow,
    sample_slide: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document, banner = opened_annotations.document, slide_window.annotations.banner
    read, may_go = AnnotationStore.annotations, threading.Event()

    def held_up(
        store: AnnotationStore, naming: Sequence[str] = ()
    ) -> tuple[Sequence[Annotation], int]:
        while not may_go.wait(0.02):
            tell_progress(0.25)
        return read(store, naming)

    monkeypatch.setattr(AnnotationStore, "annotations", held_up)
    with closing(AnnotationStore(annotations_path(slide_key(sample_slide)))) as other:
        other.write([Stamped.now(adding("Import", _drawn()))])
    bar = slide_window.annotations.reading
    qtbot.waitUntil(lambda: "25 %" in bar.sentence.text(), timeout=20_000)
    _cancel(slide_window, "annotations of this slide", qtbot)
    qtbot.waitUntil(lambda: "cannot be changed" in banner.sentence.text(), timeout=20_000)
    assert bar.isHidden()
    assert len(document) == 0
    assert document.is_read_only, "what is drawn now would be drawn on what is there no longer"
    may_go.set()
    banner.button.click()
    qtbot.waitUntil(lambda: len(document) == COUNT, timeout=20_000)
    qtbot.waitUntil(banner.isHidden, timeout=20_000)
    assert not document.is_read_only


def test_a_slide_that_is_still_written_holds_up_no_other(
    opened_annotations: PaneAnnotations,
    slide_window: MainWindow,
    sample_slide: Path,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annotations, write, may_go = slide_window.annotations, AnnotationStore.write, threading.Event()
    begun = threading.Event()

    def held_up(store: AnnotationStore, steps: Sequence[Stamped]) -> None:
        begun.set()
        assert may_go.wait(20)
        write(store, steps)

    monkeypatch.setattr(AnnotationStore, "write", held_up)
    monkeypatch.setattr(autosave, "_CLOSE_WAIT_S", 60.0)
    opened_annotations.do(adding("Draw", _drawn()))
    qtbot.waitUntil(begun.is_set, timeout=20_000)
    other = tmp_path / "other.png"
    Image.new("RGB", (300, 200), "pink").save(other)
    show_slide(slide_window, other, qtbot)
    qtbot.waitUntil(lambda: annotations.active is not None, timeout=20_000)
    assert annotations.active is not None
    assert annotations.active.pane.path == other
    assert len(annotations.active.document) == 0
    # The first one waits for its own file, and has all of it.
    show_slide(slide_window, sample_slide, qtbot)
    may_go.set()
    qtbot.waitUntil(
        lambda: annotations.active is not None and len(annotations.active.document) == COUNT,
        timeout=20_000,
    )
    assert annotations.can_annotate
