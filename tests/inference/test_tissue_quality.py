"""Pen, blur and dark edges are told from sound tissue, on pictures of real slides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from viewer.geometry import Box
from viewer.inference.architectures.tissue_quality import CLASSES
from viewer.inference.models.model_library import find_model
from viewer.inference.process.network import Network
from viewer.slides import open_slide
from viewer.slides.region import read_region

SIDE_PX = 64


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(find_model("tissue quality"), torch.device("cpu"))


def _cells(picture: np.ndarray, side: int = SIDE_PX) -> np.ndarray:
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    cut = picture[: rows * side, : columns * side]
    return cut.reshape(rows, side, columns, side, -1).swapaxes(1, 2).reshape(-1, side, side, 3)


def _shares(network: Network, cells: np.ndarray) -> dict[str, float]:
    told = network.answers(list(cells)).argmax(1)
    return {name: float((told == index).mean()) for index, name in enumerate(CLASSES)}


@pytest.mark.parametrize(("blur_um", "expected"), [(0, "Sound tissue"), (3, "Out of focus")])
def test_focus_is_told_on_the_bundled_slide(
    network: Network, sample_slide: Path, blur_um: float, expected: str
) -> None:
    source = open_slide(sample_slide)
    picture = read_region(source, Box(900, 600, 1500, 2600), 150, 500).astype(np.float32)
    source.close()
    sigma = blur_um / 2
    blurred = ndimage.gaussian_filter(picture, (sigma, sigma, 0)) if sigma else picture
    assert _shares(network, _cells(blurred.astype(np.uint8)))[expected] > 0.85


@pytest.mark.parametrize(
    ("name", "expected", "least"),
    [
        ("pen-1k_version-pen_green", "Pen mark", 0.9),
        ("pen-1k_version-pen_red", "Pen mark", 0.6),
        ("models-coverslip_edge_he-coverslip_edge", "Dark or folded", 0.75),
    ],
)
def test_artifacts_are_told_where_they_are_marked(
    network: Network,
    shared_slide: Callable[[str], Path],
    name: str,
    expected: str,
    least: float,
) -> None:
    picture = np.asarray(Image.open(shared_slide(f"qc/{name}.png")).convert("RGB"))
    mask = np.asarray(Image.open(shared_slide(f"qc/{name}_mask.png")).convert("L")) > 0
    cells, side = _cells(picture, 16), 16
    marked = _cells(np.repeat(mask[..., None], 3, 2), side).mean((1, 2, 3))
    assert _shares(network, cells[marked > 0.8])[expected] > least
    rest = _shares(network, cells[marked == 0])
    assert rest["Pen mark"] < 0.05
