"""Results in a folder or bucket: whole or not there, each block once, whoever dies in between."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bucket import BUCKET, Bucket

from viewer.geometry import Size
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.result_store import ResultStoreError, StoreAbout
from viewer.overlays.segments.errors import PassingStoreError, StorePlaceError
from viewer.overlays.segments.places import (
    BucketPlace,
    FolderPlace,
    PatientPlace,
    check_writable,
    place_of,
)
from viewer.overlays.segments.segment_store import SegmentStore, has_results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.overlays.segments.places import StorePlace

GRID = BlockGrid(Size(8192, 8192), 1.0, 256, 0)
ABOUT = StoreAbout("a.svs", "s1-abc", "Nuclei 1 0000", 0.5, GRID)


def block(number: int) -> tuple[BlockKey, bytes]:
    return BlockKey(number % 7, number // 7), f"result {number}".encode() * 20


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    pytest.importorskip("moto", reason="moto is not here: install coverslip[dev]")
    pytest.importorskip("obstore", reason="obstore is not here: install coverslip[remote]")
    with Bucket(tmp_path_factory.mktemp("bucket")) as bucket:
        yield bucket


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StorePlace:
    if request.param == "folder":
        return FolderPlace(tmp_path / "store")
    request.getfixturevalue("bucket")
    return BucketPlace(f"s3://{BUCKET}/{tmp_path.name}")


def kept(place: StorePlace) -> dict[BlockKey, bytes]:
    """Return what another program finds in the store."""
    return dict(SegmentStore(place, ABOUT))


def put(place: StorePlace, numbers: range) -> None:
    store = SegmentStore(place, ABOUT)
    for number in numbers:
        store.put(*block(number))
    store.flush()
    store.close()


def manifest_of(place: StorePlace) -> list[str]:
    return place.names(f"{SegmentStore(place, ABOUT).name}/manifest")


def test_what_is_put_is_found_by_another_program(place: StorePlace) -> None:
    assert kept(place) == {}
    put(place, range(30))
    assert kept(place) == dict(block(number) for number in range(30))
    assert has_results(place, SegmentStore(place, ABOUT).name)
    check_writable(place)
    assert place.names("checks") == []


def test_a_block_that_two_compute_is_kept_once(place: StorePlace) -> None:
    put(place, range(10))
    put(place, range(5, 15))
    put(place, range(15))
    assert len(manifest_of(place)) == 2
    found = list(SegmentStore(place, ABOUT))
    assert len(found) == len(dict(found)) == 15


def test_many_writers_at_once_lose_nothing_and_double_nothing(place: StorePlace) -> None:
    threads = [
        threading.Thread(target=put, args=(place, range(start, start + 12)))
        for start in (0, 6, 12, 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list(SegmentStore(place, ABOUT))
    assert sorted(found) == sorted(block(number) for number in range(24))


def test_who_reads_half_way_finds_what_came_since(place: StorePlace) -> None:
    put(place, range(4))
    reader = SegmentStore(place, ABOUT)
    assert len(list(reader)) == 4
    assert list(reader) == []
    put(place, range(4, 9))
    assert dict(reader) == dict(block(number) for number in range(4, 9))


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "torn entry"])
def test_what_is_not_whole_counts_as_missing_and_is_made_again(tmp_path: Path, damage: str) -> None:
    place = FolderPlace(tmp_path / "store")
    put(place, range(6))
    put(place, range(6, 12))
    folder = tmp_path / "store" / SegmentStore(place, ABOUT).name
    kind = "manifest" if damage == "torn entry" else "segments"
    victim = random.Random(damage).choice(sorted((folder / kind).iterdir()))
    data = victim.read_bytes()
    victim.unlink()
    if damage == "changed":
        victim.write_bytes(data[:-9] + b"x" + data[-8:])
    elif damage != "gone":
        victim.write_bytes(data[: len(data) // 2])
    left = kept(place)
    assert left in (dict(map(block, range(6))), dict(map(block, range(6, 12))))
    put(place, range(12))
    # It does not know yet that a segment is damaged: only who has read it does.
    store = SegmentStore(place, ABOUT)
    known = dict(store)
    for number in range(12):
        if block(number)[0] not in known:
            store.put(*block(number))
    store.flush()
    assert kept(place) == dict(map(block, range(12)))
    store.close()


def test_a_writer_that_ends_between_segment_and_entry_leaves_nothing_half(tmp_path: Path) -> None:
    class Dies(FolderPlace):
        def create(self, name: str, data: bytes) -> bool:
            if "/manifest/" in name:
                raise StorePlaceError("The power is gone.")
            return super().create(name, data)

    store = SegmentStore(Dies(tmp_path), ABOUT)
    store.put(*block(1))
    with pytest.raises(StorePlaceError, match="power"):
        store.flush()
    with pytest.raises(ResultStoreError):
        store.put(*block(2))
    assert kept(FolderPlace(tmp_path)) == {}
    put(FolderPlace(tmp_path), range(3))
    assert kept(FolderPlace(tmp_path)) == dict(map(block, range(3)))


def test_an_answer_that_is_lost_writes_nothing_twice(tmp_path: Path) -> None:
    lost: list[str] = []

    class Forgets(FolderPlace):
        def create(self, name: str, data: bytes) -> bool:
            done = super().create(name, data)
            if name not in lost:
                lost.append(name)
                raise PassingStoreError("The connection was cut.")
            return done

    put(PatientPlace(Forgets(tmp_path), 20.0), range(5))
    assert len(lost) == 3  # about, segment and entry
    assert len(manifest_of(FolderPlace(tmp_path))) == 1
    assert kept(FolderPlace(tmp_path)) == dict(map(block, range(5)))


def test_a_bucket_that_refuses_for_a_while_gets_everything(bucket: Bucket, tmp_path: Path) -> None:
    place = BucketPlace(f"s3://{BUCKET}/{tmp_path.name}")
    store = SegmentStore(PatientPlace(place, 60.0), ABOUT)
    bucket.server.faults.refuse = 503
    for number in range(20):
        store.put(*block(number))  # nobody waits for the bucket
    bucket.refuse(1.5)
    store.flush()
    store.close()
    assert kept(place) == dict(map(block, range(20)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ftp://x/y", "is no store"),
        ("https://host/results", "is no store"),
        ("s3://", "is no store"),
        ("/proc/results", "Nothing can be written into /proc/results"),
        (__file__, "is a file"),
    ],
)
def test_what_can_be_no_store_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(StorePlaceError) as caught:
        check_writable(place_of(text))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bucket_that_is_not_there_or_denied_is_one_sentence(bucket: Bucket) -> None:
    with pytest.raises(StorePlaceError, match="There is no bucket s3://none"):
        check_writable(place_of("s3://none/results"))


def test_who_wants_a_part_reads_no_segment_of_the_rest(tmp_path: Path) -> None:
    asked: list[str] = []

    class Watched(FolderPlace):
        def read(self, name: str) -> bytes | None:
            asked.append(name)
            return super().read(name)

    put(FolderPlace(tmp_path), range(7))
    put(FolderPlace(tmp_path), range(7, 14))
    wanted = frozenset((BlockKey(3, 0), BlockKey(5, 0)))
    found = dict(SegmentStore(Watched(tmp_path), ABOUT, wanted))
    assert found == dict((block(3), block(5)))
    assert sum("/segments/" in name for name in asked) == 1
