"""The window shows what others computed and put into a store, also while they still compute."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from bucket import BUCKET, Bucket
from inference_steps import make_bundle
from many_slides import slide_at
from ui_steps import show_slide

from viewer.cohort.batch import BatchSettings, open_batch
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import add_model
from viewer.inference.runs.bands import Band
from viewer.inference.runs.running import run_model
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.result_store import results_folder
from viewer.overlays.segments.places import place_of
from viewer.slides import open_slide
from viewer.ui.overlays.overlay_run import OverlayRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from viewer.ui.main_window import MainWindow

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slide_at(tmp_path_factory.mktemp("stores") / "a.tif", 5, side_px=1024)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("model"))


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, own_home: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "store")
        return
    pytest.importorskip("moto", reason="moto is not here: install coverslip[dev]")
    pytest.importorskip("obstore", reason="obstore is not here: install coverslip[remote]")
    with Bucket(tmp_path):
        yield f"s3://{BUCKET}/results"


def test_the_window_shows_what_a_store_has_and_what_comes_half_way(
    make_window: Callable[[], MainWindow], slide: Path, model: Path, store: str, qtbot: QtBot
) -> None:
    bundle = load_bundle(model)
    run_model(slide, bundle, store=place_of(store), band=Band(0, 2))
    add_model(model)
    window = make_window()
    window.settings.result_stores = ["ftp://nowhere"]
    if store.startswith("s3://"):
        window.settings.result_stores.append(store)
    else:  # that of a run from this machine needs no mention
        settings = BatchSettings(model=str(model), name="Dark", version="1", key="k", store=store)
        open_batch(settings, [(slide, slide.name)])
    said: list[str] = []
    show_slide(window, slide, qtbot)
    pane = window.panes.active
    qtbot.waitUntil(lambda: any(each.key == bundle.key for each in window.overlays.bundles))
    window.overlays.panel.models.choose(bundle.key)
    window.overlays.switch_chosen(True)
    run = window.overlays.run_of(pane)
    assert isinstance(run, OverlayRun)
    run.troubled.connect(said.append)
    run.stop()  # nothing is computed here
    found = run.found
    assert isinstance(found, ObjectMap)
    qtbot.waitUntil(lambda: found.count > 0, timeout=PATIENCE_MS)
    qtbot.waitUntil(
        lambda: any("come from the store" in each for each in said), timeout=PATIENCE_MS
    )
    half = found.count
    assert any("ftp://nowhere" in each for each in said)
    whole = run_model(slide, bundle, store=place_of(store))
    assert isinstance(whole.found, ObjectMap)
    qtbot.waitUntil(lambda: found.count == whole.found.count > half, timeout=PATIENCE_MS)
    assert found.all_objects().to_bytes() == whole.found.all_objects().to_bytes()


def test_nothing_of_a_store_is_kept_here(slide: Path, model: Path, store: str) -> None:
    run_model(slide, load_bundle(model), store=place_of(store))
    assert not list(results_folder().rglob("*.sqlite"))
    with closing(open_slide(slide)) as source:
        assert source.info.identity
