"""Sets of annotations: a file a writer, merged on reading; nothing that was kept is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import forked_programs
import pytest
import shapely

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import Document, adding, changing, removing
from viewer.annotations.sets import body_file, merged_set, set_store
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.listing import (
    all_sets,
    remove_set,
    restore_set,
    sets_of_slide,
)
from viewer.annotations.sets.opening import open_set
from viewer.annotations.sets.records import ChangeRecord, EditLine, decoded, encoded
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.autosave import Autosave
from viewer.annotations.storage.store import AnnotationStoreError, Stamped, bringing_back
from viewer.files import kept_lines
from viewer.files.kept_lines import append_lines, read_bodies

SLIDE = "slide/with any name"


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return tmp_path / "shared"


@pytest.fixture
def open_store(shared: Path) -> Iterator[Callable[..., SetStore]]:
    stores: list[SetStore] = []

    def make(reader: str = "A", name: str = "My annotations", **more: object) -> SetStore:
        which = AnnotationSet(shared, SLIDE, SetKey(reader, name))
        stores.append(SetStore(which, **more))  # type: ignore[arg-type]
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def square(x: float, **said: object) -> Annotation:
    return Annotation(shapely.box(x, 0, x + 10, 10), **said)  # type: ignore[arg-type]


def put(store: SetStore, *made: Annotation, label: str = "Draw") -> None:
    store.write([Stamped.now(adding(label, made), "A")])


def test_what_is_written_is_read_exactly(open_store: Callable[..., SetStore]) -> None:
    ring = shapely.Polygon([(0.1, 0.2), (1e5 / 3, 0), (7, 9.123456789012345)])
    made = [
        Annotation(ring, shown_as=AnnotationClass("Tumor", "#ff0000"), name="süß \n ✓"),
        square(5, measurements={"Area µm^2": 1 / 3}, metadata={"a": "b"}, is_locked=True),
        Annotation(shapely.Point(1, 2), unknown={"properties": {"n": 2**70}}),
    ]
    put(open_store(), *made)
    assert open_store().annotations() == (made, 0)


def test_two_processes_of_one_reader_write_files_of_their_own(
    open_store: Callable[..., SetStore],
) -> None:
    one, other = open_store(), open_store()
    assert one.path != other.path
    first, second = square(0), square(20)
    put(one, first)
    assert other.was_changed
    put(other, second)
    one.write([Stamped.now(removing("Delete", [first]))])
    assert one.was_changed
    assert other.was_changed
    assert not other.was_changed
    assert one.annotations()[0] == other.annotations()[0] == [second]


def test_the_later_change_holds_even_of_a_clock_that_is_behind(
    open_store: Callable[..., SetStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = open_store(), open_store()
    drawn = square(0)
    put(one, drawn)
    assert other.was_changed
    monkeypatch.setattr("viewer.annotations.sets.records.time.time", lambda: 1e6)
    renamed = replace(drawn, name="later")
    other.write([Stamped.now(changing("Rename", [(drawn, renamed)]))])
    assert one.was_changed
    assert one.annotations()[0] == [renamed]


def test_copies_of_a_synced_folder_are_merged_and_bring_nothing_back(
    open_store: Callable[..., SetStore],
) -> None:
    store = open_store()
    kept, gone, mine = square(0), square(20), square(40)
    put(store, kept, gone)
    before = store.path.read_bytes()
    store.write([Stamped.now(removing("Delete", [gone]))])
    put(store, mine)
    after = store.path.read_bytes()
    stem, suffix = store.path.stem, store.path.suffix
    for name in (
        f"{stem} (A's conflicted copy 2026-11-26){suffix}",
        f"{stem}.sync-conflict-20261126-101010-ABCDEFG{suffix}",
        f"{stem}-HOST{suffix}",
    ):
        store.path.with_name(name).write_bytes(before)
    assert open_store(read_only=True).annotations()[0] == [kept, mine]
    # The drive may also put the older file in our place and ours beside it.
    store.path.write_bytes(before)
    store.path.with_name(f"{stem} (1){suffix}").write_bytes(after)
    assert open_store(read_only=True).annotations()[0] == [kept, mine]


@pytest.mark.parametrize("torn", [b"", b"0", b'deadbeef ["edit",1,"","",[]]', b"\0" * 64])
def test_a_torn_end_costs_nothing_else(open_store: Callable[..., SetStore], torn: bytes) -> None:
    store = open_store()
    first, second = square(0), square(20)
    put(store, first)
    with store.path.open("ab") as file:
        file.write(torn)
    put(store, second)
    assert open_store(read_only=True).annotations()[0] == [first, second]
    assert {each.key for each in sets_of_slide(store.which.folder, SLIDE)} == {store.which.key}


def test_each_byte_that_is_lost_costs_at_most_its_own_line(
    open_store: Callable[..., SetStore],
) -> None:
    store = open_store()
    made = [square(20 * n) for n in range(3)]
    for each in made:
        put(store, each)
    whole = store.path.read_bytes()
    for at in range(0, len(whole), 7):
        store.path.write_bytes(whole[:at] + b"?" + whole[at + 1 :])
        found = open_store(read_only=True).annotations()[0]
        assert len(found) >= 1
        assert all(each in made for each in found)


def test_versions_come_back(open_store: Callable[..., SetStore]) -> None:
    store = open_store()
    first, second = square(0), square(20)
    put(store, first, second, label="Brush")
    time.sleep(0.002)  # times are told by the millisecond
    store.write([Stamped.now(removing("Delete", [first]), "A")])
    newest, oldest = store.versions()
    assert (newest.label, newest.changed, newest.author) == ("Delete", 1, "A")
    assert (oldest.label, oldest.changed) == ("Brush", 2)
    assert newest.at_utc > oldest.at_utc
    document = Document(store.annotations()[0])
    document.do(bringing_back(document, store.then(newest.number), "Bring back"))
    assert {each.id for each in document} == {first.id, second.id}
    assert set(store.then(oldest.number).values()) == {None}


def test_a_step_of_many_is_one_version_and_keeps_its_order(
    open_store: Callable[..., SetStore],
) -> None:
    count = 2 * set_store._MOST_IN_LINE + 5
    drawn = [Annotation(shapely.box(number, 0, number + 1, 1)) for number in range(count)]
    store = open_store()
    store.write([Stamped.now(adding("Import", drawn))])
    store.write([Stamped.now(removing("Delete", drawn[:3]))])
    store.write([Stamped.now(removing("Delete", drawn[3:]))])
    assert [each.changed for each in store.versions()] == [count - 3, 3, count]
    last = store.versions()[0]
    then = store.then(last.number)
    assert sum(each is not None for each in then.values()) == count - 3
    document = Document()
    document.do(bringing_back(document, then, "Bring back"))
    assert {each.id for each in document} == {each.id for each in drawn[3:]}
    store.write([Stamped.now(adding("Again", drawn[::-1]))])
    assert [each.id for each in store.annotations()[0]] == [each.id for each in drawn]


def test_a_writer_compacts_its_own_file_alone(
    open_store: Callable[..., SetStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = open_store(), open_store()
    drawn, gone = square(0), square(20)
    put(one, drawn, gone)
    other.was_changed  # noqa: B018 - reads
    put(other, square(40))
    for number in range(40):
        changed = replace(drawn, name=str(number))
        one.write([Stamped.now(changing("Rename", [(drawn, changed)]))])
        drawn = changed
    one.write([Stamped.now(removing("Delete", [gone]))])
    one.say("locked", "yes")
    expected = open_store(read_only=True).annotations()[0]
    path, of_other = one.path, other.path.read_bytes()
    size, copy = path.stat().st_size, path.read_bytes()
    one.close()
    monkeypatch.setattr(set_store, "_MOST_HISTORY_BYTES", 1000)
    again = open_store()
    assert again.path == path
    assert path.stat().st_size < size / 5
    assert other.path.read_bytes() == of_other
    assert again.annotations()[0] == expected
    assert again.properties == {"locked": "yes"}
    path.with_name(f"{path.stem} (1).lines").write_bytes(copy)
    assert open_store(read_only=True).annotations()[0] == expected


def test_a_file_that_grows_beyond_what_holds_is_compacted_while_it_is_open(
    open_store: Callable[..., SetStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_store, "_MOST_HISTORY_WHILE_OPEN_BYTES", 20_000)
    one, other = open_store(), open_store()
    made = [square(20 * n) for n in range(20)]
    put(one, *made)
    put(other, square(1000))
    assert one.was_changed
    sizes: list[int] = []
    for number in range(40):
        changed = [replace(each, name=str(number)) for each in made]
        one.write([Stamped.now(changing("Rename", zip(made, changed, strict=True)))])
        made = changed
        sizes.append(one.path.stat().st_size)
    assert max(sizes) < 60_000
    assert not one.was_changed
    assert other.was_changed
    found = open_store(read_only=True).annotations()[0]
    assert found == one.annotations()[0] == other.annotations()[0]
    assert [each.name for each in found] == ["39"] * 20 + [""]


def test_a_file_without_history_is_not_written_anew(
    open_store: Callable[..., SetStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    put(store, *(square(20 * n) for n in range(500)))
    path = store.path
    before = path.stat()
    store.close()
    monkeypatch.setattr(set_store, "_MOST_HISTORY_BYTES", 1000)
    open_store()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_disk_without_room_to_compact_costs_nothing(
    open_store: Callable[..., SetStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    drawn = square(0)
    put(store, drawn)
    monkeypatch.setattr(set_store, "_MOST_HISTORY_WHILE_OPEN_BYTES", 100)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(set_store, "atomic_write", refuse)
    for number in range(5):
        changed = replace(drawn, name=str(number))
        store.write([Stamped.now(changing("Rename", [(drawn, changed)]))])
        drawn = changed
    assert store.annotations()[0] == [drawn]
    assert open_store(read_only=True).annotations()[0] == [drawn]


@pytest.mark.parametrize("has_room", [True, False])
def test_the_bytes_of_many_annotations_lie_on_the_disk_or_in_memory_where_it_is_full(
    open_store: Callable[..., SetStore], monkeypatch: pytest.MonkeyPatch, has_room: bool
) -> None:
    monkeypatch.setattr(body_file, "_MOST_IN_MEMORY", 1000)
    monkeypatch.setattr(merged_set, "_MOST_LOOSE_BYTES", 1000)
    if not has_room:
        write = body_file.BodyFile._write

        def refuse(file: IO[bytes], at: int, data: bytes) -> None:
            if at + len(data) > 3000:
                raise OSError(28, "No space left on device")
            write(file, at, data)

        monkeypatch.setattr(body_file.BodyFile, "_write", staticmethod(refuse))
    store = open_store()
    made = [square(20 * n) for n in range(50)]
    put(store, *made)
    for each in made[::2]:
        store.write([Stamped.now(removing("Delete", [each]))])
    made = made[1::2]
    for number in range(5):
        changed = [replace(each, name=f"{number} of {made.index(each)}") for each in made]
        store.write([Stamped.now(changing("Rename", zip(made, changed, strict=True)))])
        made = changed
    put(store, square(5000, name="last"))
    found = store.annotations()[0]
    assert found[:-1] == made
    assert found == open_store(read_only=True).annotations()[0]
    assert len(store) == 26
    assert store.annotations(["4 of 7"])[0] == [made[7]]


def test_clocks_of_a_foreign_file_may_be_larger_than_any_of_ours(
    open_store: Callable[..., SetStore],
) -> None:
    store = open_store()
    drawn, other = square(0), square(20)
    put(store, drawn, other)
    lines = list(decoded(read_bodies(store.path)))
    far = [
        EditLine(10**30 + n, "", "", tuple(
            ChangeRecord(each.id, (10**30, each.place[1]), each.body) for each in line.changes
        )) for n, line in enumerate(lines) if isinstance(line, EditLine)
    ]  # fmt: skip
    append_lines(store.path.with_name(f"{store.path.stem} (1).lines"), map(encoded, far))
    assert store.was_changed
    renamed = replace(drawn, name="later")
    store.write([Stamped.now(changing("Rename", [(drawn, renamed)]))])
    expected = [renamed, other]
    assert store.annotations()[0] == open_store(read_only=True).annotations()[0] == expected


def test_an_edit_of_many_takes_little_more_memory_than_one_line(
    open_store: Callable[..., SetStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_store, "_MOST_IN_LINE", 200)
    monkeypatch.setattr(body_file, "_MOST_IN_MEMORY", 100_000)
    monkeypatch.setattr(kept_lines, "_AT_ONCE_BYTES", 100_000)
    peaks: list[int] = []
    for count in (1000, 10_000):
        made = [square(n) for n in range(count)]
        step = Stamped.now(adding("Import", made))
        store = open_store(name=str(count))
        tracemalloc.start()
        store.write([step])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # What stays of each are its id and its place; all lines together would take four times that.
    assert peaks[1] - peaks[0] < 9000 * 400, peaks


def test_readers_and_sets_never_share_a_file(
    open_store: Callable[..., SetStore], shared: Path
) -> None:
    names = ["A", "a", "", "../x", "A/B", "x" * 300, "x" * 301, "reader"]
    stores = [open_store(name) for name in names]
    stores += [open_store("A", name) for name in ("Import", "import", "..")]
    for n, store in enumerate(stores):
        put(store, *(square(20 * k) for k in range(n + 1)))
    paths = [store.path for store in stores]
    assert len({str(path).casefold() for path in paths}) == len(paths)
    assert all(path.parent == stores[0].path.parent for path in paths)
    listed = {each.key: each for each in all_sets(shared)}
    assert set(listed) == {store.which.key for store in stores}
    for n, store in enumerate(stores):
        assert len(SetStore(listed[store.which.key], read_only=True)) == n + 1


def test_a_set_that_was_removed_is_kept_and_comes_back(
    open_store: Callable[..., SetStore], shared: Path
) -> None:
    one, other = open_store("A"), open_store("A", "Import")
    put(one, square(0))
    put(other, square(20))
    remove_set(other.which)
    assert [each.key for each in all_sets(shared)] == [one.which.key]
    restore_set(other.which)
    assert {each.key for each in all_sets(shared)} == {one.which.key, other.which.key}
    assert len(open_store("A", "Import")) == 1


def test_foreign_files_among_the_sets_are_no_sets(
    open_store: Callable[..., SetStore], shared: Path
) -> None:
    store = open_store()
    put(store, square(0))
    folder = store.path.parent
    (folder / "Thumbs.db").write_bytes(b"\0" * 100)
    (folder / "A~0000000000000000~x.lines").write_bytes(store.path.read_bytes())
    (folder / "B~1~empty.lines").touch()
    os.mkfifo(folder / "C~1~pipe.lines")
    (shared / "sets" / "stray").touch()
    assert [each.key for each in all_sets(shared)] == [store.which.key]


def test_a_folder_that_cannot_be_used_is_said_in_a_sentence(
    open_store: Callable[..., SetStore], shared: Path
) -> None:
    shared.mkdir()
    (shared / "sets").write_text("a file")
    with pytest.raises(AnnotationStoreError, match=r'"My annotations" in .* check the drive'):
        open_store()


_WRITER = """
    import sys
    from pathlib import Path
    import shapely
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import adding
    from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
    from viewer.annotations.sets.set_store import SetStore
    from viewer.annotations.storage.store import Stamped

    store = SetStore(AnnotationSet(Path(sys.argv[1]), "slide", SetKey("A")))
    for number in range(int(sys.argv[2])):
        made = Annotation(shapely.box(number, 0, number + 1, 1))
        store.write([Stamped.now(adding("Draw", [made]))])
        print(made.id, flush=True)
