"""Stores of features in a bucket, where nothing can be locked: claims, and writers at once."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from bucket import BUCKET, Bucket
from test_feature_store import ENCODER, features

from viewer.cohort.features import claims
from viewer.cohort.features.claims import Claims
from viewer.cohort.features.store import FeatureStore

pytest.importorskip("moto", reason="moto is not here: install coverslip[dev]")
PLACE = f"s3://{BUCKET}/cohort"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with Bucket(tmp_path_factory.mktemp("bucket")) as bucket:
        yield bucket


def test_writers_at_once_keep_every_slide_once(bucket: Bucket):
    def write(number: int) -> None:
        store = FeatureStore(PLACE, writes=True)
        for slide in (f"own {number}", "shared"):
            with store.claim(ENCODER, slide, waits=True) as is_held:
                assert is_held
                if slide not in store.slides(ENCODER):
                    store.add_slide(ENCODER, features(slide, number, rows=1))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    store = FeatureStore(PLACE)
    assert set(store.slides(ENCODER)) == {"own 0", "own 1", "own 2", "shared"}
    assert len(store._slide_rows()) == 4
    assert store.table_of(ENCODER).count_rows() == 40


def test_a_bucket_that_refuses_for_a_moment_costs_nothing(bucket: Bucket):
    store = FeatureStore(PLACE, writes=True)
    bucket.refuse(1.5)
    store.add_slide(ENCODER, features("late", 9, rows=1))
    assert len(store.read_slide(ENCODER, "late")) == 10


def test_a_slide_that_two_machines_added_is_read_once(tmp_path):
    store = FeatureStore(tmp_path, writes=True)
    twice = features("a", 0, rows=1)
    store.add_slide(ENCODER, twice)
    # As two machines do that lost sight of each other.
    table = store.table_of(ENCODER)
    table.add(table.search().limit(None).to_arrow())
    read = store.read_slide(ENCODER, "a")
    assert (len(read), read.places.tolist()) == (10, twice.places.tolist())
    assert (read.vectors == twice.vectors).all()


def test_a_claim_is_held_by_one_and_taken_over_once_its_holder_is_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "POLL_S", 0.01)
    monkeypatch.setattr(claims, "BEAT_S", 0.05)
    monkeypatch.setattr(claims, "SILENT_S", 1.0)
    first, second = Claims(str(tmp_path)), Claims(str(tmp_path))
    waited: list[bool] = []

    def wait() -> None:
        with second.held("slide", waits=True) as is_held:
            waited.append(is_held)

    task = threading.Thread(target=wait)
    with first.held("slide", waits=False) as is_held:
        assert is_held
        with second.held("slide", waits=False) as is_held_twice:
            assert not is_held_twice
        with second.held("another", waits=False) as is_other_held:
            assert is_other_held
        task.start()
        time.sleep(1.5)  # longer than a holder may be silent, and this one says that it holds it
        assert not waited
    task.join(20)
    assert waited == [True]
    folder = claims._FOLDER
    assert not any((tmp_path / folder).rglob("0*"))
    # What a machine left that is gone:
    place = first._place
    claims._written(place, next((tmp_path / folder).iterdir()).relative_to(tmp_path).as_posix(), 7)
    for name in ("slide", "another"):
        with second.held(name, waits=True) as is_held:
            assert is_held


def test_a_holder_that_lost_its_claim_says_no_more_and_leaves_that_of_the_next(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(claims, "BEAT_S", 0.02)
    first = Claims(str(tmp_path))
    with first.held("slide", waits=False):
        (folder,) = (tmp_path / claims._FOLDER).iterdir()
        place = folder.relative_to(tmp_path).as_posix()
        number = next(n for n in count(2) if claims._written(first._place, place, n))
        end_s = time.monotonic() + 20
        while any(each.name == "claim" for each in threading.enumerate()):
            assert time.monotonic() < end_s
            time.sleep(0.01)
    assert [int(name) for name in first._place.names(place)] == [number]


def test_a_claim_whose_answer_is_lost_is_held_all_the_same(tmp_path):
    place = Claims(str(tmp_path))._place

    class Lost:
        """Writes, and says that it did not."""

        read = place.read

        def create(self, path: str, data: bytes) -> bool:
            place.create(path, data)
            return False

    lost: Any = Lost()
    assert claims._written(lost, "a", 1)
    assert not claims._written(lost, "a", 1)
