"""Stores of patch features: kept once, found again, exchanged with other programs."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from viewer.cohort.features import store as stores
from viewer.cohort.features.errors import FeatureStoreError, lance_reason
from viewer.cohort.features.exchange import write_features
from viewer.cohort.features.rows import Encoder, SlideFeatures
from viewer.cohort.features.searching import SearchOptions, find_similar, nearest_rows
from viewer.cohort.features.store import FeatureStore
from viewer.geometry import Box, Size
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.patch_feature_map import PatchFeatureMap

LENGTH = 16
ENCODER = Encoder("toy key", "Toy encoder", "1", LENGTH, 224, 0.5, "abc")


def features(slide: str, seed: int, rows: int = 5, stain: str = "H&E") -> SlideFeatures:
    """Return patches of 200 px side by side, in rows of ten."""
    rng = np.random.default_rng(seed)
    count = rows * 10
    places = np.stack([np.arange(count) % 10, np.arange(count) // 10], 1).astype(np.float64) * 200
    return SlideFeatures(
        slide,
        f"/slides/{slide}.svs",
        f"{slide}.svs",
        0.5,
        200.0,
        places,
        rng.normal(size=(count, LENGTH)).astype(np.float16),
        np.linspace(0, 1, count, dtype=np.float32),
        {"stain": stain},
    )


class Ends(FeatureStore):
    """A store whose disk is full after some changes of its tables."""

    def __init__(self, place: Path, left: int) -> None:
        super().__init__(place, writes=True)
        self.left = left

    def _change(self, name: str, change: Callable[[Any], object]) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError("there is no room")
        super()._change(name, change)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of three slides, one of them in IHC; made once, only read."""
    folder = tmp_path_factory.mktemp("store")
    store = FeatureStore(folder, writes=True)
    for number, name in enumerate(("a", "b", "it's c")):
        store.add_slide(ENCODER, features(name, number, stain="IHC" if name == "b" else "H&E"))
    return folder


def test_a_slide_comes_back_as_it_was_kept(place: Path):
    store = FeatureStore(place)
    assert store.encoders() == [ENCODER]
    assert set(store.slides(ENCODER)) == {"a", "b", "it's c"}
    read, kept = store.read_slide(ENCODER, "it's c"), features("it's c", 2)
    assert np.array_equal(read.vectors, kept.vectors)
    assert np.array_equal(read.places, kept.places)
    assert np.allclose(read.quality, kept.quality)
    assert read.attributes == {"stain": "H&E"}


def test_a_slide_that_is_kept_again_takes_the_place_of_the_former(tmp_path: Path):
    store = FeatureStore(tmp_path, writes=True)
    store.add_slide(ENCODER, features("a", 0))
    store.add_slide(ENCODER, features("a", 7, rows=2))
    assert len(store.read_slide(ENCODER, "a")) == 20
    assert len(store._slide_rows()) == 1


def test_vectors_of_another_length_are_refused_and_pieces_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = FeatureStore(tmp_path, writes=True)
    short = replace(features("a", 0), vectors=features("a", 0).vectors[:, :8])
    with pytest.raises(FeatureStoreError, match=r"vectors of 16 numbers; these of a\.svs have 8\."):
        store.add_slide(ENCODER, short)
    assert store._slide_rows() == []
    for number, name in enumerate("ab"):
        store.add_slide(ENCODER, features(name, number, rows=1))
    monkeypatch.setattr(stores, "_MOST_PIECES", 1)
    store.compact(ENCODER)
    for table in (store._table("slides"), store.table_of(ENCODER)):
        assert table.stats()["fragment_stats"]["num_fragments"] == 1


def test_a_change_that_others_always_forestall_is_told_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stores, "_AGAIN_S", (0.0, 0.0))
    store, tries = FeatureStore(tmp_path, writes=True), list[int]()

    def conflict(_table: object) -> None:
        tries.append(1)
        raise RuntimeError("Commit conflict for version 7")

    with pytest.raises(RuntimeError, match="version 7"):
        store._change("slides", conflict)
    assert len(tries) == 3


def test_rows_without_a_named_slide_are_replaced(tmp_path: Path):
    store = FeatureStore(tmp_path, writes=True)
    store.add_slide(ENCODER, features("a", 0))
    # As a crash between the two commits leaves it.
    store._table("slides").delete("slide = 'a'")
    assert store.slides(ENCODER) == {}
    assert find_similar(store, ENCODER, features("a", 0).vectors[0], SearchOptions()) == []
    store.add_slide(ENCODER, features("a", 0))
    assert len(store.read_slide(ENCODER, "a")) == 50


@pytest.mark.parametrize("rows", [2, 0])
def test_a_slide_is_there_whole_wherever_its_replacement_ends(tmp_path: Path, rows: int):
    """As a killed program or a full disk leaves it: between any two changes of the tables."""
    former, new = features("a", 0), replace(features("a", 7, rows=rows), mpp_um=0.3, side_px=100.0)
    changes, told = 0, set[int]()
    while True:
        place = tmp_path / str(changes)
        FeatureStore(place, writes=True).add_slide(ENCODER, former)
        ends = Ends(place, changes)
        with suppress(FeatureStoreError):
            ends.add_slide(ENCODER, new)
        store = FeatureStore(place, writes=True)
        found = store.read_slide(ENCODER, "a")
        which = former if len(found) == len(former) else new
        assert np.array_equal(found.vectors, which.vectors)
        assert len(found) == 0 or found.side_px == which.side_px
        assert found.mpp_um == pytest.approx(which.mpp_um) or not len(found)
        told.add(len(found))
        like = find_similar(store, ENCODER, former.vectors[3], SearchOptions(per_slide=0))
        assert {(each.box.x0, each.box.y0) for each in like} <= {*map(tuple, which.places.tolist())}
        store.add_slide(ENCODER, former)
        assert np.array_equal(store.read_slide(ENCODER, "a").vectors, former.vectors)
        assert store.table_of(ENCODER).count_rows() == len(former), "nothing of the others is left"
        if ends.left >= 0:
            break
        changes += 1
    assert told == {len(former), len(new)}