"""


def _start(shared: Path, home: Path, count: int) -> subprocess.Popen[str]:
    return forked_programs.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(shared), str(count)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "COVERSLIP_HOME": str(home)},
    )  # fmt: skip


def test_processes_and_homes_lose_nothing_even_when_killed(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    homes = [tmp_path / "one", tmp_path / "one", tmp_path / "two"]
    writers = [_start(shared, home, 10_000) for home in homes]
    said: list[str] = []
    for writer in writers:  # all three write at the same time
        assert writer.stdout is not None
        said += [writer.stdout.readline().strip() for _ in range(10)]
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        said += [line.strip() for line in writer.communicate()[0].splitlines(keepends=True)
                 if line.endswith("\n")]  # fmt: skip
    which = AnnotationSet(shared, "slide", SetKey("A"))
    found = {str(each.id) for each in SetStore(which, read_only=True).annotations()[0]}
    assert len(said) >= 30
    assert set(said) <= found
    assert len(list((shared / "sets" / which.files_folder.name).iterdir())) == 3


_FILLER = """
    import sys
    from pathlib import Path
    import shapely
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import adding
    from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
    from viewer.annotations.sets.set_store import SetStore
    from viewer.annotations.storage.store import Stamped

    store = SetStore(AnnotationSet(Path(sys.argv[1]), "slide", SetKey("A")))
    drawn = [Annotation(shapely.box(n, 0, n + 1, 1)) for n in range(int(sys.argv[2]))]
    store.write([Stamped.now(adding("Import", drawn))])
    store.close()
