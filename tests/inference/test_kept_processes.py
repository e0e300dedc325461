"""A process that keeps its model from slide to slide, and nothing of the slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from inference_steps import make_bundle
from many_slides import slide_at

from viewer.inference.models.bundle import ModelBundle, load_bundle
from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.inference.process import spare_process
from viewer.inference.process.spare_process import model_processes_kept
from viewer.inference.runs.running import run_model
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.result_store import results_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def slides(tmp_path: Path) -> list[Path]:
    return [slide_at(tmp_path / f"{number}.tif", number, side_px=512) for number in range(2)]


def vectors(slide: Path, bundle: ModelBundle) -> bytes:
    found = run_model(slide, bundle, device="cpu").found
    assert isinstance(found, PatchFeatureMap)
    assert found.count > 0
    return found.values[found.known].tobytes()


def waiting() -> list[int]:
    return [each.pid for each in spare_process._kept or ()]


def test_the_next_slide_is_computed_by_the_same_process_as_by_one_of_its_own(
    slides: list[Path],
) -> None:
    bundle = find_model(str(BUNDLED / "tissue-likeness"))
    found: list[bytes] = []
    used: list[int] = []
    with model_processes_kept():
        for slide in slides:
            found.append(vectors(slide, bundle))
            used += waiting()
        last = spare_process._kept[-1] if spare_process._kept else None
    assert len(used) == 2
    assert len(set(used)) == 1
    assert last is not None
    assert not last.is_running(), "none waits once no more slides come"
    for file in results_folder().rglob("*.sqlite"):
        file.unlink()
    assert vectors(slides[1], bundle) == found[1]
    assert waiting() == []


def test_a_script_and_a_process_that_died_are_loaded_anew(
    slides: list[Path], tmp_path: Path
) -> None:
    with model_processes_kept():
        script = load_bundle(make_bundle(tmp_path / "script"))
        assert script.description.format == "torchscript"
        run_model(slides[0], script, device="cpu")
        assert waiting() == [], "a script may hold more than its weights"
        encoder = find_model(str(BUNDLED / "tissue-likeness"))
        vectors(slides[0], encoder)
        (pid,) = waiting()
        assert spare_process._kept is not None
        spare_process._kept[0].kill()
        vectors(slides[1], encoder)
        assert waiting() != [pid]