def test_the_same_patch_is_the_most_alike(place: Path):
    store = FeatureStore(place)
    wanted = features("b", 1).vectors[33]
    found = find_similar(store, ENCODER, wanted, SearchOptions(count=5))
    assert (found[0].slide, found[0].path) == ("b", "/slides/b.svs")
    assert found[0].box == Box(600, 600, 800, 800)
    assert found[0].likeness == pytest.approx(1.0, abs=1e-3)
    assert [each.likeness for each in found] == sorted(
        (each.likeness for each in found), reverse=True
    )


def test_the_nearest_are_those_of_comparing_all(place: Path):
    store = FeatureStore(place)
    every = np.concatenate(
        [store.read_slide(ENCODER, key).vectors for key in ("a", "b", "it's c")]
    ).astype(np.float32)
    wanted = every[17] + every[60]
    cosine = every @ wanted / np.linalg.norm(every, axis=1) / np.linalg.norm(wanted)
    rows = nearest_rows(store.table_of(ENCODER), wanted, 10)
    assert [1 - row["_distance"] for row in rows] == pytest.approx(
        np.sort(cosine)[::-1][:10].tolist(), abs=2e-3
    )


def test_no_slide_crowds_out_the_rest_and_filters_hold(place: Path):
    store = FeatureStore(place)
    wanted = features("a", 0).vectors[0]
    found = find_similar(store, ENCODER, wanted, SearchOptions(count=24, per_slide=3))
    assert {name: sum(each.slide == name for each in found) for name in ("a", "b", "it's c")} == {
        "a": 3, "b": 3, "it's c": 3,
    }  # fmt: skip
    found = find_similar(store, ENCODER, wanted, SearchOptions(but="it's c", least_quality=0.5))
    assert {each.slide for each in found} == {"a", "b"}
    assert min(each.quality for each in found) >= 0.5
    found = find_similar(store, ENCODER, wanted, SearchOptions(attributes={"stain": "ihc"}))
    assert {each.slide for each in found} == {"b"}
    with pytest.raises(FeatureStoreError, match="No slide of the store has the attributes stain=x"):
        find_similar(store, ENCODER, wanted, SearchOptions(attributes={"stain": "x"}))


@pytest.mark.parametrize("layout", ["trident", "clam"])
def test_features_are_read_from_the_files_that_are_written(place: Path, tmp_path: Path, layout):
    files = list(write_features(FeatureStore(place), ENCODER, tmp_path, layout))
    assert [file.name for file in files] == ["a.h5", "b.h5", "it's c.h5"]
    read = read_result_file(files[0], Size(2000, 1000), 0.5)
    assert isinstance(read.found, PatchFeatureMap)
    kept = features("a", 0)
    assert np.array_equal(read.found.values[read.found.known], kept.vectors)
    assert read.found.cell == 200.0


def test_what_is_no_store_is_said(place: Path, tmp_path: Path):
    with pytest.raises(FeatureStoreError, match=r"There is no store .*nowhere"):
        FeatureStore(tmp_path / "nowhere")
    with pytest.raises(FeatureStoreError, match="There are no features in"):
        FeatureStore(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FeatureStoreError, match=r"file is a file: a store is a folder"):
        FeatureStore(tmp_path / "file", writes=True)
    for name in ("ftp://x/y", "s3://"):
        with pytest.raises(FeatureStoreError, match="no store: give a folder"):
            FeatureStore(name, writes=True)
    with pytest.raises(FeatureStoreError, match="No store is named"):
        FeatureStore(" ")
    with pytest.raises(FeatureStoreError, match=r'no features of "uni" .* those of: Toy encoder'):
        FeatureStore(place).encoder("uni")
    with pytest.raises(FeatureStoreError, match="makes vectors of 16 numbers"):
        find_similar(FeatureStore(place), ENCODER, np.ones(3), SearchOptions())


def test_a_store_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(FeatureStoreError, match="cannot be written"):
        FeatureStore(tmp_path / "file" / "store", writes=True)


def test_a_torn_store_is_one_sentence(place: Path, tmp_path: Path):
    shutil.copytree(place, tmp_path / "torn")
    for file in (tmp_path / "torn").rglob("data/*.lance"):
        os.truncate(file, 100)
    with pytest.raises(FeatureStoreError, match=r"cannot be used \(a file of it is damaged\)"):
        FeatureStore(tmp_path / "torn").encoders()


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            'Invalid input, Failed to connect to namespace: IO { source: Generic { store: "N/A", '
            'source: IO { source: "Failed to get AWS credentials: ProviderError(ProviderError',
            "no credentials were found for it",
        ),
        (
            "lance error: LanceError(IO): Generic S3 error: Failed to resolve region for bucket",
            "its bucket cannot be found",
        ),
    ],
)
def test_what_lance_says_of_a_bucket_is_said_in_plain_words(raised: str, said: str):
    assert lance_reason(RuntimeError(raised)) == said
