"""What is drawn is never lost: killed processes, full disks, damaged files, two windows."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import forked_programs
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from small_disks import mount_again, small_disk

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import Document, adding, changing, removing
from viewer.annotations.storage import autosave
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.autosave import Autosave
from viewer.annotations.storage.packing import packed, unpacked
from viewer.annotations.storage.slide_file import open_annotations
from viewer.annotations.storage.store import (
    AnnotationStore,
    AnnotationStoreError,
    Stamped,
    bringing_back,
)
from viewer.memory import slow_release
from viewer.memory.long_list import parts_of

_KILLS = 30
_AT_ONCE = 5


class Desk:
    """A document that is saved, and what the saving told."""

    def __init__(self, path: Path) -> None:
        self.opened = open_annotations(path)
        self.document = Document(self.opened.annotations)
        self.troubles: list[str] = []
        self.reloaded: list[Sequence[Annotation]] = []
        self.taken_over = 0
        self.autosave = Autosave(
            self.opened, self.troubles.append, self.reloaded.append, self._take_over
        )
        self.document.listen(self.autosave.put)

    def _take_over(self) -> None:
        self.taken_over += 1


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(path: Path = tmp_path / "a" / "slide.sqlite") -> Desk:
        desks.append(Desk(path))
        return desks[-1]

    yield make
    for desk in desks:
        desk.autosave.close()


def square(x: float, side: float = 10.0, **told: object) -> Annotation:
    return Annotation(shapely.box(x, 0, x + side, side), **told)  # type: ignore[arg-type]


def wait_until(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


TEXTS = st.text(max_size=12)
NUMBERS = st.floats(-1e7, 1e7)
ANNOTATIONS = st.builds(
    Annotation,
    st.tuples(NUMBERS, NUMBERS, st.floats(0.5, 1e4)).map(
        lambda t: shapely.box(t[0], t[1], t[0] + t[2], t[1] + t[2])
    ),
    st.uuids(),
    st.sampled_from(["annotation", "detection", "cell", "tile", "tmaCore"]),
    st.none() | st.builds(AnnotationClass, TEXTS, st.just("#00ff00")),
    TEXTS,
    st.none() | st.just("#123456"),
    st.booleans(),
    st.booleans(),
    st.none() | st.just(shapely.Point(1, 2).buffer(3)),
    st.dictionaries(TEXTS, st.floats(allow_nan=False), max_size=3),
    st.dictionaries(TEXTS, TEXTS, max_size=3),
    st.just(()) | st.just((square(4),)),
    st.dictionaries(TEXTS, st.integers() | TEXTS | st.none(), max_size=2),
)


@given(ANNOTATIONS)
def test_an_annotation_is_kept_with_all_its_digits(annotation: Annotation) -> None:
    assert unpacked(packed(annotation)) == annotation


def test_what_was_done_is_there_again(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    a, b, c = square(0, name="a"), square(20), square(40)
    desk.document.do(adding("Draw", [a, b, c]))
    desk.document.do(removing("Delete", [a]))
    desk.document.do(changing("Lock", [(b, replace(b, is_locked=True))]))
    desk.document.undo()
    desk.document.undo()
    assert desk.autosave.close()
    again = open_desk()
    assert list(again.document) == [a, b, c]
    assert again.troubles == []


def test_a_version_is_brought_back_as_a_step(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    a, b = square(0), square(20)
    desk.document.do(adding("Draw", [a]))
    desk.document.do(adding("Draw", [b]))
    desk.document.do(removing("Delete all", [a, b]))
    assert desk.autosave.flush()
    store = AnnotationStore(desk.autosave.path, read_only=True)
    newest, second, first = store.versions()
    assert (newest.label, newest.changed, second.changed) == ("Delete all", 2, 1)
    desk.document.do(bringing_back(desk.document, store.then(newest.number), "Bring back"))
    assert list(desk.document) == [a, b]
    desk.document.do(bringing_back(desk.document, store.then(first.number), "Bring back"))
    assert list(desk.document) == []
    desk.document.undo()
    assert list(desk.document) == [a, b]
    store.close()


def test_old_versions_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer.annotations.storage.store._MOST_HISTORY_BYTES", 20_000)
    desk = Desk(tmp_path / "s.sqlite")
    circle = Annotation(shapely.Point(0, 0).buffer(100, quad_segs=32))
    desk.document.do(adding("Draw", [circle]))
    for number in range(60):
        (before,) = desk.document
        moved = replace(before, geometry=shapely.transform(before.geometry, lambda p: p * 1.01))
        desk.document.do(changing(f"Move {number}", [(before, moved)]))
    assert desk.autosave.flush()
    store = AnnotationStore(desk.autosave.path, read_only=True)
    assert 3 < len(store.versions()) < 40
    assert store.versions()[0].label == "Move 59"
    store.close()
    last = list(desk.document)
    desk.autosave.close()
    opened = open_annotations(tmp_path / "s.sqlite")
    assert opened.annotations == last
    opened.close()


def test_a_second_window_looks_on_and_takes_over(open_desk: Callable[..., Desk]) -> None:
    first, second = open_desk(), open_desk()
    assert not first.opened.is_read_only
    assert second.opened.is_read_only
    assert "Another window" in second.opened.notice
    a = square(0)
    first.document.do(adding("Draw", [a]))
    wait_until(lambda: second.reloaded)
    assert second.reloaded[-1] == [a]
    first.autosave.close()
    wait_until(lambda: second.taken_over)
    second.document.reset(second.reloaded[-1])
    b = square(20)
    second.document.do(adding("Draw", [b]))
    second.autosave.close()
    assert open_desk().opened.annotations == [a, b]


_DRAWING = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from uuid import UUID
    import shapely
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.storage.autosave import Autosave
    from viewer.annotations.storage.slide_file import open_annotations
    from viewer.annotations.document import Document, adding
    opened = open_annotations(Path(sys.argv[1]))
    document = Document(opened.annotations)
    autosave = Autosave(opened, print, print, print)
    document.listen(autosave.put)
    for number in range(100_000):
        shape = shapely.Point(number, 5).buffer(4)
        document.do(adding("Brush", [Annotation(shape, UUID(int=number))]))
        if number % 7 == 0:
            autosave.flush()
            os.write(1, b"%d\\n" % number)
        time.sleep(0.001)
    """
)


