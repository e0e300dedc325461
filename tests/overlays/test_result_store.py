"""Results survive the end of the process, torn files and full disks."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import forked_programs
import pytest
from overlay_steps import squares

from viewer.folders import config_folder
from viewer.geometry import Size
from viewer.inference.runs import results_limit
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.objects import Objects
from viewer.overlays.result_store import (
    COLUMNS_SUFFIX,
    ResultStore,
    ResultStoreError,
    StoreAbout,
    clear_results,
    read_about,
    result_path,
    results_folder,
    results_name,
)
from viewer.settings import Settings, save_settings

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from overlay_steps import squares
from viewer.overlays.blocks import BlockKey
from viewer.overlays.objects import Objects
from viewer.overlays.result_store import ResultStore
store = ResultStore(Path(sys.argv[1]))
number = 0
while True:
    store.put(BlockKey(number, 0), squares(*[(i, number) for i in range(2000)]).to_bytes())
    print(number, flush=True)
    number += 1
"""


def _kept(path: Path) -> dict[BlockKey, int]:
    store = ResultStore(path)
    try:
        return {key: len(Objects.from_bytes(data)) for key, data in store}
    finally:
        store.close()


def test_blocks_are_kept(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "a" / "b.sqlite")
    store.put(BlockKey(1, 2), squares((5, 5)).to_bytes())
    store.put(BlockKey(0, 0), squares().to_bytes())
    store.put(BlockKey(1, 2), squares((5, 5), (50, 5)).to_bytes())
    store.close()
    assert _kept(store.path) == {(1, 2): 2, (0, 0): 0}


@pytest.mark.parametrize("told", [1, 4, 9])
def test_a_killed_process_leaves_what_it_told(tmp_path: Path, told: int) -> None:
    path = tmp_path / "kept.sqlite"
    code = WRITER.format(here=str(Path(__file__).parent))
    with forked_programs.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        numbers = [int(writer.stdout.readline()) for _ in range(told)]
        os.kill(writer.pid, signal.SIGKILL)
    kept = _kept(path)
    assert {BlockKey(number, 0) for number in numbers} <= set(kept)
    assert set(kept.values()) == {2000}


@pytest.mark.parametrize("spoil", ["text", "torn", "middle"])
def test_a_damaged_file_does_no_harm(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "kept.sqlite"
    store = ResultStore(path)
    for column in range(20):
        store.put(BlockKey(column, 0), squares(*[(i, 0) for i in range(200)]).to_bytes())
    store.close()
    data = path.read_bytes()
    spoilt = {
        "text": b"no database" * 100,
        "torn": data[: len(data) // 2],
        "middle": data[:20_000] + b"\xff" * 20_000 + data[40_000:],
    }
    path.write_bytes(spoilt[spoil])
    assert all(count == 200 for count in _kept(path).values())
    again = ResultStore(path)
    again.put(BlockKey(99, 0), squares((1, 1)).to_bytes())
    again.close()


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "kept.sqlite")
    store.put(BlockKey(0, 0), squares((1, 1)).to_bytes())
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(ResultStoreError, match="cannot be kept"):
        store.put(BlockKey(1, 0), squares(*[(i, 0) for i in range(5000)]).to_bytes())
    store.close()
    assert _kept(store.path) == {(0, 0): 1}


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResultStoreError, match="hold until you close"):
        ResultStore(tmp_path / "file" / "kept.sqlite")


def test_slides_models_and_scales_have_files_of_their_own() -> None:
    asked = [("a", "m 1", 0.5), ("b", "m 1", 0.5), ("a", "m 2", 0.5), ("a", "m 1", 0.25)]
    assert len({result_path(*each) for each in asked}) == 4


