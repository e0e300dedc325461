"""Kept results belong to all that made them: another card, another region, another version."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from inference_steps import Heard, engine_on, make_bundle

from viewer.geometry import Size
from viewer.inference.models.bundle import STEPS_VERSION, load_bundle
from viewer.inference.models.model_library import (
    all_models,
    find_model,
    models_folder,
    version_order,
)
from viewer.inference.runs.kept_results import KeptResults, kept_blocks, made_on
from viewer.inference.runs.known_blocks import KnownBlocks
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.objects import Objects
from viewer.overlays.result_store import (
    ResultStore,
    StoreAbout,
    clear_results,
    read_store,
    result_path,
)
from viewer.overlays.segments.places import place_of
from viewer.overlays.segments.segment_store import SegmentStore
from viewer.slides import open_slide

REGION = "900,1300,384,320"


@pytest.mark.parametrize(
    "changes",
    [
        {"normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}},
        {"mpp_um": 0.25},
        {"patch_px": 320},
        {"margin_px": 48},
        {"stride_px": 64},
        {"version": "2"},
        {"settings": {"beginnings": 2}},
        {"name": "Darker"},
    ],
)
def test_all_that_decides_numbers_is_in_the_key(tmp_path: Path, changes: dict[str, object]) -> None:
    plain = load_bundle(make_bundle(tmp_path / "a"))
    changed = load_bundle(make_bundle(tmp_path / "b", **changes))
    assert changed.key != plain.key


def test_words_and_colors_are_not_in_the_key(tmp_path: Path) -> None:
    plain = make_bundle(tmp_path / "a")
    about = json.loads((plain / "model.json").read_text())
    key = load_bundle(plain).key
    about |= {"about": "Something else.", "citation": "Us", "licence": "MIT"}
    for each in about["classes"]:
        each["colour"] = "#123456"
    (plain / "model.json").write_text(json.dumps(about))
    assert load_bundle(plain).key == key


def test_versions_are_compared_as_versions() -> None:
    ordered = ["1", "1.9", "1.10", "2.0rc1", "2.0", "2.0.1", "10"]
    assert sorted(ordered, key=version_order) == ordered


def test_the_newest_version_runs() -> None:
    for version in ("1", "10", "2"):
        make_bundle(models_folder() / f"dark-{version}", version=version)
    assert find_model("dark").version == "10"
    assert find_model("dark-2").version == "2"
    listed = [each.version for each in all_models() if each.name == "Dark"]
    assert listed == ["10", "2", "1"]


def test_a_region_is_the_region_whatever_ran_before(tmp_path: Path, sample_slide: Path) -> None:
    heat: list[np.ndarray] = []
    region = ("run", "tissue-quality", sample_slide, "--region", REGION, "-o", "heat.tif")
    for command in (region, region[:3], region):
        told = coverslip(*command, "--json", folder=tmp_path)
        assert told.returncode == 0, told.stderr
        if command is region:
            heat.append(tifffile.imread(tmp_path / "heat.tif"))
            cells = json.loads(told.stdout)["cells"]
            known = np.isfinite(heat[-1].reshape(-1, *heat[-1].shape[-2:])[0])
            assert int(known.sum()) == cells
    np.testing.assert_array_equal(heat[0], heat[1])


def test_results_of_another_device_are_shown_named_and_not_mixed(
    tmp_path: Path, sample_slide: Path
) -> None:
    heard = Heard()
    engine, grid, bundle = engine_on(sample_slide, make_bundle(tmp_path / "m"), heard)
    engine.close()
    with closing(open_slide(sample_slide)) as source:
        identity, mpp_um = source.info.identity, source.info.optics.mean_mpp_um
    assert mpp_um is not None
    about = StoreAbout(str(sample_slide), identity, bundle.key, mpp_um, grid, STEPS_VERSION)
    elsewhere, here = BlockKey(0, 0), BlockKey(3, 5)
    kept = KeptResults(about)
    kept.put(elsewhere, Objects.none().to_bytes(), made_on("cuda:1"))
    kept.close()
    heard = Heard()
    engine, _, _ = engine_on(sample_slide, tmp_path / "m", heard)
    try:
        engine.run(grid.core_box(here).grown(-1))
        heard.wait_for_run()
        heard.wait(lambda: elsewhere in heard.blocks)
    finally:
        engine.close()
    assert any("1 on cuda, bfloat16" in sentence for sentence in heard.troubles)
    files: list[set[BlockKey]] = []
    for kind in ("", "cuda, bfloat16"):
        held = read_store(result_path(identity, bundle.key, mpp_um, kind))
        assert held is not None
        files.append({key for key, _ in held[1]})
    assert elsewhere not in files[0]
    assert here in files[0]
    assert files[1] == {elsewhere}


def test_two_threads_keep_all_that_each_puts() -> None:
    """One puts glass, the other what the model found; SQLite does not tell their steps apart."""
    before_s = sys.getswitchinterval()
    about = StoreAbout("s.svs", "two threads", "m", 0.5, BlockGrid(Size(1000, 1000), 1.0, 64, 0))
    failures: list[BaseException] = []
    with closing(KeptResults(about)) as kept:

        def put(column: int) -> None:
            try:
                for row in range(150):
                    kept.put(BlockKey(column, row), b"x" * 3000, "")
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=put, args=(column,)) for column in range(4)]
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(before_s)
        assert failures == []
        assert len(dict(kept)) == 600


_ABOUT = StoreAbout("s.svs", "a slide", "m", 0.5, BlockGrid(Size(1000, 1000), 1.0, 64, 0))
_HERE, _THERE = BlockKey(0, 0), BlockKey(1, 0)
_CUDA = made_on("cuda")


def _keep(*blocks: tuple[BlockKey, bytes, str]) -> None:
    with closing(KeptResults(_ABOUT)) as kept:
        for block in blocks:
            kept.put(*block)


def test_each_block_is_given_once_and_that_of_the_cpu_first() -> None:
    _keep((_HERE, b"cpu", ""), (_HERE, b"cuda", _CUDA), (_THERE, b"cuda", _CUDA))
    assert list(kept_blocks(_ABOUT)) == [(_HERE, b"cpu", ""), (_THERE, b"cuda", _CUDA)]
    with closing(KeptResults(_ABOUT)) as kept:
        assert list(kept) == [(_HERE, b"cpu"), (_THERE, b"cuda")]
        assert kept.counts == {"": 1, _CUDA: 1}
        for device, other in (("", "1 on cuda, bfloat16"), (_CUDA, "1 on cpu, float32")):
            assert kept.others(device) == (
                f"Results of another device are shown ({other}); new ones are kept apart."
            )


def test_a_shared_store_gets_what_this_machine_has_of_what_is_wanted(tmp_path: Path) -> None:
    _keep((_HERE, b"here", ""), (_THERE, b"there", ""))
    place = place_of(str(tmp_path))
    with closing(KeptResults(_ABOUT, place, {_HERE})) as shared:
        assert list(shared) == [(_HERE, b"here")]
        shared.flush()
    clear_results()
    with closing(KeptResults(_ABOUT, place)) as shared:
        assert list(shared) == [(_HERE, b"here")]


class _Listener:
    """Hears what is known; knows one block already."""

    is_over = False

    def __init__(self) -> None:
        self.said: list[str] = []
        self.attached: list[BlockKey] = []

    def on_known(self, key: BlockKey, data: bytes) -> None:
        pass

    def on_attached(self, key: BlockKey, data: bytes) -> bool:
        assert data == b"theirs"
        self.attached.append(key)
        return key != _HERE

    def on_passing(self, sentence: str) -> None:
        self.said.append(sentence)

    on_failed = on_passing


def test_a_full_disk_is_said_once_and_what_attached_stores_add_is_counted(tmp_path: Path) -> None:
    store = SegmentStore(place_of(str(tmp_path / "store")), _ABOUT)
    for key in (_HERE, _THERE):
        store.put(key, b"theirs")
    store.flush()
    store.close()
    heard, bundle = _Listener(), load_bundle(make_bundle(tmp_path / "m"))
    known = KnownBlocks(bundle, None, lambda: [str(tmp_path / "store")], None, heard)
    with closing(known):
        known.load(_ABOUT)
        assert sorted(heard.attached) == [_HERE, _THERE]
        (sentence,) = heard.said
        assert sentence.startswith("1 part of the slide comes from the store ")
        assert known._kept is not None
        own = known._kept._stores[""]
        assert isinstance(own, ResultStore)
        own._database.execute("PRAGMA max_page_count=1")
        for _ in range(2):
            known.put(_THERE, bytes(100_000), "")
    assert [each.startswith("Results cannot be kept") for each in heard.said] == [False, True]
