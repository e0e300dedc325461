"""Programs that are killed ahead of each step of what they write: the old or the new is there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
from killed_at_steps import kill_at_each_step

from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED, add_model, find_model, models_folder
from viewer.overlays.files.ome_zarr import write_ome_zarr
from viewer.slides.former_names import former_file_name, take_over
from viewer.typed.zarr import group_in

if TYPE_CHECKING:
    from pathlib import Path

_MODEL = "tissue-quality"
_ADDING = """
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED, add_model
add_model(BUNDLED / "tissue-quality")
"""
_TAKING_OVER = """
from viewer.slides.former_names import take_over
take_over("key", ("quickhash",))
"""
_HEATMAP = """
import numpy as np
from pathlib import Path
from viewer.overlays.files.ome_zarr import write_ome_zarr
write_ome_zarr(Path(_folder, "a.ome.zarr"), np.ones((40, 30, 1), np.float32), ["new"], 10.0)
"""


def test_a_model_that_is_added_anew_is_there_all_the_time() -> None:
    added = add_model(BUNDLED / _MODEL).folder

    def check() -> None:
        assert load_bundle(added).description.name == find_model(_MODEL).description.name

    steps = kill_at_each_step(models_folder(), _ADDING, lambda: None, check)
    assert steps > 5
    assert added.parent == models_folder()


def test_what_version_0_1_kept_is_taken_over_whole(own_home: Path) -> None:
    regions = own_home / "data" / "regions"
    old = regions / former_file_name("quickhash", 12)
    old.mkdir(parents=True)
    for number in range(5):
        (old / f"{number}.json").write_text(str(number))

    def check() -> None:
        taken = regions / "key"
        assert not taken.exists() or len(list(taken.iterdir())) == 5
        take_over("key", ("quickhash",))
        assert sorted(each.read_text() for each in taken.iterdir()) == list("01234")
        shutil.rmtree(taken)

    assert kill_at_each_step(own_home, _TAKING_OVER, lambda: None, check) > 6


def test_a_heatmap_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    place = tmp_path / "place"
    path = place / "a.ome.zarr"
    found: list[float] = []

    def before() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        write_ome_zarr(path, np.zeros((40, 30, 1), np.float32), ["old"], 10.0)

    def check() -> None:
        values = np.asarray(group_in(path)["0"])
        assert values.shape == (1, 40, 30)
        assert values.min() == values.max()
        found.append(float(values.max()))

    kill_at_each_step(place, _HEATMAP, before, check)
    assert found[0] == 0.0
    assert found[-1] == 1.0