def test_the_oldest_results_go_first() -> None:
    paths = [results_folder() / str(number) / "r.sqlite" for number in range(4)]
    for number, path in enumerate(paths):
        store = ResultStore(path)
        store.put(BlockKey(0, 0), squares(*[(i, 0) for i in range(500)]).to_bytes())
        store.close()
        os.utime(path, (1000 + number, 1000 + number))
    size = paths[-1].stat().st_size
    assert clear_results(keep_bytes=2 * size) >= 2 * size
    left = sorted(path.parent.name for path in results_folder().glob("*/*.sqlite"))
    assert left == ["2", "3"]
    clear_results()
    assert not list(results_folder().glob("*/*"))


def test_a_limit_spares_what_is_written_and_takes_empty_folders(tmp_path: Path) -> None:
    old = ResultStore(results_folder() / "old" / "r.sqlite")
    old.close()
    os.utime(old.path, (1000, 1000))
    writing = ResultStore(results_folder() / "new" / "r.sqlite")
    writing.put(BlockKey(0, 0), squares((0, 0)).to_bytes())
    empty = results_folder() / "empty"
    empty.mkdir()
    os.utime(empty, (1000, 1000))
    columns = old.path.with_suffix(COLUMNS_SUFFIX)
    columns.write_bytes(bytes(5000))
    assert clear_results(keep_bytes=1) > 5000
    assert [path.parent.name for path in results_folder().glob("*/*")] == ["new"] * 3
    assert not empty.exists()
    writing.close()


def test_every_run_holds_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ResultStore(results_folder() / "old" / "r.sqlite")
    store.close()
    os.truncate(store.path, 2 << 30)  # a hole, which takes no room
    save_settings(Settings(results_gib=1), config_folder())
    monkeypatch.setattr(results_limit, "_last_s", -1e9)
    thread = results_limit.limit_soon()
    assert thread is not None
    thread.join(20)
    assert not store.path.exists()
    assert results_limit.limit_soon() is None  # it was done a moment ago


def test_two_processes_may_have_the_same_results_open(tmp_path: Path) -> None:
    first, second = ResultStore(tmp_path / "r.sqlite"), ResultStore(tmp_path / "r.sqlite")
    first.put(BlockKey(0, 0), squares((1, 1)).to_bytes())
    second.put(BlockKey(1, 0), squares((1, 1)).to_bytes())
    assert {key for key, _ in first} == {(0, 0), (1, 0)}
    first.close()
    second.close()
    assert sqlite3.connect(tmp_path / "r.sqlite").execute("PRAGMA integrity_check").fetchone() == (
        "ok",
    )


def test_all_results_go_even_those_that_are_written() -> None:
    writing = ResultStore(results_folder() / "new" / "r.sqlite")
    writing.put(BlockKey(0, 0), squares((0, 0)).to_bytes())
    clear_results()
    assert not list(results_folder().iterdir())
    writing.close()


def test_a_journal_of_a_crash_long_ago_spares_nothing_and_new_folders_stay() -> None:
    path = results_folder() / "crashed" / "r.sqlite"
    store = ResultStore(path)
    store.put(BlockKey(0, 0), squares((0, 0)).to_bytes())
    journal = path.with_name("r.sqlite-wal")
    held, size = journal.read_bytes(), path.stat().st_size
    store.close()
    journal.write_bytes(held)
    new = results_folder() / "just made"
    new.mkdir()
    os.utime(path, (1000, 1000))
    assert clear_results(keep_bytes=1) >= size + len(held)
    assert not list(path.parent.iterdir())
    assert new.exists(), "another run is about to fill it"


def test_results_say_what_they_belong_to_now_and_when_they_were_used(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    grid = BlockGrid(Size(100, 100), 1.0, 64, 0)
    for slide in ("former.svs", "moved.svs"):
        ResultStore(path, StoreAbout(slide, "key", "m 1", 0.5, grid)).close()
        about = read_about(path)
        assert about is not None
        assert about.slide == slide
    os.utime(path, (1000, 1000))
    ResultStore(path).close()
    assert path.stat().st_mtime > 1000
    assert len({results_name("key", "m 1", mpp_um) for mpp_um in (0.5, 0.50001, 0.49)}) == 3