def test_kills_lose_nothing_that_was_saved(tmp_path: Path) -> None:
    places = random.Random(5)
    for batch in range(_KILLS // _AT_ONCE):
        running = [
            forked_programs.Popen(
                [sys.executable, "-c", _DRAWING, str(tmp_path / f"{batch}-{number}.sqlite")],
                stdout=subprocess.PIPE,
            )
            for number in range(_AT_ONCE)
        ]
        for number, process in enumerate(running):
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(places.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            saved = [int(line) for line in process.stdout.read().split()[:-1]]
            process.wait()
            process.stdout.close()
            opened = open_annotations(tmp_path / f"{batch}-{number}.sqlite")
            ids = [annotation.id.int for annotation in opened.annotations]
            assert ids == list(range(len(ids)))
            assert len(ids) > max(saved, default=0)
            assert opened.notice == ""
            assert not opened.is_read_only
            opened.close()


def test_two_processes_do_not_write_over_each_other(
    tmp_path: Path, open_desk: Callable[..., Desk]
) -> None:
    path = tmp_path / "shared.sqlite"
    process = forked_programs.Popen(
        [sys.executable, "-c", _DRAWING, str(path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    second = open_desk(path)
    assert second.opened.is_read_only
    wait_until(lambda: second.reloaded)
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until(lambda: second.taken_over)
    count = len(second.reloaded[-1])
    second.document.reset(second.reloaded[-1])
    second.document.do(adding("Draw", [Annotation(shapely.Point(1, 1), UUID(int=10**9))]))
    second.autosave.close()
    assert len(open_desk(path).document) == count + 1


_ENDING = textwrap.dedent("""
    import sys
    from pathlib import Path
    import shapely
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document, adding, removing
    from viewer.annotations.storage import autosave as saving
    from viewer.annotations.storage.slide_file import open_annotations
    saving._CLOSE_WAIT_S = 0.0
    opened = open_annotations(Path(sys.argv[1]))
    document = Document()
    autosave = saving.Autosave(opened, print, print, print)
    document.listen(autosave.put)
    held = [Annotation(shapely.box(n, 0, n + 1, 1)) for n in range(20_000)]
    document.do(adding("Import", held))
    document.do(removing("Delete", held[1:]))
    print("saved" if autosave.close() else "still writing")
""")


def test_the_end_of_the_program_waits_for_what_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "slide.sqlite"
    ended = forked_programs.run(
        [sys.executable, "-c", _ENDING, str(path)], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "still writing\n"
    with closing(AnnotationStore(path)) as store:
        assert len(store.annotations()[0]) == 1
        assert [each.changed for each in store.versions()] == [19_999, 20_000]


def test_a_real_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path, "200k") as mounted:
        desk = Desk(mounted / "s.sqlite")
        large = [
            Annotation(shapely.Point(number, 0).buffer(10, quad_segs=64)) for number in range(100)
        ]
        for annotation in large:
            desk.document.do(adding("Draw", [annotation]))
            time.sleep(0.002)
        wait_until(lambda: desk.troubles)
        assert "free some room" in desk.troubles[0]
        assert not desk.autosave.is_saved
        mount_again(mounted, "size=8m")
        wait_until(lambda: desk.autosave.is_saved)
        assert desk.troubles[-1] == ""
        desk.autosave.close()
        opened = open_annotations(mounted / "s.sqlite")
        assert opened.annotations == large
        opened.close()


def test_what_the_disk_refused_to_the_end_comes_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    path = tmp_path / "s.sqlite"
    desk = Desk(path)
    a, b = square(0), square(20)
    desk.document.do(adding("Draw", [a]))
    assert desk.autosave.flush()
    write = AnnotationStore.write

    def refuse(store: AnnotationStore, steps: object) -> None:
        if store.path == path:
            raise sqlite3.OperationalError("database or disk is full")
        write(store, steps)  # type: ignore[arg-type]

    with monkeypatch.context() as full:
        full.setattr(AnnotationStore, "write", refuse)
        desk.document.do(removing("Delete", [a]))
        desk.document.do(adding("Draw", [b]))
        desk.autosave.close()
    opened = open_annotations(path)
    assert opened.annotations == [b]
    assert "2 changes" in opened.notice
    opened.close()
    opened = open_annotations(path)
    assert (opened.annotations, opened.notice) == ([b], "")
    opened.close()


def test_a_damaged_file_is_kept_and_what_can_be_read_is_there(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(b"this is no database, but it is long enough to be taken for one" * 40)
    opened = open_annotations(path)
    assert opened.annotations == []
    assert "damaged" in opened.notice
    opened.close()
    (kept,) = tmp_path.glob("s.damaged-*.sqlite")
    assert kept.read_bytes().startswith(b"this is no database")


def test_a_torn_file_gives_what_is_left_of_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    desk = Desk(path)
    shapes = [Annotation(shapely.Point(n, 0).buffer(9, quad_segs=16)) for n in range(400)]
    desk.document.do(adding("Draw", shapes))
    desk.autosave.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    opened = open_annotations(path)
    assert opened.notice
    assert all(annotation in shapes for annotation in opened.annotations)
    opened.close()
    again = open_annotations(path)
    assert again.annotations == opened.annotations
    assert again.notice == ""
    again.close()


def test_a_file_that_another_program_takes_away_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    desk = Desk(path)
    a, b = square(0), square(20)
    desk.document.do(adding("Draw", [a]))
    assert desk.autosave.flush()
    path.unlink()
    desk.document.do(adding("Draw", [b]))
    assert desk.autosave.flush()
    path.rename(tmp_path / "mine.sqlite")
    path.write_bytes(b"of somebody else")
    desk.document.do(removing("Delete", [a]))
    assert desk.autosave.flush()
    wait_until(lambda: desk.troubles)
    assert "Another program replaced" in desk.troubles[-1]
    desk.autosave.close()
    opened = open_annotations(path)
    assert opened.annotations == [b]
    opened.close()
    (foreign,) = tmp_path.glob("s.foreign-*.sqlite")
    assert foreign.read_bytes() == b"of somebody else"


def test_another_program_that_writes_to_the_file_is_noticed(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    a, b = square(0), square(20)
    desk.document.do(adding("Draw", [a, b]))
    assert desk.autosave.flush()
    other = sqlite3.connect(desk.autosave.path)
    other.execute("DELETE FROM annotation WHERE id = ?", (a.id.bytes,))
    other.commit()
    other.close()
    wait_until(lambda: desk.reloaded)
    assert desk.reloaded[-1] == [b]


def test_a_newer_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(AnnotationStoreError, match="newer Coverslip"):
        open_annotations(path)
    with pytest.raises(AnnotationStoreError, match="newer Coverslip"):
        open_annotations(path)  # the first try let go of the lock


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell")
def test_a_file_whose_folder_is_renamed_is_drawn_on_where_it_is_now(tmp_path: Path) -> None:
    """Beside a slide, say: a new folder of the former name would take all that comes."""
    folder, renamed = tmp_path / "case", tmp_path / "case 7"
    desk, other = Desk(folder / "s.sqlite"), Desk(folder / "s.sqlite")
    assert other.opened.is_read_only
    a, b, c = square(0), square(20), square(40)
    desk.document.do(adding("Draw", [a]))
    assert desk.autosave.flush()
    wait_until(lambda: other.reloaded)
    folder.rename(renamed)
    desk.document.do(adding("Draw", [b]))
    assert desk.autosave.flush()
    wait_until(lambda: other.reloaded[-1] == [a, b])
    renamed.rename(folder)  # and back
    desk.document.do(adding("Draw", [c]))
    assert desk.autosave.flush()
    wait_until(lambda: other.reloaded[-1] == [a, b, c])
    folder.rename(renamed)
    time.sleep(1.2)  # each looks once a second, whether anything is drawn or not
    assert not folder.exists()
    assert not other.taken_over
    desk.autosave.close()
    other.autosave.close()
    opened = open_annotations(renamed / "s.sqlite")
    assert opened.annotations == [a, b, c]
    opened.close()
    assert not folder.exists()
    assert desk.troubles == []


def test_the_file_lies_in_the_data_folder_or_beside_the_slide(
    tmp_path: Path, own_home: Path
) -> None:
    slide = tmp_path / "a.svs"
    key = f"s1-{'0' * 40}"
    assert annotations_path(key, slide).is_relative_to(own_home)
    beside = tmp_path / f"a.svs.annotations.{key}.sqlite"
    assert annotations_path(key, slide, beside=True) == beside
    gone = tmp_path / "gone" / "a.svs"
    assert annotations_path(key, gone, beside=True).is_relative_to(own_home)


def test_the_place_of_a_new_row_is_found_without_a_look_at_all_others(tmp_path: Path) -> None:
    path = tmp_path / "slide.sqlite"
    AnnotationStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        plan = database.execute("EXPLAIN QUERY PLAN SELECT MAX(place) FROM annotation").fetchall()
    assert "annotation_place" in str(plan)


def test_a_file_that_is_just_being_made_holds_nothing_yet(tmp_path: Path) -> None:
    """Between its making and its tables, as a window that opens a slide leaves it for a moment."""
    path = tmp_path / "a.sqlite"
    path.touch()
    with closing(AnnotationStore(path, read_only=True)) as store:
        assert store.annotations() == ([], 0)
    assert path.stat().st_size == 0
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        with closing(AnnotationStore(path, read_only=True)) as store:
            assert store.annotations() == ([], 0)


def test_a_large_step_that_is_written_is_freed_piece_by_piece(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    shape = shapely.box(0, 0, 10, 10)
    step = adding("Import", [Annotation(shape) for _ in range(2000)])
    desk.document.do(step)
    wait_until(lambda: desk.autosave.is_saved)
    parts = parts_of(step.changes)
    wait_until(lambda: any(each.container == parts for each in slow_release._waiting))


def test_a_large_step_is_written_by_itself_and_small_ones_together(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave, "_MOST_TOGETHER", 100)
    desk = open_desk()
    written: list[list[int]] = []
    write = desk.opened.store.write

    def noted(steps: Sequence[Stamped]) -> None:
        written.append([len(each.step.changes) for each in steps])
        write(steps)

    monkeypatch.setattr(desk.opened.store, "write", noted)
    with desk.autosave._change:  # nothing is written until all wait
        for count in (40, 40, 150, 30, 30):
            desk.document.do(adding("Import", [square(0) for _ in range(count)]))
        assert autosave.unwritten_count() == 290
    wait_until(lambda: desk.autosave.is_saved)
    assert written == [[40, 40], [150], [30, 30]]
    desk.autosave.close()
    assert len(open_desk().document) == 290
