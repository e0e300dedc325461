"""Files of annotations that are mended or moved: on full disks, and killed at each step."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import shapely
from killed_at_steps import kill_at_each_step
from small_disks import fill, mount_again, small_disk

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.storage.slide_file import open_annotations
from viewer.annotations.storage.store import AnnotationStore, AnnotationStoreError, Stamped

_PAGE_BYTES = 4096


def kept_shapes(path: Path, count: int = 400) -> list[Annotation]:
    """Keep shapes in a file, and return them."""
    shapes = [Annotation(shapely.box(n, 0, n + 9, 9)) for n in range(count)]
    with closing(AnnotationStore(path)) as store:
        store.write([Stamped.now(adding("Draw", shapes[: count // 2]))])
        store.write([Stamped.now(adding("Draw", shapes[count // 2 :]))])
    return shapes


def versions_in(path: Path) -> int:
    with closing(AnnotationStore(path, read_only=True)) as store:
        return len(store.versions())


def beyond_header(path: Path) -> bytes:
    """Return what a file holds behind the page in which SQLite counts changes."""
    return path.read_bytes()[_PAGE_BYTES:]


def damage(path: Path, count: int = 400) -> bytes:
    """Keep shapes in a file, spoil a page of them, and return what the file holds now."""
    kept_shapes(path, count)
    whole = path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        (body,) = database.execute("SELECT body FROM annotation ORDER BY id LIMIT 1").fetchone()
    page = whole.index(body) // _PAGE_BYTES * _PAGE_BYTES
    path.write_bytes(whole[:page] + b"\xff" * _PAGE_BYTES + whole[page + _PAGE_BYTES :])
    return beyond_header(path)


def test_a_damaged_page_costs_the_annotations_in_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    damage(path, 20_000)
    opened = open_annotations(path)
    assert 0 < 20_000 - len(opened.annotations) < 50  # a part of the table holds 78
    lefts = [each.geometry.bounds[0] for each in opened.annotations]
    assert lefts == sorted(lefts)
    assert f"{len(lefts)} could be read" in opened.notice
    opened.close()


def test_a_file_is_not_taken_for_damaged_where_the_disk_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path, "2m") as disk:
        path = disk / "s.sqlite"
        shapes = kept_shapes(path)
        refused: list[str] = []
        for room_kb in range(0, 100, 4):  # SQLite needs some to read, and more to write
            fill(disk)
            os.truncate(disk / "filler", (disk / "filler").stat().st_size - (room_kb << 10))
            try:
                opened = open_annotations(path)
            except AnnotationStoreError as error:
                refused.append(str(error))
            else:
                assert opened.annotations == shapes
                opened.close()
            (disk / "filler").unlink()
            assert not list(disk.glob("*damaged*"))
        assert refused
        assert all("there is room" in each and "damaged" not in each for each in refused)
        opened = open_annotations(path)
        assert (opened.annotations, opened.notice) == (shapes, "")
        opened.close()
        assert versions_in(path) == 2


def test_a_damaged_file_waits_for_room_to_be_mended(tmp_path: Path) -> None:
    with small_disk(tmp_path, "2m") as disk:
        path = disk / "s.sqlite"
        damaged = damage(path)
        for room_kb in (0, 32, 64, 96, 128):
            fill(disk)
            os.truncate(disk / "filler", (disk / "filler").stat().st_size - (room_kb << 10))
            with pytest.raises(AnnotationStoreError, match="room"):
                open_annotations(path)
            assert beyond_header(path) == damaged
            (disk / "filler").unlink()
            assert [each for each in disk.iterdir() if each.suffix == ".part"] == []
        opened = open_annotations(path)
        assert len(opened.annotations) > 360
        assert "was damaged" in opened.notice
        opened.close()
        (beside,) = disk.glob("s.damaged-*.sqlite")
        assert beyond_header(beside) == damaged


_OPENING = """
from pathlib import Path
from viewer.annotations.storage.slide_file import open_annotations
places = [Path(_folder, "s.sqlite"), Path(_folder, "former", "s.sqlite")]
open_annotations(*[path for path in places if path.parent.exists()]).close()
"""


def test_a_damaged_file_is_mended_wherever_the_program_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "place"
    damaged = damage(place / "s.sqlite")
    whole = (place / "s.sqlite").read_bytes()

    def before() -> None:
        shutil.rmtree(place)
        place.mkdir()
        (place / "s.sqlite").write_bytes(whole)

    def check() -> None:
        assert damaged in [beyond_header(each) for each in place.glob("s.*sqlite")]
        opened = open_annotations(place / "s.sqlite")
        assert len(opened.annotations) > 360
        opened.close()
        assert damaged in [beyond_header(each) for each in place.glob("s.damaged-*.sqlite")]

    assert kill_at_each_step(place, _OPENING, before, check) > 4


def test_what_is_taken_along_is_in_one_place_wherever_the_program_is_killed(
    tmp_path: Path,
) -> None:
    place = tmp_path / "place"
    path, former = place / "s.sqlite", place / "former" / "s.sqlite"
    shapes = kept_shapes(former)
    whole = former.read_bytes()

    def before() -> None:
        shutil.rmtree(place)
        former.parent.mkdir(parents=True)
        former.write_bytes(whole)

    def check() -> None:
        opened = open_annotations(path, former)
        assert opened.annotations == shapes
        assert "damaged" not in opened.notice
        opened.close()
        assert versions_in(path) == 2
        assert not former.exists()

    assert kill_at_each_step(place, _OPENING, before, check) > 4


def test_what_finds_no_room_in_its_new_place_stays_in_the_former(tmp_path: Path) -> None:
    former = tmp_path / "former" / "s.sqlite"
    shapes = kept_shapes(former, 12_000)
    with small_disk(tmp_path, "1m") as disk:
        path = disk / "s.sqlite"
        opened = open_annotations(path, former)
        assert f"are in {former}, which cannot be used" in opened.notice
        opened.close()
        mount_again(disk, "size=64m")
        opened = open_annotations(path, former)
        assert opened.annotations == shapes
        opened.close()
        assert not former.exists()


def test_files_that_are_replaced_again_and_again_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with closing(AnnotationStore(path)) as store:
        for number in range(4):
            path.unlink()
            path.write_bytes(b"%d" % number)
            store.put_back()
    kept = sorted(each.read_bytes() for each in tmp_path.glob("s.foreign-*.sqlite"))
    assert kept == [b"0", b"1", b"2", b"3"]
