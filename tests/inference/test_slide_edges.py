"""Models see what the slide holds: its edge mirrored, one answer a patch, the open image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch
from inference_steps import make_bundle
from PIL import Image
from torch import nn

from viewer.geometry import Box, Size
from viewer.inference.instances import clear_outside
from viewer.inference.models.bundle import ModelBundle, load_bundle
from viewer.inference.runs.running import run_model
from viewer.overlays.patch_feature_map import PatchFeatureMap

if TYPE_CHECKING:
    from pathlib import Path

_PATCH_PX = 64


class Brightness(nn.Module):
    """Tells the least and the mean brightness of an image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.mean(1).flatten(1)
        return torch.stack([flat.min(1)[0], flat.mean(1)], 1)


def classifier(folder: Path) -> ModelBundle:
    classes = [{"name": name, "colour": "#00aa00"} for name in ("least", "mean")]
    changes: dict[str, Any] = {
        "task": "classification",
        "patch_px": _PATCH_PX,
        "margin_px": 0,
        "classes": classes,
    }
    return load_bundle(make_bundle(folder, Brightness(), **changes))


def tissue(width: int, height: int, dark: int = 120) -> np.ndarray[Any, Any]:
    noise = np.random.default_rng(3).integers(0, 40, (height, width, 1))
    return (noise + np.array((dark + 60, dark, dark + 50))).astype(np.uint8)


def answers(found: object) -> np.ndarray[Any, Any]:
    assert isinstance(found, PatchFeatureMap)
    return found.values[found.known].astype(float)


@pytest.mark.parametrize(
    ("side_px", "mpp_um"), [(64, 0.5), (128, 0.25), (127, 0.2519), (128, 0.2503), (32, 1.0)]
)
def test_an_image_of_one_patch_gives_one_answer(
    tmp_path: Path, side_px: int, mpp_um: float
) -> None:
    Image.fromarray(tissue(side_px, side_px)).save(tmp_path / "a.png")
    run = run_model(tmp_path / "a.png", classifier(tmp_path / "m"), mpp_um=mpp_um, device="cpu")
    assert len(answers(run.found)) == 1


def test_what_reaches_beyond_the_slide_is_mirrored_not_white(tmp_path: Path) -> None:
    """A patch and a half on each side: the last ones are half outside."""
    pixels = tissue(96, 96)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    run = run_model(tmp_path / "a.png", classifier(tmp_path / "m"), mpp_um=0.5, device="cpu")
    found = answers(run.found)
    assert len(found) == 4
    mirrored = np.pad(pixels, ((0, 32), (0, 32), (0, 0)), mode="reflect")
    Image.fromarray(mirrored).save(tmp_path / "b.png")
    whole = run_model(tmp_path / "b.png", classifier(tmp_path / "m"), mpp_um=0.5, device="cpu")
    np.testing.assert_allclose(found, answers(whole.found), atol=2e-3)


def test_the_model_runs_on_the_image_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as out:
        for dark, side in ((60, 64), (150, 128)):
            out.write(tissue(side, side + 64, dark), photometric="rgb", metadata={})
    bundle = classifier(tmp_path / "m")
    means: list[float] = []
    for image in (None, 0, 1):
        run = run_model(path, bundle, mpp_um=0.5, device="cpu", image=image)
        means.append(float(answers(run.found)[:, 1].mean()))
    assert means[0] == means[2]
    assert means[1] < means[0]


def test_nothing_is_found_beyond_the_slide() -> None:
    labels = np.ones((8, 8), np.int32)
    clear_outside(labels, Box(-2, -2, 6, 6), Size(4, 5))
    expected = np.zeros((8, 8), np.int32)
    expected[2:7, 2:6] = 1
    np.testing.assert_array_equal(labels, expected)
