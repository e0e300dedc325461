"""Fields that look alike on other slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from viewer.geometry import Size
from viewer.inference.models.model_library import find_model
from viewer.inference.runs.results import reference_mean
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.elsewhere import common_mean, similar_elsewhere
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


def test_a_slide_of_one_tissue_is_found_by_what_it_is() -> None:
    """Seen from its own mean, it would hold nothing but noise."""
    fat, tumor = 4 * np.eye(8, dtype=np.float32)[:2]
    rng = np.random.default_rng(4)
    for identity, directions in (("fat", [fat]), ("tumor", [tumor]), ("mixed", [fat, tumor])):
        about = StoreAbout(f"/slides/{identity}.svs", identity, "m", 0.5, GRID)
        store = ResultStore(result_path(identity, "m", 0.5), about)
        for column in range(3):
            values = rng.normal(1, 0.3, (4, 4, 8))  # a large part that all have in common
            values[:2] += directions[0]
            values[2:] += directions[-1]
            store.put(BlockKey(column, 0), PatchFeatures(values.astype(np.float16)).to_bytes())
        store.close()
    origin = common_mean("m", 8)
    assert origin is not None
    wanted = fat + 1 - origin
    found = similar_elsewhere(wanted / np.linalg.norm(wanted), "m", but="mixed")
    assert found[0].identity == "fat"
    best = {name: max(f.likeness for f in found if f.identity == name) for name in ("fat", "tumor")}
    assert best["fat"] > 0.8
    assert best["tumor"] < 0


def test_the_bundled_model_states_its_reference() -> None:
    bundle = find_model("tissue-likeness")
    mean = reference_mean(bundle)
    assert mean is not None
    assert mean.shape == (344,)
    assert bundle.description.reference is not None
    assert "CC0" in bundle.description.reference.of