"""

_REMOVER = """
    import sys
    from pathlib import Path
    from viewer.annotations.document import removing
    from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
    from viewer.annotations.sets.set_store import SetStore
    from viewer.annotations.storage.store import Stamped

    store = SetStore(AnnotationSet(Path(sys.argv[1]), "slide", SetKey("A")))
    held, _ = store.annotations()
    print("removes", flush=True)
    store.write([Stamped.now(removing("Delete", held))])
    print("removed", flush=True)
"""


def test_a_large_step_is_there_whole_or_not_at_all_when_its_program_is_killed(
    tmp_path: Path,
) -> None:
    shared, home = tmp_path / "shared", tmp_path / "home"
    which = AnnotationSet(shared, "slide", SetKey("A"))
    count = 12 * set_store._MOST_IN_LINE
    filling = forked_programs.Popen(
        [sys.executable, "-c", textwrap.dedent(_FILLER), str(shared), str(count)],
        env={**os.environ, "COVERSLIP_HOME": str(home)},
    )  # fmt: skip
    assert filling.wait() == 0
    (path,) = (shared / "sets" / which.files_folder.name).iterdir()
    full_bytes, cut = path.stat().st_size, 0
    for wanted_bytes in (1, 200_000, 500_000):
        remover = forked_programs.Popen(
            [sys.executable, "-c", textwrap.dedent(_REMOVER), str(shared)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "COVERSLIP_HOME": str(home)},
        )  # fmt: skip
        assert remover.stdout is not None
        assert remover.stdout.readline() == "removes\n"
        while path.stat().st_size < full_bytes + wanted_bytes and remover.poll() is None:
            time.sleep(0.0005)
        remover.send_signal(signal.SIGKILL)
        is_said = "removed" in remover.communicate()[0]
        cut += path.stat().st_size > full_bytes and not is_said
        found = len(SetStore(which, read_only=True).annotations()[0])
        assert found in ((0,) if is_said else (0, count))
        if found == 0:
            break
    assert cut, "none was killed amid its lines"


def test_what_is_written_after_lines_that_were_cut_off_is_read(tmp_path: Path) -> None:
    which = AnnotationSet(tmp_path, "slide", SetKey("A"))
    count = 3 * set_store._MOST_IN_LINE
    store, reader = SetStore(which), SetStore(which, read_only=True)
    drawn = [Annotation(shapely.box(number, 0, number + 1, 1)) for number in range(count)]
    store.write([Stamped.now(adding("Import", drawn))])
    assert reader.was_changed
    assert len(reader) == count
    before = store.path.read_bytes()
    store.write([Stamped.now(removing("Delete", drawn))])
    whole, path = store.path.read_bytes(), store.path
    store.close()
    first_end = whole.index(b"\n", len(before))
    unfinished = kept_lines._line_before(0)[:-1] + whole[first_end:]
    assert len(unfinished) == len(whole) - len(before)
    for end in (len(unfinished), len(unfinished) // 2, first_end - len(before) + 1):
        path.write_bytes(before + unfinished[:end])
        assert len(SetStore(which, read_only=True)) == count
        assert reader.was_changed is False
        again = SetStore(which)
        assert again.path == path
        again.write([Stamped.now(removing("Delete", drawn[:1]))])
        again.close()
        assert len(SetStore(which, read_only=True)) == count - 1
        again = SetStore(which)
        again.write([Stamped.now(adding("Draw", drawn[:1]))])
        again.close()
    path.write_bytes(whole)
    assert len(SetStore(which, read_only=True)) == 0


def test_lines_of_a_full_disk_leave_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a" / "b.lines"
    append_lines(path, [b"one"])
    before, write = path.read_bytes(), os.write

    def fill_up(descriptor: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:7])

    monkeypatch.setattr(os, "write", fill_up)
    with pytest.raises(OSError, match="No space"):
        append_lines(path, [b"two" * 8])
    monkeypatch.undo()
    assert path.read_bytes() == before
    append_lines(path, [b"three"])
    assert read_bodies(path) == [b"one", b"three"]


class Window:
    """A document of a set, kept by a thread as a window does it."""

    def __init__(self, which: AnnotationSet) -> None:
        self.opened = open_set(which)
        self.document = Document(self.opened.annotations)
        self.autosave = Autosave(self.opened, lambda _: None, self._reload, lambda: None)
        self._end = self.document.listen(self.autosave.put)

    def _reload(self, annotations: Sequence[Annotation]) -> None:
        if self.autosave.is_reload_current:
            self._end()
            self.document.reset(annotations)
            self._end = self.document.listen(self.autosave.put)
        else:
            self.autosave.reload()


def test_two_windows_draw_in_one_set_and_see_each_other(shared: Path) -> None:
    which = AnnotationSet(shared, SLIDE, SetKey("A"))
    one, other = Window(which), Window(which)
    made = [square(20 * n) for n in range(6)]
    for n, each in enumerate(made):
        (one if n % 2 else other).document.do(adding("Draw", [each]))
    until = time.monotonic() + 20
    while {each.id for each in one.document} != {each.id for each in other.document} or len(
        one.document
    ) < len(made):
        assert time.monotonic() < until, "they did not see each other"
        time.sleep(0.05)
    assert one.autosave.close()
    assert other.autosave.close()
    assert {each.id for each in SetStore(which, read_only=True).annotations()[0]} == {
        each.id for each in made
    }


def test_what_a_full_disk_refuses_to_the_end_is_there_the_next_time(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    which = AnnotationSet(shared, SLIDE, SetKey("A"))
    window = Window(which)
    first, second = square(0), square(20)
    window.document.do(adding("Draw", [first]))
    assert window.autosave.flush()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(set_store, "append_lines", refuse)
        window.document.do(adding("Draw", [second]))
        assert window.autosave.close()
    assert SetStore(which, read_only=True).annotations()[0] == [first]
    again = open_set(which)
    assert again.annotations == [first, second]
    assert "the disk refused" in again.notice
    again.close()
