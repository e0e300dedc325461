"""Fields that look alike on other slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from viewer.geometry import Size
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.elsewhere import similar_elsewhere
from viewer.overlays.patch_features import PatchFeatures
from viewer.overlays.result_store import ResultStore, StoreAbout, result_path

GRID = BlockGrid(Size(1000, 700), 2.0, 100, 0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def _embed(identity: str, model: str, place: tuple[int, int], direction: np.ndarray) -> Path:
    """A slide of noise with one cell that points in a direction."""
    about = StoreAbout(f"/slides/{identity}.svs", identity, model, 0.5, GRID)
    path = result_path(identity, model, 0.5)
    store = ResultStore(path, about)
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.1, (4, 4, 8)).astype(np.float16)
    values[place] += direction.astype(np.float16)
    store.put(BlockKey(2, 1), PatchFeatures(values).to_bytes())
    store.close()
    return path


def test_the_field_that_looks_alike_comes_first() -> None:
    east, north = np.eye(8, dtype=np.float32)[:2]
    _embed("one", "model", (1, 2), 4 * east)
    _embed("two", "model", (3, 0), 4 * north)
    _embed("mine", "model", (0, 0), 9 * east)
    _embed("other model", "another", (0, 0), 9 * east)
    damaged = _embed("damaged", "model", (0, 0), 9 * east)
    damaged.write_bytes(b"nonsense" * 1000)
    found = similar_elsewhere(east, "model", but="mine")
    assert (found[0].identity, found[0].slide) == ("one", Path("/slides/one.svs"))
    assert (found[0].box.x0, found[0].box.y0) == (2 * 200 + 2 * 50, 200 + 50)
    assert found[0].likeness > 0.9
    assert {field.identity for field in found} == {"one", "two"}
    assert [field.likeness for field in found] == sorted(
        (field.likeness for field in found), reverse=True
    )
