"""The bundled nuclei model on real tissue: the same objects however the slide is cut or scanned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors.torch import load_file

from viewer.geometry import Box
from viewer.inference.architectures.nuclei_unet import NucleiUNet, _smoothly_halved
from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.inference.runs.running import RunError, run_model
from viewer.overlays.objects import Objects
from viewer.slides import open_slide
from viewer.slides.region import read_region

MPP_UM = 0.5
"""What the model is fed, so that a step of 16 pixels is one of its coarsest."""


def _field(slide: Path, box: Box) -> np.ndarray:
    source = open_slide(slide)
    try:
        return read_region(source, box, round(box.width), round(box.height))
    finally:
        source.close()


def _within(objects: Objects, box: Box) -> np.ndarray:
    x, y = objects.centroids.T
    return objects.centroids[(x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)]


def _share_found(of: np.ndarray, among: np.ndarray, within_px: float) -> float:
    distances = np.hypot(*(of[:, None] - among[None]).transpose(2, 0, 1))
    return float((distances.min(1) < within_px).mean())


def test_objects_do_not_depend_on_where_blocks_lie(sample_slide: Path, tmp_path: Path) -> None:
    nuclei, found = find_model("nuclei"), []
    # Four blocks that meet at (512, 512), and one that holds what lies round that place.
    for name, (x, y, side) in {"a": (0, 0, 712), "b": (256, 256, 512)}.items():
        corner = Box(760 + x, 900 + y, 760 + x + side, 900 + y + side)
        Image.fromarray(_field(sample_slide, corner)).save(tmp_path / f"{name}.png")
        run = run_model(tmp_path / f"{name}.png", nuclei, mpp_um=MPP_UM)
        inner = Box(332 - x, 332 - y, 692 - x, 692 - y)
        found.append(_within(run.objects(), inner) + np.array([x, y]))
    a, b = found
    assert len(a) > 60
    assert _share_found(a, b, 3.0) > 0.97
    assert _share_found(b, a, 3.0) > 0.97


def test_objects_do_not_depend_on_the_scanner(
    shared_slide: Callable[[str], Path], tmp_path: Path
) -> None:
    fine = shared_slide("not-openslide/OS-1-detail.ome.tif")
    pixels = _field(fine, Box(0, 0, 1000, 1000))  # a single block
    coarse = np.asarray(Image.fromarray(pixels).resize((500, 500), Image.Resampling.BOX))
    counts = []
    for name, picture, mpp_um in (("f", pixels, 0.25), ("c", coarse, 0.5)):
        path = tmp_path / f"{name}.tif"
        per_cm = 1e4 / mpp_um
        tifffile.imwrite(
            path, picture, tile=(256, 256), resolution=(per_cm, per_cm), resolutionunit="CENTIMETER"
        )
        counts.append(len(run_model(path, find_model("nuclei")).objects()))
    assert counts[0] > 60
    assert counts[1] == pytest.approx(counts[0], rel=0.05)


def test_a_picture_without_scale_is_asked_for_it(sample_slide: Path, tmp_path: Path) -> None:
    Image.fromarray(_field(sample_slide, Box(0, 0, 300, 300))).save(tmp_path / "f.png")
    with pytest.raises(RunError, match="--mpp"):
        run_model(tmp_path / "f.png", find_model("nuclei"))


def test_a_region_beyond_the_slide_is_told(sample_slide: Path) -> None:
    with pytest.raises(RunError, match="2220 x 2967"):
        run_model(sample_slide, find_model("nuclei"), Box(5000, 0, 6000, 100))


def _nucleus_map(beginnings: int, picture: np.ndarray) -> np.ndarray:
    """(h, w) probabilities that the bundled weights give a field."""
    network = NucleiUNet(beginnings=beginnings).eval()
    network.load_state_dict(load_file(BUNDLED / "nuclei" / "weights.safetensors"))
    x = torch.from_numpy((picture / 255 - 0.6) / 0.25).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        return torch.sigmoid(network(x))[0, 0].numpy()


def test_two_beginnings_hang_less_on_where_a_field_begins(sample_slide: Path) -> None:
    width, height, (dx, dy) = 320, 256, (3, 6)
    here = _field(sample_slide, Box(900, 900, 900 + width, 900 + height))
    there = _field(sample_slide, Box(900 + dx, 900 + dy, 900 + dx + width, 900 + dy + height))
    apart = {}
    for beginnings in (1, 2):
        a, b = (_nucleus_map(beginnings, picture) for picture in (here, there))
        inner = np.abs(a[dy:, dx:] - b[:-dy, :-dx])[48:-48, 48:-48]
        apart[beginnings] = float(inner.mean())
    assert apart[2] < 0.85 * apart[1]


def test_each_beginning_answers_for_the_same_places(sample_slide: Path) -> None:
    picture = _field(sample_slide, Box(900, 900, 1220, 1156))
    one, two = (_nucleus_map(beginnings, picture) for beginnings in (1, 2))
    assert two.shape == one.shape == (256, 320)
    in_place = np.abs(two - one).mean()
    for step, axis in ((2, 0), (-2, 0), (2, 1), (-2, 1)):
        assert in_place < np.abs(two - np.roll(one, step, axis)).mean()


def test_smooth_pooling_takes_the_largest_and_smooths_it() -> None:
    x = torch.rand(1, 2, 8, 12, generator=torch.Generator().manual_seed(0))
    (halved,) = _smoothly_halved(x)
    padded = np.pad(x[0].numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
    largest = np.lib.stride_tricks.sliding_window_view(padded, (2, 2), (1, 2)).max((-2, -1))
    weights = np.array([1, 2, 1]) / 4
    for row, column in np.ndindex(4, 6):
        part = largest[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        wanted = np.einsum("cij,i,j->c", part, weights, weights)
        np.testing.assert_allclose(halved[:, row, column], wanted, rtol=1e-5)


@pytest.mark.parametrize("beginnings", [0, 3])
def test_beginnings_that_are_not_known_are_refused(beginnings: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 2"):
        NucleiUNet(beginnings=beginnings)


def test_keratin_is_not_outlined(sample_slide: Path) -> None:
    # A fold of keratin that the weights were not trained on: version 4 outlined 30 nuclei in it.
    fold = run_model(sample_slide, find_model("nuclei"), Box(1600, 1300, 1780, 1420), device="cpu")
    assert len(fold.objects()) <= 2
